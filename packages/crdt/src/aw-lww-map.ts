import type { AwMap } from './aw-map.js';
import type { Entry } from './dot.js';
import { type HlcTimestamp, hlcCompare } from './hlc.js';
import type { MapDelta } from './map-delta.js';

/** A value and when it was written. */
export type Stamped<V> = readonly [timestamp: HlcTimestamp, value: V];

/**
 * An add-wins last-writer-wins map, as a view on an {@link AwMap}, which does the replication. A write replaces everything that this replica had seen
 * under the key, whatever the clocks say; only among concurrent writes the hybrid timestamp decides, ties by the replica. A write that is
 * concurrent to a removal survives it.
 */
export class AwLwwMap<V> {
  readonly store: AwMap<Stamped<V>>;

  constructor(store: AwMap<Stamped<V>>) {
    this.store = store;
  }

  get size(): number {
    return this.store.size;
  }

  has(key: string): boolean {
    return this.store.has(key);
  }

  get(key: string): V | undefined {
    return latest(this.store.get(key))?.value[1];
  }

  /** The winning entry: its dot, and its timestamp and value. */
  getEntry(key: string): Entry<Stamped<V>> | undefined {
    return latest(this.store.get(key));
  }

  /** Answers the delta. The timestamp comes from a clock that took note of what was read. */
  set(key: string, value: V, timestamp: HlcTimestamp): MapDelta<Stamped<V>> {
    return this.store.put(key, [timestamp, value]);
  }

  /** Removes what was seen here under the key. */
  delete(key: string): MapDelta<Stamped<V>> {
    return this.store.remove(key);
  }

  /** All keys with their winning values. The map must not be changed meanwhile. */
  *entries(): Generator<[key: string, value: V], void, undefined> {
    for (const [key, list] of this.store.entries()) {
      const entry = latest(list);
      if (entry !== undefined) yield [key, entry.value[1]];
    }
  }
}

function latest<V>(entries: readonly Entry<Stamped<V>>[]): Entry<Stamped<V>> | undefined {
  let best = entries[0];
  for (const entry of entries) {
    if (best === undefined) return entry;
    const order = hlcCompare(entry.value[0], entry.replica, best.value[0], best.replica);
    if (order > 0 || (order === 0 && entry.counter > best.counter)) best = entry;
  }
  return best;
}
