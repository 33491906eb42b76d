import type { CausalContext } from './causal-context.js';
import { DEFAULT_BUCKET_COUNT, DIGEST_GROUP_SIZE } from './defaults.js';
import { type Digest, differingPlaces, foldDigest } from './digest.js';
import { type Dot, type Entry, sameDot } from './dot.js';
import { Bucket, listOf } from './internal/bucket.js';
import { bucketOf, hashString, ReplicaHashes } from './internal/hash.js';
import type { GoneReplica, KeyChange, MapDelta } from './map-delta.js';
import {
  type BucketState,
  type MapPartial,
  type MapPartialPlain,
  partialFromPlain,
  partialToPlain,
} from './map-partial.js';

/** How to make an {@link AwMap}. */
export interface AwMapInit {
  /** Who writes here: `name#incarnation`. Never used again by another incarnation. */
  readonly replica: string;
  /** A power of two, the same on all replicas. Default 1024. */
  readonly bucketCount?: number;
}

/**
 * An add-wins multi-value map: key → the values of all writes that no later write has replaced or removed.
 *
 * It is mutated in place. A mutator answers the delta to send; {@link AwMap.join} takes a delta and answers which keys changed.
 *
 * Internally the keys are dealt into buckets by hash, and **each bucket is a complete map with a causal context of its own** (a replica
 * counts its writes per bucket). Anti-entropy compares hashes of buckets and exchanges whole buckets, so a "partial" sync is, for each
 * bucket sent, an ordinary full join: no context is ever advanced over something that wasn't sent. See the README for the reasoning.
 */
export class AwMap<V> {
  readonly replica: string;
  readonly bucketCount: number;
  readonly #buckets: (Bucket<V> | undefined)[];
  readonly #hashes = new ReplicaHashes();
  readonly #gone = new Map<string, number>();
  readonly #groupSize: number;
  #horizon = Number.NEGATIVE_INFINITY;
  #size = 0;

  /** @throws TypeError or RangeError if the replica is empty or the bucket count not a power of two up to 65536. */
  constructor(init: AwMapInit) {
    const count = init.bucketCount ?? DEFAULT_BUCKET_COUNT;
    if (typeof init.replica !== 'string' || init.replica === '')
      throw new TypeError('AwMap: replica must be a name, such as "a#1"');
    if (!Number.isInteger(count) || count < 1 || count > 65_536 || (count & (count - 1)) !== 0) {
      throw new RangeError(`AwMap: bucketCount ${count} is not a power of two from 1 to 65536`);
    }
    this.replica = init.replica;
    this.bucketCount = count;
    this.#groupSize = Math.min(DIGEST_GROUP_SIZE, count);
    this.#buckets = new Array<Bucket<V> | undefined>(count).fill(undefined);
  }

  /** How many keys have a value. */
  get size(): number {
    return this.#size;
  }

  has(key: string): boolean {
    return this.#buckets[bucketOf(key, this.bucketCount)]?.entries.has(key) ?? false;
  }

  /** The live values of a key with their dots, in dot order (the same on every replica); empty if there are none. Not to be changed. */
  get(key: string): readonly Entry<V>[] {
    return listOf(this.#buckets[bucketOf(key, this.bucketCount)]?.entries.get(key));
  }

  /** All keys, in no particular order. The map must not be changed meanwhile. */
  *keys(): Generator<string, void, undefined> {
    for (const bucket of this.#buckets) if (bucket !== undefined) yield* bucket.entries.keys();
  }

  /** All keys with what {@link AwMap.get} answers. The map must not be changed meanwhile. */
  *entries(): Generator<[key: string, entries: readonly Entry<V>[]], void, undefined> {
    for (const bucket of this.#buckets) {
      if (bucket !== undefined) for (const [key, slot] of bucket.entries) yield [key, listOf(slot)];
    }
  }

  /** Whether this replica has seen the write, be it live or removed since. Dots of dropped replicas count as seen. */
  hasSeen(key: string, dot: Dot): boolean {
    if (this.#gone.has(dot.replica)) return true;
    return this.#buckets[bucketOf(key, this.bucketCount)]?.context.contains(dot.replica, dot.counter) ?? false;
  }

  /** Writes a value beside those of others; it replaces what this replica itself wrote under the key. @throws Error if this replica was dropped. */
  add(key: string, value: V): MapDelta<V> {
    const bucket = this.#bucket(key);
    const own = listOf(bucket.entries.get(key)).filter(entry => entry.replica === this.replica);
    return this.#write(bucket, key, value, own);
  }

  /** Writes a value in place of all that are here; concurrent writes elsewhere stay beside it. @throws Error if this replica was dropped. */
  put(key: string, value: V): MapDelta<V> {
    const bucket = this.#bucket(key);
    return this.#write(bucket, key, value, listOf(bucket.entries.get(key)));
  }

  /** Writes a value in place of exactly the live ones among these dots. @throws Error if this replica was dropped. */
  replace(key: string, value: V, dots: readonly Dot[]): MapDelta<V> {
    const bucket = this.#bucket(key);
    const old = listOf(bucket.entries.get(key)).filter(entry => dots.some(dot => sameDot(dot, entry)));
    return this.#write(bucket, key, value, old);
  }

  /** Removes all values that are here, or the live ones among these dots. A concurrent write survives. The delta is empty if nothing was there. */
  remove(key: string, dots?: readonly Dot[]): MapDelta<V> {
    const bucket = this.#buckets[bucketOf(key, this.bucketCount)];
    const removed: Dot[] = [];
    for (const entry of listOf(bucket?.entries.get(key))) {
      if (dots !== undefined && !dots.some(dot => sameDot(dot, entry))) continue;
      if (bucket?.drop(key, entry, this.#hashes.of(entry.replica)))
        removed.push({ replica: entry.replica, counter: entry.counter });
    }
    if (removed.length === 0) return { changes: [] };
    if (!bucket?.entries.has(key)) this.#size--;
    return { changes: [{ key, added: [], removed }] };
  }

  /** Takes in what happened elsewhere; answers the keys whose live values changed, each once. Idempotent, and indifferent to order. */
  join(delta: MapDelta<V>): string[] {
    const changed: string[] = [];
    if (delta.gone !== undefined) this.#joinGone(delta.gone, changed);
    for (const change of delta.changes) if (this.#joinChange(change)) changed.push(change.key);
    return changed.length < 2 ? changed : [...new Set(changed)];
  }

  /**
   * Whether a delta or partial state holds dots of `replica` (by default this one) that aren't known here. If they are one's own, someone else
   * writes under this identity, or this state was lost: refuse the message and start a new incarnation.
   */
  hasUnseenDotsOf(fragment: MapDelta<V> | MapPartial<V>, replica: string = this.replica): boolean {
    if ('changes' in fragment) {
      const unseen = (key: string, dot: Dot): boolean => dot.replica === replica && !this.hasSeen(key, dot);
      return fragment.changes.some(
        ({ key, added, removed }) => added.some(dot => unseen(key, dot)) || removed.some(dot => unseen(key, dot)),
      );
    }
    if (this.#gone.has(replica)) return false;
    return fragment.buckets.some(({ bucket, context }) => {
      const local = this.#buckets[bucket]?.context;
      return local === undefined ? context.knows(replica) : !local.includesReplica(context, replica);
    });
  }

  /**
   * Drops everything that a replica ever wrote, and refuses its writes from now on: for an incarnation that is down for good. Any replica may
   * do so, at any time and independently; the fact is joined like any other. No effect (and an empty delta) if it is known already.
   *
   * @param at When, in milliseconds of wall time: decides only when {@link AwMap.forgetGone} may forget it.
   */
  dropReplica(replica: string, at: number): { readonly delta: MapDelta<V>; readonly changed: readonly string[] } {
    const changed: string[] = [];
    if (this.#gone.has(replica)) return { delta: { changes: [] }, changed };
    this.#gone.set(replica, at);
    this.#dropFromBuckets(replica, changed);
    return { delta: { changes: [], gone: [{ replica, at }] }, changed };
  }

  /** Whether a replica was dropped (and not forgotten since). */
  isGone(replica: string): boolean {
    return this.#gone.has(replica);
  }

  /**
   * Forgets replicas dropped before this time (milliseconds of wall time), and doesn't learn of them again from others. Sound once no message
   * and no member that missed the drop can come back, by default 24 hours: who was away for longer must start empty. Answers which.
   */
  forgetGone(before: number): string[] {
    this.#horizon = Math.max(this.#horizon, before);
    const forgotten: string[] = [];
    for (const [replica, at] of this.#gone) {
      if (at >= this.#horizon) continue;
      this.#gone.delete(replica);
      forgotten.push(replica);
    }
    return forgotten;
  }

  /** One hash over everything; replicas with equal ones hold the same state. */
  digestRoot(): [hi: number, lo: number] {
    return foldDigest(this.digestGroups());
  }

  /** A hash for each group of 32 buckets, and a last one for the list of dropped replicas. */
  digestGroups(): number[] {
    const groups: number[] = [];
    for (let start = 0; start < this.bucketCount; start += this.#groupSize) {
      groups.push(...foldDigest(this.#leaves(start, start + this.#groupSize)));
    }
    groups.push(...this.#goneHash());
    return groups;
  }

  /** The groups whose hashes differ from those of another replica. @throws RangeError if that one has another bucket count. */
  differingGroups(remote: Digest): number[] {
    return differingPlaces(this.digestGroups(), remote);
  }

  /** The hashes of the buckets in these groups, in order. */
  digestLeaves(groups: readonly number[]): number[] {
    return groups.flatMap(group => {
      const start = group * this.#groupSize;
      return start < this.bucketCount ? this.#leaves(start, start + this.#groupSize) : this.#goneHash();
    });
  }

  /**
   * The buckets of these groups whose hashes differ from those of another replica; the number {@link AwMap.bucketCount} stands for the list
   * of dropped replicas, and comes first.
   */
  differingBuckets(groups: readonly number[], remote: Digest): number[] {
    const numbers = groups.flatMap(group => {
      const start = group * this.#groupSize;
      return start < this.bucketCount
        ? Array.from({ length: this.#groupSize }, (_, i) => start + i)
        : [this.bucketCount];
    });
    const buckets = differingPlaces(this.digestLeaves(groups), remote).map(place => numbers[place] ?? 0);
    return buckets.at(-1) === this.bucketCount ? [this.bucketCount, ...buckets.slice(0, -1)] : buckets;
  }

  /**
   * These buckets, whole, to be sent. Stops before `maxEntries` values are exceeded, but holds at least one bucket: the rest is left for
   * another round, and nothing is lost by that. The contexts are copies; the entries are shared.
   */
  extract(buckets: readonly number[], maxEntries = Number.POSITIVE_INFINITY): MapPartial<V> {
    const states: BucketState<V>[] = [];
    let gone: GoneReplica[] | undefined;
    let count = 0;
    for (const number of buckets) {
      if (number === this.bucketCount) gone = [...this.#gone].map(([replica, at]) => ({ replica, at }));
      const bucket = this.#buckets[number];
      if (bucket === undefined) continue;
      count += bucket.entries.size;
      if (states.length > 0 && count > maxEntries) break;
      const entries = [...bucket.entries].map(([key, slot]): [string, readonly Entry<V>[]] => [key, listOf(slot)]);
      states.push({ bucket: number, context: bucket.context.clone(), entries });
    }
    return gone === undefined
      ? { bucketCount: this.bucketCount, buckets: states }
      : { bucketCount: this.bucketCount, buckets: states, gone };
  }

  /** Takes in buckets of another replica; answers the keys whose live values changed, each once. @throws RangeError on another bucket count. */
  joinPartial(partial: MapPartial<V>): string[] {
    if (partial.bucketCount !== this.bucketCount) {
      throw new RangeError(
        `can't join a state of ${partial.bucketCount} buckets into one of ${this.bucketCount}: the bucket counts must agree`,
      );
    }
    const changed: string[] = [];
    if (partial.gone !== undefined) this.#joinGone(partial.gone, changed);
    for (const state of partial.buckets) this.#joinBucket(state, changed);
    return changed.length < 2 ? changed : [...new Set(changed)];
  }

  /** The whole state in compact form: to store, or to send to a newcomer. */
  toPlain(): MapPartialPlain {
    const all = Array.from({ length: this.bucketCount + 1 }, (_, i) => i);
    return partialToPlain(this.extract(all));
  }

  /** A map of the given replica that starts with this state. @throws TypeError if it is malformed. */
  static fromPlain<V>(replica: string, plain: unknown): AwMap<V> {
    const partial = partialFromPlain<V>(plain);
    const map = new AwMap<V>({ replica, bucketCount: partial.bucketCount });
    map.joinPartial(partial);
    return map;
  }

  #bucket(key: string): Bucket<V> {
    return this.#bucketAt(bucketOf(key, this.bucketCount));
  }

  #bucketAt(number: number): Bucket<V> {
    let bucket = this.#buckets[number];
    if (bucket === undefined) {
      bucket = new Bucket<V>();
      this.#buckets[number] = bucket;
    }
    return bucket;
  }

  #write(bucket: Bucket<V>, key: string, value: V, old: readonly Entry<V>[]): MapDelta<V> {
    const replica = this.replica;
    if (this.#gone.has(replica))
      throw new Error(`can't write ${key}: replica ${replica} was dropped, write as a new incarnation`);
    const hash = this.#hashes.of(replica);
    const entry: Entry<V> = { replica, counter: bucket.context.next(replica), value };
    bucket.see(replica, hash, entry.counter);
    const first = old[0];
    if (first === undefined) {
      if (bucket.insert(key, entry, hash)) this.#size++;
      return { changes: [{ key, added: [entry], removed: [] }] };
    }
    if (bucket.entries.get(key) === first) {
      bucket.swap(key, first, this.#hashes.of(first.replica), entry, hash);
    } else {
      for (const dot of old) bucket.drop(key, dot, this.#hashes.of(dot.replica));
      bucket.insert(key, entry, hash);
    }
    const removed = old.map((dot): Dot => ({ replica: dot.replica, counter: dot.counter }));
    return { changes: [{ key, added: [entry], removed }] };
  }

  #joinChange({ key, added, removed }: KeyChange<V>): boolean {
    const bucket = this.#bucket(key);
    const before = bucket.entries.size;
    let changed = false;
    for (const dot of removed) {
      if (this.#gone.has(dot.replica)) continue;
      const hash = this.#hashes.of(dot.replica);
      if (bucket.see(dot.replica, hash, dot.counter)) continue;
      if (bucket.drop(key, dot, hash)) changed = true;
    }
    for (const entry of added) {
      if (this.#gone.has(entry.replica)) continue;
      const hash = this.#hashes.of(entry.replica);
      if (!bucket.see(entry.replica, hash, entry.counter)) continue;
      bucket.insert(key, entry, hash);
      changed = true;
    }
    this.#size += bucket.entries.size - before;
    return changed;
  }

  /** The full join of one bucket: a dot lives on if both have it live, or if one has it live and the other has never seen it. */
  #joinBucket(state: BucketState<V>, changed: string[]): void {
    const bucket = this.#bucketAt(state.bucket);
    const before = bucket.entries.size;
    const remote = new Map(state.entries);
    for (const [key, slot] of bucket.entries) {
      const live = listOf(slot);
      const kept = live.filter(entry => survives(entry, state.context, remote.get(key)));
      if (kept.length === live.length) continue;
      bucket.keep(key, kept);
      changed.push(key);
    }
    for (const [key, entries] of state.entries) {
      const fresh = entries.filter(
        entry => !this.#gone.has(entry.replica) && !bucket.context.contains(entry.replica, entry.counter),
      );
      if (fresh.length === 0) continue;
      for (const entry of fresh) bucket.put(key, entry);
      changed.push(key);
    }
    bucket.context.join(state.context);
    if (this.#gone.size > 0) for (const replica of this.#gone.keys()) bucket.context.removeReplica(replica);
    bucket.rehash(this.#hashes);
    this.#size += bucket.entries.size - before;
  }

  #joinGone(gone: readonly GoneReplica[], changed: string[]): void {
    for (const { replica, at } of gone) {
      if (at < this.#horizon) continue;
      const known = this.#gone.get(replica);
      this.#gone.set(replica, known === undefined ? at : Math.max(known, at));
      if (known === undefined) this.#dropFromBuckets(replica, changed);
    }
  }

  #dropFromBuckets(replica: string, changed: string[]): void {
    for (const bucket of this.#buckets) {
      if (!bucket?.context.knows(replica)) continue;
      const before = bucket.entries.size;
      for (const [key, slot] of bucket.entries) {
        const live = listOf(slot);
        const kept = live.filter(entry => entry.replica !== replica);
        if (kept.length === live.length) continue;
        bucket.keep(key, kept);
        changed.push(key);
      }
      bucket.context.removeReplica(replica);
      bucket.rehash(this.#hashes);
      this.#size += bucket.entries.size - before;
    }
    this.#hashes.forget(replica);
  }

  #leaves(start: number, end: number): number[] {
    const leaves: number[] = [];
    for (let number = start; number < end; number++) {
      const bucket = this.#buckets[number];
      if (bucket === undefined) leaves.push(0, 0);
      else leaves.push(bucket.hi >>> 0, bucket.lo >>> 0);
    }
    return leaves;
  }

  #goneHash(): [hi: number, lo: number] {
    let hi = 0;
    let lo = 0;
    for (const [replica, at] of this.#gone) {
      const hash = hashString(`${at} ${replica}`);
      hi ^= hash.hi;
      lo ^= hash.lo;
    }
    return [hi >>> 0, lo >>> 0];
  }
}

function survives<V>(entry: Entry<V>, context: CausalContext, remote: readonly Entry<V>[] | undefined): boolean {
  return !context.contains(entry.replica, entry.counter) || (remote?.some(other => sameDot(other, entry)) ?? false);
}
