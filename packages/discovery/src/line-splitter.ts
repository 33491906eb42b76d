/** Cuts a byte stream at its line feeds; a line over the limit is dropped and told, not kept. */
export class LineSplitter {
  readonly #limit: number;
  readonly #line: (text: string) => void;
  readonly #overlong: () => void;
  #parts: Uint8Array[] = [];
  #length = 0;
  #dropping = false;

  /** @param limit - bytes a line may have */
  constructor(limit: number, line: (text: string) => void, overlong: () => void) {
    this.#limit = limit;
    this.#line = line;
    this.#overlong = overlong;
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, end));
      this.#finish();
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  #keep(part: Uint8Array): void {
    if (this.#dropping || part.length === 0) return;
    this.#length += part.length;
    if (this.#length > this.#limit) {
      this.#parts = [];
      this.#dropping = true;
      this.#overlong();
    } else {
      this.#parts.push(part);
    }
  }

  #finish(): void {
    if (!this.#dropping && this.#length > 0) this.#line(Buffer.concat(this.#parts, this.#length).toString('utf8'));
    this.#parts = [];
    this.#length = 0;
    this.#dropping = false;
  }
}
