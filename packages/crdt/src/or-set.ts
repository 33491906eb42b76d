import type { AwMap } from './aw-map.js';
import type { MapDelta } from './map-delta.js';

/** An observed-remove set of texts, as a view on an {@link AwMap}, which does the replication: an addition concurrent to a removal wins. */
export class OrSet {
  readonly store: AwMap<true>;

  constructor(store: AwMap<true>) {
    this.store = store;
  }

  get size(): number {
    return this.store.size;
  }

  has(element: string): boolean {
    return this.store.has(element);
  }

  /** Answers the delta. Adding what is there already is a new addition: it survives a concurrent removal. */
  add(element: string): MapDelta<true> {
    return this.store.put(element, true);
  }

  delete(element: string): MapDelta<true> {
    return this.store.remove(element);
  }

  /** All elements, in no particular order. The set must not be changed meanwhile. */
  values(): Generator<string, void, undefined> {
    return this.store.keys();
  }
}
