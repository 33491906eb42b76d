// What a message becomes in memory when it is decoded, by an estimate in bytes: an empty object is one byte on the wire and 64 in memory, so
// that a short message, once inflated, could take all the memory of its receiver. The sender counts by the same rules, and never less.

const MIB = 1024 * 1024;

/** An array or an object. */
export const WEIGHT_COLLECTION = 64;
/** A binary value. */
export const WEIGHT_BINARY = 104;
/** What travels as a special array: the value that takes its place. */
export const WEIGHT_SPECIAL = 64;
/** An error, with its stack. */
export const WEIGHT_ERROR = 600;
/** An entry of an object with more than {@link SHAPED_ENTRIES} of them. */
export const WEIGHT_ENTRY = 100;
/** Objects of more entries are hash tables. */
export const SHAPED_ENTRIES = 1_024;

/** One of the items of a set, and half an entry of a map. */
export const WEIGHT_ITEM = 24;

/**
 * What a message may become in memory.
 * @param maxBytes - of the encoded message
 */
export function mostWeight(maxBytes: number): number {
  return Math.max(64 * MIB, 8 * maxBytes);
}
