import type { Clock, Timer } from '@foundation-ts/core';

/** The clock of one simulated host: it can lag behind its timers' due times, and stops for good when the host crashes. */
export class HostClock implements Clock {
  readonly #clock: Clock;
  #frozen = false;
  #skew = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wallTime(): number {
    return this.#clock.wallTime() + this.#skew;
  }

  /** Sets this host's wall clock apart from the others', milliseconds either way. */
  skewWallTime(ms: number): void {
    this.#skew = ms;
  }

  setTimeout(callback: () => void, ms: number, options?: { readonly unref?: boolean }): Timer {
    return this.#clock.setTimeout(
      () => {
        if (!this.#frozen) callback();
      },
      ms,
      options,
    );
  }

  /** No timer of this host fires any more. */
  freeze(): void {
    this.#frozen = true;
  }
}
