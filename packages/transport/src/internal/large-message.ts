import { FoundationError } from '@foundation-ts/core';
import type { EncodedParts } from '../codec.js';
import { joinParts } from '../codec.js';
import { COMPRESSED_HEADER } from './compression.js';
import {
  FLAG_ALGORITHM_SHIFT,
  FLAG_FIRST,
  FLAG_LAST,
  FRAGMENT_HEADER,
  FRAME_FRAGMENT,
  FRAME_HEADER,
  writeHeader,
  writeUint32,
} from './frames.js';
import { giveAway } from './given-away.js';

/**
 * A message that is cut into frames. Large binary values are copied piece by piece, each when its frame is written: no
 * size of message then stops the event loop for its copying.
 */
export class LargeMessage {
  bytes: number;
  /** How many batches have to be written before its first frame, by the connection's count. */
  barrier = 0;
  /** False while it is being compressed. */
  ready = true;
  readonly #payload: number;
  #id: number;
  #algorithm = 0;
  #pieces: readonly Uint8Array[];
  /** Lengths at the time of sending: a buffer that was transferred since then is empty. */
  #lengths: readonly number[];
  #piece = 0;
  #within = 0;
  #sent = 0;

  /** @param payload - bytes of a fragment without its header */
  constructor(parts: EncodedParts, id: number, payload: number) {
    this.bytes = parts.bytes;
    this.#id = id;
    this.#payload = payload;
    this.#pieces = piecesOf(parts);
    this.#lengths = this.#pieces.map(piece => piece.byteLength);
  }

  get done(): boolean {
    return this.#sent === this.bytes;
  }

  /** Whether a part of it has been written. */
  get begun(): boolean {
    return this.#sent > 0;
  }

  /** Length of the next frame. */
  get nextBytes(): number {
    return FRAGMENT_HEADER + this.nextPayload;
  }

  /** Payload bytes in the next frame. */
  get nextPayload(): number {
    return Math.min(this.#payload, this.bytes - this.#sent);
  }

  /** Payload bytes that have not been written. */
  get left(): number {
    return this.bytes - this.#sent;
  }

  /** Sends `compressed` in place of the message, of which nothing was written yet. */
  compressedTo(compressed: Uint8Array, algorithm: number): void {
    const length = new Uint8Array(COMPRESSED_HEADER);
    writeUint32(length, 0, this.bytes);
    this.#algorithm = algorithm;
    this.#pieces = [length, compressed];
    this.#lengths = [length.length, compressed.length];
    this.bytes = length.length + compressed.length;
  }

  /** Begins again, on another connection. */
  restart(id: number): void {
    this.#id = id;
    this.#piece = 0;
    this.#within = 0;
    this.#sent = 0;
  }

  /** The message as it was encoded; undefined when it was compressed, or a binary value is gone. */
  joined(): Uint8Array | undefined {
    if (this.#algorithm !== 0 || this.#pieces.some((piece, index) => piece.byteLength !== this.#lengths[index]))
      return undefined;
    return Buffer.concat(this.#pieces);
  }

  /** @throws FoundationError `invalid-operation` when a binary value was transferred or shrunk since it was sent */
  next(sequence: number): Uint8Array {
    const payload = this.nextPayload;
    const frame = Buffer.allocUnsafeSlow(FRAGMENT_HEADER + payload);
    this.#fill(frame);
    const first = this.#sent === 0 ? FLAG_FIRST | (this.#algorithm << FLAG_ALGORITHM_SHIFT) : 0;
    this.#sent += payload;
    writeHeader(frame, 0, FRAME_FRAGMENT, first | (this.done ? FLAG_LAST : 0), sequence);
    writeUint32(frame, FRAME_HEADER, this.#id);
    writeUint32(frame, FRAME_HEADER + 4, this.bytes);
    return giveAway(frame);
  }

  #fill(frame: Buffer): void {
    let at = FRAGMENT_HEADER;
    while (at < frame.length) {
      const piece = this.#pieces[this.#piece] as Uint8Array;
      const length = this.#lengths[this.#piece] as number;
      if (piece.byteLength !== length) {
        throw new FoundationError(
          'invalid-operation',
          `A binary value of ${length} bytes was transferred or resized before it was written. Copy it before sending.`,
        );
      }
      const count = Math.min(length - this.#within, frame.length - at);
      frame.set(piece.subarray(this.#within, this.#within + count), at);
      at += count;
      this.#within += count;
      if (this.#within < length) continue;
      this.#piece++;
      this.#within = 0;
    }
  }
}

function piecesOf(parts: EncodedParts): readonly Uint8Array[] {
  const { externals } = parts;
  // The encoder never writes what it has given out again, so a view is a snapshot.
  if (externals === undefined) return [parts.buffer.subarray(parts.start, parts.end)];
  const head = Buffer.alloc(8 + parts.end - parts.start);
  joinParts({ ...parts, externals: [], bytes: head.length }, head);
  const pieces: Uint8Array[] = [head];
  let length = head.length;
  for (const external of externals) {
    const padding = -length & 7;
    if (padding > 0) pieces.push(ZEROS.subarray(0, padding));
    pieces.push(external);
    length += padding + external.byteLength;
  }
  return pieces;
}

const ZEROS = new Uint8Array(8);
