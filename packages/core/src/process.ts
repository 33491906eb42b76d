import { ActorContext } from './context.js';
import { LONG_MAILBOX_AGAIN } from './defaults.js';
import { FoundationError } from './errors.js';
import { type ExitReason, formatReason, toExitReason } from './exit-reason.js';
import { Failure } from './failure.js';
import { Fifo } from './fifo.js';
import type { Sender } from './gateway.js';
import type { Links } from './links.js';
import { Mailbox } from './mailbox.js';
import type { Answer } from './pending-call.js';
import type { Pid } from './pid.js';
import type { Handler, Program } from './program.js';
import type { RegistryEntry } from './registration.js';
import type { Runnable } from './scheduler.js';
import type { ActorSystem } from './system.js';
import { type AnyDefinition, type Down, type Exit, type MonitorRef, noReply, type Start } from './types.js';

/** Marks of the messages that are not casts or calls. */
export const DOWN = 1;
export const EXIT = 2;
/** A function to run as a message of its own: internal continuations. */
export const RUN = 3;

/** Calls and offers that wait here are looked through for those whose callers gave up from this many on. */
const SWEEP_FROM = 64;

/** The mailbox of every actor that has had no message yet: always empty. */
const noMail = new Mailbox();

/** The life of a process. */
export type ProcessStatus = 'starting' | 'running' | 'sealed' | 'terminating' | 'dead';

/** Who is told when a process ends: a local or remote actor, or the runtime itself. */
export interface Watcher {
  readonly monitor: MonitorRef;
  readonly pid: Pid | undefined;
  readonly callback: ((reason: ExitReason) => void) | undefined;
}

/** What was said about a mailbox that grew long. */
interface LongMailbox {
  /** The length that was reported last. */
  reported: number;
  at: number;
}

interface OfferWaiter {
  readonly op: string;
  readonly payload: unknown;
  readonly answer: Answer;
}

/** One actor at run time. Everything here is for the runtime; users hold refs and contexts. */
export class Process implements Runnable, Sender {
  queued = false;
  trail = 0;
  status: ProcessStatus = 'starting';
  /** An async handler is under way. */
  busy = false;
  /** A handler is on the stack. */
  active = false;
  readonly system: ActorSystem;
  readonly pid: Pid;
  readonly program: Program;
  readonly start: Start<AnyDefinition>;
  readonly parent: Pid | undefined;
  /** One for all until its first message, so that an actor that has none costs no mailbox. Only `#put` adds to it. */
  mailbox: Mailbox = noMail;
  state: unknown = undefined;
  names: readonly string[] | undefined = undefined;
  /** What it holds in local registries: the newest, with the others behind it. */
  registrations: RegistryEntry | undefined = undefined;
  links: Links | undefined = undefined;
  watchers: Map<string, Watcher> | undefined = undefined;
  monitoring: Map<MonitorRef, Pid> | undefined = undefined;
  timers: Set<{ cancel(): void }> | undefined = undefined;
  exitReason: ExitReason | undefined = undefined;
  trapExit: boolean;
  /** The call being handled now. */
  from: Answer | undefined = undefined;
  #context: ActorContext | undefined = undefined;
  #deferred: Set<Answer> | undefined = undefined;
  #sweepAt = SWEEP_FROM;
  #offers: Fifo<OfferWaiter> | undefined = undefined;
  #sealWaiters: (() => void)[] | undefined = undefined;
  /** Ended by a `killed` that was not trapped: `terminate` does not run. */
  #killed = false;
  /** An exit signal arrived during the handler on the stack: its result is discarded. */
  #doomed = false;
  #lastOp = '';
  #lastCast: Handler | undefined = undefined;
  #lastCall: Handler | undefined = undefined;
  /** The length at which the next message is not simply put into the mailbox: its capacity, or one that is to be reported. */
  #alarm: number;
  #long: LongMailbox | undefined = undefined;

  constructor(system: ActorSystem, pid: Pid, program: Program, start: Start<AnyDefinition>, parent: Pid | undefined) {
    this.system = system;
    this.pid = pid;
    this.program = program;
    this.start = start;
    this.parent = parent;
    this.trapExit = program.trapExit;
    this.#alarm = Math.min(program.capacity, system.longMailbox);
  }

  get context(): ActorContext {
    this.#context ??= new ActorContext(this);
    return this.#context;
  }

  get alive(): boolean {
    return this.status !== 'dead';
  }

  /** An exit signal arrived during the handler, or the synchronous part of `init`, that is on the stack. */
  get doomed(): boolean {
    return this.#doomed;
  }

  /** How many calls wait for a deferred answer. */
  get deferredCount(): number {
    return this.#deferred?.size ?? 0;
  }

  get ready(): boolean {
    return this.mailbox.size > 0 && !this.busy && this.status === 'running';
  }

  /** Whether a call that it gets now is likely to be answered by the next microtask. */
  get prompt(): boolean {
    return !this.busy && !this.active && this.status === 'running' && this.system.copy === undefined;
  }

  // --- arrivals -------------------------------------------------------------------------------------------------

  enqueueCast(op: string, payload: unknown): void {
    if (this.mailbox.size >= this.#alarm && !this.#makeRoom(op, payload)) return;
    this.#put(op, payload, undefined);
    if (!this.queued) this.#schedule();
  }

  enqueueCall(op: string, payload: unknown, answer: Answer): void {
    if (this.mailbox.size >= this.#alarm) {
      if (this.mailbox.size < this.program.capacity) this.#grown();
      else {
        this.#overflowed();
        if (this.program.overflow !== 'drop-oldest') {
          answer.fail(this.#full(op));
          return;
        }
        this.#dropOldest();
      }
    }
    this.#put(op, payload, answer);
    if (!this.queued) this.#schedule();
  }

  /** Accepts a cast now or, when the mailbox is full, as soon as there is room; then settles `answer`. */
  enqueueOffer(op: string, payload: unknown, answer: Answer): void {
    if (!this.program.casts.has(op)) {
      answer.fail(this.#unknownOperation('cast', op));
    } else if (this.mailbox.size < this.program.capacity && this.#offers === undefined) {
      if (this.mailbox.size >= this.#alarm) this.#grown();
      this.#put(op, payload, undefined);
      if (!this.queued) this.#schedule();
      answer.succeed(undefined);
    } else {
      if (this.#offers === undefined) this.#overflowed();
      this.#offers ??= new Fifo();
      this.#offers.push({ op, payload, answer });
      if (this.#offers.length >= this.#sweepAt) this.#sweepOffers(this.#offers);
    }
  }

  #sweepOffers(offers: Fifo<OfferWaiter>): void {
    for (let left = offers.length; left > 0; left--) {
      const offer = offers.shift();
      if (!offer.answer.settled) offers.push(offer);
    }
    this.#sweepAt = Math.max(SWEEP_FROM, offers.length * 2);
  }

  /** Puts a signal in order behind the messages that are there; no capacity bounds it. */
  enqueueSignal(kind: number, payload: Down | Exit | (() => unknown)): void {
    if (this.mailbox.size >= this.#alarm && this.mailbox.size < this.program.capacity) this.#grown();
    this.#put(kind, payload, undefined);
    if (!this.queued) this.#schedule();
  }

  #put(head: unknown, payload: unknown, meta: unknown): void {
    if (this.mailbox === noMail) this.mailbox = new Mailbox();
    this.mailbox.push(head, payload, meta);
  }

  #schedule(): void {
    if (this.status === 'running' && !this.busy) this.system.scheduler.schedule(this);
  }

  /** The mailbox has reached a length that is to be reported: once for each doubling, and again only after a while. */
  #grown(): void {
    const { capacity } = this.program;
    const length = this.mailbox.size;
    this.#alarm = Math.min(capacity, length * 2);
    if (capacity !== Number.POSITIVE_INFINITY) return;
    const now = this.system.clock.now();
    if (this.#long !== undefined && length <= this.#long.reported && now - this.#long.at < LONG_MAILBOX_AGAIN) return;
    this.#long = { reported: length, at: now };
    this.system.reports.long(this, length);
  }

  /** A message met a full mailbox: reported at once, and again only after a while. */
  #overflowed(): void {
    const now = this.system.clock.now();
    if (this.#long !== undefined && now - this.#long.at < LONG_MAILBOX_AGAIN) return;
    const length = this.mailbox.size;
    this.#long = { reported: length, at: now };
    this.system.reports.full(this, length);
  }

  #makeRoom(op: string, payload: unknown): boolean {
    if (this.mailbox.size < this.program.capacity) {
      this.#grown();
      return true;
    }
    this.#overflowed();
    if (this.program.overflow === 'drop-oldest') {
      this.#dropOldest();
      return true;
    }
    this.system.deadLetters.add({ to: this.toString(), op, payload, reason: 'mailbox-full' });
    return false;
  }

  #dropOldest(): void {
    const box = this.mailbox;
    if (!box.removeFirst(head => typeof head === 'string')) return;
    const answer = box.meta as Answer | undefined;
    if (answer !== undefined) answer.fail(this.#full(String(box.head)));
    else
      this.system.deadLetters.add({
        to: this.toString(),
        op: String(box.head),
        payload: box.payload,
        reason: 'mailbox-full',
      });
    box.forget();
  }

  #full(op: string): FoundationError {
    return new FoundationError(
      'mailbox-full',
      `'${op}' was not accepted: the mailbox of ${this} is at its capacity of ${this.program.capacity}. Slow down, use offer(), or raise 'capacity'.`,
    );
  }

  #admitOffers(): void {
    const offers = this.#offers;
    if (offers === undefined) return;
    while (offers.length > 0 && this.mailbox.size < this.program.capacity) {
      const offer = offers.shift();
      if (offer.answer.settled) continue;
      this.#put(offer.op, offer.payload, undefined);
      offer.answer.succeed(undefined);
    }
    if (offers.length > 0) return;
    this.#offers = undefined;
    this.#sweepAt = SWEEP_FROM;
  }

  // --- handling -------------------------------------------------------------------------------------------------

  run(limit: number): number {
    const box = this.mailbox;
    let handled = 0;
    while (handled < limit && box.size > 0 && !this.busy && this.status === 'running') {
      box.take();
      handled++;
      const { head, payload, meta } = box;
      if (meta !== undefined) this.#handleCall(head as string, payload, meta as Answer);
      else if (typeof head === 'string') this.#handleCast(head, payload);
      else this.#handleSignal(head as number, payload);
      if (this.#offers !== undefined) this.#admitOffers();
      if (this.#sealWaiters !== undefined && !this.busy) this.#sealIfAsked();
    }
    if (box.size === 0) {
      box.forget();
      if (this.#alarm > this.system.longMailbox) this.#alarm = Math.min(this.program.capacity, this.system.longMailbox);
    }
    return handled;
  }

  #handleCast(op: string, payload: unknown): void {
    let handler = this.#lastCast;
    if (op !== this.#lastOp || handler === undefined) {
      handler = this.program.casts.get(op);
      if (handler === undefined) {
        this.system.log.warn({ actor: this.toString() }, this.#unknownOperation('cast', op).message);
        this.system.deadLetters.add({ to: this.toString(), op, payload, reason: 'invalid-operation' });
        return;
      }
      this.#lastOp = op;
      this.#lastCast = handler;
      this.#lastCall = undefined;
    }
    const system = this.system;
    system.current = this;
    this.active = true;
    try {
      const result = handler(this.state, payload, this.context);
      if (isThenable(result)) this.#await(result, undefined);
    } catch (error) {
      this.#crash(error, undefined);
    }
    this.active = false;
    system.current = undefined;
    if (this.exitReason !== undefined) this.#endAfterHandler();
  }

  #handleCall(op: string, payload: unknown, answer: Answer): void {
    let handler = this.#lastCall;
    if (op !== this.#lastOp || handler === undefined) {
      handler = this.program.calls.get(op);
      if (handler === undefined) {
        answer.fail(this.#unknownOperation('call', op));
        return;
      }
      this.#lastOp = op;
      this.#lastCall = handler;
      this.#lastCast = undefined;
    }
    const system = this.system;
    system.current = this;
    this.active = true;
    this.from = answer;
    try {
      const result = handler(this.state, payload, this.context);
      if (isThenable(result)) this.#await(result, answer);
      else this.#reply(answer, result);
    } catch (error) {
      this.#crash(error, answer);
    }
    if (!this.busy) this.from = undefined;
    this.active = false;
    system.current = undefined;
    if (this.exitReason !== undefined) this.#endAfterHandler();
  }

  #handleSignal(kind: number, payload: unknown): void {
    const { program, system } = this;
    system.current = this;
    this.active = true;
    try {
      const result = this.#signalResult(kind, payload, program);
      if (isThenable(result)) this.#await(result, undefined);
    } catch (error) {
      this.#crash(error, undefined);
    }
    this.active = false;
    system.current = undefined;
    if (this.exitReason !== undefined) this.#endAfterHandler();
  }

  /** Ends unless the handler goes on asynchronously; an exit signal that arrived during it does not wait for that. */
  #endAfterHandler(): void {
    if (this.busy && !this.#doomed) return;
    this.busy = false;
    this.#end();
  }

  #signalResult(kind: number, payload: unknown, program: Program): unknown {
    if (kind === DOWN) {
      const down = payload as Down;
      if (this.monitoring?.delete(down.monitor) !== true) return undefined;
      return program.onDown?.(this.state, down, this.context);
    }
    if (kind === EXIT) {
      const exit = payload as Exit;
      if (this.parent?.equals(exit.pid) === true) {
        this.exitReason ??= exit.reason;
        return undefined;
      }
      return program.onExit?.(this.state, exit, this.context);
    }
    return (payload as () => unknown)();
  }

  #await(result: PromiseLike<unknown>, answer: Answer | undefined): void {
    this.busy = true;
    // A thenable of someone's own making may settle at once, twice, or throw.
    (result instanceof Promise ? result : Promise.resolve(result)).then(
      value => {
        if (!this.#resumeAfterAwait(answer)) return;
        if (answer !== undefined) this.#reply(answer, value);
        this.#afterAwait();
      },
      error => {
        if (!this.#resumeAfterAwait(answer)) return;
        this.#crash(error, answer);
        this.#afterAwait();
      },
    );
  }

  /** False when the process was killed meanwhile: the result of the handler is discarded. */
  #resumeAfterAwait(answer: Answer | undefined): boolean {
    if (this.status !== 'running') {
      answer?.fail(this.#killedMidway());
      return false;
    }
    this.busy = false;
    this.from = undefined;
    return true;
  }

  #afterAwait(): void {
    if (this.exitReason !== undefined) {
      this.#end();
      return;
    }
    this.#sealIfAsked();
    if (this.#offers !== undefined) this.#admitOffers();
    if (this.ready) this.system.scheduler.resume(this);
  }

  #reply(answer: Answer, value: unknown): void {
    if (answer.settled) return;
    if (value === noReply) {
      this.#defer(answer);
      return;
    }
    if (value instanceof Failure) {
      answer.fail(value.error);
      return;
    }
    if (this.#doomed) {
      answer.fail(this.#killedMidway());
      return;
    }
    try {
      answer.succeed(this.system.copy === undefined || this.program.supervisor ? value : this.system.copy(value));
    } catch (error) {
      answer.fail(toExitReason(error));
    }
  }

  #defer(answer: Answer): void {
    this.#deferred ??= new Set();
    const deferred = this.#deferred;
    deferred.add(answer);
    if (deferred.size < this.#sweepAt) return;
    for (const waiting of deferred) if (waiting.settled) deferred.delete(waiting);
    this.#sweepAt = Math.max(SWEEP_FROM, deferred.size * 2);
  }

  /** Answers a call whose handler returned `noReply`. */
  replyLater(answer: Answer, value: unknown): void {
    if (value === noReply) return;
    this.#deferred?.delete(answer);
    this.#reply(answer, value);
  }

  #unknownOperation(kind: 'call' | 'cast', op: string): FoundationError {
    const declared = [...(kind === 'call' ? this.program.calls : this.program.casts).keys()];
    return new FoundationError(
      'invalid-operation',
      `${this} has no ${kind} '${op}'; it declares: ${declared.length > 0 ? declared.join(', ') : 'none'}.`,
      { details: { op, definition: this.program.name } },
    );
  }

  // --- ending ---------------------------------------------------------------------------------------------------

  #crash(thrown: unknown, answer: Answer | undefined): void {
    const reason = toExitReason(thrown);
    answer?.fail(
      new FoundationError('handler-failed', `The handler of a call in ${this} failed: ${formatReason(reason)}`, {
        cause: thrown,
      }),
    );
    if (!this.#doomed) this.exitReason = reason;
    this.system.reports.crash(this, reason);
  }

  /**
   * Asks the process to end after the handler (or `init`) that is running, if one is; the first reason stands, but a crash goes
   * before it.
   */
  stop(reason: ExitReason): void {
    this.exitReason ??= reason;
    if (!this.active && !this.busy && this.status !== 'starting') this.#end();
  }

  /** Ends the process now: what runs asynchronously in it is abandoned. */
  exit(reason: ExitReason): void {
    if (this.status === 'dead') return;
    const killed = reason === 'killed';
    if (this.status === 'terminating') {
      if (killed) this.finish(reason);
      return;
    }
    this.#killed = killed;
    this.exitReason = reason;
    if (this.active) {
      this.#doomed = true;
      return;
    }
    this.busy = false;
    this.#end();
  }

  #end(): void {
    if (this.status === 'terminating' || this.status === 'dead') return;
    const reason = this.exitReason ?? 'normal';
    const wasRunning = this.status === 'running' || this.status === 'sealed';
    this.status = 'terminating';
    this.#context?.abort(reason);
    const { terminate } = this.program;
    if (terminate === undefined || this.#killed || !wasRunning) {
      this.finish(reason);
      return;
    }
    const system = this.system;
    const outer = system.current;
    system.current = this;
    try {
      const result = terminate(this.state, reason, this.context);
      if (isThenable(result)) {
        Promise.resolve(result).then(
          () => this.finish(reason),
          error => this.#terminateFailed(error),
        );
      } else {
        this.finish(reason);
      }
    } catch (error) {
      this.#terminateFailed(error);
    }
    system.current = outer;
  }

  #terminateFailed(error: unknown): void {
    if (this.status === 'dead') return;
    const reason = toExitReason(error);
    this.system.reports.crash(this, reason);
    this.finish(reason);
  }

  /** The end: frees names, answers what waits, then tells who watches. Idempotent. */
  finish(reason: ExitReason): void {
    if (this.status === 'dead') return;
    this.status = 'dead';
    this.exitReason = reason;
    this.#context?.abort(reason);
    this.system.forget(this);
    if (this.timers !== undefined) for (const timer of this.timers) timer.cancel();
    this.timers = undefined;
    if (this.from !== undefined && !this.from.settled) this.from.fail(this.#killedMidway());
    this.from = undefined;
    if (this.#deferred !== undefined) for (const answer of this.#deferred) answer.fail(this.#killedMidway());
    this.#deferred = undefined;
    this.#bounceMail();
    this.#wakeSealWaiters();
    const { links, watchers } = this;
    this.links = undefined;
    this.watchers = undefined;
    const { monitoring } = this;
    this.monitoring = undefined;
    if (monitoring !== undefined) for (const [monitor, pid] of monitoring) this.system.dropMonitor(this, monitor, pid);
    if (watchers !== undefined) for (const watcher of watchers.values()) this.system.tellDown(this, watcher, reason);
    if (links !== undefined) for (const pid of links.values()) this.system.tellExit(this, pid, reason);
    this.state = undefined;
  }

  #bounceMail(): void {
    this.mailbox.drain((head, payload, meta) => {
      if (meta !== undefined) (meta as Answer).fail(this.notAlive(String(head)));
      else if (typeof head === 'string')
        this.system.deadLetters.add({ to: this.toString(), op: head, payload, reason: 'noproc' });
    });
    const offers = this.#offers;
    this.#offers = undefined;
    while (offers !== undefined && offers.length > 0) {
      const { op, answer } = offers.shift();
      answer.fail(this.notAlive(op));
    }
  }

  /** The error for a message that reached nobody. */
  notAlive(op: string): FoundationError {
    const why = this.exitReason === undefined ? '' : ` (exit reason: ${formatReason(this.exitReason)})`;
    return new FoundationError('noproc', `'${op}' was not handled: ${this} is not alive${why}.`);
  }

  #killedMidway(): FoundationError {
    const why = this.exitReason === undefined ? '' : `: ${formatReason(this.exitReason)}`;
    return new FoundationError(
      'unknown-outcome',
      `${this} ended before it answered${why}; the call may have taken effect in part.`,
    );
  }

  // --- hand-off -------------------------------------------------------------------------------------------------

  /** Stops handling at the end of the current handler; messages go on queueing. Resolves false if the process ends first. */
  seal(): Promise<boolean> {
    return new Promise(resolve => {
      if (this.status !== 'running' && this.status !== 'sealed') {
        resolve(false);
        return;
      }
      this.#sealWaiters ??= [];
      this.#sealWaiters.push(() => resolve(this.status === 'sealed'));
      if (this.status === 'sealed') this.#wakeSealWaiters();
      else if (!this.busy && !this.active) this.#sealIfAsked();
    });
  }

  #sealIfAsked(): void {
    if (this.#sealWaiters === undefined || this.status !== 'running') return;
    this.status = 'sealed';
    this.#wakeSealWaiters();
  }

  #wakeSealWaiters(): void {
    const waiters = this.#sealWaiters;
    this.#sealWaiters = undefined;
    if (waiters !== undefined) for (const wake of waiters) wake();
  }

  /** Goes on after a seal that came to nothing. */
  unseal(): void {
    if (this.status !== 'sealed') return;
    this.status = 'running';
    if (this.mailbox.size > 0) this.#schedule();
  }

  /** Takes the waiting messages out of a sealed process, in order. */
  drainTo(visit: (op: string, payload: unknown, answer: Answer | undefined) => void): void {
    this.mailbox.drain((head, payload, meta) => {
      if (typeof head === 'string') visit(head, payload, meta as Answer | undefined);
    });
    const offers = this.#offers;
    this.#offers = undefined;
    while (offers !== undefined && offers.length > 0) {
      const { op, payload, answer } = offers.shift();
      visit(op, payload, undefined);
      answer.succeed(undefined);
    }
  }

  toString(): string {
    const name = this.names?.[0];
    return `${this.program.name}${name === undefined ? '' : ` '${name}'`} ${this.pid}`;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && typeof (value as { then?: unknown }).then === 'function';
}
