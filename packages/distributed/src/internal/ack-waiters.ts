import { type Clock, FoundationError, type Timer } from '@foundation-ts/core';
import type { PeerLink } from './peer-link.js';

interface Waiter {
  readonly mark: number;
  readonly count: number;
  readonly except: string | undefined;
  readonly all: boolean;
  readonly resolve: (acked: number) => void;
  readonly reject: (error: Error) => void;
  timer: Timer | undefined;
}

/** Those who wait until so many members hold a mutation. */
export class AckWaiters {
  readonly #clock: Clock;
  readonly #what: string;
  readonly #peers: () => Iterable<PeerLink>;
  #waiters: Waiter[] = [];

  constructor(clock: Clock, what: string, peers: () => Iterable<PeerLink>) {
    this.#clock = clock;
    this.#what = what;
    this.#peers = peers;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiters.length;
  }

  /** Resolves with how many members hold the mutation, at least `count`; with 0 when there is nobody else. */
  wait(options: {
    readonly mark: number;
    readonly count: number;
    readonly except: string | undefined;
    readonly all: boolean;
    readonly timeout: number;
  }): Promise<number> {
    return new Promise((resolve, reject) => {
      const { mark, count, except, all, timeout } = options;
      const waiter: Waiter = { mark, count, except, all, resolve, reject, timer: undefined };
      if (this.#settle(waiter, false)) return;
      waiter.timer = this.#clock.setTimeout(() => {
        this.#waiters = this.#waiters.filter(other => other !== waiter);
        reject(this.#unknown(waiter, `within ${timeout} ms`));
      }, timeout);
      this.#waiters.push(waiter);
    });
  }

  /** Something was acknowledged. */
  heard(): void {
    if (this.#waiters.length > 0) this.#waiters = this.#waiters.filter(waiter => !this.#settle(waiter, false));
  }

  /** A member was lost. */
  lost(): void {
    if (this.#waiters.length > 0) this.#waiters = this.#waiters.filter(waiter => !this.#settle(waiter, true));
  }

  #settle(waiter: Waiter, lost: boolean): boolean {
    let holding = 0;
    let candidates = 0;
    for (const peer of this.#peers()) {
      if (!peer.active || peer.absent || peer.name === waiter.except) continue;
      candidates++;
      if (waiter.all ? peer.holdsAll(waiter.mark) : peer.holds(waiter.mark)) holding++;
    }
    if (holding >= waiter.count) {
      waiter.timer?.cancel();
      waiter.resolve(holding);
      return true;
    }
    if (candidates >= waiter.count) return false;
    waiter.timer?.cancel();
    if (candidates === 0 && !lost) waiter.resolve(0);
    else waiter.reject(this.#unknown(waiter, 'before a member was lost'));
    return true;
  }

  #unknown(waiter: Waiter, when: string): FoundationError {
    return new FoundationError(
      'unknown-outcome',
      `${this.#what} was changed here, but ${waiter.count} other member${waiter.count === 1 ? '' : 's'} did not confirm it ${when}; it may be kept or lost with this node. Look it up before trying again.`,
    );
  }
}
