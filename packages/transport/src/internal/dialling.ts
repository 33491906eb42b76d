import { type Address, FoundationError, formatAddress, type Timer } from '@foundation-ts/core';
import type { Peer } from '../peer.js';
import type { Outgoing } from './outgoing.js';
import type { Settings } from './settings.js';

/** How long to wait for the session that took our attempt's place, before trying again, milliseconds. */
const FOLLOW_TIMEOUT = 1_000;

/** What a {@link Dialling} asks of the endpoint. */
export interface DiallingHost {
  /** Begins an attempt, which reports to the dialling. */
  attempt(dialling: Dialling): Outgoing;
  /** The session that stands with a node. */
  standing(name: string): Peer | undefined;
  done(dialling: Dialling): void;
}

interface Waiter {
  readonly resolve: (peer: Peer) => void;
  readonly reject: (error: Error) => void;
  timer: Timer | undefined;
  signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
}

/** Everyone who waits for a session with the node at one address. */
export class Dialling {
  readonly target: Address;
  readonly #settings: Settings;
  readonly #host: DiallingHost;
  readonly #waiters = new Set<Waiter>();
  #outgoing: Outgoing | undefined;
  #following: string | undefined;
  #retry: Timer | undefined;
  #over = false;

  constructor(settings: Settings, host: DiallingHost, target: Address) {
    this.#settings = settings;
    this.#host = host;
    this.target = target;
  }

  get outgoing(): Outgoing | undefined {
    return this.#outgoing;
  }

  /** The node whose other session it waits for. */
  get following(): string | undefined {
    return this.#following;
  }

  wait(timeout: number, signal: AbortSignal | undefined): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject, timer: undefined, signal, onAbort: undefined };
      const leave = (error: FoundationError): void => {
        this.#leave(waiter);
        reject(error);
        if (this.#waiters.size === 0) this.#cancel(error);
      };
      waiter.onAbort = () => leave(this.#error('aborted', 'the caller aborted'));
      waiter.timer = this.#settings.clock.setTimeout(
        () => leave(this.#error('timeout', `no session within ${timeout} ms`)),
        timeout,
      );
      signal?.addEventListener('abort', waiter.onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Begins, or begins anew, to dial. */
  attempt(): void {
    if (this.#over) return;
    this.#retry?.cancel();
    this.#following = undefined;
    this.#outgoing = this.#host.attempt(this);
    this.#outgoing.start();
  }

  /** Another session with that node takes the place of our attempt: whoever waits gets that one. */
  follow(name: string): void {
    if (this.#over) return;
    this.#outgoing = undefined;
    const peer = this.#host.standing(name);
    if (peer !== undefined) {
      this.resolve(peer);
      return;
    }
    this.#following = name;
    this.#retry = this.#settings.clock.setTimeout(() => this.attempt(), FOLLOW_TIMEOUT, { unref: true });
  }

  resolve(peer: Peer): void {
    this.#finish();
    for (const waiter of [...this.#waiters]) {
      this.#leave(waiter);
      waiter.resolve(peer);
    }
  }

  reject(error: Error): void {
    this.#cancel(error);
    for (const waiter of [...this.#waiters]) {
      this.#leave(waiter);
      waiter.reject(error);
    }
  }

  #cancel(reason: Error): void {
    this.#finish();
    this.#outgoing?.cancel(reason);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#retry?.cancel();
    this.#host.done(this);
  }

  #leave(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    waiter.timer?.cancel();
    if (waiter.onAbort !== undefined) waiter.signal?.removeEventListener('abort', waiter.onAbort);
  }

  #error(code: 'aborted' | 'timeout', why: string): FoundationError {
    const name = this.#outgoing?.name ?? this.#following;
    const who = name === undefined ? '' : ` (node '${name}')`;
    return new FoundationError(code, `Can't reach ${formatAddress(this.target)}${who}: ${why}.`);
  }
}
