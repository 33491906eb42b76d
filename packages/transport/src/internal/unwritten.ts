import type { Codec, EncodedParts } from '../codec.js';
import { EXTERNALS_HEADER, joinParts } from '../codec.js';
import { type Compressed, inflateNow } from './compression.js';
import { BATCH_HEADER } from './frames.js';
import { LargeMessage } from './large-message.js';
import { align8 } from './revive.js';

/** What is decoded at most of what was given up at once, bytes. */
export const REPORT_BYTES = 16 * 1024 * 1024;

/** Messages that were given up: a frame of several, or one; neither: one that is gone. */
export interface Unwritten {
  readonly count: number;
  readonly batch?: Uint8Array;
  readonly message?: LargeMessage | Uint8Array | undefined;
  /** Of a message that was compressed. */
  readonly compressed?: Compressed | undefined;
}

/** An encoded message as one piece. */
export function encodedOf(parts: EncodedParts): Uint8Array {
  const bytes = new Uint8Array(parts.bytes);
  joinParts(parts, bytes);
  return bytes;
}

/** Whether the large binary values of a message are as long as they were when it was encoded. */
export function isIntact({ start, end, externals, bytes }: EncodedParts): boolean {
  if (externals === undefined) return true;
  let length = EXTERNALS_HEADER + end - start;
  for (const { byteLength } of externals) length = align8(length) + byteLength;
  return length === bytes;
}

/**
 * Decodes what was given up, within `budget` bytes, so that those who sent it can be told.
 * @returns the messages, and how many more there were
 */
export function decodeUnwritten(
  codec: Codec,
  unwritten: readonly Unwritten[],
  budget: number,
): readonly [readonly unknown[], number] {
  const messages: unknown[] = [];
  let left = budget;
  let more = 0;
  for (const { count, batch, message, compressed } of unwritten) {
    try {
      let bytes = batch ?? message;
      if (compressed !== undefined) bytes = compressed.length <= left ? inflateNow(compressed) : undefined;
      else if (bytes instanceof LargeMessage) bytes = bytes.bytes <= left ? bytes.joined() : undefined;
      if (bytes === undefined || bytes.length > left) {
        more += count;
        continue;
      }
      left -= bytes.length;
      if (batch === undefined) messages.push(codec.decode(bytes));
      else for (const each of codec.decodeBatch(batch, BATCH_HEADER, count)) messages.push(each);
    } catch {
      // An extension of the application does not take back here what it encodes, or a binary value has changed since.
      more += count;
    }
  }
  return [messages, more];
}
