import { CausalContext } from '../causal-context.js';
import { compareDots, type Dot, type Entry, sameDot } from '../dot.js';
import { type Hash64, mix, type ReplicaHashes } from './hash.js';

/** One value a key is the normal case and costs no array. Several are kept in dot order. */
export type Slot<V> = Entry<V> | Entry<V>[];

const LIVE = 0x1b873593;
const RUN = 0x38b34ae5;
const CLOUD = 0x5bd1e995;

/**
 * An add-wins multi-value map with a causal context of its own, and an order-independent hash over both: the live dots, and the
 * canonical form of the context. Keys and values need not be hashed: a dot names its write.
 */
export class Bucket<V> {
  readonly entries = new Map<string, Slot<V>>();
  readonly context = new CausalContext();
  hi = 0;
  lo = 0;

  /** Adds a dot to the context; false if it was there. */
  see(replica: string, hash: Hash64, counter: number): boolean {
    const before = this.context.max(replica);
    if (!this.context.add(replica, counter)) return false;
    const after = this.context.max(replica);
    if (after === before) {
      this.#toggle(hash, counter, CLOUD);
      return true;
    }
    if (before > 0) this.#toggle(hash, before, RUN);
    this.#toggle(hash, after, RUN);
    for (let absorbed = before + 2; absorbed <= after; absorbed++) this.#toggle(hash, absorbed, CLOUD);
    return true;
  }

  /** Makes an entry live whose dot was just seen; true if the key is new. */
  insert(key: string, entry: Entry<V>, hash: Hash64): boolean {
    this.#toggle(hash, entry.counter, LIVE);
    return this.put(key, entry);
  }

  /** {@link insert} without the hash. */
  put(key: string, entry: Entry<V>): boolean {
    const slot = this.entries.get(key);
    if (slot === undefined) {
      this.entries.set(key, entry);
      return true;
    }
    const list = Array.isArray(slot) ? [...slot, entry] : [slot, entry];
    this.entries.set(key, list.sort(compareDots));
    return false;
  }

  /** Drops a live dot of a key; false if it isn't live. The caller sees from `entries` whether the key is gone. */
  drop(key: string, dot: Dot, hash: Hash64): boolean {
    const slot = this.entries.get(key);
    if (slot === undefined) return false;
    if (!Array.isArray(slot)) {
      if (!sameDot(slot, dot)) return false;
      this.entries.delete(key);
    } else {
      const kept = slot.filter(entry => !sameDot(entry, dot));
      if (kept.length === slot.length) return false;
      this.keep(key, kept);
    }
    this.#toggle(hash, dot.counter, LIVE);
    return true;
  }

  /** Sets what lives under a key, without the hash. */
  keep(key: string, kept: Entry<V>[]): void {
    const only = kept[0];
    if (only === undefined) this.entries.delete(key);
    else this.entries.set(key, kept.length === 1 ? only : kept);
  }

  /** Replaces the one live entry of a key by a newer one of the same replica; the hot path of a repeated write. */
  swap(key: string, old: Entry<V>, oldHash: Hash64, entry: Entry<V>, hash: Hash64): void {
    this.#toggle(oldHash, old.counter, LIVE);
    this.#toggle(hash, entry.counter, LIVE);
    this.entries.set(key, entry);
  }

  /** Computes the hash from nothing, after a change of many. */
  rehash(hashes: ReplicaHashes): void {
    this.hi = 0;
    this.lo = 0;
    for (const slot of this.entries.values()) {
      if (Array.isArray(slot)) for (const entry of slot) this.#toggle(hashes.of(entry.replica), entry.counter, LIVE);
      else this.#toggle(hashes.of(slot.replica), slot.counter, LIVE);
    }
    this.context.forEach((replica, max, cloud) => {
      const hash = hashes.of(replica);
      if (max > 0) this.#toggle(hash, max, RUN);
      if (cloud !== undefined) for (const counter of cloud) this.#toggle(hash, counter, CLOUD);
    });
  }

  #toggle(hash: Hash64, counter: number, salt: number): void {
    this.hi ^= mix(hash.hi ^ Math.imul(counter ^ salt, 0x9e3779b1));
    this.lo ^= mix(hash.lo ^ Math.imul(counter + salt, 0x85ebca77));
  }
}

/** A slot as a list. */
export function listOf<V>(slot: Slot<V> | undefined): readonly Entry<V>[] {
  if (slot === undefined) return [];
  return Array.isArray(slot) ? slot : [slot];
}
