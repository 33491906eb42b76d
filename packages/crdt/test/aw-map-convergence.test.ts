import { AwMap, joinDeltas, type MapDelta } from '@foundation-ts/crdt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contents, differing, pull, sent, sync } from './sync.js';

const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6'];
const REPLICAS = 4;

/** The same thing written as plainly as can be: every write ever seen, and those that live. */
class Model {
  readonly seen = new Set<string>();
  readonly live = new Map<string, { key: string; value: string }>();
  readonly gone = new Set<string>();

  apply(delta: MapDelta<string>): void {
    for (const { replica } of delta.gone ?? []) this.drop(replica);
    for (const { key, added, removed } of delta.changes) {
      for (const dot of removed) this.accept(idOf(key, dot), undefined);
      for (const entry of added) this.accept(idOf(key, entry), { key, value: entry.value });
    }
  }

  accept(id: string, write: { key: string; value: string } | undefined): void {
    if (this.gone.has(ownerOf(id))) return;
    if (write === undefined) this.live.delete(id);
    else if (!this.seen.has(id)) this.live.set(id, write);
    this.seen.add(id);
  }

  drop(replica: string): void {
    this.gone.add(replica);
    for (const id of [...this.live.keys()]) if (ownerOf(id) === replica) this.live.delete(id);
  }

  /** The join with another, as far as `covers` says. */
  join(other: Model, covers: (id: string) => boolean): void {
    for (const id of other.seen) if (covers(id)) this.accept(id, other.live.get(id));
  }

  contents(): Record<string, string[]> {
    const result: Record<string, string[]> = {};
    for (const { key, value } of this.live.values()) result[key] = [...(result[key] ?? []), value];
    for (const list of Object.values(result)) list.sort();
    return result;
  }
}

/** Dots are unique within a bucket: so the bucket is part of the identity of a write. */
let bucketNumber: (key: string) => number = () => 0;
const idOf = (key: string, dot: { replica: string; counter: number }): string =>
  `${bucketNumber(key)}|${dot.replica}|${dot.counter}`;
const ownerOf = (id: string): string => id.split('|')[1] ?? '';
const bucketOfId = (id: string): number => Number(id.split('|')[0]);

const replica = fc.nat(REPLICAS - 1);
const key = fc.constantFrom(...KEYS);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('put' as const), on: replica, key }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), on: replica, key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('replace' as const), on: replica, key, pick: fc.nat() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('remove' as const), on: replica, key }) },
  {
    weight: 15,
    arbitrary: fc.record({ kind: fc.constant('deliver' as const), to: replica, pick: fc.nat(), merged: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('sync' as const),
      to: replica,
      from: replica,
      limit: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('partition' as const),
      groups: fc.array(fc.boolean(), { minLength: REPLICAS, maxLength: REPLICAS }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), on: fc.nat(REPLICAS - 2) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Replicas with their models; deltas lie in a pool from which any is delivered any number of times, in any order, or never. */
class World {
  readonly maps: AwMap<string>[];
  readonly models: Model[];
  readonly bucketCount: number;
  readonly pool: { from: number; delta: MapDelta<string> }[] = [];
  sides: boolean[] = new Array<boolean>(REPLICAS).fill(true);
  written = 0;
  dropped = false;
  readonly everAdded = new Map<string, { key: string; value: string }>();
  readonly everRemoved = new Set<string>();

  constructor(bucketCount: number) {
    this.bucketCount = bucketCount;
    this.maps = Array.from({ length: REPLICAS }, (_, i) => new AwMap<string>({ replica: `r${i}#1`, bucketCount }));
    this.models = this.maps.map(() => new Model());
    const numbers = new Map(KEYS.map(name => [name, placeOf(name, bucketCount)]));
    bucketNumber = name => numbers.get(name) ?? 0;
  }

  map(i: number): AwMap<string> {
    return this.maps[i] as AwMap<string>;
  }

  model(i: number): Model {
    return this.models[i] as Model;
  }

  run(step: Step): void {
    switch (step.kind) {
      case 'deliver':
        this.deliver(step.to, step.pick, step.merged);
        return;
      case 'sync':
        this.sync(step.to, step.from, step.limit);
        return;
      case 'partition':
        this.sides = step.groups;
        return;
      case 'drop': {
        const { delta } = this.map(step.on).dropReplica('r3#1', 7);
        this.dropped = true;
        this.model(step.on).drop('r3#1');
        this.pool.push({ from: step.on, delta });
        return;
      }
      default:
        this.write(step);
        return;
    }
  }

  write(step: Extract<Step, { key: string }>): void {
    const map = this.map(step.on);
    if (map.isGone(map.replica)) return;
    const value = `v${this.written++}`;
    const before = map.get(step.key);
    let delta: MapDelta<string>;
    let expectGone = before;
    if (step.kind === 'put') delta = map.put(step.key, value);
    else if (step.kind === 'remove') delta = map.remove(step.key);
    else if (step.kind === 'add') {
      delta = map.add(step.key, value);
      expectGone = before.filter(entry => entry.replica === map.replica);
    } else {
      expectGone = before.slice(0, before.length === 0 ? 0 : step.pick % (before.length + 1));
      delta = map.replace(step.key, value, expectGone);
    }
    const model = this.model(step.on);
    for (const entry of expectGone) {
      model.accept(idOf(step.key, entry), undefined);
      this.everRemoved.add(idOf(step.key, entry));
    }
    for (const change of delta.changes) {
      for (const entry of change.added) {
        const id = idOf(step.key, entry);
        expect(this.everAdded.has(id)).toBe(false);
        model.accept(id, { key: step.key, value });
        this.everAdded.set(id, { key: step.key, value });
      }
    }
    this.pool.push({ from: step.on, delta });
    this.check(step.on);
  }

  deliver(to: number, pick: number, merged: boolean): void {
    if (this.pool.length === 0) return;
    const start = pick % this.pool.length;
    const picked = merged ? this.pool.slice(start, start + 3) : this.pool.slice(start, start + 1);
    const reachable = picked.filter(({ from }) => this.sides[from] === this.sides[to]);
    if (reachable.length === 0) return;
    const before = contents(this.map(to));
    const changed = this.map(to).join(sent(joinDeltas(reachable.map(({ delta }) => delta))));
    // Removals that are merged with additions must win, whatever the order within the batch.
    const model = this.model(to);
    for (const { delta } of reachable)
      model.apply({
        changes: delta.changes.map(change => ({ ...change, added: [] })),
        ...(delta.gone && { gone: delta.gone }),
      });
    for (const { delta } of reachable) model.apply(delta);
    this.check(to);
    this.checkChanged(to, before, changed);
  }

  sync(to: number, from: number, limit: number): void {
    if (to === from || this.sides[from] !== this.sides[to]) return;
    const wanted = differing(this.map(to), this.map(from));
    const got = new Set(pull(this.map(to), this.map(from), wanted, limit));
    if (wanted[0] === this.bucketCount) for (const gone of this.model(from).gone) this.model(to).drop(gone);
    this.model(to).join(this.model(from), id => got.has(bucketOfId(id)));
    this.check(to);
  }

  check(i: number): void {
    const map = this.map(i);
    const model = this.model(i);
    expect(sorted(contents(map))).toEqual(model.contents());
    expect(map.size).toBe(Object.keys(model.contents()).length);
    for (const [id, { key }] of this.everAdded) {
      const [, owner = '', counter] = id.split('|');
      if (!model.gone.has(owner))
        expect(map.hasSeen(key, { replica: owner, counter: Number(counter) })).toBe(model.seen.has(id));
    }
  }

  checkChanged(i: number, before: Record<string, string[]>, changed: readonly string[]): void {
    const after = contents(this.map(i));
    const really = KEYS.filter(name => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
    expect([...changed].sort()).toEqual(really);
  }
}

function placeOf(name: string, bucketCount: number): number {
  const probe = new AwMap<string>({ replica: 'probe', bucketCount });
  probe.put(name, '');
  for (let i = 0; i < bucketCount; i++) if (probe.extract([i]).buckets.length > 0) return i;
  throw new Error(`no bucket holds ${name}`);
}

function sorted(result: Record<string, string[]>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(result).map(([name, list]) => [name, [...list].sort()]));
}

describe('AwMap under loss, duplication, reordering and partitions', () => {
  it('equals the model at every step, and converges to it by anti-entropy', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 10, maxLength: 120 }),
        fc.constantFrom(1, 4, 64),
        (steps, bucketCount) => {
          const world = new World(bucketCount);
          for (const each of steps) world.run(each);
          for (const map of world.maps) {
            const recomputed = AwMap.fromPlain<string>(map.replica, map.toPlain());
            expect(recomputed.digestGroups()).toEqual(map.digestGroups());
          }
          // Two rounds around the ring of survivors carry everything to everyone.
          const survivors = world.dropped ? [0, 1, 2] : [0, 1, 2, 3];
          for (let round = 0; round < 2; round++) {
            survivors.forEach((i, place) => {
              sync(world.map(i), world.map(survivors[(place + 1) % survivors.length] ?? 0));
            });
          }
          const first = world.map(0);
          for (const i of survivors) {
            expect(world.map(i).digestRoot()).toEqual(first.digestRoot());
            expect(differing(world.map(i), first)).toEqual([]);
            expect(contents(world.map(i))).toEqual(contents(first));
          }
          const merged = new Model();
          for (const i of survivors) for (const gone of world.model(i).gone) merged.drop(gone);
          for (const i of survivors) merged.join(world.model(i), () => true);
          expect(sorted(contents(first))).toEqual(merged.contents());
          if (!world.dropped) {
            // Nothing lost, nothing resurrected: what lives is what was ever written, less what anybody ever replaced or removed.
            const expected = new Model();
            for (const [id, write] of world.everAdded) if (!world.everRemoved.has(id)) expected.live.set(id, write);
            expect(sorted(contents(first))).toEqual(expected.contents());
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('joins commutatively, associatively and idempotently, deltas and whole states alike', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.infiniteStream(fc.nat()), (steps, order) => {
        const world = new World(4);
        for (const each of steps) world.run(each);
        const deltas = world.pool.map(({ delta }) => delta);
        const forward = new AwMap<string>({ replica: 'f#1', bucketCount: 4 });
        const shuffled = new AwMap<string>({ replica: 's#1', bucketCount: 4 });
        const grouped = new AwMap<string>({ replica: 'g#1', bucketCount: 4 });
        for (const delta of deltas) forward.join(delta);
        const rest = deltas.flatMap(delta => [delta, delta]);
        while (rest.length > 0)
          for (const delta of rest.splice((order.next().value ?? 0) % rest.length, 1)) shuffled.join(delta);
        const half = deltas.length >> 1;
        grouped.join(joinDeltas([joinDeltas(deltas.slice(half)), joinDeltas(deltas.slice(0, half))]));
        expect(shuffled.digestRoot()).toEqual(forward.digestRoot());
        expect(grouped.digestRoot()).toEqual(forward.digestRoot());

        const [p, q, r] = world.maps.map(map => map.toPlain());
        const load = (...plains: unknown[]): AwMap<string> => {
          const map = new AwMap<string>({ replica: 'x#1', bucketCount: 4 });
          for (const plain of plains) map.joinPartial(AwMap.fromPlain<string>('y#1', plain).extract([0, 1, 2, 3, 4]));
          return map;
        };
        const expected = load(p, q, r);
        expect(load(r, p, q, q, p).digestRoot()).toEqual(expected.digestRoot());
        expect(load(p, load(q, r).toPlain()).digestRoot()).toEqual(expected.digestRoot());
        expect(load(load(p, q).toPlain(), r).digestRoot()).toEqual(expected.digestRoot());
      }),
      { numRuns: 150 },
    );
  });

  it('loses none of 9,000 puts when nine deltas of ten are lost and syncs are bounded', () => {
    fc.assert(
      fc.property(fc.integer(), seed => {
        let state = seed | 1;
        const random = (below: number): number => {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
          return (state >>> 8) % below;
        };
        const maps = [0, 1, 2].map(i => new AwMap<number>({ replica: `r${i}#1`, bucketCount: 256 }));
        const at = (i: number): AwMap<number> => maps[i] as AwMap<number>;
        for (let i = 0; i < 9_000; i++) {
          const writer = random(3);
          const delta = at(writer).put(`key ${i}`, i);
          for (let other = 0; other < 3; other++) if (other !== writer && random(10) === 0) at(other).join(sent(delta));
          if (i % 50 === 0) {
            const [to, from] = [random(3), random(3)];
            pull(at(to), at(from), differing(at(to), at(from)), 200);
          }
        }
        let rounds = 0;
        while (differing(at(0), at(1)).length + differing(at(1), at(2)).length > 0) {
          expect(++rounds).toBeLessThan(1_000);
          for (const [to, from] of [
            [0, 1],
            [1, 0],
            [1, 2],
            [2, 1],
          ] as const)
            pull(at(to), at(from), differing(at(to), at(from)), 200);
        }
        for (const map of maps) {
          expect(map.size).toBe(9_000);
          expect(map.digestRoot()).toEqual(at(0).digestRoot());
        }
        // Nor does a gap stay behind in any context once all is exchanged.
        const all = Array.from({ length: 256 }, (_, i) => i);
        for (const { context } of at(0).extract(all).buckets) expect(context.cloudSize).toBe(0);
      }),
      { numRuns: 2 },
    );
  });
});
