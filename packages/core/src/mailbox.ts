const STRIDE = 3;
const SMALLEST = 4;
const KEEP = 1024;

/**
 * A queue of messages of three fields each, in one flat array, so that a message costs no object. The fields of the message
 * taken last are in {@link head}, {@link payload} and {@link meta}.
 */
export class Mailbox {
  /** How many messages wait. */
  size = 0;
  head: unknown = undefined;
  payload: unknown = undefined;
  meta: unknown = undefined;
  #items: unknown[] | undefined = undefined;
  #capacity = 0;
  #first = 0;

  push(head: unknown, payload: unknown, meta: unknown): void {
    if (this.size === this.#capacity) this.#resize(this.#capacity === 0 ? SMALLEST : this.#capacity * 2);
    const items = this.#items as unknown[];
    const base = ((this.#first + this.size) & (this.#capacity - 1)) * STRIDE;
    items[base] = head;
    items[base + 1] = payload;
    items[base + 2] = meta;
    this.size++;
  }

  /** Takes the oldest message into the fields; call only when {@link size} is not 0. */
  take(): void {
    const items = this.#items as unknown[];
    const base = this.#first * STRIDE;
    this.head = items[base];
    this.payload = items[base + 1];
    this.meta = items[base + 2];
    items[base] = undefined;
    items[base + 1] = undefined;
    items[base + 2] = undefined;
    this.#first = (this.#first + 1) & (this.#capacity - 1);
    this.size--;
    if (this.size === 0 && this.#capacity > KEEP) this.#release();
  }

  /** Forgets the message taken last, so that its payload can be collected. */
  forget(): void {
    this.payload = undefined;
    this.meta = undefined;
  }

  /** Calls `visit` for each waiting message, oldest first, and empties the box. */
  drain(visit: (head: unknown, payload: unknown, meta: unknown) => void): void {
    while (this.size > 0) {
      this.take();
      visit(this.head, this.payload, this.meta);
    }
    this.forget();
    this.#release();
  }

  /** Removes the oldest message for which `test` holds; returns whether there was one (its fields are then taken). */
  removeFirst(test: (head: unknown) => boolean): boolean {
    const items = this.#items as unknown[];
    for (let offset = 0; offset < this.size; offset++) {
      const base = ((this.#first + offset) & (this.#capacity - 1)) * STRIDE;
      if (!test(items[base])) continue;
      const found = [items[base], items[base + 1], items[base + 2]];
      for (let rest = offset; rest > 0; rest--) {
        const to = ((this.#first + rest) & (this.#capacity - 1)) * STRIDE;
        const from = ((this.#first + rest - 1) & (this.#capacity - 1)) * STRIDE;
        for (let field = 0; field < STRIDE; field++) items[to + field] = items[from + field];
      }
      this.take();
      [this.head, this.payload, this.meta] = found;
      return true;
    }
    return false;
  }

  #release(): void {
    this.#items = undefined;
    this.#capacity = 0;
    this.#first = 0;
  }

  #resize(capacity: number): void {
    const next = new Array<unknown>(capacity * STRIDE);
    const old = this.#items;
    if (old !== undefined) {
      const start = this.#first * STRIDE;
      const length = this.size * STRIDE;
      const untilEnd = Math.min(length, old.length - start);
      for (let index = 0; index < untilEnd; index++) next[index] = old[start + index];
      for (let index = untilEnd; index < length; index++) next[index] = old[index - untilEnd];
    }
    this.#items = next;
    this.#capacity = capacity;
    this.#first = 0;
  }
}
