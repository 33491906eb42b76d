import {
  type AwMap,
  deltaFromPlain,
  deltaToPlain,
  type MapDelta,
  partialFromPlain,
  partialToPlain,
} from '@foundation-ts/crdt';

/** What a codec does: nothing is shared afterwards. */
export function sent<V>(delta: MapDelta<V>): MapDelta<V> {
  return deltaFromPlain<V>(JSON.parse(JSON.stringify(deltaToPlain(delta))));
}

/** The buckets in which two maps differ, found as over the network. */
export function differing<V>(a: AwMap<V>, b: AwMap<V>): number[] {
  const groups = b.differingGroups(a.digestGroups());
  return a.differingBuckets(groups, b.digestLeaves(groups));
}

/** One way: `to` takes in these buckets of `from`. Answers the buckets sent. */
export function pull<V>(to: AwMap<V>, from: AwMap<V>, buckets: readonly number[], maxEntries?: number): number[] {
  const partial = partialFromPlain<V>(JSON.parse(JSON.stringify(partialToPlain(from.extract(buckets, maxEntries)))));
  to.joinPartial(partial);
  return partial.buckets.map(state => state.bucket);
}

/** One whole round of anti-entropy, both ways. */
export function sync<V>(a: AwMap<V>, b: AwMap<V>): void {
  const buckets = differing(a, b);
  pull(b, a, buckets);
  pull(a, b, buckets);
}

/** The live values of all keys, comparable. */
export function contents<V>(map: AwMap<V>): Record<string, V[]> {
  return Object.fromEntries(
    [...map.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, list]) => [key, list.map(entry => entry.value)]),
  );
}
