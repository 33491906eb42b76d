import { randomFillSync } from 'node:crypto';

/** The only source of randomness. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `length` random bytes; from {@link systemRandom} they are fit for keys and nonces. */
  bytes(length: number): Uint8Array;
}

/** Randomness of the machine; its bytes are cryptographically strong. */
export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: length => randomFillSync(new Uint8Array(length)),
};

/**
 * A repeatable generator (mulberry32) for simulations and tests; never for keys.
 * @param seed - any integer; the same seed gives the same sequence
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    bytes: length => Uint8Array.from({ length }, () => Math.floor(next() * 256)),
  };
}
