import { FoundationError } from '@foundation-ts/core';
import type { EncodedParts } from '../codec.js';
import { joinParts } from '../codec.js';
import { COMPRESSED_HEADER } from './compression.js';
import type { FrameSink } from './frame-sink.js';
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
 * A message that is cut into frames. Large binary values are read piece by piece, each when its frame is written, and not copied where
 * the connection can do without: no size of message then stops the event loop for its copying.
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

  /**
   * Writes the next frame. Where the sink gathers, what fits into it of a large binary value stays where it is.
   * @returns false: the sink wants no more for now
   * @throws FoundationError `invalid-operation` when a binary value was transferred or shrunk since it was sent
   */
  writeTo(sink: FrameSink): boolean {
    const payload = this.nextPayload;
    const copied = sink.gathers ? this.#copiedOf(payload) : payload;
    // A whole frame may be transferred to another thread: then its memory must be its own.
    const head =
      copied < payload
        ? Buffer.allocUnsafe(FRAGMENT_HEADER + copied)
        : Buffer.allocUnsafeSlow(FRAGMENT_HEADER + payload);
    for (let at = FRAGMENT_HEADER; at < head.length; ) {
      const part = this.#take(head.length - at);
      head.set(part, at);
      at += part.byteLength;
    }
    const body = copied < payload ? this.#take(payload - copied) : undefined;
    const first = this.#sent === 0 ? FLAG_FIRST | (this.#algorithm << FLAG_ALGORITHM_SHIFT) : 0;
    this.#sent += payload;
    writeHeader(head, 0, FRAME_FRAGMENT, first | (this.done ? FLAG_LAST : 0), sink.nextSequence());
    writeUint32(head, FRAME_HEADER, this.#id);
    writeUint32(head, FRAME_HEADER + 4, this.bytes);
    return body === undefined ? sink.write(giveAway(head)) : sink.writePieces(head, body);
  }

  /** How much of the next frame's payload has to be copied so that the rest of it is one view. */
  #copiedOf(payload: number): number {
    let copied = 0;
    let within = this.#within;
    for (let index = this.#piece; copied < payload; index++) {
      const left = (this.#lengths[index] as number) - within;
      if (left >= payload - copied) {
        const worth = payload - copied >= VIEW_BYTES && isFixed(this.#pieces[index] as Uint8Array);
        return worth ? copied : payload;
      }
      copied += left;
      within = 0;
    }
    return payload;
  }

  /** The next bytes, `most` of them or up to the end of their piece. */
  #take(most: number): Uint8Array {
    const piece = this.#pieces[this.#piece] as Uint8Array;
    const length = this.#lengths[this.#piece] as number;
    if (piece.byteLength !== length) {
      throw new FoundationError(
        'invalid-operation',
        `A binary value of ${length} bytes was transferred or resized before it was written. Copy it before sending.`,
      );
    }
    const start = this.#within;
    const end = Math.min(length, start + most);
    this.#within = end;
    if (end === length) {
      this.#piece++;
      this.#within = 0;
    }
    return new Uint8Array(piece.buffer, piece.byteOffset + start, end - start);
  }
}

/** Shorter parts of a frame are copied: a piece of its own costs more than that. */
const VIEW_BYTES = 4 * 1024;

/** Whether nobody else can shrink or share the memory while it is written. */
function isFixed({ buffer }: Uint8Array): boolean {
  return buffer instanceof ArrayBuffer && (buffer as { resizable?: boolean }).resizable !== true;
}

function piecesOf(parts: EncodedParts): readonly Uint8Array[] {
  const { externals } = parts;
  if (externals === undefined) {
    // For good, so a view is a snapshot.
    parts.arena?.hold();
    return [parts.buffer.subarray(parts.start, parts.end)];
  }
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
