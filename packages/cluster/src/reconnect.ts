import type { Random } from '@foundation-ts/core';
import {
  RECONNECT_BASE_MS,
  RECONNECT_FLAPS,
  RECONNECT_MAX_ADDRESSES,
  RECONNECT_MAX_MS,
  RECONNECT_STABLE_MS,
} from './defaults.js';

/** What {@link Reconnects} is made from; all in milliseconds unless said otherwise. */
export interface ReconnectInit {
  /** The first ceiling of the delay. Default 100. */
  readonly base?: number;
  /** The last ceiling of the delay. Default 10,000. */
  readonly max?: number;
  /** A connection that is lost sooner than this does not reset the backoff, but keeps it at twice `base`. Default 1,000. */
  readonly stableAfter?: number;
  /** How many addresses are remembered; the one that failed longest ago is forgotten first. Default 20,000. */
  readonly maxAddresses?: number;
}

interface Attempts {
  failures: number;
  nextAt: number;
  connectedAt: number | undefined;
}

/**
 * When to redial an address: at once after the first failure, then after a random delay under a ceiling that doubles
 * from `base` to `max` ("full jitter", AWS 2015), from the start again after a connection that held, and from twice `base` after one that didn't.
 */
export class Reconnects {
  readonly #attempts = new Map<string, Attempts>();
  readonly #base: number;
  readonly #max: number;
  readonly #stableAfter: number;
  readonly #maxAddresses: number;

  constructor(init: ReconnectInit = {}) {
    this.#base = init.base ?? RECONNECT_BASE_MS;
    this.#max = init.max ?? RECONNECT_MAX_MS;
    this.#stableAfter = init.stableAfter ?? RECONNECT_STABLE_MS;
    this.#maxAddresses = init.maxAddresses ?? RECONNECT_MAX_ADDRESSES;
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#attempts.size;
  }

  /**
   * A dial failed, or a connection was lost.
   * @param address - its text (`formatAddress`)
   * @returns when to dial again, on the same clock as `now`
   */
  failed(address: string, now: number, random: Random): number {
    const known = this.#attempts.get(address);
    this.#attempts.delete(address);
    const failures = known === undefined ? 0 : this.#counted(known, now);
    const ceiling = Math.min(this.#max, this.#base * 2 ** Math.min(failures - 1, 60));
    const nextAt = failures === 0 ? now : now + random.next() * ceiling;
    if (this.#attempts.size >= this.#maxAddresses) {
      const oldest = this.#attempts.keys().next().value;
      if (oldest !== undefined) this.#attempts.delete(oldest);
    }
    this.#attempts.set(address, { failures: failures + 1, nextAt, connectedAt: undefined });
    return nextAt;
  }

  /** How many failures there were before this one, as far as they still count. */
  #counted({ failures, connectedAt }: Attempts, now: number): number {
    if (connectedAt === undefined) return failures;
    // Who has just proven himself is there: a link that breaks again and again must not keep two living nodes apart for seconds.
    return now - connectedAt >= this.#stableAfter ? 0 : Math.min(failures, RECONNECT_FLAPS);
  }

  /** A connection stands; once it has held for `stableAfter`, the next loss counts as the first failure. */
  succeeded(address: string, now: number): void {
    const known = this.#attempts.get(address);
    if (known !== undefined) known.connectedAt = now;
  }

  /** Whether an address may be dialled now: true for one that never failed. */
  mayDial(address: string, now: number): boolean {
    return now >= (this.#attempts.get(address)?.nextAt ?? now);
  }

  /** When an address may be dialled; undefined for one that never failed. */
  nextAt(address: string): number | undefined {
    return this.#attempts.get(address)?.nextAt;
  }

  /** Forgets an address whose member is gone. */
  forget(address: string): void {
    this.#attempts.delete(address);
  }
}
