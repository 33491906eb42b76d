import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { heartbeatTargets } from '../src/heartbeat-targets.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `node-${index}`);

describe('heartbeatTargets', () => {
  it('are all the others while there are few', () => {
    expect(heartbeatTargets('b', ['c', 'a', 'b'])).toEqual(['a', 'c']);
    expect(heartbeatTargets('a', ['a'])).toEqual([]);
    expect(heartbeatTargets('node-0', names(6))).toHaveLength(5);
  });

  it('watch each member exactly `count` times, and nobody himself', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 40 }),
        fc.integer({ min: 1, max: 8 }),
        (members, count) => {
          const watched = new Map<string, number>();
          for (const self of members) {
            const targets = heartbeatTargets(self, members, { count });
            expect(targets).not.toContain(self);
            expect(new Set(targets).size).toBe(targets.length);
            for (const target of targets) watched.set(target, (watched.get(target) ?? 0) + 1);
          }
          for (const name of members) expect(watched.get(name)).toBe(Math.min(count, members.length - 1));
        },
      ),
    );
  });

  it('are the same whatever the order of the members', () => {
    const members = names(50);
    expect(heartbeatTargets('node-7', [...members].reverse())).toEqual(heartbeatTargets('node-7', members));
  });

  it('change little when a member joins', () => {
    const members = names(100);
    const changed = members.filter(
      self => heartbeatTargets(self, members).join() !== heartbeatTargets(self, [...members, 'new']).join(),
    );
    expect(changed).toHaveLength(5);
  });

  it('reach past unreachable members, so that every member of a lost stretch of the ring is noticed', () => {
    const members = names(40);
    const ring = ['node-0'];
    while (ring.length < 40) ring.push(heartbeatTargets(ring.at(-1) as string, members, { count: 1 })[0] as string);
    expect(new Set(ring).size).toBe(40);
    const lost = new Set(ring.slice(10, 30));
    const mine = ring.filter(name => !lost.has(name));
    const noticed = new Set<string>();
    const known = new Map(mine.map(self => [self, new Set<string>()]));
    for (let round = 0; round < 20; round++) {
      for (const [self, unreachable] of known) {
        for (const target of heartbeatTargets(self, members, { unreachable })) {
          if (!lost.has(target)) continue;
          unreachable.add(target);
          noticed.add(target);
        }
      }
    }
    expect(noticed).toEqual(lost);
  });
});
