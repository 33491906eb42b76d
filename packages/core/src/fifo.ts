const SMALLEST = 16;
/** An empty queue gives back the room that it took beyond this. */
const KEEP = 1_024;

/** A queue over an array whose length is a power of two: no allocation while it does not grow. */
export class Fifo<T> {
  length = 0;
  #slots: (T | undefined)[] = new Array(SMALLEST).fill(undefined);
  #mask: number = SMALLEST - 1;
  #first = 0;

  push(item: T): void {
    if (this.length > this.#mask) this.#grow();
    this.#slots[(this.#first + this.length) & this.#mask] = item;
    this.length++;
  }

  /** Takes the oldest; call only when {@link length} is not 0. */
  shift(): T {
    const item = this.#slots[this.#first] as T;
    this.#slots[this.#first] = undefined;
    this.#first = (this.#first + 1) & this.#mask;
    this.length--;
    if (this.length === 0 && this.#mask >= KEEP) this.#reset(SMALLEST);
    return item;
  }

  /** Lets the item at `index`, counted from the oldest, and the oldest change places. */
  toFront(index: number): void {
    const at = (this.#first + index) & this.#mask;
    const chosen = this.#slots[at];
    this.#slots[at] = this.#slots[this.#first];
    this.#slots[this.#first] = chosen;
  }

  #grow(): void {
    const slots = this.#slots;
    const mask = this.#mask;
    const first = this.#first;
    this.#reset(slots.length * 2);
    for (let index = 0; index < this.length; index++) this.#slots[index] = slots[(first + index) & mask];
  }

  #reset(capacity: number): void {
    this.#slots = new Array(capacity).fill(undefined);
    this.#mask = capacity - 1;
    this.#first = 0;
  }
}
