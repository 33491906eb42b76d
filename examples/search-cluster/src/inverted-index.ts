import { type Answer, compareHits, type Hit, score } from './answer.js';
import type { Query } from './query.js';
import { tokenize } from './tokenizer.js';

/** An index as plain data: what a shard hands over when it moves to another node. */
export interface PlainIndex {
  readonly documents: readonly { readonly path: string; readonly length: number }[];
  /** All terms, separated by line breaks (which no term contains). */
  readonly terms: string;
  /** For each term in order: the count of numbers that follow, then its postings, all as variable-length integers. */
  readonly postings: Uint8Array;
}

/** Finds the documents that contain given words and phrases, without looking at the documents again. */
export class InvertedIndex {
  readonly #documents: { path: string; length: number }[] = [];
  /** Term → for each document that has it: document number, frequency, then that many positions. */
  readonly #postings = new Map<string, number[]>();

  get documentCount(): number {
    return this.#documents.length;
  }

  get termCount(): number {
    return this.#postings.size;
  }

  /** Adds a document; a path must be added once only. */
  add(path: string, text: string): void {
    const tokens = tokenize(text);
    const positionsOf = new Map<string, number[]>();
    tokens.forEach((token, position) => {
      const positions = positionsOf.get(token);
      if (positions === undefined) positionsOf.set(token, [position]);
      else positions.push(position);
    });
    const number = this.#documents.push({ path, length: tokens.length }) - 1;
    for (const [term, positions] of positionsOf) {
      let postings = this.#postings.get(term);
      if (postings === undefined) {
        postings = [];
        this.#postings.set(ownCopy(term), postings);
      }
      postings.push(number, positions.length);
      for (const position of positions) postings.push(position);
    }
  }

  /** The answer of this index alone: the count of all matches and the best `limit` of them. */
  search(query: Query, limit: number): Answer {
    const frequencies = query.units.map(unit => this.#frequencies(unit));
    const [first, ...others] = frequencies;
    const hits: Hit[] = [];
    for (const [number, frequency] of first ?? []) {
      const all = [frequency];
      for (const other of others) {
        const more = other.get(number);
        if (more === undefined) break;
        all.push(more);
      }
      const document = this.#documents[number];
      if (all.length < frequencies.length || document === undefined) continue;
      hits.push({ path: document.path, score: score(all, document.length) });
    }
    hits.sort(compareHits);
    return { matches: hits.length, hits: hits.slice(0, limit) };
  }

  toPlain(): PlainIndex {
    const writer = new IntegerWriter();
    for (const postings of this.#postings.values()) {
      writer.write(postings.length);
      for (const number of postings) writer.write(number);
    }
    return { documents: this.#documents, terms: [...this.#postings.keys()].join('\n'), postings: writer.bytes() };
  }

  static fromPlain(plain: PlainIndex): InvertedIndex {
    const index = new InvertedIndex();
    for (const { path, length } of plain.documents) index.#documents.push({ path, length });
    const reader = new IntegerReader(plain.postings);
    for (const term of plain.terms === '' ? [] : plain.terms.split('\n')) {
      const postings = new Array<number>(reader.read());
      for (let at = 0; at < postings.length; at++) postings[at] = reader.read();
      index.#postings.set(term, postings);
    }
    return index;
  }

  /** Document number → how often the unit occurs there. */
  #frequencies(unit: readonly string[]): Map<number, number> {
    const [first = '', ...rest] = unit;
    const frequencies = new Map<number, number>();
    if (rest.length === 0) {
      const postings = this.#postings.get(first) ?? [];
      for (let at = 0; at < postings.length; at += 2 + (postings[at + 1] ?? 0)) {
        frequencies.set(postings[at] ?? 0, postings[at + 1] ?? 0);
      }
      return frequencies;
    }
    const following = rest.map(term => this.#positions(term));
    for (const [number, starts] of this.#positions(first)) {
      const sets = following.map(positions => new Set(positions.get(number)));
      const found = starts.filter(start => sets.every((set, offset) => set.has(start + offset + 1))).length;
      if (found > 0) frequencies.set(number, found);
    }
    return frequencies;
  }

  /** Document number → where the term stands there. */
  #positions(term: string): Map<number, number[]> {
    const positions = new Map<number, number[]>();
    const postings = this.#postings.get(term) ?? [];
    for (let at = 0; at < postings.length; ) {
      const end = at + 2 + (postings[at + 1] ?? 0);
      positions.set(postings[at] ?? 0, postings.slice(at + 2, end));
      at = end;
    }
    return positions;
  }
}

/** A substring keeps the whole text that it was cut from in memory; an index lives longer than the texts. */
function ownCopy(term: string): string {
  return Buffer.from(term).toString();
}

class IntegerWriter {
  #buffer = new Uint8Array(1 << 16);
  #length = 0;

  write(value: number): void {
    if (this.#length + 5 > this.#buffer.length) {
      const larger = new Uint8Array(this.#buffer.length * 2);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
}

class IntegerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error('The index that was handed over is cut short.');
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }
}
