import { KEY_BYTES } from './frames.js';

/** Shorter runs are masked byte by byte. */
const WORDS_FROM = 64;

/** Puts the mask on payloads, and takes it off, four bytes at a time (RFC 6455, section 5.3: either is the same). */
export class Masking {
  readonly #key = new Uint8Array(KEY_BYTES);
  readonly #turned = new Uint8Array(KEY_BYTES);
  /** The key as a run needs it, in the machine's order of bytes, whichever that is. */
  readonly #turnedWord = new Uint32Array(this.#turned.buffer);
  #phase = 0;
  /** Over the memory of the last run in place. */
  #words: Uint32Array = new Uint32Array(0);

  /** A payload begins, whose key stands there. */
  begin(bytes: Uint8Array, at: number): void {
    for (let index = 0; index < KEY_BYTES; index++) this.#key[index] = bytes[at + index] as number;
    this.#phase = 0;
  }

  /** The next part of the payload, where it stands. */
  inPlace(chunk: Uint8Array, start: number, end: number): void {
    let at = start;
    if (end - start >= WORDS_FROM) {
      if (chunk.buffer !== this.#words.buffer) {
        this.#words = new Uint32Array(chunk.buffer, 0, chunk.buffer.byteLength >>> 2);
      }
      const { byteOffset } = chunk;
      at = start + (-(byteOffset + start) & 3);
      this.#bytes(chunk, start, at, chunk, start);
      const first = (byteOffset + at) >>> 2;
      const last = (byteOffset + end) >>> 2;
      maskWords(this.#words, this.#words, first, first, last - first, this.#word());
      at = last * 4 - byteOffset;
    }
    this.#bytes(chunk, at, end, chunk, at);
  }

  /** The next part of the payload from `source`, into `target` at `at`. Where both begin at the same distance from a multiple of four, it is one pass. */
  copy(source: Uint8Array, target: Uint8Array, at: number): void {
    const { length } = source;
    if (length < WORDS_FROM) {
      this.#bytes(source, 0, length, target, at);
      return;
    }
    const lead = -source.byteOffset & 3;
    if (((target.byteOffset + at + lead) & 3) !== 0) {
      target.set(source, at);
      this.inPlace(target, at, at + length);
      return;
    }
    this.#bytes(source, 0, lead, target, at);
    const count = (length - lead) >>> 2;
    const from = new Uint32Array(source.buffer, source.byteOffset + lead, count);
    const to = new Uint32Array(target.buffer, target.byteOffset + at + lead, count);
    maskWords(from, to, 0, 0, count, this.#word());
    const rest = lead + count * 4;
    this.#bytes(source, rest, length, target, at + rest);
  }

  #bytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
    const key = this.#key;
    let phase = this.#phase;
    for (let from = start, to = at; from < end; from++, to++) {
      target[to] = (source[from] as number) ^ (key[phase] as number);
      phase = (phase + 1) & 3;
    }
    this.#phase = phase;
  }

  /** The key from where the payload stands; whole words leave it there. */
  #word(): number {
    for (let index = 0; index < KEY_BYTES; index++) {
      this.#turned[index] = this.#key[(this.#phase + index) & 3] as number;
    }
    return (this.#turnedWord[0] as number) | 0;
  }
}

function maskWords(
  source: Uint32Array,
  target: Uint32Array,
  start: number,
  at: number,
  count: number,
  key: number,
): void {
  const end = start + count;
  let from = start;
  let to = at;
  for (; from + 4 <= end; from += 4, to += 4) {
    target[to] = (source[from] as number) ^ key;
    target[to + 1] = (source[from + 1] as number) ^ key;
    target[to + 2] = (source[from + 2] as number) ^ key;
    target[to + 3] = (source[from + 3] as number) ^ key;
  }
  for (; from < end; from++, to++) target[to] = (source[from] as number) ^ key;
}
