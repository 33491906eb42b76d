import { isUtf8 } from 'node:buffer';
import { FoundationError } from '@foundation-ts/core';
import { SPARE_BYTES, type SpareMemory } from '../internal/spare-memory.js';
import { type ConnectionEvents, PLACE_HEAD_BYTES } from '../transport.js';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  FIN,
  KEY_BYTES,
  MASKED,
  MAX_CONTROL,
  MAX_HEADER,
  NO_CODE,
  PING,
  PONG,
  RESERVED,
  TEXT,
} from './frames.js';
import { Masking } from './masking.js';

/** A message that spans chunks gets at most this much memory before its bytes have come, bytes. */
const FIRST_ALLOCATION = 128 * 1024;
/** Shorter messages are not worth asking where they belong. */
const PLACE_BYTES = 4 * 1024;
/** Frames of one message at most: who cuts a message into more wants to keep us busy. */
const MAX_PIECES = 16 * 1024;

export interface WsFrameReaderInit {
  /** Of a message, however it is cut. */
  readonly maxFrameBytes: number;
  /** Frames have to be masked, as those of the side that dialled; otherwise they must not be. */
  readonly masked: boolean;
  /** Given where chunks are valid only until {@link WsFrameReader.push} returns. */
  readonly spares: SpareMemory | undefined;
}

/** Takes what a {@link WsFrameReader} reads. */
export interface WsFrameReaderEvents extends Required<Pick<ConnectionEvents, 'frame' | 'lend' | 'place' | 'placed'>> {
  /** @param payload - valid until it returns */
  ping(payload: Uint8Array): void;
  /** The other side sends nothing more; the last event. `code` is 1005 when it gave none. */
  close(code: number): void;
  /** For what no WebSocket may send, or we don't accept (`protocol`), and for what is over the limit (`too-large`); the last event. */
  invalid(error: FoundationError): void;
}

/**
 * Cuts a stream of chunks into the frames of RFC 6455, and puts those of a message together. Chunks are unmasked where they stand. A message of one frame
 * that lies within a chunk is a view of it, unless chunks are in memory that is used again; any other is copied once, to where it belongs if the
 * receiver says where. Otherwise memory for it grows with the bytes that have come, not with the length claimed.
 */
export class WsFrameReader {
  readonly #maxFrameBytes: number;
  readonly #masked: boolean;
  readonly #spares: SpareMemory | undefined;
  readonly #events: WsFrameReaderEvents;
  readonly #masking = new Masking();
  readonly #header = Buffer.alloc(MAX_HEADER);
  #headerFilled = 0;
  /** Of the header that is being read, as its first two bytes say. */
  #headerBytes = 0;
  #opcode = 0;
  #last = false;
  /** Bytes of the frame's payload that have not come; −1: its header is next. */
  #left = -1;
  /** Frames of the message that have begun; 0: none has. */
  #pieces = 0;
  #partial: Buffer | undefined;
  /** That memory is used again. */
  #spare = false;
  /** Bytes of the message in `#partial`, or in `#place`. */
  #filled = 0;
  /** Where the receiver wants the message, without its head. */
  #place: Uint8Array | undefined;
  readonly #control = Buffer.alloc(MAX_CONTROL);
  #controlFilled = 0;
  /** Chunks that came while it was paused, in memory of their own. */
  #rest: Buffer[] = [];
  #paused = false;
  #reading = false;
  #over = false;

  constructor(init: WsFrameReaderInit, events: WsFrameReaderEvents) {
    this.#maxFrameBytes = init.maxFrameBytes;
    this.#masked = init.masked;
    this.#spares = init.spares;
    this.#events = events;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#drain();
  }

  /** Reads nothing any more, and lets go of what it has. */
  stop(): void {
    this.#over = true;
    this.#rest = [];
    this.#partial = undefined;
    this.#spare = false;
    this.#place = undefined;
  }

  push(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#paused || this.#reading || this.#rest.length > 0) {
      this.#rest.push(this.#kept(chunk));
      if (!this.#paused) this.#drain();
    } else {
      this.#read(chunk, this.#spares !== undefined);
    }
  }

  #drain(): void {
    while (!this.#paused && !this.#reading && this.#rest.length > 0) this.#read(this.#rest.shift() as Buffer, false);
  }

  #read(chunk: Buffer, reused: boolean): void {
    this.#reading = true;
    try {
      let position = 0;
      while (position < chunk.length && !this.#over) {
        if (this.#paused) {
          const rest = chunk.subarray(position);
          this.#rest.unshift(reused ? Buffer.from(rest) : rest);
          return;
        }
        position = this.#left < 0 ? this.#readHeader(chunk, position) : this.#readPayload(chunk, position, reused);
      }
    } finally {
      this.#reading = false;
    }
  }

  #readHeader(chunk: Buffer, position: number): number {
    if (this.#headerFilled === 0 && chunk.length - position >= MAX_HEADER) {
      this.#beginHeader(chunk[position] as number, chunk[position + 1] as number);
      if (!this.#over) this.#endHeader(chunk, position);
      return position + this.#headerBytes;
    }
    const header = this.#header;
    header[this.#headerFilled++] = chunk[position] as number;
    if (this.#headerFilled === 2) this.#beginHeader(header[0] as number, header[1] as number);
    if (this.#headerFilled >= 2 && this.#headerFilled === this.#headerBytes && !this.#over) {
      this.#headerFilled = 0;
      this.#endHeader(header, 0);
    }
    return position + 1;
  }

  /** What is wrong with a frame is said as soon as its first two bytes show it. */
  #beginHeader(first: number, second: number): void {
    const opcode = first & 0x0f;
    const length = second & 0x7f;
    const wrong = this.#wrong(first, opcode, second, length);
    if (wrong !== undefined) this.#fail(`sent ${wrong}`);
    this.#opcode = opcode;
    this.#last = (first & FIN) !== 0;
    this.#headerBytes = 2 + (length < 126 ? 0 : length === 126 ? 2 : 8) + (this.#masked ? KEY_BYTES : 0);
  }

  #wrong(first: number, opcode: number, second: number, length: number): string | undefined {
    if ((first & RESERVED) !== 0) return 'a frame with reserved bits set, though no extension was agreed on';
    if (((second & MASKED) !== 0) !== this.#masked) {
      return this.#masked ? 'a frame that is not masked' : 'a masked frame, as only the side that dialled may';
    }
    switch (opcode) {
      case CONTINUATION:
        return this.#pieces === 0 ? 'a continuation of no message' : undefined;
      case BINARY:
        return this.#pieces > 0 ? 'a message within another' : undefined;
      case TEXT:
        return 'a text, where only binary messages are allowed';
      case CLOSE:
      case PING:
      case PONG:
        if ((first & FIN) === 0) return 'a control frame in pieces';
        return length > MAX_CONTROL ? 'a control frame of more than 125 bytes' : undefined;
      default:
        return `a frame of the unknown type ${opcode}`;
    }
  }

  #endHeader(header: Buffer, start: number): void {
    let length = (header[start + 1] as number) & 0x7f;
    let wrong: string | undefined;
    if (length === 126) {
      length = header.readUInt16BE(start + 2);
      if (length < 126) wrong = NOT_SHORTEST;
    } else if (length === 127) {
      const high = header.readUInt32BE(start + 2);
      length = high * 0x1_0000_0000 + header.readUInt32BE(start + 6);
      if (high > 0x7fff_ffff) wrong = 'sent a length with its highest bit set';
      else if (length < 65_536) wrong = NOT_SHORTEST;
    }
    if (wrong !== undefined) {
      this.#fail(wrong);
      return;
    }
    if (this.#masked) this.#masking.begin(header, start + this.#headerBytes - KEY_BYTES);
    if (this.#opcode >= CLOSE) this.#beginControl(length);
    else this.#beginData(length);
  }

  #beginControl(length: number): void {
    this.#controlFilled = 0;
    this.#left = length;
    if (length === 0) this.#endControl();
  }

  #beginData(length: number): void {
    const bytes = this.#filled + length;
    if (bytes > this.#maxFrameBytes) {
      this.#failTooLarge(bytes);
    } else if (this.#pieces === MAX_PIECES) {
      this.#fail(`cut a message into more than ${MAX_PIECES} frames`);
    } else {
      this.#pieces++;
      this.#left = length;
      if (length === 0) this.#endData();
    }
  }

  #readPayload(chunk: Buffer, position: number, reused: boolean): number {
    const end = Math.min(chunk.length, position + this.#left);
    if (this.#masked) this.#masking.inPlace(chunk, position, end);
    this.#left -= end - position;
    if (this.#opcode >= CLOSE) {
      this.#controlFilled += chunk.copy(this.#control, this.#controlFilled, position, end);
      if (this.#left === 0) this.#endControl();
    } else if (this.#place !== undefined) {
      this.#fill(this.#place, chunk, position, end);
    } else if (this.#filled === 0 && this.#last && this.#pieces === 1) {
      this.#readWhole(chunk, position, end, reused);
    } else {
      this.#collect(chunk, position, end);
    }
    return end;
  }

  /** The first bytes of a message of one frame. */
  #readWhole(chunk: Buffer, position: number, end: number, reused: boolean): void {
    const available = end - position;
    const length = available + this.#left;
    if (length >= PLACE_BYTES && available >= PLACE_HEAD_BYTES && (this.#left > 0 || reused)) {
      const behind = position + PLACE_HEAD_BYTES;
      const place = this.#events.place(chunk.subarray(position, behind), length);
      if (place !== undefined) {
        this.#place = place;
        this.#fill(place, chunk, behind, end);
        return;
      }
    }
    if (this.#left > 0) {
      this.#collect(chunk, position, end);
      return;
    }
    this.#left = -1;
    this.#pieces = 0;
    const bytes = chunk.subarray(position, end);
    if (reused) this.#lend(bytes);
    else this.#events.frame(bytes);
  }

  #fill(place: Uint8Array, chunk: Buffer, position: number, end: number): void {
    place.set(position === 0 && end === chunk.length ? chunk : chunk.subarray(position, end), this.#filled);
    this.#filled += end - position;
    if (this.#left > 0) return;
    this.#place = undefined;
    this.#filled = 0;
    this.#left = -1;
    this.#pieces = 0;
    this.#events.placed();
  }

  #collect(chunk: Buffer, position: number, end: number): void {
    const filled = this.#filled + end - position;
    const partial = this.#reserve(filled);
    chunk.copy(partial, this.#filled, position, end);
    this.#filled = filled;
    if (this.#left === 0) this.#endData();
  }

  /** A frame of a message that is collected has come to its end. */
  #endData(): void {
    this.#left = -1;
    if (!this.#last) return;
    const partial = this.#partial;
    const filled = this.#filled;
    this.#partial = undefined;
    this.#filled = 0;
    this.#pieces = 0;
    if (partial === undefined) {
      this.#fail('sent a frame of length 0');
      return;
    }
    const frame = partial.length === filled ? partial : partial.subarray(0, filled);
    if (!this.#spare) {
      this.#events.frame(frame);
      return;
    }
    this.#spare = false;
    this.#lend(frame);
    this.#spares?.give(partial);
  }

  #lend(frame: Buffer): void {
    if (!this.#events.lend(frame)) this.#events.frame(Buffer.from(frame));
  }

  #endControl(): void {
    this.#left = -1;
    const payload = this.#control.subarray(0, this.#controlFilled);
    if (this.#opcode === PING) this.#events.ping(payload);
    else if (this.#opcode === CLOSE) this.#endAll(payload);
  }

  #endAll(payload: Buffer): void {
    const code = payload.length < 2 ? NO_CODE : payload.readUInt16BE(0);
    if (payload.length === 1) {
      this.#fail('closed with half a code');
    } else if (payload.length > 0 && !isCode(code)) {
      this.#fail(`closed with ${code}, which is no code`);
    } else if (!isUtf8(payload.subarray(2))) {
      this.#fail('closed with a reason that is not UTF-8');
    } else {
      this.stop();
      this.#events.close(code);
    }
  }

  #fail(what: string): void {
    this.stop();
    this.#events.invalid(new FoundationError('protocol', `The peer ${what}.`));
  }

  #failTooLarge(bytes: number): void {
    const limit = this.#maxFrameBytes;
    this.stop();
    this.#events.invalid(
      new FoundationError('too-large', `The peer announced a frame of ${bytes} bytes; at most ${limit} are accepted.`, {
        details: { bytes, limit },
      }),
    );
  }

  #kept(bytes: Buffer): Buffer {
    return this.#spares === undefined ? bytes : Buffer.from(bytes);
  }

  /** Memory for the message, with what there is of it. */
  #reserve(bytes: number): Buffer {
    const partial = this.#partial;
    if (partial !== undefined && bytes <= partial.length) return partial;
    // Where its length is known, as it nearly always is, no more than that.
    const most = this.#last ? bytes + this.#left : this.#maxFrameBytes;
    if (partial === undefined && this.#spares !== undefined && this.#last && most <= SPARE_BYTES) {
      this.#spare = true;
      this.#partial = this.#spares.take();
      return this.#partial;
    }
    const wanted = partial === undefined ? (this.#last ? FIRST_ALLOCATION : bytes) : partial.length * 2;
    const larger = Buffer.allocUnsafeSlow(Math.min(most, Math.max(bytes, wanted)));
    partial?.copy(larger, 0, 0, this.#filled);
    this.#partial = larger;
    return larger;
  }
}

const NOT_SHORTEST = 'sent a length that is not in its shortest form';

/** The codes that may stand in a close (RFC 6455, section 7.4, and the registry that it founds). */
function isCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== NO_CODE && code !== 1006) ||
    (code >= 3000 && code <= 4999)
  );
}
