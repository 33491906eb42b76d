/** State and delta of a {@link GCounter}: each replica's total. */
export type GCounterPlain = readonly (readonly [replica: string, total: number])[];

/** State and delta of a {@link PnCounter}. */
export type PnCounterPlain = readonly [up: GCounterPlain, down: GCounterPlain];

/** A counter that only grows: the sum of each replica's own total; the join takes the larger total of each. */
export class GCounter {
  readonly replica: string;
  readonly #totals = new Map<string, number>();

  constructor(replica: string) {
    this.replica = replica;
  }

  get value(): number {
    let sum = 0;
    for (const total of this.#totals.values()) sum += total;
    return sum;
  }

  /** Answers the delta. @throws RangeError if `by` is not a whole number from 0. */
  increment(by = 1): GCounterPlain {
    if (!Number.isSafeInteger(by) || by < 0)
      throw new RangeError(`a counter that only grows can't grow by ${by}: give a whole number from 0`);
    const total = (this.#totals.get(this.replica) ?? 0) + by;
    this.#totals.set(this.replica, total);
    return [[this.replica, total]];
  }

  /** True if anything was news. @throws TypeError if the delta is malformed. */
  join(delta: GCounterPlain): boolean {
    let changed = false;
    for (const [replica, total] of delta) {
      if (typeof replica !== 'string' || !Number.isSafeInteger(total) || total < 0) {
        throw new TypeError(`malformed counter: ${JSON.stringify([replica, total])} is not [replica, total]`);
      }
      if (total <= (this.#totals.get(replica) ?? 0)) continue;
      this.#totals.set(replica, total);
      changed = true;
    }
    return changed;
  }

  toPlain(): GCounterPlain {
    return [...this.#totals];
  }

  static fromPlain(replica: string, plain: GCounterPlain): GCounter {
    const counter = new GCounter(replica);
    counter.join(plain);
    return counter;
  }
}

/** A counter that goes both ways: two that only grow. */
export class PnCounter {
  readonly #up: GCounter;
  readonly #down: GCounter;

  constructor(replica: string) {
    this.#up = new GCounter(replica);
    this.#down = new GCounter(replica);
  }

  get value(): number {
    return this.#up.value - this.#down.value;
  }

  /** Adds a whole number from 0; answers the delta. @throws RangeError otherwise. */
  increment(by = 1): PnCounterPlain {
    return [this.#up.increment(by), []];
  }

  /** Takes off a whole number from 0; answers the delta. @throws RangeError otherwise. */
  decrement(by = 1): PnCounterPlain {
    return [[], this.#down.increment(by)];
  }

  /** True if anything was news. @throws TypeError if the delta is malformed. */
  join(delta: PnCounterPlain): boolean {
    const up = this.#up.join(delta[0]);
    return this.#down.join(delta[1]) || up;
  }

  toPlain(): PnCounterPlain {
    return [this.#up.toPlain(), this.#down.toPlain()];
  }

  static fromPlain(replica: string, plain: PnCounterPlain): PnCounter {
    const counter = new PnCounter(replica);
    counter.join(plain);
    return counter;
  }
}
