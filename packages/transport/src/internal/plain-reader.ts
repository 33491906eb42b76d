import { isUtf8 } from 'node:buffer';

/** Texts up to this length are looked for among those read before: names of operations and of fields come again and again. */
const KNOWN_CHARACTERS = 12;
const KNOWN_SLOTS = 512;
const LOOP_BYTES = 128;
const MAX_DEPTH = 32;
/** Of one collection: nothing is allocated for more than that before its bytes have been seen. */
const MAX_ITEMS = 1_024;
/** Batches that are not tried after one that held something else. */
const REST = 16;

/** Something that is left to the decoder that knows everything, and finds out what is wrong. */
const OTHER = new Error('not plain');

type Bytes = Buffer & {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
};

const NOTHING = Buffer.alloc(0) as Bytes;
const NO_VIEW: DataView = new DataView(new ArrayBuffer(0));

/** Checks and decodes batches of plain messages in one pass: the counterpart of `PlainWriter`. */
export class PlainReader {
  #bytes: Bytes = NOTHING;
  #view: DataView = NO_VIEW;
  #at = 0;
  #end = 0;
  #rest = 0;
  readonly #known: string[] = new Array<string>(KNOWN_SLOTS).fill('');

  /** @returns undefined when what stands there is not just `count` plain messages */
  read(source: Uint8Array, start: number, count: number): unknown[] | undefined {
    if (this.#rest > 0) {
      this.#rest--;
      return undefined;
    }
    if (count > source.length - start) return undefined;
    this.#bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength) as Bytes;
    this.#view = new DataView(source.buffer, source.byteOffset, source.byteLength);
    this.#at = start;
    this.#end = source.length;
    try {
      const messages = new Array<unknown>(count);
      for (let index = 0; index < count; index++) messages[index] = this.#any(0);
      if (this.#at !== this.#end) throw OTHER;
      return messages;
    } catch (error) {
      if (error !== OTHER) throw error;
      this.#rest = REST;
      return undefined;
    } finally {
      this.#bytes = NOTHING;
      this.#view = NO_VIEW;
    }
  }

  #any(depth: number): unknown {
    const at = this.#take(1);
    const token = this.#bytes[at] as number;
    if (token < 0x80) return token;
    if (token < 0x90) return this.#record(token - 0x80, depth);
    if (token < 0xa0) return this.#array(token - 0x90, depth);
    if (token < 0xc0) return this.#text(token - 0xa0);
    if (token >= 0xe0) return token - 0x100;
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#bytes[this.#take(1)] as number);
      case 0xcb:
        return this.#bytes.readDoubleBE(this.#take(8));
      case 0xcc:
        return this.#bytes[this.#take(1)];
      case 0xcd:
        return this.#bytes.readUInt16BE(this.#take(2));
      case 0xce:
        return this.#bytes.readUInt32BE(this.#take(4));
      case 0xd0:
        return this.#bytes.readInt8(this.#take(1));
      case 0xd1:
        return this.#bytes.readInt16BE(this.#take(2));
      case 0xd2:
        return this.#bytes.readInt32BE(this.#take(4));
      case 0xd4:
        if (this.#bytes.readUInt16BE(this.#take(2)) !== 0) throw OTHER;
        return undefined;
      case 0xd9:
        return this.#text(this.#bytes[this.#take(1)] as number);
      case 0xda:
        return this.#text(this.#bytes.readUInt16BE(this.#take(2)));
      case 0xdc:
        return this.#array(this.#bytes.readUInt16BE(this.#take(2)), depth);
      case 0xde:
        return this.#record(this.#bytes.readUInt16BE(this.#take(2)), depth);
      default:
        throw OTHER;
    }
  }

  /** @returns where the next bytes begin, which are there */
  #take(bytes: number): number {
    const at = this.#at;
    const to = at + bytes;
    if (to > this.#end) throw OTHER;
    this.#at = to;
    return at;
  }

  #array(length: number, depth: number): unknown[] {
    if (depth >= MAX_DEPTH || length > MAX_ITEMS || length > this.#end - this.#at) throw OTHER;
    const items = new Array<unknown>(length);
    for (let index = 0; index < length; index++) items[index] = this.#any(depth + 1);
    return items;
  }

  #record(length: number, depth: number): Record<string, unknown> {
    if (depth >= MAX_DEPTH || length > MAX_ITEMS) throw OTHER;
    const record: Record<string, unknown> = {};
    for (let index = 0; index < length; index++) {
      const key = this.#key();
      if (key === '__proto__') throw OTHER;
      record[key] = this.#any(depth + 1);
    }
    return record;
  }

  #key(): string {
    const token = this.#bytes[this.#take(1)] as number;
    if (token >= 0xa0 && token < 0xc0) return this.#text(token - 0xa0);
    if (token === 0xd9) return this.#text(this.#bytes[this.#take(1)] as number);
    throw OTHER;
  }

  #binary(length: number): Uint8Array {
    const at = this.#take(length);
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(at, at + length));
    return copy;
  }

  #text(length: number): string {
    const at = this.#take(length);
    const to = at + length;
    const bytes = this.#bytes;
    if (length <= KNOWN_CHARACTERS) return this.#shortText(at, to);
    return length <= LOOP_BYTES && this.#isAscii(at, to) ? bytes.latin1Slice(at, to) : this.#otherText(at, to);
  }

  /** @param to - at least four bytes behind `at` */
  #isAscii(at: number, to: number): boolean {
    const view = this.#view;
    // The last four may overlap the four before.
    let seen = view.getInt32(to - 4);
    for (let index = at; index < to - 4; index += 4) seen |= view.getInt32(index);
    return (seen & 0x8080_8080) === 0;
  }

  #shortText(at: number, to: number): string {
    const bytes = this.#bytes;
    let hash = to - at;
    for (let index = at; index < to; index++) {
      const byte = bytes[index] as number;
      if (byte >= 0x80) return this.#otherText(at, to);
      hash = (hash * 31 + byte) | 0;
    }
    const slot = hash & (KNOWN_SLOTS - 1);
    const known = this.#known[slot] as string;
    if (known.length === to - at) {
      let index = at;
      while (index < to && known.charCodeAt(index - at) === bytes[index]) index++;
      if (index === to) return known;
    }
    const text = bytes.latin1Slice(at, to);
    this.#known[slot] = text;
    return text;
  }

  #otherText(at: number, to: number): string {
    if (!isUtf8(this.#bytes.subarray(at, to))) throw OTHER;
    return this.#bytes.utf8Slice(at, to);
  }
}
