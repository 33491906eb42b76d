import { ARENA_BYTES, type Arena, Arenas, type Bytes } from './arena.js';
import { plainText } from './sendable.js';

/** Behind this place nothing begins: what follows has room for a number or a short text. */
const LAST_START = ARENA_BYTES - 64;
/** Texts up to this length are written by a loop, which beats a call into the engine. */
const LOOP_CHARACTERS = 24;
const MAX_CHARACTERS = 4_096;
const MAX_DEPTH = 32;
const MAX_ITEMS = 2_048;

const UNSUPPORTED = -1;
const NO_ROOM = -2;

const objectPrototype = Object.prototype;
const arrayPrototype = Array.prototype;
const { getPrototypeOf } = Object;

/**
 * Writes short messages of plain objects, arrays, texts and numbers as MessagePack, in one pass that also checks them. What else there is, and what is
 * long, is left to the encoder that knows everything.
 */
export class PlainWriter {
  readonly #arenas = new Arenas();
  /** Where the message that was written last stands; it is written again unless it is held. */
  arena: Arena | undefined;
  buffer: Bytes = Buffer.alloc(0) as Bytes;
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the message that was written last stands. */
  start = 0;
  end = ARENA_BYTES;
  #items = 0;

  /** @returns whether `value` was written; false, too, for what can't be sent */
  write(value: unknown): boolean {
    const { end } = this;
    this.#items = 0;
    let to = end > LAST_START ? NO_ROOM : this.#any(value, end, 0);
    if (to === NO_ROOM && end > ARENA_BYTES / 2) {
      this.#renew();
      this.#items = 0;
      to = this.#any(value, 0, 0);
    }
    if (to < 0) return false;
    this.start = this.end;
    this.end = to;
    return true;
  }

  #renew(): void {
    const arena = this.#arenas.next(this.arena);
    this.arena = arena;
    this.buffer = arena.buffer;
    this.#view = arena.view;
    this.end = 0;
  }

  #any(value: unknown, at: number, depth: number): number {
    switch (typeof value) {
      case 'string':
        return this.#text(value, at);
      case 'number':
        return this.#number(value, at);
      case 'object':
        return this.#object(value, at, depth);
      case 'boolean':
        this.buffer[at] = value ? 0xc3 : 0xc2;
        return at + 1;
      case 'undefined':
        this.buffer[at] = 0xd4;
        this.buffer[at + 1] = 0;
        this.buffer[at + 2] = 0;
        return at + 3;
      default:
        return UNSUPPORTED;
    }
  }

  #object(value: object | null, at: number, depth: number): number {
    if (value === null) {
      this.buffer[at] = 0xc0;
      return at + 1;
    }
    if (depth >= MAX_DEPTH) return UNSUPPORTED;
    const prototype: object | null = getPrototypeOf(value);
    if (prototype === arrayPrototype) return this.#array(value as unknown[], at, depth);
    if (prototype === objectPrototype) return this.#record(value as Record<string, unknown>, at, depth);
    return UNSUPPORTED;
  }

  #array(items: readonly unknown[], at: number, depth: number): number {
    const { length } = items;
    this.#items += length;
    if (this.#items > MAX_ITEMS) return UNSUPPORTED;
    const { buffer } = this;
    let to = at;
    if (length < 16) {
      buffer[to++] = 0x90 | length;
    } else {
      buffer[to++] = 0xdc;
      buffer[to++] = length >>> 8;
      buffer[to++] = length;
    }
    for (let index = 0; index < length; index++) {
      if (to > LAST_START) return NO_ROOM;
      to = this.#any(items[index], to, depth + 1);
      if (to < 0) return to;
    }
    return to;
  }

  #record(record: Record<string, unknown>, at: number, depth: number): number {
    let to = at + 1;
    let count = 0;
    for (const key in record) {
      if (key === '__proto__' || ++count === 16) return UNSUPPORTED;
      if (to > LAST_START) return NO_ROOM;
      to = this.#text(key, to);
      if (to < 0) return to;
      if (to > LAST_START) return NO_ROOM;
      to = this.#any(record[key], to, depth + 1);
      if (to < 0) return to;
    }
    this.#items += count;
    if (this.#items > MAX_ITEMS) return UNSUPPORTED;
    this.buffer[at] = 0x80 | count;
    return to;
  }

  #text(text: string, at: number): number {
    const { length } = text;
    if (length > LOOP_CHARACTERS) return this.#longText(text, at);
    const { buffer } = this;
    buffer[at] = 0xa0 | length;
    let to = at + 1;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return this.#longText(text, at);
      buffer[to++] = code;
    }
    return to;
  }

  #longText(text: string, at: number): number {
    const { length } = text;
    if (length > MAX_CHARACTERS || !plainText(text)) return UNSUPPORTED;
    // The header of a text without other characters than those of one byte; it is corrected for others.
    const guessed = headerBytes(length);
    if (at + 3 + 3 * length > ARENA_BYTES) return NO_ROOM;
    const { buffer } = this;
    const bytes = buffer.utf8Write(text, at + guessed);
    const header = headerBytes(bytes);
    if (header !== guessed) buffer.copyWithin(at + header, at + guessed, at + guessed + bytes);
    if (header === 1) {
      buffer[at] = 0xa0 | bytes;
    } else if (header === 2) {
      buffer[at] = 0xd9;
      buffer[at + 1] = bytes;
    } else {
      buffer[at] = 0xda;
      buffer[at + 1] = bytes >>> 8;
      buffer[at + 2] = bytes;
    }
    return at + header + bytes;
  }

  #number(value: number, at: number): number {
    const { buffer } = this;
    if (value >>> 0 === value) {
      if (value < 0x80) {
        if (value === 0 && 1 / value < 0) return UNSUPPORTED;
        buffer[at] = value;
        return at + 1;
      }
      if (value < 0x100) {
        buffer[at] = 0xcc;
        buffer[at + 1] = value;
        return at + 2;
      }
      if (value < 0x1_0000) {
        buffer[at] = 0xcd;
        buffer[at + 1] = value >>> 8;
        buffer[at + 2] = value;
        return at + 3;
      }
      buffer[at] = 0xce;
      this.#view.setUint32(at + 1, value);
      return at + 5;
    }
    if (value >> 0 === value) {
      if (value >= -0x20) {
        buffer[at] = value;
        return at + 1;
      }
      buffer[at] = 0xd2;
      this.#view.setInt32(at + 1, value);
      return at + 5;
    }
    buffer[at] = 0xcb;
    this.#view.setFloat64(at + 1, value);
    return at + 9;
  }
}

function headerBytes(bytes: number): number {
  if (bytes < 0x20) return 1;
  return bytes < 0x100 ? 2 : 3;
}
