/** From so many places on, those of what has gone are given back when they are more than half. */
const KEPT = 64;

/** First in, first out; holds nothing that it has given out, and grows with what waits, not with what has passed. */
export class Queue<T> {
  readonly #items: (T | undefined)[] = [];
  #head = 0;

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head > KEPT && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }
}
