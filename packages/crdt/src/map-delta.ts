import type { Dot, Entry } from './dot.js';
import { FlatReader, ReplicaTable, readTable } from './internal/wire.js';

/** What one or more writes did to a key. Its context is exactly the dots that it names: `added` (live) and `removed`. */
export interface KeyChange<V> {
  readonly key: string;
  readonly added: readonly Entry<V>[];
  readonly removed: readonly Dot[];
}

/** A replica that is gone for good, and when (milliseconds) that was decided. */
export interface GoneReplica {
  readonly replica: string;
  readonly at: number;
}

/**
 * What a mutator of an {@link AwMap} did. A delta is a fragment of the same lattice: the state in which the `added` entries live and whose
 * context is exactly the dots named. So deltas may be lost, repeated, reordered and merged at will, and imply nothing about what they don't name.
 */
export interface MapDelta<V> {
  readonly changes: readonly KeyChange<V>[];
  readonly gone?: readonly GoneReplica[];
}

/** `[replicas, changes, gone?]`; a change is `[key, removed count, (replica, counter)…, (replica, counter, value)…]`, replicas as table indices. */
export type MapDeltaPlain = readonly [
  replicas: readonly string[],
  changes: readonly (readonly unknown[])[],
  gone?: readonly (string | number)[],
];

/** Whether joining it can't change anything. */
export function isEmptyDelta(delta: MapDelta<unknown>): boolean {
  return delta.changes.length === 0 && (delta.gone === undefined || delta.gone.length === 0);
}

/**
 * The join of deltas as one delta: for what was written in one turn. Values that a later delta of the batch removes aren't sent, only their dots.
 */
export function joinDeltas<V>(deltas: readonly MapDelta<V>[]): MapDelta<V> {
  const only = deltas[0];
  if (deltas.length === 1 && only !== undefined) return only;
  const byKey = new Map<string, KeyChange<V> | Map<string, Entry<V> | Dot>>();
  const gone = new Map<string, number>();
  for (const delta of deltas) {
    for (const change of delta.changes) {
      const known = byKey.get(change.key);
      if (known === undefined) {
        byKey.set(change.key, change);
        continue;
      }
      const dots = known instanceof Map ? known : new Map<string, Entry<V> | Dot>();
      if (!(known instanceof Map)) {
        account(dots, known);
        byKey.set(change.key, dots);
      }
      account(dots, change);
    }
    for (const { replica, at } of delta.gone ?? []) gone.set(replica, Math.max(at, gone.get(replica) ?? at));
  }
  const changes: KeyChange<V>[] = [];
  for (const [key, known] of byKey) changes.push(known instanceof Map ? settle(key, known) : known);
  return gone.size === 0 ? { changes } : { changes, gone: [...gone].map(([replica, at]) => ({ replica, at })) };
}

/** A dot that any delta removes is removed. */
function account<V>(dots: Map<string, Entry<V> | Dot>, change: KeyChange<V>): void {
  for (const entry of change.added) {
    const id = `${entry.counter} ${entry.replica}`;
    if (!dots.has(id)) dots.set(id, entry);
  }
  for (const { replica, counter } of change.removed) dots.set(`${counter} ${replica}`, { replica, counter });
}

function settle<V>(key: string, dots: Map<string, Entry<V> | Dot>): KeyChange<V> {
  const added: Entry<V>[] = [];
  const removed: Dot[] = [];
  for (const dot of dots.values()) {
    if ('value' in dot) added.push(dot);
    else removed.push(dot);
  }
  return { key, added, removed };
}

/** The compact form for a codec. Values are passed on as they are. */
export function deltaToPlain<V>(delta: MapDelta<V>): MapDeltaPlain {
  const table = new ReplicaTable();
  const changes: unknown[][] = [];
  for (const { key, added, removed } of delta.changes) {
    const change: unknown[] = [key, removed.length];
    for (const dot of removed) change.push(table.indexOf(dot.replica), dot.counter);
    for (const entry of added) change.push(table.indexOf(entry.replica), entry.counter, entry.value);
    changes.push(change);
  }
  return delta.gone === undefined || delta.gone.length === 0
    ? [table.names, changes]
    : [table.names, changes, goneToPlain(delta.gone)];
}

/** The reverse of {@link deltaToPlain}. @throws TypeError if the value is not of that form; values themselves are not looked at. */
export function deltaFromPlain<V>(plain: unknown): MapDelta<V> {
  const reader = new FlatReader('map delta', plain);
  const table = readTable('map delta', reader.list());
  const changes: KeyChange<V>[] = [];
  for (const items of reader.list()) {
    const change = new FlatReader('map delta', items);
    const key = change.text();
    const removed: Dot[] = [];
    for (let left = change.integer(0); left > 0; left--)
      removed.push({ replica: change.replica(table), counter: change.integer(1) });
    const added: Entry<V>[] = [];
    while (!change.done)
      added.push({ replica: change.replica(table), counter: change.integer(1), value: change.any() as V });
    changes.push({ key, added, removed });
  }
  return reader.done ? { changes } : { changes, gone: goneFromPlain(reader.any()) };
}

/** Flat: replica, at, replica, at, … */
export function goneToPlain(gone: readonly GoneReplica[]): (string | number)[] {
  return gone.flatMap(({ replica, at }) => [replica, at]);
}

/** @throws TypeError if the value is not of that form. */
export function goneFromPlain(plain: unknown): GoneReplica[] {
  const reader = new FlatReader('list of gone replicas', plain);
  const gone: GoneReplica[] = [];
  while (!reader.done) {
    const replica = reader.text();
    const at = reader.any();
    if (typeof at !== 'number' || !Number.isFinite(at)) throw reader.malformed(`replica ${replica} has no time`);
    gone.push({ replica, at });
  }
  return gone;
}
