/** A pending timer. */
export interface Timer {
  /** Cancels the timer; a no-op once it has fired or was cancelled. */
  cancel(): void;
}

/**
 * The only source of time. Everything that waits or measures takes one, so that the same code runs in production
 * and in simulated time.
 */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin; fractions allowed; never goes back. */
  now(): number;
  /** Milliseconds since the Unix epoch; may jump when the machine's clock is set. */
  wallTime(): number;
  /**
   * Runs `callback` once, `ms` milliseconds from now (0 and negative: as soon as possible, never synchronously).
   * @param options.unref - when true the timer alone does not keep the operating-system process alive; default false
   */
  setTimeout(callback: () => void, ms: number, options?: { readonly unref?: boolean }): Timer;
}

/** Node.js fires a timer of more milliseconds than this at once. */
const LONGEST = 2 ** 31 - 1;

class SystemTimer implements Timer {
  readonly #callback: () => void;
  readonly #unref: boolean;
  #handle: NodeJS.Timeout;

  constructor(callback: () => void, ms: number, unref: boolean) {
    this.#callback = callback;
    this.#unref = unref;
    this.#handle = this.#arm(ms);
  }

  #arm(ms: number): NodeJS.Timeout {
    const handle =
      ms <= LONGEST
        ? setTimeout(this.#callback, ms)
        : setTimeout(() => {
            this.#handle = this.#arm(ms - LONGEST);
          }, LONGEST);
    if (this.#unref) handle.unref();
    return handle;
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimeout: (callback, ms, options) => new SystemTimer(callback, ms, options?.unref === true),
};
