/** Two independent 32-bit lanes. */
export interface Hash64 {
  readonly hi: number;
  readonly lo: number;
}

/** cyrb53's two lanes: part of the protocol, every replica must come to the same number. */
export function hashString(text: string): Hash64 {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  const hi = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  const lo = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(hi ^ (hi >>> 13), 3266489909);
  return { hi, lo };
}

/** The bucket of a key: one lane is enough, and nothing is allocated. `count` is a power of two. */
export function bucketOf(key: string, count: number): number {
  let a = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) a = Math.imul(a ^ key.charCodeAt(i), 0x01000193);
  return mix(a) & (count - 1);
}

/** The finaliser of murmur3. */
export function mix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Hashes of replica names, remembered: there are few, and every write needs one. */
export class ReplicaHashes {
  readonly #hashes = new Map<string, Hash64>();

  of(replica: string): Hash64 {
    const known = this.#hashes.get(replica);
    if (known !== undefined) return known;
    const hash = hashString(replica);
    this.#hashes.set(replica, hash);
    return hash;
  }

  forget(replica: string): void {
    this.#hashes.delete(replica);
  }
}
