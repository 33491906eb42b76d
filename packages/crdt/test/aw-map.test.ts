import {
  AwMap,
  deltaFromPlain,
  deltaToPlain,
  isEmptyDelta,
  joinDeltas,
  type MapDelta,
  partialFromPlain,
  partialToPlain,
} from '@foundation-ts/crdt';
import { describe, expect, it } from 'vitest';
import { contents, differing, pull, sent, sync } from './sync.js';

function trio(bucketCount = 8): [AwMap<string>, AwMap<string>, AwMap<string>] {
  return [
    new AwMap({ replica: 'a#1', bucketCount }),
    new AwMap({ replica: 'b#1', bucketCount }),
    new AwMap({ replica: 'c#1', bucketCount }),
  ];
}

const values = (map: AwMap<string>, key: string): string[] => map.get(key).map(entry => entry.value);

describe('AwMap', () => {
  it('keeps concurrent writes side by side, in the same order everywhere', () => {
    const [a, b] = trio();
    const fromA = a.put('k', 'one');
    const fromB = b.put('k', 'two');
    expect(a.join(sent(fromB))).toEqual(['k']);
    expect(b.join(sent(fromA))).toEqual(['k']);
    expect(values(a, 'k')).toEqual(['one', 'two']);
    expect(values(b, 'k')).toEqual(['one', 'two']);
    expect(a.size).toBe(1);
    expect(a.digestRoot()).toEqual(b.digestRoot());
  });

  it('add replaces one’s own value only, put all that are seen, replace those named', () => {
    const [a, b] = trio();
    a.join(b.add('k', 'theirs'));
    a.add('k', 'mine');
    b.join(a.add('k', 'mine again'));
    expect(values(b, 'k')).toEqual(['mine again', 'theirs']);
    const theirs = a.get('k').filter(entry => entry.replica === 'b#1');
    b.join(a.replace('k', 'third', theirs));
    expect(values(a, 'k')).toEqual(['mine again', 'third']);
    expect(values(b, 'k')).toEqual(['mine again', 'third']);
    a.join(b.put('k', 'only'));
    expect(values(a, 'k')).toEqual(['only']);
    expect(a.size).toBe(1);
  });

  it('lets an addition win over a concurrent removal', () => {
    const [a, b] = trio();
    b.join(a.put('k', 'old'));
    const removal = b.remove('k');
    const addition = a.put('k', 'new');
    a.join(removal);
    b.join(addition);
    expect(values(a, 'k')).toEqual(['new']);
    expect(values(b, 'k')).toEqual(['new']);
  });

  it('does not let a removed value come back, not even if the addition arrives after the removal', () => {
    const [a, b, c] = trio();
    const addition = a.put('k', 'v');
    b.join(addition);
    const removal = b.remove('k');
    expect(c.join(removal)).toEqual([]);
    expect(c.join(addition)).toEqual([]);
    a.join(removal);
    expect(a.join(addition)).toEqual([]);
    sync(a, c);
    expect([a.size, b.size, c.size]).toEqual([0, 0, 0]);
  });

  it('removes only the dots named, and answers an empty delta when nothing was there', () => {
    const [a, b] = trio();
    a.join(b.add('k', 'theirs'));
    a.add('k', 'mine');
    const [mine] = a.get('k');
    b.join(a.remove('k', mine ? [mine] : []));
    expect(values(a, 'k')).toEqual(['theirs']);
    expect(isEmptyDelta(a.remove('nothing'))).toBe(true);
    expect(isEmptyDelta(a.remove('k', [{ replica: 'z#1', counter: 1 }]))).toBe(true);
    expect(a.size).toBe(1);
  });

  it('reports each changed key once, and none for what it knew', () => {
    const [a, b] = trio();
    const batch: MapDelta<string> = {
      changes: [...a.put('x', '1').changes, ...a.put('y', '1').changes, ...a.put('x', '2').changes],
    };
    expect(b.join(batch).sort()).toEqual(['x', 'y']);
    expect(b.join(batch)).toEqual([]);
  });

  it('never takes a later dot as proof of an earlier one (delta_crdt loses keys by that)', () => {
    const [a, b, c] = trio(1);
    const first = a.put('k1', 'v1');
    const lost = a.put('k2', 'v2');
    const third = a.put('k3', 'v3');
    b.join(first);
    b.join(third);
    pull(c, b, [0]);
    expect([...c.keys()].sort()).toEqual(['k1', 'k3']);
    expect(c.hasSeen('k2', { replica: 'a#1', counter: 2 })).toBe(false);
    expect(c.join(lost)).toEqual(['k2']);
    sync(a, b);
    expect([...b.keys()].sort()).toEqual(['k1', 'k2', 'k3']);
  });

  it('tells by its digest that it missed a write together with its removal, and settles it', () => {
    const [a, b] = trio();
    a.put('k', 'v');
    a.remove('k');
    expect(a.size).toBe(b.size);
    expect(differing(a, b)).toHaveLength(1);
    sync(a, b);
    expect(differing(a, b)).toEqual([]);
    expect(b.hasSeen('k', { replica: 'a#1', counter: 1 })).toBe(true);
  });

  it('joins a batch of deltas into one that says the same in less', () => {
    const [a, b, c] = trio();
    const deltas = [a.put('k', '1'), a.put('k', '2'), a.put('other', 'x'), a.remove('other'), a.put('k', '3')];
    const batch = joinDeltas(deltas);
    expect(batch.changes.flatMap(change => change.added.map(entry => entry.value))).toEqual(['3']);
    b.join(sent(batch));
    for (const delta of deltas) c.join(delta);
    expect(b.digestRoot()).toEqual(a.digestRoot());
    expect(c.digestRoot()).toEqual(a.digestRoot());
  });

  it('bounds an exchange by entries without splitting a bucket', () => {
    const [a] = trio(8);
    for (let i = 0; i < 400; i++) a.put(`key ${i}`, 'v');
    const all = [0, 1, 2, 3, 4, 5, 6, 7];
    expect(a.extract(all, 1).buckets).toHaveLength(1);
    const some = a.extract(all, 150);
    expect(some.buckets.length).toBeGreaterThan(1);
    expect(some.buckets.reduce((sum, bucket) => sum + bucket.entries.length, 0)).toBeLessThanOrEqual(150);
  });

  it('notices dots of its own incarnation that it never made', () => {
    const [a, b] = trio();
    const impostor = new AwMap<string>({ replica: 'a#1', bucketCount: 8 });
    const known = a.put('k', 'v');
    expect(a.hasUnseenDotsOf(known)).toBe(false);
    impostor.put('k', 'w');
    const foreign = impostor.put('k', 'x');
    expect(a.hasUnseenDotsOf(foreign)).toBe(true);
    expect(a.hasUnseenDotsOf(b.put('k', 'v'))).toBe(false);
    expect(a.hasUnseenDotsOf(impostor.extract([0, 1, 2, 3, 4, 5, 6, 7]))).toBe(true);
    expect(a.hasUnseenDotsOf(a.extract([0, 1, 2, 3, 4, 5, 6, 7]))).toBe(false);
    b.join(impostor.remove('k'));
    expect(a.hasUnseenDotsOf(b.extract([0, 1, 2, 3, 4, 5, 6, 7]))).toBe(true);
  });

  describe('dropped replicas', () => {
    it('lose their values everywhere, whoever drops them and whenever', () => {
      const [a, b, c] = trio();
      const late = c.put('late', 'v');
      const early = c.put('early', 'v');
      a.join(early);
      b.join(early);
      a.put('own', 'v');
      expect(a.dropReplica('c#1', 1_000).changed).toEqual(['early']);
      expect(a.join(late)).toEqual([]);
      b.join(late);
      sync(a, b);
      expect(contents(a)).toEqual({ own: ['v'] });
      expect(contents(b)).toEqual({ own: ['v'] });
      expect(b.isGone('c#1')).toBe(true);
      expect(isEmptyDelta(b.dropReplica('c#1', 2_000).delta)).toBe(true);
      expect(b.join(late)).toEqual([]);
      expect(differing(a, b)).toEqual([]);
    });

    it('stay dropped against a partial state of one who does not know yet', () => {
      const [a, b, c] = trio();
      const delta = c.put('k', 'v');
      a.join(delta);
      b.join(delta);
      a.dropReplica('c#1', 0);
      const before = a.digestRoot();
      pull(a, b, [0, 1, 2, 3, 4, 5, 6, 7]);
      expect(a.size).toBe(0);
      expect(a.digestRoot()).toEqual(before);
      expect(a.hasSeen('k', { replica: 'c#1', counter: 1 })).toBe(true);
      sync(a, b);
      expect(b.size).toBe(0);
      expect(differing(a, b)).toEqual([]);
    });

    it('agree on the later time when two drop independently', () => {
      const [a, b, c] = trio();
      a.dropReplica('z#1', 1);
      b.dropReplica('z#1', 2);
      sync(a, b);
      sync(a, c);
      expect(differing(a, b)).toEqual([]);
      expect(differing(b, c)).toEqual([]);
      expect(a.forgetGone(2)).toEqual([]);
      expect(a.forgetGone(3)).toEqual(['z#1']);
    });

    it('are forgotten after the horizon, and not learned again from one who has not forgotten yet', () => {
      const [a, b] = trio();
      b.join(a.dropReplica('z#1', 1_000).delta);
      expect(a.forgetGone(5_000)).toEqual(['z#1']);
      sync(a, b);
      expect(a.isGone('z#1')).toBe(false);
      expect(b.forgetGone(5_000)).toEqual(['z#1']);
      expect(differing(a, b)).toEqual([]);
    });

    it('can not write any more', () => {
      const [a] = trio();
      a.dropReplica('a#1', 0);
      expect(() => a.put('k', 'v')).toThrow(/new incarnation/);
    });
  });

  it('survives its plain forms', () => {
    const [a, b] = trio();
    b.join(a.put('k', 'v'));
    b.add('k', 'w');
    b.put('gone', 'x');
    b.remove('gone');
    b.dropReplica('z#9', 12);
    const restored = AwMap.fromPlain<string>('d#1', JSON.parse(JSON.stringify(b.toPlain())));
    expect(contents(restored)).toEqual({ k: ['v', 'w'] });
    expect(restored.digestGroups()).toEqual(b.digestGroups());
    expect(restored.isGone('z#9')).toBe(true);
    const delta = b.dropReplica('y#1', 3).delta;
    expect(deltaFromPlain(deltaToPlain(delta))).toEqual(delta);
  });

  it('refuses malformed input and unequal bucket counts', () => {
    const [a] = trio();
    expect(() => deltaFromPlain([['a#1'], [['k', 0, 1, 1, 'v']]])).toThrow(/no such replica/);
    expect(() => deltaFromPlain([['a#1'], [['k', 3, 0, 1]]])).toThrow(/ends early/);
    expect(() => deltaFromPlain('nonsense')).toThrow(TypeError);
    expect(() => partialFromPlain([2, [], [[2, [], []]]])).toThrow(/no bucket 2/);
    expect(() => partialFromPlain([1, ['a#1'], [[0, [0, 1, 0], [['k', 0, 2, 'v']]]]])).toThrow(/outside the context/);
    a.put('k', 'v');
    const plain = partialToPlain(a.extract([0, 1, 2, 3, 4, 5, 6, 7]));
    const moved = [
      plain[0],
      plain[1],
      plain[2].map(([bucket, context, entries]) => [(bucket + 1) % 8, context, entries]),
    ];
    expect(() => partialFromPlain(moved)).toThrow(/doesn't belong/);
    expect(() => new AwMap<string>({ replica: 'x', bucketCount: 16 }).joinPartial(a.extract([0]))).toThrow(RangeError);
    expect(() => new AwMap<string>({ replica: 'x', bucketCount: 64 }).differingGroups(a.digestGroups())).toThrow(
      RangeError,
    );
    expect(() => new AwMap<string>({ replica: 'x', bucketCount: 12 })).toThrow(RangeError);
    expect(() => new AwMap<string>({ replica: '' })).toThrow(TypeError);
  });

  it('sends a registry key in at most 120 bytes, and knows a changed bucket by little traffic', () => {
    const a = new AwMap<unknown>({ replica: 'node-17.eu-west#1712345678901' });
    for (let i = 0; i < 20_000; i++) a.put(`game/rooms/room-${i}`, ['node-17', 1712345678901, i, 7.1e14 + i, 0, 1]);
    expect(JSON.stringify(a.toPlain()).length / 20_000).toBeLessThan(120);
    expect(a.digestGroups()).toHaveLength(2 * 33);
    const b = AwMap.fromPlain<unknown>('b#1', a.toPlain());
    a.put('one more', 1);
    expect(b.differingGroups(a.digestGroups())).toHaveLength(1);
    expect(differing(a, b)).toHaveLength(1);
  });
});
