/**
 * OTP's restart intensity: more than `maxRestarts` restarts within `within` milliseconds are too many.
 * Pure: time comes in as an argument.
 */
export class RestartIntensity {
  readonly #maxRestarts: number;
  readonly #within: number;
  #times: number[] = [];

  constructor(maxRestarts: number, within: number) {
    this.#maxRestarts = maxRestarts;
    this.#within = within;
  }

  /** Counts a restart at `now`; returns whether it is still within the intensity. */
  allow(now: number): boolean {
    this.#times = this.#times.filter(time => now - time <= this.#within);
    this.#times.push(now);
    return this.#times.length <= this.#maxRestarts;
  }
}
