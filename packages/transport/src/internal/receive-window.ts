import {
  WINDOW_FAST_RATE,
  WINDOW_GAIN,
  WINDOW_MIN_ROUND_TRIP,
  WINDOW_QUEUE,
  WINDOW_QUEUE_BYTES,
  WINDOW_QUEUE_FAST,
  WINDOW_RATE_SAMPLES,
  WINDOW_SAMPLE,
} from '../defaults.js';
import type { LeastRoundTrip } from './round-trip.js';

/** Bytes of window that all adaptive connections of one peer share beyond what each began with. */
export interface WindowShare {
  left: number;
}

export interface ReceiveWindowInit {
  readonly start: number;
  readonly floor: number;
  readonly cap: number;
  readonly share: WindowShare;
  readonly roundTrip: LeastRoundTrip;
}

/**
 * How much a sender may have under way to us on one connection: twice what the link carries in its least round trip (bandwidth × round
 * trip, the bandwidth being the best of the last samples). Twice, so that a window that is too small doubles with each round trip, and
 * a full link still has something to send while credit travels. Where the round trip is short what counts is what the two event loops have
 * at hand, and on a fast link, which queues nothing for long, the time for which the other process is kept from running: up to 1 MiB (`remote.cast` 0.58 to
 * 0.87 of the floor). Since each connection's share of the bandwidth counts, a peer's
 * bulk channels share the window of the link.
 */
export class ReceiveWindow {
  readonly #init: ReceiveWindowInit;
  #size: number;
  readonly #rates: number[] = [];
  #since = -1;
  #bytes = 0;

  constructor(init: ReceiveWindowInit) {
    this.#init = init;
    this.#size = init.start;
  }

  get size(): number {
    return this.#init.roundTrip.probing ? this.#init.floor : this.#size;
  }

  /** Bytes have arrived. */
  received(bytes: number, now: number): void {
    const { least } = this.#init.roundTrip;
    if (this.#since < 0 || least === undefined || this.#init.roundTrip.probing) {
      this.#since = now;
      this.#bytes = 0;
      return;
    }
    this.#bytes += bytes;
    const elapsed = now - this.#since;
    // Over less than some turns of the event loop the rate is that of a burst, not of the link.
    if (elapsed < Math.max(least, WINDOW_SAMPLE)) return;
    this.#rates.push(this.#bytes / elapsed);
    if (this.#rates.length > WINDOW_RATE_SAMPLES) this.#rates.shift();
    this.#since = now;
    this.#bytes = 0;
    const rate = Math.max(...this.#rates);
    const needed = WINDOW_GAIN * Math.max(least, WINDOW_MIN_ROUND_TRIP) * rate;
    this.#resize(
      Math.ceil(
        Math.max(
          needed,
          Math.min(WINDOW_QUEUE_BYTES, (rate > WINDOW_FAST_RATE ? WINDOW_QUEUE_FAST : WINDOW_QUEUE) * rate),
        ),
      ),
    );
  }

  /** The connection is over: its part of the share is free. */
  release(): void {
    const { share, start } = this.#init;
    share.left += Math.max(0, this.#size - start);
    this.#size = Math.min(this.#size, start);
  }

  #resize(wanted: number): void {
    const { floor, cap, share, start } = this.#init;
    const extra = Math.max(0, this.#size - start);
    const most = Math.min(cap, start + extra + share.left);
    this.#size = Math.min(most, Math.max(floor, wanted));
    share.left += extra - Math.max(0, this.#size - start);
  }
}
