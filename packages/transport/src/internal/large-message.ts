import type { EncodedParts } from '../codec.js';
import { joinParts } from '../codec.js';
import { FLAG_FIRST, FLAG_LAST, FRAGMENT_HEADER, FRAME_FRAGMENT, FRAME_HEADER, writeHeader, writeUint32 } from './frames.js';

/**
 * A message cut into frames. It is laid out at once with room for each frame's header, so that a large binary value is
 * copied exactly once on its way from the sender's memory to the socket.
 */
export class LargeMessage {
  readonly bytes: number;
  /** How many batches have to be written before its first frame, by the connection's count. */
  barrier = 0;
  readonly #layout: Buffer;
  readonly #id: number;
  readonly #payload: number;
  #position = 0;
  #sent = 0;

  /** @param payload - bytes of a fragment without its header */
  constructor(parts: EncodedParts, id: number, payload: number) {
    this.bytes = parts.bytes;
    this.#id = id;
    this.#payload = payload;
    const frames = Math.ceil(parts.bytes / payload);
    this.#layout = Buffer.allocUnsafeSlow(parts.bytes + frames * FRAGMENT_HEADER);
    layOut(parts, this.#layout, payload);
  }

  get done(): boolean {
    return this.#sent === this.bytes;
  }

  /** Length of the next frame. */
  get nextBytes(): number {
    return FRAGMENT_HEADER + Math.min(this.#payload, this.bytes - this.#sent);
  }

  /** Payload bytes in the next frame. */
  get nextPayload(): number {
    return Math.min(this.#payload, this.bytes - this.#sent);
  }

  next(sequence: number): Uint8Array {
    const payload = this.nextPayload;
    const frame = this.#layout.subarray(this.#position, this.#position + FRAGMENT_HEADER + payload);
    const first = this.#sent === 0 ? FLAG_FIRST : 0;
    this.#sent += payload;
    this.#position += frame.length;
    writeHeader(frame, 0, FRAME_FRAGMENT, first | (this.done ? FLAG_LAST : 0), sequence);
    writeUint32(frame, FRAME_HEADER, this.#id);
    writeUint32(frame, FRAME_HEADER + 4, this.bytes);
    return frame;
  }
}

function layOut(parts: EncodedParts, layout: Buffer, payload: number): void {
  const gapped = new GappedWriter(layout, payload);
  const { externals } = parts;
  if (externals === undefined) {
    gapped.write(parts.buffer, parts.start, parts.end);
    return;
  }
  // Everything but the large values, joined in small memory first.
  const head = parts.end - parts.start;
  const start = Buffer.alloc(8 + head);
  joinParts({ ...parts, externals: [], bytes: start.length }, start);
  gapped.write(start, 0, start.length);
  for (const external of externals) {
    gapped.pad();
    gapped.write(external, 0, external.byteLength);
  }
}

const ZEROS = Buffer.alloc(8);

/** Writes a message into a layout that has room for a header before every `payload` bytes. */
class GappedWriter {
  readonly #layout: Buffer;
  readonly #payload: number;
  #written = 0;

  constructor(layout: Buffer, payload: number) {
    this.#layout = layout;
    this.#payload = payload;
  }

  /** Fills up to the next multiple of eight. */
  pad(): void {
    this.write(ZEROS, 0, -this.#written & 7);
  }

  write(source: Uint8Array, start: number, end: number): void {
    let position = start;
    while (position < end) {
      const fragment = Math.floor(this.#written / this.#payload);
      const within = this.#written - fragment * this.#payload;
      const count = Math.min(end - position, this.#payload - within);
      const at = fragment * (this.#payload + FRAGMENT_HEADER) + FRAGMENT_HEADER + within;
      this.#layout.set(source.subarray(position, position + count), at);
      position += count;
      this.#written += count;
    }
  }
}
