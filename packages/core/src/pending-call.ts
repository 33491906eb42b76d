import type { DeadlineList, Deadlines, Expiring } from './deadlines.js';
import { FoundationError } from './errors.js';

/** Who waits for the answer of a call: a local caller's {@link PendingCall}, or the connection that a remote call came by. */
export interface Answer {
  /** Whether nobody waits any more. */
  readonly settled: boolean;
  /** Milliseconds left until the caller gives up. */
  remaining(): number;
  succeed(value: unknown): void;
  fail(error: Error): void;
}

/** A call made here that waits for its answer. Settles once; what comes later is dropped. */
export class PendingCall implements Answer, Expiring {
  readonly promise: Promise<unknown>;
  settled = false;
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

  constructor(host: CallHost, op: string, target: { toString(): string }) {
    this.#host = host;
    this.op = op;
    this.target = target;
    this.promise = new Promise<unknown>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Starts the clock; `timeout` in milliseconds or `Infinity`. */
  start(timeout: number, signal: AbortSignal | undefined): void {
    this.#timeout = timeout;
    if (timeout !== Number.POSITIVE_INFINITY) this.#host.deadlines.add(this, timeout);
    if (signal === undefined) return;
    if (signal.aborted) {
      this.#abort(signal);
      return;
    }
    this.#signal = signal;
    this.#onAbort = () => this.#abort(signal);
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
    this.fail(
      new FoundationError(
        'timeout',
        `Call '${this.op}' to ${this.target} had no answer within ${this.#timeout} ms; it may still take effect. Raise 'timeout' or look at the target.`,
        { details: { op: this.op, target: String(this.target), timeout: this.#timeout } },
      ),
    );
  }

  #abort(signal: AbortSignal): void {
    this.fail(
      new FoundationError('aborted', `Call '${this.op}' to ${this.target} was aborted by its caller.`, {
        cause: signal.reason,
      }),
    );
  }

  #release(): void {
    this.settled = true;
    this.list?.remove(this);
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
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
