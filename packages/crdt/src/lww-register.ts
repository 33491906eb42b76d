import { HLC_ZERO, type HlcTimestamp, hlcCompare } from './hlc.js';

/** State and delta of an {@link LwwRegister}; the empty array before the first write. */
export type LwwRegisterPlain<V> = readonly [] | readonly [timestamp: HlcTimestamp, replica: string, value: V];

/**
 * A register in which the write with the highest hybrid timestamp wins, ties broken by the replica. A write always beats what its replica
 * had seen: if the present value has a later timestamp (from a clock far ahead, which one's own clock was not allowed to follow), the
 * write is stamped just after it.
 */
export class LwwRegister<V> {
  readonly replica: string;
  #state: LwwRegisterPlain<V> = [];

  constructor(replica: string) {
    this.replica = replica;
  }

  get value(): V | undefined {
    return this.#state[2];
  }

  /** When the value was written; {@link HLC_ZERO} before the first write. */
  get timestamp(): HlcTimestamp {
    return this.#state[0] ?? HLC_ZERO;
  }

  /** Answers the delta. */
  set(value: V, timestamp: HlcTimestamp): LwwRegisterPlain<V> {
    this.#state = [Math.max(timestamp, this.timestamp + 1), this.replica, value];
    return this.#state;
  }

  /** True if the value was replaced. */
  join(delta: LwwRegisterPlain<V>): boolean {
    if (delta.length === 0) return false;
    const present = this.#state;
    if (present.length !== 0 && hlcCompare(delta[0], delta[1], present[0], present[1]) <= 0) return false;
    this.#state = delta;
    return true;
  }

  toPlain(): LwwRegisterPlain<V> {
    return this.#state;
  }

  static fromPlain<V>(replica: string, plain: LwwRegisterPlain<V>): LwwRegister<V> {
    const register = new LwwRegister<V>(replica);
    register.join(plain);
    return register;
  }
}
