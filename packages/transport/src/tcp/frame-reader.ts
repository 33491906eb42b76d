import { FoundationError } from '@foundation-ts/core';
import { SPARE_BYTES, type SpareMemory } from '../internal/spare-memory.js';
import { type ConnectionEvents, PLACE_HEAD_BYTES } from '../transport.js';

/** Bytes of the length in front of each frame. */
export const PREFIX_BYTES = 4;
/** A frame that spans chunks gets at most this much memory before its bytes have come, bytes. */
const FIRST_ALLOCATION = 128 * 1024;
/** Shorter frames are not worth asking where they belong. */
const PLACE_BYTES = 4 * 1024;

/** Takes what a {@link FrameReader} reads. */
export interface FrameReaderEvents extends Required<Pick<ConnectionEvents, 'frame' | 'lend' | 'place' | 'placed'>> {
  /** Once, for a length of 0 (`protocol`) or over the limit (`too-large`); nothing is read after it. */
  invalid(error: FoundationError): void;
}

/**
 * Cuts a stream of chunks into frames with a 32-bit length in front. A frame that lies within one chunk is a view of
 * it; where chunks are in memory that is used again it is lent, and copied if the receiver does not take it so. Any other is copied once, to where it belongs if the receiver
 * says where. Otherwise memory for it grows with the bytes that have come, not with the length claimed.
 */
export class FrameReader {
  readonly #maxFrameBytes: number;
  readonly #spares: SpareMemory | undefined;
  readonly #events: FrameReaderEvents;
  readonly #header = Buffer.alloc(PREFIX_BYTES);
  #headerFilled = 0;
  #length = -1;
  #partial: Buffer | undefined;
  /** The partial frame is in memory that is used again. */
  #spare = false;
  /** Where the receiver wants the frame, without its head. */
  #place: Uint8Array | undefined;
  #filled = 0;
  #rest: Buffer[] = [];
  #paused = false;
  #reading = false;
  #broken = false;

  /** @param spares - given where chunks are valid only until {@link push} returns */
  constructor(maxFrameBytes: number, spares: SpareMemory | undefined, events: FrameReaderEvents) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#spares = spares;
    this.#events = events;
  }

  /** Whether the stream stands within a frame. */
  get midFrame(): boolean {
    return this.#headerFilled > 0 || this.#length >= 0;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#drain();
  }

  push(chunk: Buffer): void {
    if (this.#broken) return;
    if (this.#paused || this.#reading || this.#rest.length > 0) {
      this.#rest.push(this.#kept(chunk));
      if (!this.#paused) this.#drain();
    } else {
      this.#read(chunk);
    }
  }

  #drain(): void {
    while (!this.#paused && !this.#reading && this.#rest.length > 0) this.#read(this.#rest.shift() as Buffer);
  }

  #read(chunk: Buffer): void {
    this.#reading = true;
    try {
      let position = 0;
      while (position < chunk.length && !this.#broken) {
        if (this.#paused) {
          this.#rest.unshift(this.#kept(chunk.subarray(position)));
          return;
        }
        position = this.#length < 0 ? this.#readHeader(chunk, position) : this.#readBody(chunk, position);
      }
    } finally {
      this.#reading = false;
    }
  }

  #readHeader(chunk: Buffer, position: number): number {
    if (this.#headerFilled === 0 && chunk.length - position >= PREFIX_BYTES) {
      this.#begin(chunk.readUInt32BE(position));
      return position + PREFIX_BYTES;
    }
    this.#header[this.#headerFilled++] = chunk[position] as number;
    if (this.#headerFilled === PREFIX_BYTES) {
      this.#headerFilled = 0;
      this.#begin(this.#header.readUInt32BE(0));
    }
    return position + 1;
  }

  #begin(length: number): void {
    if (length === 0) {
      this.#fail(new FoundationError('protocol', 'The peer sent a frame of length 0.'));
    } else if (length > this.#maxFrameBytes) {
      this.#fail(
        new FoundationError(
          'too-large',
          `The peer announced a frame of ${length} bytes; at most ${this.#maxFrameBytes} are accepted.${guess(length)}`,
          { details: { bytes: length, limit: this.#maxFrameBytes } },
        ),
      );
    }
    this.#length = length;
  }

  #fail(error: FoundationError): void {
    this.#broken = true;
    this.#rest = [];
    this.#events.invalid(error);
  }

  #readBody(chunk: Buffer, position: number): number {
    if (this.#place !== undefined) return this.#readPlaced(chunk, position, this.#place);
    const length = this.#length;
    const available = chunk.length - position;
    if (this.#partial === undefined) {
      if (available < length || this.#spares !== undefined) {
        this.#filled = 0;
        if (length >= PLACE_BYTES && available >= PLACE_HEAD_BYTES) {
          const behind = position + PLACE_HEAD_BYTES;
          this.#place = this.#events.place(chunk.subarray(position, behind), length);
          if (this.#place !== undefined) return behind;
        }
      }
      if (available >= length) {
        this.#length = -1;
        this.#report(chunk.subarray(position, position + length));
        return position + length;
      }
      const spares = length <= SPARE_BYTES ? this.#spares : undefined;
      this.#spare = spares !== undefined;
      this.#partial = spares?.take() ?? Buffer.allocUnsafeSlow(Math.min(length, Math.max(FIRST_ALLOCATION, available)));
    }
    const taken = Math.min(length - this.#filled, available);
    this.#reserve(this.#filled + taken);
    chunk.copy(this.#partial, this.#filled, position, position + taken);
    this.#filled += taken;
    if (this.#filled === length) {
      const memory = this.#partial;
      const frame = memory.length === length ? memory : memory.subarray(0, length);
      this.#partial = undefined;
      this.#length = -1;
      if (this.#spare) {
        this.#report(frame);
        this.#spares?.give(memory);
      } else {
        this.#events.frame(frame);
      }
    }
    return position + taken;
  }

  #readPlaced(chunk: Buffer, position: number, place: Uint8Array): number {
    const end = Math.min(chunk.length, position + place.length - this.#filled);
    place.set(position === 0 && end === chunk.length ? chunk : chunk.subarray(position, end), this.#filled);
    this.#filled += end - position;
    if (this.#filled === place.length) {
      this.#place = undefined;
      this.#length = -1;
      this.#events.placed();
    }
    return end;
  }

  #report(frame: Buffer): void {
    if (this.#spares === undefined) this.#events.frame(frame);
    else if (!this.#events.lend(frame)) this.#events.frame(Buffer.from(frame));
  }

  #kept(bytes: Buffer): Buffer {
    return this.#spares === undefined ? bytes : Buffer.from(bytes);
  }

  #reserve(bytes: number): void {
    const partial = this.#partial as Buffer;
    if (bytes <= partial.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#length, Math.max(bytes, partial.length * 2)));
    partial.copy(larger, 0, 0, this.#filled);
    this.#partial = larger;
  }
}

/** Who speaks something else shows it by his first four bytes: the head of a TLS record, or of a request by HTTP. */
function guess(length: number): string {
  if (length >>> 16 === 0x16_03) return " It speaks TLS: give this node 'tls' too, or none to the other.";
  if (length === 0x47_45_54_20) return " It speaks HTTP: a browser, or a node with transport 'ws'.";
  return '';
}
