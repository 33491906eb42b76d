/** A bucket of tokens: so much at once, and so much a second. */
export class RateLimit {
  readonly #burst: number;
  readonly #rate: number;
  #tokens: number;
  #filledAt: number | undefined;

  /**
   * @param rate - tokens a second
   * @param burst - tokens at once
   */
  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /**
   * Takes `amount` tokens, if they are there.
   * @param now - monotonic, ms
   */
  take(amount: number, now: number): boolean {
    const elapsed = now - (this.#filledAt ?? now);
    this.#filledAt = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsed / 1_000) * this.#rate);
    if (this.#tokens < amount) return false;
    this.#tokens -= amount;
    return true;
  }
}
