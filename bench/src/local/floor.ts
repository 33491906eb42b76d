const initialCapacity = 16;

/** A first-in, first-out queue over an array whose length is a power of two. */
export class Ring<T> {
  #slots: (T | undefined)[] = new Array(initialCapacity).fill(undefined);
  #mask = initialCapacity - 1;
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: T): void {
    if (this.#length > this.#mask) this.#grow();
    this.#slots[(this.#head + this.#length) & this.#mask] = value;
    this.#length += 1;
  }

  peek(): T | undefined {
    return this.#slots[this.#head];
  }

  shift(): T | undefined {
    const value = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.#length -= 1;
    return value;
  }

  #grow(): void {
    const slots: (T | undefined)[] = new Array(this.#slots.length * 2).fill(undefined);
    for (let index = 0; index < this.#length; index++) slots[index] = this.#slots[(this.#head + index) & this.#mask];
    this.#slots = slots;
    this.#mask = slots.length - 1;
    this.#head = 0;
  }
}

/** The raw floor of an actor: a ring, and a microtask that empties it. */
export class FloorActor<T> {
  readonly #mailbox = new Ring<T>();
  readonly #handle: (message: T) => void;
  readonly #drain: () => void;
  #scheduled = false;

  constructor(handle: (message: T) => void) {
    this.#handle = handle;
    this.#drain = () => {
      this.#scheduled = false;
      while (this.#mailbox.length > 0) this.#handle(this.#mailbox.shift() as T);
    };
  }

  send(message: T): void {
    this.#mailbox.push(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#drain);
  }
}

/**
 * The floor's actor when all actors share one run queue and one microtask, instead of a microtask for each hop: what a
 * runtime with a scheduler does. The figures to reach are against {@link FloorActor}; this shows what lies below it.
 */
export class QueuedActor<T> {
  readonly #queue: Ring<QueuedActor<T>>;
  readonly #mailbox = new Ring<T>();
  readonly #handle: (message: T) => void;
  readonly #drain: () => void;

  /** @param queue - the run queue, the same one for all actors that belong together */
  constructor(queue: Ring<QueuedActor<T>>, handle: (message: T) => void) {
    this.#queue = queue;
    this.#handle = handle;
    this.#drain = () => {
      while (queue.length > 0) queue.peek()?.run();
    };
  }

  send(message: T): void {
    this.#mailbox.push(message);
    if (this.#mailbox.length > 1) return;
    this.#queue.push(this);
    if (this.#queue.length === 1) queueMicrotask(this.#drain);
  }

  run(): void {
    while (this.#mailbox.length > 0) {
      this.#handle(this.#mailbox.peek() as T);
      this.#mailbox.shift();
    }
    this.#queue.shift();
  }
}
