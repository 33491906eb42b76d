import type { Clock } from '@foundation-ts/core';

/** What the first round looks at. */
export interface FirstRoundHost {
  /** Whether no dial is under way. */
  idle(): boolean;
  /** Whether a connection with any member stands. */
  connected(): boolean;
}

/**
 * The first round of discovery: over when every strategy has said whom it knows, or a member was found, and all dials are through.
 * A strategy that knows nobody may say nothing, hence the limit.
 */
export class FirstRound {
  readonly #waiting: Set<number>;
  readonly #host: FirstRoundHost;
  #done: (() => void) | undefined = undefined;

  constructor(strategies: number, host: FirstRoundHost) {
    this.#waiting = new Set(Array.from({ length: strategies }, (_, index) => index));
    this.#host = host;
  }

  /** A strategy has said whom it knows. */
  found(strategy: number): void {
    this.#waiting.delete(strategy);
    this.#check();
  }

  /** A dial is through. */
  dialled(): void {
    this.#check();
  }

  /** Resolves when the round is over, after `limit` milliseconds at most. */
  over(clock: Clock, limit: number): Promise<void> {
    return new Promise(resolve => {
      const timer = clock.setTimeout(() => this.#done?.(), limit);
      this.#done = () => {
        this.#done = undefined;
        timer.cancel();
        resolve();
      };
      this.#check();
    });
  }

  #check(): void {
    if (this.#host.idle() && (this.#waiting.size === 0 || this.#host.connected())) this.#done?.();
  }
}
