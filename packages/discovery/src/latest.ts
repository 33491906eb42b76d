/**
 * A level-triggered queue of one: whoever reads it gets the newest value, values that nobody took in time are
 * superseded. For the `watch` of a strategy, whose values are whole sets. One reader.
 */
export class Latest<T> implements AsyncIterable<T> {
  readonly #signal: AbortSignal;
  #value: { readonly value: T } | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** @param signal - when it aborts, reading ends, also for a reader that is waiting */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Sets the value; one that nobody read yet is dropped. */
  push(value: T): void {
    this.#value = { value };
    this.#wake?.();
  }

  /** Makes the reader throw `error`, after the value that waits. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    const wake = (): void => this.#wake?.();
    this.#signal.addEventListener('abort', wake);
    try {
      while (!this.#signal.aborted) {
        const next = this.#value;
        if (next !== undefined) {
          this.#value = undefined;
          yield next.value;
        } else if (this.#failure !== undefined) {
          throw this.#failure.error;
        } else {
          await new Promise<void>(resolve => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#signal.removeEventListener('abort', wake);
      this.#wake = undefined;
    }
  }
}
