import { mix } from './internal/hash.js';

/** A list of 64-bit hashes, each as two unsigned 32-bit numbers. Plain, so that it can be sent. */
export type Digest = readonly number[];

/** One hash over hashes in their order: the order counts, so that equal changes in two places don't cancel out. */
export function foldDigest(pairs: Digest): [hi: number, lo: number] {
  let hi = 0x2545f491;
  let lo = 0x3c6ef372;
  for (let i = 0; i < pairs.length; i += 2) {
    hi = mix(hi ^ (pairs[i] ?? 0));
    lo = mix((lo + 0x9e3779b9) ^ (pairs[i + 1] ?? 0));
  }
  return [hi >>> 0, lo >>> 0];
}

/** The places where two lists of hashes of the same length differ. @throws RangeError if their lengths differ. */
export function differingPlaces(local: Digest, remote: Digest): number[] {
  if (local.length !== remote.length) {
    throw new RangeError(
      `can't compare digests of ${local.length / 2} and ${remote.length / 2} hashes: the replicas use different bucket counts`,
    );
  }
  const places: number[] = [];
  for (let i = 0; i < local.length; i += 2) {
    if (local[i] !== remote[i] || local[i + 1] !== remote[i + 1]) places.push(i >> 1);
  }
  return places;
}
