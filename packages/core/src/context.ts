import { FoundationError, invalidOption, isFoundationError } from './errors.js';
import type { ExitReason } from './exit-reason.js';
import type { SpawnOptions } from './gateway.js';
import type { Log } from './log.js';
import type { Answer } from './pending-call.js';
import type { Pid } from './pid.js';
import type { Process } from './process.js';
import type { ActorRef } from './ref.js';
import type {
  AnyDefinition,
  CallOptions,
  CallsOf,
  CastsOf,
  MonitorRef,
  PayloadArgs,
  PayloadOf,
  Ref,
  ReplyOf,
  ReplyTo,
  SendOptions,
  Start,
} from './types.js';

/** What `ctx.node` is; packages that make nodes extend it by declaration merging. */
// biome-ignore lint/suspicious/noEmptyInterface: extended by declaration merging
export interface NodeHandle {}

/** What a handler can do; one object per actor, the third argument of each handler. */
export interface Context<S = unknown> {
  /** The actor itself. */
  readonly self: Ref;
  readonly pid: Pid;
  /** Aborted when the actor ends: pass it to what should end with it. */
  readonly signal: AbortSignal;
  /** The node that the actor runs on. */
  readonly node: NodeHandle;
  readonly log: Log;
  /** In a call handler, until it has answered: the caller, to be kept for {@link reply} when it returns `noReply`. */
  readonly from: ReplyTo;
  /** Starts an actor; see `ActorSystem.spawn`. */
  spawn<D extends AnyDefinition>(start: Start<D>, options?: SpawnOptions): Promise<Ref<D>>;
  /** Starts an actor and links it with this one: if one crashes, so does the other, unless it traps exits. */
  spawnLink<D extends AnyDefinition>(start: Start<D>, options?: SpawnOptions): Promise<Ref<D>>;
  /** Links this actor with another, both ways. Linking with what is gone delivers an exit `noproc`. */
  link(target: Ref | Pid): void;
  unlink(target: Ref | Pid): void;
  /** `onDown` is called exactly once when the target ends; at once, with `noproc`, when it is gone already. */
  monitor(target: Ref | Pid): MonitorRef;
  /** After this, `onDown` is not called for that monitor. */
  demonitor(monitor: MonitorRef): void;
  /**
   * Casts to this actor itself, `ms` milliseconds from now, unless cancelled or dead by then.
   * @throws FoundationError `invalid-option` when `ms` is not a finite number
   */
  after(ms: number, op: string, payload?: unknown): { cancel(): void };
  /**
   * Casts to this actor itself every `ms` milliseconds, first in `ms`, until cancelled or dead. The rhythm does not drift; beats missed while
   * the event loop stood still are left out, but those that wait in the mailbox of a slow actor are not.
   * @throws FoundationError `invalid-option` when `ms` is not a finite number above 0
   */
  every(ms: number, op: string, payload?: unknown): { cancel(): void };
  /** Casts to this actor itself, behind what waits already. */
  castSelf(op: string, payload?: unknown): void;
  /** Ends this actor after the current handler. */
  stop(reason?: ExitReason): void;
  /** Sends an exit signal to another actor. */
  exit(target: Ref | Pid, reason: ExitReason): void;
  /** Answers a call whose handler returned `noReply`. */
  reply<R>(to: ReplyTo<R>, value: R): void;
  /** Replaces the state. */
  setState(state: S): void;
  /**
   * Casts `op` to this actor with each message of a topic, until it ends or the result is called.
   * @throws FoundationError `invalid-operation` on a node without pub/sub
   */
  subscribe(topic: { readonly name: string }, op: string): () => void;
  /**
   * As `ref.call`, in the name of this actor. While a call is handled, it gets at most the time that the call has left (`timeout`
   * can only shorten it), and is aborted when a caller of this node aborts the call. It bounds until it is answered: not what
   * follows `reply`, or a handler that returned `noReply`.
   */
  call<D extends AnyDefinition, O extends keyof CallsOf<D> & string>(
    ref: Ref<D>,
    op: O,
    ...rest: PayloadArgs<PayloadOf<CallsOf<D>[O]>, CallOptions>
  ): Promise<ReplyOf<CallsOf<D>[O]>>;
  cast<D extends AnyDefinition, O extends keyof CastsOf<D> & string>(
    ref: Ref<D>,
    op: O,
    ...rest: PayloadArgs<PayloadOf<CastsOf<D>[O]>, SendOptions>
  ): void;
  /** As `ref.offer`, bounded by the call being handled as {@link call} is. */
  offer<D extends AnyDefinition, O extends keyof CastsOf<D> & string>(
    ref: Ref<D>,
    op: O,
    ...rest: PayloadArgs<PayloadOf<CastsOf<D>[O]>, CallOptions>
  ): Promise<void>;
}

type Untyped = {
  call(op: string, payload?: unknown, options?: unknown, within?: Answer, by?: Process): Promise<unknown>;
  cast(op: string, payload?: unknown, options?: unknown, by?: Process): void;
  offer(op: string, payload?: unknown, options?: unknown, within?: Answer, by?: Process): Promise<void>;
};

/** The one implementation of {@link Context}. */
export class ActorContext implements Context<unknown> {
  readonly #process: Process;
  #self: Ref | undefined = undefined;
  #controller: AbortController | undefined = undefined;

  constructor(process: Process) {
    this.#process = process;
  }

  get self(): Ref {
    this.#self ??= this.#process.system.refTo(this.#process);
    return this.#self;
  }

  get pid(): Pid {
    return this.#process.pid;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      const { status, exitReason } = this.#process;
      if (status === 'terminating' || status === 'dead') this.#controller.abort(exitReason);
    }
    return this.#controller.signal;
  }

  get node(): NodeHandle {
    return this.#process.system.handle;
  }

  get log(): Log {
    return this.#process.system.log;
  }

  get from(): ReplyTo {
    const from = this.#process.from;
    if (from === undefined)
      throw new FoundationError('invalid-operation', 'ctx.from exists only while a call is handled.');
    return from as unknown as ReplyTo;
  }

  /** For the runtime: the process behind it. */
  get process(): Process {
    return this.#process;
  }

  /** The call that bounds what is called now. */
  protected get within(): Answer | undefined {
    return this.#process.from;
  }

  /** For the runtime: the actor is ending. */
  abort(reason: ExitReason): void {
    this.#controller?.abort(reason);
  }

  spawn<D extends AnyDefinition>(start: Start<D>, options: SpawnOptions = {}): Promise<Ref<D>> {
    const stopped = this.#stopped('spawn');
    return stopped === undefined ? this.#process.system.spawn(start, options) : Promise.reject(stopped);
  }

  spawnLink<D extends AnyDefinition>(start: Start<D>, options: SpawnOptions = {}): Promise<Ref<D>> {
    const stopped = this.#stopped('spawnLink');
    return stopped === undefined ? this.#process.system.spawn(start, options, this.#process) : Promise.reject(stopped);
  }

  link(target: Ref | Pid): void {
    if (this.#process.alive) this.#process.system.link(this.#process, pidOf(target));
  }

  unlink(target: Ref | Pid): void {
    if (this.#process.alive) this.#process.system.unlink(this.#process, pidOf(target));
  }

  monitor(target: Ref | Pid): MonitorRef {
    return this.#process.system.monitor(this.#process, monitored(target));
  }

  demonitor(monitor: MonitorRef): void {
    this.#process.system.demonitor(this.#process, monitor);
  }

  after(ms: number, op: string, payload?: unknown): { cancel(): void } {
    const process = this.#process;
    if (!Number.isFinite(ms)) throw invalidOption('ms', ms, 'a finite number of milliseconds');
    if (!process.alive) return { cancel: () => {} };
    const timer = process.system.clock.setTimeout(() => {
      process.timers?.delete(timer);
      process.enqueueCast(op, payload);
    }, ms);
    process.timers ??= new Set();
    process.timers.add(timer);
    return {
      cancel: () => {
        process.timers?.delete(timer);
        timer.cancel();
      },
    };
  }

  every(ms: number, op: string, payload?: unknown): { cancel(): void } {
    const process = this.#process;
    const { clock } = process.system;
    if (!(Number.isFinite(ms) && ms > 0)) throw invalidOption('ms', ms, 'a finite number of milliseconds above 0');
    if (!process.alive) return { cancel: () => {} };
    process.timers ??= new Set();
    const { timers } = process;
    let due = clock.now() + ms;
    const beat = (): void => {
      timers.delete(timer);
      const late = clock.now() - due;
      due += ms * (1 + Math.max(0, Math.floor(late / ms)));
      timer = clock.setTimeout(beat, due - clock.now());
      timers.add(timer);
      process.enqueueCast(op, payload);
    };
    let timer = clock.setTimeout(beat, ms);
    timers.add(timer);
    return {
      cancel: () => {
        timers.delete(timer);
        timer.cancel();
      },
    };
  }

  castSelf(op: string, payload?: unknown): void {
    const { system } = this.#process;
    if (this.#process.alive) system.cast(this.#process, op, payload, undefined);
  }

  stop(reason: ExitReason = 'normal'): void {
    this.#process.stop(reason);
  }

  exit(target: Ref | Pid, reason: ExitReason): void {
    if (this.#process.alive) this.#process.system.exit(pidOf(target), reason, this.#process.pid);
  }

  reply<R>(to: ReplyTo<R>, value: R): void {
    if (this.#process.alive) this.#process.replyLater(to as unknown as Answer, value);
  }

  setState(state: unknown): void {
    if (this.#process.alive) this.#process.state = state;
  }

  subscribe(topic: { readonly name: string }, op: string): () => void {
    const { topics } = this.#process.system;
    if (topics === undefined) {
      throw new FoundationError('invalid-operation', `ctx.subscribe('${topic.name}'): this node has no pub/sub.`);
    }
    return topics.subscribeActor(topic.name, this.#process.pid, op);
  }

  call<D extends AnyDefinition, O extends keyof CallsOf<D> & string>(
    ref: Ref<D>,
    op: O,
    ...rest: PayloadArgs<PayloadOf<CallsOf<D>[O]>, CallOptions>
  ): Promise<ReplyOf<CallsOf<D>[O]>> {
    const stopped = this.#stopped(op);
    if (stopped !== undefined) return Promise.reject(stopped);
    if ((ref as unknown as ActorRef).pointsTo(this.#process)) return Promise.reject(callingSelf(op, this.#process));
    const reply = (ref as unknown as Untyped).call(op, rest[0], rest[1], this.within, this.#process);
    return reply as Promise<ReplyOf<CallsOf<D>[O]>>;
  }

  cast<D extends AnyDefinition, O extends keyof CastsOf<D> & string>(
    ref: Ref<D>,
    op: O,
    ...rest: PayloadArgs<PayloadOf<CastsOf<D>[O]>, SendOptions>
  ): void {
    if (this.#process.alive) (ref as unknown as Untyped).cast(op, rest[0], rest[1], this.#process);
  }

  offer<D extends AnyDefinition, O extends keyof CastsOf<D> & string>(
    ref: Ref<D>,
    op: O,
    ...rest: PayloadArgs<PayloadOf<CastsOf<D>[O]>, CallOptions>
  ): Promise<void> {
    const stopped = this.#stopped(op);
    if (stopped !== undefined) return Promise.reject(stopped);
    return (ref as unknown as Untyped).offer(op, rest[0], rest[1], this.within, this.#process);
  }

  #stopped(op: string): FoundationError | undefined {
    if (this.#process.alive) return undefined;
    return new FoundationError('stopped', `'${op}' was not sent: its sender ${this.#process} has ended.`);
  }
}

/** The error for an actor that calls itself: it would wait for itself for ever. */
export function callingSelf(op: string, process: { toString(): string }): FoundationError {
  return new FoundationError(
    'calling-self',
    `${process} called its own '${op}': it would wait for itself. Call the function directly, or cast.`,
  );
}

/** Whom to monitor; nobody, whom no pid is ever given to, when a ref points to none now: that fires with `noproc`. */
function monitored(target: Ref | Pid): Pid | undefined {
  try {
    return pidOf(target);
  } catch (error) {
    if (isFoundationError(error, 'noproc') && (target as unknown as ActorRef).remoteName === undefined)
      return undefined;
    throw error;
  }
}

function pidOf(target: Ref | Pid): Pid {
  return 'pid' in target ? target.pid : target;
}
