/** FNV-1a, then murmur3's finaliser: 32 bits that every node computes alike. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return mix(hash);
}

function mix(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The weight of one node for one key, from their hashes: a number below 2³². */
export function rendezvousScore(keyHash: number, nodeHash: number): number {
  return mix(keyHash ^ Math.imul(nodeHash, 0x9e3779b1));
}

/**
 * Highest-random-weight hashing (Thaler, Ravishankar 1998): each key belongs to the node with the greatest score for it. When a node comes or
 * goes, only the keys that it gets or had move.
 */
export class Rendezvous {
  readonly #hashes = new Map<string, number>();

  /** The name with the greatest score for the key (the lower name on a tie); undefined when there is none. */
  top(key: string, names: Iterable<string>, weights?: (name: string) => number): string | undefined {
    const keyHash = hash32(key);
    let best: string | undefined;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (const name of names) {
      const raw = rendezvousScore(keyHash, this.#hashOf(name));
      const score = weights === undefined ? raw : weighted(raw, weights(name));
      if (score > bestScore || (score === bestScore && best !== undefined && name < best)) {
        best = name;
        bestScore = score;
      }
    }
    return best;
  }

  #hashOf(name: string): number {
    let hash = this.#hashes.get(name);
    if (hash === undefined) {
      hash = hash32(name);
      if (this.#hashes.size > 10_000) this.#hashes.clear();
      this.#hashes.set(name, hash);
    }
    return hash;
  }
}

/** Logarithmic method: the share of keys of a node is proportional to its weight. */
function weighted(score: number, weight: number): number {
  if (!(weight > 0)) return Number.NEGATIVE_INFINITY;
  return -weight / Math.log((score + 0.5) / 4_294_967_296);
}
