import { LOCAL_HEALTH_MAX, LOCAL_HEALTH_STEP_MS } from './defaults.js';

/**
 * How far a node trusts its own view (memberlist's *awareness*, from Lifeguard, Dadgar et al. 2017): its score rises when
 * its own event loop stalls and falls while it runs freely; patience with others is multiplied by score + 1.
 */
export class LocalHealth {
  readonly #max: number;
  #score = 0;
  #healthySince: number | undefined;

  /** @param max - the worst score; default 8 */
  constructor(max = LOCAL_HEALTH_MAX) {
    this.#max = max;
  }

  /** 0 is healthy. */
  get score(): number {
    return this.#score;
  }

  /** What patience is multiplied by: 1 to `max` + 1. */
  get multiplier(): number {
    return this.#score + 1;
  }

  /** The event loop did not run for `ms` milliseconds: one point for each second begun. */
  stalled(ms: number, now: number): void {
    this.#score = Math.min(this.#max, this.#score + Math.ceil(ms / LOCAL_HEALTH_STEP_MS));
    this.#healthySince = now;
  }

  /** The event loop runs freely: one point less for each second of it. */
  healthy(now: number): void {
    this.#healthySince ??= now;
    const regained = Math.floor((now - this.#healthySince) / LOCAL_HEALTH_STEP_MS);
    if (regained <= 0) return;
    this.#score = Math.max(0, this.#score - regained);
    this.#healthySince += regained * LOCAL_HEALTH_STEP_MS;
  }
}
