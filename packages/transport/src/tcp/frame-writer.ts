import { PREFIX_BYTES } from './frame-reader.js';

const SLAB_BYTES = 64 * 1024;
/** Longer frames are handed to the socket as they are instead of being copied behind their length. */
const COPY_LIMIT = 8 * 1024;

/** Memory that the connections of one transport write small frames into, one after the other, never twice. */
export class Slab {
  buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  position = 0;

  /** Makes sure that `bytes` fit behind `position`. */
  reserve(bytes: number): void {
    if (this.position + bytes <= SLAB_BYTES) return;
    this.buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.position = 0;
  }
}

/** What goes out in one piece. */
export interface Chunk {
  readonly bytes: Uint8Array;
  /** To be called when it has left. */
  readonly left: (() => void) | undefined;
}

/** Collects the frames of one turn into as few chunks as possible: small ones are copied together, large ones are not copied. */
export class FrameWriter {
  readonly #slab: Slab;
  #chunks: Chunk[] = [];
  #run: Buffer | undefined;
  #runStart = 0;
  #runEnd = 0;
  /** Bytes collected. */
  bytes = 0;

  constructor(slab: Slab) {
    this.#slab = slab;
  }

  add(frame: Uint8Array): void {
    this.#put(frame, frame.length);
  }

  /** A frame of two pieces, of which the second is not copied. */
  addPieces(head: Uint8Array, body: Uint8Array, left: (() => void) | undefined): void {
    this.#put(head, head.length + body.length);
    this.#endRun();
    this.#chunks.push({ bytes: body, left });
  }

  /** @param length - of the frame that `first` begins */
  #put(first: Uint8Array, length: number): void {
    const copied = first.length <= COPY_LIMIT;
    const size = copied ? PREFIX_BYTES + first.length : PREFIX_BYTES;
    const slab = this.#slab;
    slab.reserve(size);
    const { buffer, position } = slab;
    if (this.#run !== buffer || this.#runEnd !== position) {
      this.#endRun();
      this.#run = buffer;
      this.#runStart = position;
    }
    buffer[position] = length >>> 24;
    buffer[position + 1] = length >>> 16;
    buffer[position + 2] = length >>> 8;
    buffer[position + 3] = length;
    if (copied) buffer.set(first, position + PREFIX_BYTES);
    this.#runEnd = position + size;
    slab.position = this.#runEnd;
    this.bytes += PREFIX_BYTES + length;
    if (copied) return;
    this.#endRun();
    this.#chunks.push({ bytes: first, left: undefined });
  }

  /** What was collected since the last call, in order. */
  take(): readonly Chunk[] {
    this.#endRun();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.bytes = 0;
    return chunks;
  }

  #endRun(): void {
    if (this.#run === undefined) return;
    this.#chunks.push({ bytes: this.#run.subarray(this.#runStart, this.#runEnd), left: undefined });
    this.#run = undefined;
  }
}
