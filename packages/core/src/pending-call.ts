import type { DeadlineList, Deadlines, Expiring } from './deadlines.js';
import { FoundationError } from './errors.js';
import type { Sender } from './gateway.js';

/** Who waits for the answer of a call: a local caller's {@link PendingCall}, or the connection that a remote call came by. */
export interface Answer {
  /** Whether nobody waits any more. */
  readonly settled: boolean;
  /** Milliseconds left until the caller gives up. */
  remaining(): number;
  /** Set once the caller gave up (time-out, abort) before it was answered: with this error. */
  readonly givenUp?: FoundationError | undefined;
  /** Of a call from another node: the actor that got it, in whose name the answer is sent. */
  by?: Sender | undefined;
  succeed(value: unknown): void;
  fail(error: Error): void;
}

/** A promise that is settled from outside. */
interface Waiter {
  readonly promise: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

let resolveLatest: Waiter['resolve'];
let rejectLatest: Waiter['reject'];
/** One for all promises: no closure for each. */
const executor = (resolve: Waiter['resolve'], reject: Waiter['reject']): void => {
  resolveLatest = resolve;
  rejectLatest = reject;
};

/** What binds a call to others; most calls have none. */
class Bonds {
  onSettled: ((call: PendingCall) => void) | undefined = undefined;
  signal: AbortSignal | undefined = undefined;
  onAbort: (() => void) | undefined = undefined;
  /** The call in whose handler this one was made, while its abort would abort this one too. */
  outer: PendingCall | undefined = undefined;
  nested: Set<PendingCall> | undefined = undefined;
}

/**
 * A call made here that waits for its answer. Settles once; what comes later is dropped. It is made as small as it can be: a
 * promise, a place among the deadlines and bonds come into being when they are needed.
 */
export class PendingCall implements Answer, Expiring {
  settled = false;
  givenUp: FoundationError | undefined = undefined;
  deadline: number | undefined = undefined;
  previous: Expiring | undefined = undefined;
  next: Expiring | undefined = undefined;
  list: DeadlineList | undefined = undefined;
  /** What the call is, for the message of a time-out. */
  readonly op: string;
  readonly target: { toString(): string };
  readonly #host: CallHost;
  /** Milliseconds; undefined for no limit. */
  #timeout: number | undefined = undefined;
  /** The value or, when {@link #failed}, the error. */
  #outcome: unknown = undefined;
  #failed = false;
  #waiter: Waiter | undefined = undefined;
  #bonds: Bonds | undefined = undefined;

  constructor(host: CallHost, op: string, target: { toString(): string }) {
    this.#host = host;
    this.op = op;
    this.target = target;
  }

  /** Settles as the call does. */
  get promise(): Promise<unknown> {
    if (this.#waiter === undefined) {
      const promise = new Promise<unknown>(executor);
      this.#waiter = { promise, resolve: resolveLatest, reject: rejectLatest };
      if (this.settled) this.#tell(this.#waiter);
    }
    return this.#waiter.promise;
  }

  #tell(waiter: Waiter): void {
    if (this.#failed) waiter.reject(this.#outcome);
    else waiter.resolve(this.#outcome);
  }

  /**
   * Starts the clock; `timeout` in milliseconds or `Infinity`. A call made while `within` is handled gets no more time than that
   * one has left, and is aborted with it; once `within` is answered it bounds nothing.
   */
  start(timeout: number, signal: AbortSignal | undefined, within?: Answer): void {
    this.expectWithin(timeout);
    if (within !== undefined && !this.#startWithin(within)) return;
    this.#startClock();
    if (signal !== undefined) this.#heed(signal);
  }

  /** Like {@link start}, of a call that is likely to be answered at once: its clock starts when it was not. */
  expectWithin(timeout: number): void {
    this.#timeout = timeout === Number.POSITIVE_INFINITY ? undefined : timeout;
  }

  /** The answer or, when it is still to come, the promise of it. @throws what the call failed with */
  outcome(): unknown {
    if (!this.settled) {
      this.#startClock();
      return this.promise;
    }
    if (this.#failed) throw this.#outcome;
    return this.#outcome;
  }

  /** False when the caller of `within` has given up already. */
  #startWithin(within: Answer): boolean {
    if (within.settled && within.givenUp === undefined) return true;
    const remaining = within.remaining();
    if (remaining < (this.#timeout ?? Number.POSITIVE_INFINITY)) this.#timeout = remaining;
    if (within.givenUp?.code === 'aborted') this.#abort(within.givenUp.cause);
    else if (within.givenUp !== undefined || remaining <= 0) this.expire();
    else if (within instanceof PendingCall) within.#adopt(this);
    return !this.settled;
  }

  /** Only a call that may be aborted keeps those made within it. */
  #adopt(nested: PendingCall): void {
    const bonds = this.#bonds;
    if (bonds === undefined || (bonds.signal === undefined && bonds.outer === undefined)) return;
    bonds.nested ??= new Set();
    bonds.nested.add(nested);
    nested.#bind().outer = this;
  }

  #disown(nested: PendingCall): void {
    this.#bonds?.nested?.delete(nested);
  }

  #bind(): Bonds {
    this.#bonds ??= new Bonds();
    return this.#bonds;
  }

  #startClock(): void {
    if (this.#timeout !== undefined && this.deadline === undefined) this.#host.deadlines.add(this, this.#timeout);
  }

  #heed(signal: AbortSignal): void {
    if (signal.aborted) {
      this.#abort(signal.reason);
      return;
    }
    const bonds = this.#bind();
    bonds.signal = signal;
    bonds.onAbort = () => this.#abort(signal.reason);
    signal.addEventListener('abort', bonds.onAbort, { once: true });
  }

  /** Registers the one observer that is told when the call has settled, for whatever reason. */
  onSettled(observer: (call: PendingCall) => void): void {
    this.#bind().onSettled = observer;
  }

  remaining(): number {
    if (this.#timeout === undefined) return Number.POSITIVE_INFINITY;
    if (this.deadline === undefined && this.settled) return 0;
    this.#startClock();
    return Math.max(0, (this.deadline as unknown as number) - this.#host.clock.now());
  }

  succeed(value: unknown): void {
    if (!this.settled) this.#settle(value);
  }

  fail(error: Error): void {
    if (this.settled) return;
    this.#failed = true;
    this.#settle(error);
  }

  expire(): void {
    const timeout = this.#timeout ?? Number.POSITIVE_INFINITY;
    this.#giveUp(
      new FoundationError(
        'timeout',
        `Call '${this.op}' to ${this.target} had no answer within ${timeout} ms; it may still take effect. Raise 'timeout' or look at the target.`,
        { details: { op: this.op, target: String(this.target), timeout } },
      ),
    );
  }

  #abort(cause: unknown): void {
    this.#giveUp(
      new FoundationError('aborted', `Call '${this.op}' to ${this.target} was aborted by its caller.`, { cause }),
    );
  }

  #giveUp(error: FoundationError): void {
    if (this.settled) return;
    this.givenUp = error;
    const nested = this.#bonds?.nested;
    this.fail(error);
    if (nested !== undefined && error.code === 'aborted') for (const call of nested) call.#abort(error.cause);
  }

  #settle(outcome: unknown): void {
    this.settled = true;
    this.#outcome = outcome;
    if (this.list !== undefined) {
      this.list.remove(this);
      this.#host.touch();
    }
    if (this.#bonds !== undefined) this.#unbind(this.#bonds);
    if (this.#waiter !== undefined) this.#tell(this.#waiter);
  }

  #unbind(bonds: Bonds): void {
    if (bonds.onAbort !== undefined) bonds.signal?.removeEventListener('abort', bonds.onAbort);
    if (bonds.outer !== undefined) bonds.outer.#disown(this);
    bonds.nested = undefined;
    bonds.onSettled?.(this);
  }
}

/** What a pending call needs of its system. */
export interface CallHost {
  readonly clock: { now(): number };
  readonly deadlines: Deadlines;
  touch(): void;
}
