import { randomFillSync } from 'node:crypto';
import type { Socket } from 'node:net';
import { BINARY, FIN, KEY_BYTES, MASKED, MAX_HEADER } from './frames.js';
import { Masking } from './masking.js';

/** Random bytes that are fetched at once. */
const RANDOM_BYTES = 8 * 1024;
/** Unmasked payloads up to this length are copied behind their header. */
const COPY_LIMIT = 8 * 1024;
/** Masked frames up to this length are written into memory that is used again, as soon as they have left; bytes. */
const REUSED_BYTES = 64 * 1024 + 64;
/** So much of that memory is kept while nothing is written, pieces. */
const REUSED_PIECES = 8;

/** Writes the frames of RFC 6455: each message is one, masked four bytes at a time. */
export class WsFrameWriter {
  readonly #socket: Socket;
  readonly #masks: boolean;
  readonly #random = Buffer.allocUnsafeSlow(RANDOM_BYTES);
  #randomAt = RANDOM_BYTES;
  readonly #free: Buffer[] = [];
  readonly #masking = new Masking();

  /** @param masks - as the side that dialled has to */
  constructor(socket: Socket, masks: boolean) {
    this.#socket = socket;
    this.#masks = masks;
  }

  /**
   * One message, of one piece or two. Neither is written to; they are read until they have left.
   * @param left - called when the body has
   */
  write(head: Uint8Array, body: Uint8Array | undefined, left?: () => void): void {
    if (this.#masks) {
      this.#writeMasked(head, body);
      left?.();
    } else {
      this.#writePlain(head, body, left);
    }
  }

  /** A close, a ping or a pong. */
  writeControl(opcode: number, payload: Uint8Array): void {
    const key = this.#masks ? KEY_BYTES : 0;
    const frame = Buffer.allocUnsafe(2 + key + payload.length);
    frame[0] = FIN | opcode;
    frame[1] = (this.#masks ? MASKED : 0) | payload.length;
    frame.set(payload, 2 + key);
    if (this.#masks) {
      this.#writeKey(frame, 2);
      this.#masking.begin(frame, 2);
      this.#masking.inPlace(frame, 2 + key, frame.length);
    }
    this.#socket.write(frame);
  }

  #writePlain(head: Uint8Array, body: Uint8Array | undefined, left: (() => void) | undefined): void {
    const length = head.length + (body?.length ?? 0);
    const header = headerBytes(length);
    const copied = head.length <= COPY_LIMIT ? head.length : 0;
    const frame = Buffer.allocUnsafe(header + copied);
    writeHeader(frame, 0, length, 0);
    if (copied > 0) frame.set(head, header);
    this.#socket.write(frame);
    if (copied < head.length) this.#socket.write(head);
    if (body !== undefined) this.#socket.write(body, left);
  }

  #writeMasked(head: Uint8Array, body: Uint8Array | undefined): void {
    const length = head.length + (body?.length ?? 0);
    const header = headerBytes(length) + KEY_BYTES;
    const room = length + MAX_HEADER + KEY_BYTES;
    const reused = length > COPY_LIMIT && room <= REUSED_BYTES;
    const memory = reused ? (this.#free.pop() ?? Buffer.allocUnsafeSlow(REUSED_BYTES)) : Buffer.allocUnsafe(room);
    // What is longer stands here as it stands there, as seen from multiples of four.
    const before = body === undefined ? 0 : head.length;
    const start = ((body ?? head).byteOffset - memory.byteOffset - header - before) & 3;
    const payload = start + header;
    writeHeader(memory, start, length, MASKED);
    this.#writeKey(memory, payload - KEY_BYTES);
    this.#masking.begin(memory, payload - KEY_BYTES);
    this.#masking.copy(head, memory, payload);
    if (body !== undefined) this.#masking.copy(body, memory, payload + head.length);
    const frame = memory.subarray(start, payload + length);
    if (reused) this.#socket.write(frame, () => this.#release(memory));
    else this.#socket.write(frame);
  }

  #release(memory: Buffer): void {
    if (this.#free.length < REUSED_PIECES) this.#free.push(memory);
  }

  /** A key of its own for each frame, which nobody can foresee (RFC 6455, section 5.3). */
  #writeKey(memory: Buffer, at: number): void {
    if (this.#randomAt === RANDOM_BYTES) {
      randomFillSync(this.#random);
      this.#randomAt = 0;
    }
    this.#random.copy(memory, at, this.#randomAt, this.#randomAt + KEY_BYTES);
    this.#randomAt += KEY_BYTES;
  }
}

/** Of a header without key. */
function headerBytes(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

function writeHeader(frame: Buffer, at: number, length: number, masked: number): void {
  frame[at] = FIN | BINARY;
  if (length < 126) {
    frame[at + 1] = masked | length;
  } else if (length < 65_536) {
    frame[at + 1] = masked | 126;
    frame.writeUInt16BE(length, at + 2);
  } else {
    frame[at + 1] = masked | 127;
    frame.writeUInt32BE(Math.floor(length / 0x1_0000_0000), at + 2);
    frame.writeUInt32BE(length >>> 0, at + 6);
  }
}
