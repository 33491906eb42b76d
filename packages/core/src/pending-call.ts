import type { DeadlineList, Deadlines, Expiring } from './deadlines.js';
import { FoundationError } from './errors.js';

/** Who waits for the answer of a call: a local caller's {@link PendingCall}, or the connection that a remote call came by. */
export interface Answer {
  /** Whether nobody waits any more. */
  readonly settled: boolean;
  /** Milliseconds left until the caller gives up. */
  remaining(): number;
  /** Set once the caller gave up (time-out, abort) before it was answered: with this error. */
  readonly givenUp?: FoundationError | undefined;
  succeed(value: unknown): void;
  fail(error: Error): void;
}

/** A call made here that waits for its answer. Settles once; what comes later is dropped. */
export class PendingCall implements Answer, Expiring {
  readonly promise: Promise<unknown>;
  settled = false;
  givenUp: FoundationError | undefined = undefined;
  deadline = Number.POSITIVE_INFINITY;
  previous: Expiring | undefined = undefined;
  next: Expiring | undefined = undefined;
  list: DeadlineList | undefined = undefined;
  /** What the call is, for the message of a time-out. */
  readonly op: string;
  readonly target: { toString(): string };
  readonly #host: CallHost;
  #resolve!: (value: unknown) => void;
  #reject!: (error: Error) => void;
  #onSettled: ((call: PendingCall) => void) | undefined = undefined;
  #signal: AbortSignal | undefined = undefined;
  #onAbort: (() => void) | undefined = undefined;
  #timeout = 0;
  /** The call in whose handler this one was made, while its abort would abort this one too. */
  #outer: PendingCall | undefined = undefined;
  #nested: Set<PendingCall> | undefined = undefined;

  constructor(host: CallHost, op: string, target: { toString(): string }) {
    this.#host = host;
    this.op = op;
    this.target = target;
    this.promise = new Promise<unknown>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /**
   * Starts the clock; `timeout` in milliseconds or `Infinity`. A call made while `within` is handled gets no more time than that
   * one has left, and is aborted with it; once `within` is answered it bounds nothing.
   */
  start(timeout: number, signal: AbortSignal | undefined, within?: Answer): void {
    this.#timeout = timeout;
    if (within !== undefined && !this.#startWithin(within)) return;
    this.#startClock(signal);
  }

  /** False when the caller of `within` has given up already. */
  #startWithin(within: Answer): boolean {
    if (within.settled && within.givenUp === undefined) return true;
    const remaining = within.remaining();
    if (remaining < this.#timeout) this.#timeout = remaining;
    if (within.givenUp?.code === 'aborted') this.#abort(within.givenUp.cause);
    else if (within.givenUp !== undefined || remaining <= 0) this.expire();
    else if (within instanceof PendingCall) within.#adopt(this);
    return !this.settled;
  }

  /** Only a call that may be aborted keeps those made within it. */
  #adopt(nested: PendingCall): void {
    if (this.#signal === undefined && this.#outer === undefined) return;
    this.#nested ??= new Set();
    this.#nested.add(nested);
    nested.#outer = this;
  }

  #disown(nested: PendingCall): void {
    this.#nested?.delete(nested);
  }

  #startClock(signal: AbortSignal | undefined): void {
    const timeout = this.#timeout;
    if (timeout !== Number.POSITIVE_INFINITY) this.#host.deadlines.add(this, timeout);
    if (signal === undefined) return;
    if (signal.aborted) {
      this.#abort(signal.reason);
      return;
    }
    this.#signal = signal;
    this.#onAbort = () => this.#abort(signal.reason);
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Registers the one observer that is told when the call has settled, for whatever reason. */
  onSettled(observer: (call: PendingCall) => void): void {
    this.#onSettled = observer;
  }

  remaining(): number {
    if (this.deadline === Number.POSITIVE_INFINITY) return this.deadline;
    return Math.max(0, this.deadline - this.#host.clock.now());
  }

  succeed(value: unknown): void {
    if (this.settled) return;
    this.#release();
    this.#resolve(value);
  }

  fail(error: Error): void {
    if (this.settled) return;
    this.#release();
    this.#reject(error);
  }

  expire(): void {
    this.#giveUp(
      new FoundationError(
        'timeout',
        `Call '${this.op}' to ${this.target} had no answer within ${this.#timeout} ms; it may still take effect. Raise 'timeout' or look at the target.`,
        { details: { op: this.op, target: String(this.target), timeout: this.#timeout } },
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
    const nested = this.#nested;
    this.fail(error);
    if (nested !== undefined && error.code === 'aborted') for (const call of nested) call.#abort(error.cause);
  }

  #release(): void {
    this.settled = true;
    this.list?.remove(this);
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
    if (this.#outer !== undefined) this.#outer.#disown(this);
    this.#nested = undefined;
    this.#onSettled?.(this);
    this.#host.touch();
  }
}

/** What a pending call needs of its system. */
export interface CallHost {
  readonly clock: { now(): number };
  readonly deadlines: Deadlines;
  touch(): void;
}
