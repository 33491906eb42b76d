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

type Resolve = (value: unknown) => void;
type Reject = (error: unknown) => void;

let resolveLatest: Resolve;
let rejectLatest: Reject;
/** One for all promises: no closure for each. */
const executor = (resolve: Resolve, reject: Reject): void => {
  resolveLatest = resolve;
  rejectLatest = reject;
};

/** Where calls wait under numbers. */
export interface CallKeeper {
  /** The call of that number has settled. */
  delete(number: number): void;
}

/** What binds a call to others; most calls have none. */
class Bonds {
  signal: AbortSignal | undefined = undefined;
  onAbort: (() => void) | undefined = undefined;
  /** The call in whose handler this one was made, while its abort would abort this one too. */
  outer: PendingCall | undefined = undefined;
  nested: Set<PendingCall> | undefined = undefined;
  givenUp: FoundationError | undefined = undefined;
}

/** What a call needs only when its answer is not there at once. */
class Waiting implements Expiring {
  deadline: number | undefined = undefined;
  previous: Expiring | undefined = undefined;
  next: Expiring | undefined = undefined;
  list: DeadlineList | undefined = undefined;
  promise: Promise<unknown> | undefined = undefined;
  resolve: Resolve | undefined = undefined;
  reject: Reject | undefined = undefined;
  keeper: CallKeeper | undefined = undefined;
  number = 0;
  bonds: Bonds | undefined = undefined;
  readonly #call: PendingCall;

  constructor(call: PendingCall) {
    this.#call = call;
  }

  expire(): void {
    this.#call.expire();
  }
}

const OPEN = 0;
const SUCCEEDED = 1;
const FAILED = 2;

/**
 * A call made here that waits for its answer. Settles once; what comes later is dropped. It is made as small as it can be: a
 * promise, a place among the deadlines and bonds come into being when they are needed.
 */
export class PendingCall implements Answer {
  /** What the call is, for the message of a time-out. */
  readonly op: string;
  readonly target: { toString(): string };
  readonly #host: CallHost;
  #state = OPEN;
  /** Milliseconds; undefined for no limit. */
  #timeout: number | undefined = undefined;
  /** The value or the error. */
  #outcome: unknown = undefined;
  #waiting: Waiting | undefined = undefined;

  constructor(host: CallHost, op: string, target: { toString(): string }) {
    this.#host = host;
    this.op = op;
    this.target = target;
  }

  get settled(): boolean {
    return this.#state !== OPEN;
  }

  get givenUp(): FoundationError | undefined {
    return this.#waiting?.bonds?.givenUp;
  }

  /** Milliseconds that the caller waits in all. */
  get timeout(): number {
    return this.#timeout ?? Number.POSITIVE_INFINITY;
  }

  /** Settles as the call does. */
  get promise(): Promise<unknown> {
    const waiting = this.#wait();
    if (waiting.promise === undefined) {
      waiting.promise = new Promise<unknown>(executor);
      waiting.resolve = resolveLatest;
      waiting.reject = rejectLatest;
      if (this.#state !== OPEN) this.#tell(waiting);
    }
    return waiting.promise;
  }

  #tell(waiting: Waiting): void {
    if (this.#state === FAILED) waiting.reject?.(this.#outcome);
    else waiting.resolve?.(this.#outcome);
  }

  #wait(): Waiting {
    this.#waiting ??= new Waiting(this);
    return this.#waiting;
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
    if (this.#state === OPEN) {
      this.#startClock();
      return this.promise;
    }
    if (this.#state === FAILED) throw this.#outcome;
    return this.#outcome;
  }

  /** False when the caller of `within` has given up already. */
  #startWithin(within: Answer): boolean {
    if (within.settled && within.givenUp === undefined) return true;
    const remaining = within.remaining();
    if (remaining < this.timeout) this.#timeout = remaining;
    if (within.givenUp?.code === 'aborted') this.#abort(within.givenUp.cause);
    else if (within.givenUp !== undefined || remaining <= 0) this.expire();
    else if (within instanceof PendingCall) within.#adopt(this);
    return !this.settled;
  }

  /** Only a call that may be aborted keeps those made within it. */
  #adopt(nested: PendingCall): void {
    const bonds = this.#waiting?.bonds;
    if (bonds === undefined || (bonds.signal === undefined && bonds.outer === undefined)) return;
    bonds.nested ??= new Set();
    bonds.nested.add(nested);
    nested.#bind().outer = this;
  }

  #disown(nested: PendingCall): void {
    this.#waiting?.bonds?.nested?.delete(nested);
  }

  #bind(): Bonds {
    const waiting = this.#wait();
    waiting.bonds ??= new Bonds();
    return waiting.bonds;
  }

  #startClock(): void {
    if (this.#timeout === undefined) return;
    const waiting = this.#wait();
    if (waiting.deadline === undefined) this.#host.deadlines.add(waiting, this.#timeout);
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

  /** Once the call has settled, for whatever reason, `keeper` need not keep it any longer under that number. */
  keptBy(keeper: CallKeeper, number: number): void {
    const waiting = this.#wait();
    waiting.keeper = keeper;
    waiting.number = number;
  }

  remaining(): number {
    if (this.#timeout === undefined) return Number.POSITIVE_INFINITY;
    if (this.#state !== OPEN && this.#waiting?.deadline === undefined) return 0;
    this.#startClock();
    return Math.max(0, (this.#waiting?.deadline as number) - this.#host.clock.now());
  }

  succeed(value: unknown): void {
    if (this.#state === OPEN) this.#settle(SUCCEEDED, value);
  }

  fail(error: Error): void {
    if (this.#state === OPEN) this.#settle(FAILED, error);
  }

  /** Its time is over. */
  expire(): void {
    const { timeout } = this;
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
    if (this.#state !== OPEN) return;
    const bonds = this.#bind();
    bonds.givenUp = error;
    const { nested } = bonds;
    this.fail(error);
    if (nested !== undefined && error.code === 'aborted') for (const call of nested) call.#abort(error.cause);
  }

  #settle(state: number, outcome: unknown): void {
    this.#state = state;
    this.#outcome = outcome;
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (waiting.list !== undefined) {
      waiting.list.remove(waiting);
      this.#host.touch();
    }
    if (waiting.bonds !== undefined) this.#unbind(waiting.bonds);
    waiting.keeper?.delete(waiting.number);
    if (waiting.promise !== undefined) this.#tell(waiting);
  }

  #unbind(bonds: Bonds): void {
    if (bonds.onAbort !== undefined) bonds.signal?.removeEventListener('abort', bonds.onAbort);
    if (bonds.outer !== undefined) bonds.outer.#disown(this);
    bonds.nested = undefined;
  }
}

/** What a pending call needs of its system. */
export interface CallHost {
  readonly clock: { now(): number };
  readonly deadlines: Deadlines;
  touch(): void;
}
