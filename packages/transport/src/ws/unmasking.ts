import { KEY_BYTES } from './frames.js';

/** Shorter runs are unmasked byte by byte. */
const WORDS_FROM = 32;

/** Takes the mask off the payloads of one connection, four bytes at a time, where they stand (RFC 6455, section 5.3). */
export class Unmasking {
  readonly #key = new Uint8Array(KEY_BYTES);
  readonly #turned = new Uint8Array(KEY_BYTES);
  /** The key as a run needs it, in the machine's order of bytes, whichever that is. */
  readonly #turnedWord = new Uint32Array(this.#turned.buffer);
  #phase = 0;
  #words: Uint32Array = new Uint32Array(0);

  /** A frame begins, whose key stands there. */
  begin(bytes: Uint8Array, at: number): void {
    for (let index = 0; index < KEY_BYTES; index++) this.#key[index] = bytes[at + index] as number;
    this.#phase = 0;
  }

  /** Unmasks the next part of the frame's payload. */
  run(chunk: Uint8Array, start: number, end: number): void {
    const key = this.#key;
    let phase = this.#phase;
    let at = start;
    if (end - start >= WORDS_FROM) {
      if (chunk.buffer !== this.#words.buffer) {
        this.#words = new Uint32Array(chunk.buffer, 0, chunk.buffer.byteLength >>> 2);
      }
      const { byteOffset } = chunk;
      for (; ((byteOffset + at) & 3) !== 0; at++) {
        chunk[at] = (chunk[at] as number) ^ (key[phase] as number);
        phase = (phase + 1) & 3;
      }
      for (let index = 0; index < KEY_BYTES; index++) this.#turned[index] = key[(phase + index) & 3] as number;
      const last = (byteOffset + end) >>> 2;
      unmaskWords(this.#words, (byteOffset + at) >>> 2, last, (this.#turnedWord[0] as number) | 0);
      at = last * 4 - byteOffset;
    }
    for (; at < end; at++) {
      chunk[at] = (chunk[at] as number) ^ (key[phase] as number);
      phase = (phase + 1) & 3;
    }
    this.#phase = phase;
  }
}

function unmaskWords(words: Uint32Array, from: number, to: number, key: number): void {
  let at = from;
  for (; at + 4 <= to; at += 4) {
    words[at] = (words[at] as number) ^ key;
    words[at + 1] = (words[at + 1] as number) ^ key;
    words[at + 2] = (words[at + 2] as number) ^ key;
    words[at + 3] = (words[at + 3] as number) ^ key;
  }
  for (; at < to; at++) words[at] = (words[at] as number) ^ key;
}
