/**
 * OTP's restart intensity: more than `maxRestarts` restarts within `within` milliseconds are too many.
 * Pure: time comes in as an argument.
 */
export class RestartIntensity {
  readonly #maxRestarts: number;
  readonly #within: number;
  readonly #times: number[] = [];
  #first = 0;

  constructor(maxRestarts: number, within: number) {
    this.#maxRestarts = maxRestarts;
    this.#within = within;
  }

  /** Counts a restart at `now`; returns whether it is still within the intensity. */
  allow(now: number): boolean {
    this.#times.push(now);
    while (now - (this.#times[this.#first] as number) > this.#within) this.#first++;
    const counted = this.#times.length - this.#first;
    // Now and then only, so that a restart costs the same whatever the intensity.
    if (this.#first > counted) {
      this.#times.splice(0, this.#first);
      this.#first = 0;
    }
    return counted <= this.#maxRestarts;
  }
}
