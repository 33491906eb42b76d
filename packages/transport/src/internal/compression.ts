import * as zlib from 'node:zlib';
import { FoundationError } from '@foundation-ts/core';

/** What a node can inflate, as it says in its introduction; also the flags of a compressed message's fragments, shifted. */
export const ALGORITHM_GZIP = 1;
export const ALGORITHM_ZSTD = 2;

/** Up to this size work is done at once, which is cheaper than a trip to the thread pool; bytes. */
const AT_ONCE = 32 * 1024;
/** Original length in front of the compressed bytes. */
export const COMPRESSED_HEADER = 4;

/** A message as it was compressed, and its length before. */
export interface Compressed {
  readonly algorithm: number;
  readonly bytes: Uint8Array;
  readonly length: number;
}

type Callback = (error: Error | null, result: Uint8Array) => void;
interface Bounds {
  readonly maxOutputLength: number;
}

/** Zstandard came to Node with 22.15. */
interface Zstd {
  zstdCompress?(bytes: Uint8Array, callback: Callback): void;
  zstdCompressSync?(bytes: Uint8Array): Uint8Array;
  zstdDecompress?(bytes: Uint8Array, bounds: Bounds, callback: Callback): void;
  zstdDecompressSync?(bytes: Uint8Array, bounds: Bounds): Uint8Array;
}

const zstd = zlib as unknown as Zstd;

/** What this process can inflate. */
export const OWN_ALGORITHMS = ALGORITHM_GZIP | (typeof zstd.zstdDecompress === 'function' ? ALGORITHM_ZSTD : 0);

const FAST = { level: zlib.constants.Z_BEST_SPEED };

/**
 * Compresses a message. `done` is called with the result, or with undefined when it would not be shorter; at once for short
 * messages, later for long ones, which the thread pool compresses.
 */
export function deflate(algorithm: number, bytes: Uint8Array, done: (result: Uint8Array | undefined) => void): void {
  const finish = (result: Uint8Array | undefined): void =>
    done(result !== undefined && result.length + COMPRESSED_HEADER < bytes.length ? result : undefined);
  if (bytes.length <= AT_ONCE) {
    finish(algorithm === ALGORITHM_ZSTD ? zstd.zstdCompressSync?.(bytes) : zlib.gzipSync(bytes, FAST));
    return;
  }
  // A failure of the compressor (no memory) costs the compression, not the message.
  const callback: Callback = (error, result) => finish(error === null ? result : undefined);
  if (algorithm === ALGORITHM_ZSTD && zstd.zstdCompress !== undefined) zstd.zstdCompress(bytes, callback);
  else zlib.gzip(bytes, FAST, callback);
}

/**
 * The inverse, bounded by the length that the sender announced: a bomb is stopped there. `done` is called at once for short
 * messages.
 */
export function inflate(
  algorithm: number,
  bytes: Uint8Array,
  length: number,
  done: (result: Uint8Array | FoundationError) => void,
): void {
  const bounds: Bounds = { maxOutputLength: length };
  const check = (result: Uint8Array): Uint8Array | FoundationError =>
    result.length === length ? result : broken('its length is another than announced');
  const callback: Callback = (error, result) => done(error === null ? check(result) : broken(error.message));
  const fast = length <= AT_ONCE && bytes.length <= AT_ONCE;
  if (algorithm === ALGORITHM_GZIP) {
    if (fast) done(attempt(() => check(zlib.gunzipSync(bytes, bounds))));
    else zlib.gunzip(bytes, bounds, callback);
  } else if (algorithm === ALGORITHM_ZSTD && zstd.zstdDecompress !== undefined) {
    if (fast)
      done(attempt(() => check((zstd.zstdDecompressSync as NonNullable<Zstd['zstdDecompressSync']>)(bytes, bounds))));
    else zstd.zstdDecompress(bytes, bounds, callback);
  } else {
    done(broken('this node does not have its algorithm'));
  }
}

/** Gives back at once what this process has compressed itself. */
export function inflateNow({ algorithm, bytes, length }: Compressed): Uint8Array {
  const bounds: Bounds = { maxOutputLength: length };
  const inflated =
    algorithm === ALGORITHM_ZSTD ? zstd.zstdDecompressSync?.(bytes, bounds) : zlib.gunzipSync(bytes, bounds);
  return inflated as Uint8Array;
}

function attempt(work: () => Uint8Array | FoundationError): Uint8Array | FoundationError {
  try {
    return work();
  } catch (error) {
    return broken((error as Error).message);
  }
}

function broken(why: string): FoundationError {
  return new FoundationError('protocol', `The peer sent a compressed message that can't be inflated: ${why}.`);
}
