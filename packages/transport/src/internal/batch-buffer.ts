import type { EncodedParts } from '../codec.js';
import { BATCH_HEADER, FRAME_BATCH, FRAME_HEADER, writeHeader, writeUint32 } from './frames.js';

const FIRST_SLAB = 4 * 1024;
/** Shorter messages are copied by a loop, which beats a call of `set` with its view. */
const LOOP_BYTES = 96;

/** Packs small messages into frames, in memory that is never written twice. */
export class BatchBuffer {
  readonly #limit: number;
  #slab: Uint8Array = new Uint8Array(0);
  #slabBytes = FIRST_SLAB;
  #start = 0;
  #end = 0;
  /** Messages in the open batch. */
  count = 0;

  /** @param limit - longest frame, bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Length of the frame that {@link seal} would give. */
  get bytes(): number {
    return this.count === 0 ? 0 : this.#end - this.#start;
  }

  fits(bytes: number): boolean {
    return (this.count === 0 ? BATCH_HEADER : this.#end - this.#start) + bytes <= this.#limit;
  }

  /** Appends a message without large binary values; the caller has checked {@link fits}. */
  addParts(parts: EncodedParts): void {
    const { buffer, start, bytes } = parts;
    const at = this.#reserve(bytes);
    const slab = this.#slab;
    if (bytes <= LOOP_BYTES)
      for (let index = 0; index < bytes; index++) slab[at + index] = buffer[start + index] as number;
    else slab.set(buffer.subarray(start, start + bytes), at);
  }

  /** Appends an encoded message; the caller has checked {@link fits}. */
  addBytes(message: Uint8Array): void {
    const at = this.#reserve(message.length);
    this.#slab.set(message, at);
  }

  /** Ends the open batch, which is not empty, and gives its frame. */
  seal(): Uint8Array {
    const frame = this.#slab.subarray(this.#start, this.#end);
    frame[FRAME_HEADER] = 0xdd;
    writeUint32(frame, FRAME_HEADER + 1, this.count);
    // Slabs follow what is used: a connection that says little holds little.
    if (frame.length * 2 > this.#slabBytes) this.#slabBytes = Math.min(this.#limit, this.#slabBytes * 2);
    else if (frame.length * 16 < this.#slabBytes) this.#slabBytes = Math.max(FIRST_SLAB, this.#slabBytes >> 1);
    this.#start = this.#end;
    this.count = 0;
    return frame;
  }

  #reserve(bytes: number): number {
    if (this.count === 0) {
      if (this.#start + BATCH_HEADER + bytes > this.#slab.length) {
        this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, BATCH_HEADER + bytes));
        this.#start = 0;
      }
      this.#end = this.#start + BATCH_HEADER;
    } else if (this.#end + bytes > this.#slab.length) {
      this.#grow(this.#end - this.#start + bytes);
    }
    const at = this.#end;
    this.#end = at + bytes;
    this.count++;
    return at;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.#limit, needed * 2)));
    larger.set(this.#slab.subarray(this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#slab = larger;
  }
}

/** Puts type and number into a frame that {@link BatchBuffer.seal} gave. */
export function stampBatch(frame: Uint8Array, sequence: number): void {
  writeHeader(frame, 0, FRAME_BATCH, 0, sequence);
}
