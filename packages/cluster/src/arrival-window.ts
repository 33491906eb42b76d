import { ARRIVAL_SAMPLES, HEARTBEAT_INTERVAL_MS, MIN_STDDEV_MS } from './defaults.js';

/** What an {@link ArrivalWindow} is made from; durations in milliseconds. */
export interface ArrivalWindowInit {
  /** What is assumed before anything was seen, and the least mean that is believed. Default 1,000. */
  readonly interval?: number;
  /** Default 100. */
  readonly minStddev?: number;
  /** How many intervals are remembered. Default 100. */
  readonly samples?: number;
}

/**
 * The recent intervals between the heartbeats of one peer, and the suspicion level that follows from them: φ of "The φ
 * accrual failure detector" (Hayashibara et al. 2004), with Akka's logistic approximation of the normal distribution.
 */
export class ArrivalWindow {
  readonly #interval: number;
  readonly #minStddev: number;
  readonly #ring: Float64Array;
  #count = 0;
  #next = 0;
  #sum = 0;
  #squares = 0;

  constructor(init: ArrivalWindowInit = {}) {
    this.#interval = init.interval ?? HEARTBEAT_INTERVAL_MS;
    this.#minStddev = init.minStddev ?? MIN_STDDEV_MS;
    this.#ring = new Float64Array(Math.max(2, init.samples ?? ARRIVAL_SAMPLES));
    this.add(this.#interval * 0.75);
    this.add(this.#interval * 1.25);
  }

  /** How many intervals are remembered, the two assumed at the start included. */
  get samples(): number {
    return this.#count;
  }

  /** At least the nominal interval: a burst of heartbeats doesn't make the next one overdue. */
  get mean(): number {
    return Math.max(this.#interval, this.#sum / this.#count);
  }

  get stddev(): number {
    const mean = this.#sum / this.#count;
    return Math.max(this.#minStddev, Math.sqrt(Math.max(0, this.#squares / this.#count - mean * mean)));
  }

  add(interval: number): void {
    const old = this.#ring[this.#next] ?? 0;
    if (this.#count === this.#ring.length) {
      this.#sum -= old;
      this.#squares -= old * old;
    } else {
      this.#count++;
    }
    this.#ring[this.#next] = interval;
    this.#sum += interval;
    this.#squares += interval * interval;
    this.#next = (this.#next + 1) % this.#ring.length;
  }

  /**
   * The suspicion level after a silence: −log₁₀ of the probability that a sign of life is still to come.
   * @param silence - milliseconds since the last sign of life
   * @param pause - milliseconds added to the mean
   */
  phi(silence: number, pause: number): number {
    const distance = (silence - this.mean - pause) / this.stddev;
    const tail = Math.exp(-distance * (1.5976 + 0.070566 * distance * distance));
    return distance > 0 ? -Math.log10(tail / (1 + tail)) : -Math.log10(1 - 1 / (1 + tail));
  }
}
