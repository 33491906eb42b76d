import type { Clock } from '@foundation-ts/core';

/** What the first round looks at. */
export interface FirstRoundHost {
  /** Whether no dial is under way. */
  idle(): boolean;
  /** How many other members a connection stands with. */
  connected(): number;
}

/**
 * The first round of discovery: over when every strategy has said whom it knows, or a member was found, and all dials are through.
 * A strategy that knows nobody may say nothing, hence the limit. Where so many nodes are expected it is over only when they are connected, and
 * no dial is under way.
 */
export class FirstRound {
  readonly #waiting: Set<number>;
  readonly #host: FirstRoundHost;
  readonly #expected: number;
  #done: (() => void) | undefined = undefined;

  /** @param expected - how many nodes make the cluster, this one included; 1: nobody is waited for in particular */
  constructor(strategies: number, expected: number, host: FirstRoundHost) {
    this.#expected = expected;
    this.#waiting = new Set(Array.from({ length: strategies }, (_, index) => index));
    this.#host = host;
  }

  /** A strategy has said whom it knows. */
  found(strategy: number): void {
    this.#waiting.delete(strategy);
    this.#check();
  }

  /** A dial is through, or a peer has dialled. */
  changed(): void {
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
    if (!this.#host.idle()) return;
    const others = this.#host.connected();
    const enough = this.#expected > 1 ? others + 1 >= this.#expected : this.#waiting.size === 0 || others > 0;
    if (enough) this.#done?.();
  }
}
