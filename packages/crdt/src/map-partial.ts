import { CausalContext } from './causal-context.js';
import type { Entry } from './dot.js';
import { bucketOf } from './internal/hash.js';
import { FlatReader, ReplicaTable, readTable } from './internal/wire.js';
import { type GoneReplica, goneFromPlain, goneToPlain } from './map-delta.js';

/** One bucket, whole: everything that lives in it and everything that was ever seen in it. */
export interface BucketState<V> {
  readonly bucket: number;
  readonly context: CausalContext;
  readonly entries: readonly (readonly [key: string, entries: readonly Entry<V>[]])[];
}

/** Some buckets of an {@link AwMap}, for anti-entropy; and the replicas gone for good, if that list was asked for. */
export interface MapPartial<V> {
  readonly bucketCount: number;
  readonly buckets: readonly BucketState<V>[];
  readonly gone?: readonly GoneReplica[];
}

/**
 * `[bucket count, replicas, buckets, gone?]`; a bucket is `[number, context, entries]`, its context the flat list
 * `replica, max, cloud size, cloud…`, an entry `[key, (replica, counter, value)…]`, replicas as table indices.
 */
export type MapPartialPlain = readonly [
  bucketCount: number,
  replicas: readonly string[],
  buckets: readonly (readonly [bucket: number, context: readonly number[], entries: readonly (readonly unknown[])[]])[],
  gone?: readonly (string | number)[],
];

/** The compact form for a codec. Values are passed on as they are. */
export function partialToPlain<V>(partial: MapPartial<V>): MapPartialPlain {
  const table = new ReplicaTable();
  const buckets = partial.buckets.map((state): [number, number[], unknown[][]] => {
    const context: number[] = [];
    state.context.forEach((replica, max, cloud) => {
      context.push(table.indexOf(replica), max, cloud?.size ?? 0);
      if (cloud !== undefined) context.push(...cloud);
    });
    const entries = state.entries.map(([key, list]) => {
      const flat: unknown[] = [key];
      for (const entry of list) flat.push(table.indexOf(entry.replica), entry.counter, entry.value);
      return flat;
    });
    return [state.bucket, context, entries];
  });
  return partial.gone === undefined
    ? [partial.bucketCount, table.names, buckets]
    : [partial.bucketCount, table.names, buckets, goneToPlain(partial.gone)];
}

/**
 * The reverse of {@link partialToPlain}. Values themselves are not looked at.
 * @throws TypeError if the value is not of that form, a key is in a bucket that isn't its own, or a live dot is missing from its context.
 */
export function partialFromPlain<V>(plain: unknown): MapPartial<V> {
  const reader = new FlatReader('map state', plain);
  const bucketCount = reader.integer(1);
  const table = readTable('map state', reader.list());
  const buckets: BucketState<V>[] = [];
  for (const items of reader.list()) buckets.push(readBucket(bucketCount, table, items));
  return reader.done ? { bucketCount, buckets } : { bucketCount, buckets, gone: goneFromPlain(reader.any()) };
}

function readBucket<V>(bucketCount: number, table: readonly string[], items: unknown): BucketState<V> {
  const reader = new FlatReader('map state', items);
  const bucket = reader.integer(0);
  if (bucket >= bucketCount) throw reader.malformed(`there is no bucket ${bucket} of ${bucketCount}`);
  const context = readContext(table, reader.list());
  const entries: [string, Entry<V>[]][] = [];
  for (const item of reader.list()) {
    const flat = new FlatReader('map state', item);
    const key = flat.text();
    if (bucketOf(key, bucketCount) !== bucket) throw flat.malformed(`key ${key} doesn't belong to bucket ${bucket}`);
    const list: Entry<V>[] = [];
    while (!flat.done) {
      const entry = { replica: flat.replica(table), counter: flat.integer(1), value: flat.any() as V };
      if (!context.contains(entry.replica, entry.counter))
        throw flat.malformed(`key ${key} has a value outside the context`);
      list.push(entry);
    }
    entries.push([key, list]);
  }
  return { bucket, context, entries };
}

function readContext(table: readonly string[], items: readonly unknown[]): CausalContext {
  const context = new CausalContext();
  const flat = new FlatReader('map state', items);
  while (!flat.done) {
    const replica = flat.replica(table);
    const max = flat.integer(0);
    if (max > 0) context.addRun(replica, max);
    for (let left = flat.integer(0); left > 0; left--) context.add(replica, flat.integer(1));
  }
  return context;
}
