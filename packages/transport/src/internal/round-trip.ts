import { MIN_ROUND_TRIP_AGE } from '../defaults.js';

/** Upper bounds of the histogram's buckets, milliseconds; one more bucket holds what is longer. */
export const ROUND_TRIP_BOUNDS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500,
];

/** Round trips of one connection, or of all, as a histogram. */
export interface RoundTrips {
  readonly count: number;
  /** Milliseconds; undefined before the first. */
  readonly minimum: number | undefined;
  readonly last: number | undefined;
  /** How many took at most as many milliseconds as {@link ROUND_TRIP_BOUNDS} says at the same place, and more than the one before; the last: longer. */
  readonly buckets: readonly number[];
}

export class RoundTripHistogram {
  readonly #buckets: number[] = new Array<number>(ROUND_TRIP_BOUNDS.length + 1).fill(0);
  #count = 0;
  #minimum: number | undefined;
  #last: number | undefined;

  add(milliseconds: number): void {
    const place = ROUND_TRIP_BOUNDS.findIndex(bound => milliseconds <= bound);
    const index = place < 0 ? ROUND_TRIP_BOUNDS.length : place;
    this.#buckets[index] = (this.#buckets[index] as number) + 1;
    this.#count++;
    this.#last = milliseconds;
    this.#minimum = Math.min(milliseconds, this.#minimum ?? milliseconds);
  }

  snapshot(): RoundTrips {
    return { count: this.#count, minimum: this.#minimum, last: this.#last, buckets: [...this.#buckets] };
  }
}

/**
 * The least round trip to a peer, as BBR (Cardwell et al., 2016) keeps it: when it has not been seen for 10 s, all windows shrink to
 * the least until what is under way has drained, and it is measured anew. Otherwise the queue that our own bulk builds would count as
 * distance.
 */
export class LeastRoundTrip {
  /** Milliseconds; undefined before the first answer. */
  least: number | undefined;
  #seenAt = 0;
  #last = 0;
  #probeFrom: number | undefined;
  #probeUntil = 0;

  /** Whether windows are held small for a measurement. */
  get probing(): boolean {
    return this.#probeFrom !== undefined;
  }

  /** A ping may go out now. */
  isDue(now: number): boolean {
    if (this.#probeFrom === undefined) {
      if (this.least === undefined || now - this.#seenAt < MIN_ROUND_TRIP_AGE) return true;
      this.#probeFrom = now + 2 * this.#last;
      this.#probeUntil = this.#probeFrom + 2 * this.#last + 1_000;
    }
    if (now > this.#probeUntil) this.#endProbe(this.#last, now);
    return now >= (this.#probeFrom ?? now);
  }

  answered(sentAt: number, now: number): void {
    const took = now - sentAt;
    this.#last = took;
    if (this.#probeFrom !== undefined) {
      if (sentAt >= this.#probeFrom) this.#endProbe(took, now);
    } else if (this.least === undefined || took <= this.least) {
      this.least = took;
      this.#seenAt = now;
    }
  }

  #endProbe(least: number, now: number): void {
    this.least = least;
    this.#seenAt = now;
    this.#probeFrom = undefined;
  }
}
