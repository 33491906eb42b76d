import { isDeepStrictEqual } from 'node:util';
import {
  type ActorSystem,
  type AnyDefinition,
  actor,
  type CallsOf,
  type CastsOf,
  type Context,
  defineProgram,
  type ExitReason,
  formatReason,
  type Handler,
  noReply,
  type PayloadOf,
  Pid,
  type Program,
  type Ref,
  type ReplyTo,
  type Start,
} from '@foundation-ts/core';
import { SimulatedClock, settle } from './simulated-clock.js';

/** What a probe received. */
export interface ProbeMessage {
  readonly kind: 'call' | 'cast';
  readonly op: string;
  readonly payload: unknown;
  /** Answers a call; its caller waits until then. @throws Error for a cast */
  reply(value: unknown): void;
}

/** A value that is to be deeply equal, or a function that says whether it fits. */
export type Matcher<T = unknown> =
  | ((value: T) => boolean)
  | (unknown extends T ? object | string | number | bigint | boolean | null : T);

/** Options of what a probe expects. */
export interface ExpectOptions {
  /**
   * Milliseconds to wait for it: on a `SimulatedClock` they are simulated, and the probe moves the clock itself. Default 1,000, or what
   * is left in `within()`.
   */
  readonly within?: number;
}

/** The operations of a definition; any text, when it is not known. */
type Operation<D extends AnyDefinition> =
  | (keyof CallsOf<D> & string)
  | (keyof CastsOf<D> & string)
  | (unknown extends CastsOf<D> ? string : never);

type PayloadFor<D extends AnyDefinition, O> = O extends keyof CallsOf<D>
  ? PayloadOf<CallsOf<D>[O]>
  : O extends keyof CastsOf<D>
    ? PayloadOf<CastsOf<D>[O]>
    : unknown;

/** An actor for tests that takes any operation, keeps what it receives, and answers nothing of its own accord. */
export interface Probe<D extends AnyDefinition = AnyDefinition> {
  readonly ref: Ref<D>;
  readonly pid: Pid;
  /** Its context: to call and cast, link and monitor in its name. It traps exits. */
  readonly context: Context<unknown>;
  /** Everything that it has received, in order. */
  readonly received: readonly ProbeMessage[];
  /**
   * Waits for a message and takes it: the oldest that no other expectation has taken. Others before it stay.
   * @param matcher - of the payload; default: any
   * @throws (rejects) Error that lists what was there instead
   */
  expectMessage<O extends Operation<D>>(
    op: O,
    matcher?: Matcher<PayloadFor<D, O>>,
    options?: ExpectOptions,
  ): Promise<ProbeMessage>;
  /** Waits, and rejects when there is a message that no expectation has taken. `within`: default 100. */
  expectNoMessage(options?: ExpectOptions): Promise<void>;
  /** Monitors `target` from now on, for {@link expectExit}. */
  watch(target: Ref | Pid): void;
  /**
   * Waits for the end of an actor; one that is not watched yet is watched from now on (`noproc` when it is gone).
   * @param reason - default: any
   * @returns the reason with which it ended
   */
  expectExit(target: Ref | Pid, reason?: Matcher<ExitReason>, options?: ExpectOptions): Promise<ExitReason>;
  /** Runs `body`, which has to be through within `ms`; expectations in it wait no longer than that. */
  within<T>(ms: number, body: () => T | Promise<T>): Promise<T>;
  /** Ends the probe. */
  stop(): Promise<void>;
}

const WITHIN = 1_000;
const QUIET = 100;

/** Starts a probe. `D`: the definition whose actor it stands in for, if it does. */
export async function probe<D extends AnyDefinition = AnyDefinition>(
  system: ActorSystem,
  options: { readonly name?: string } = {},
): Promise<Probe<D>> {
  const one = new ActorProbe<D>(system);
  await one.start(options.name);
  return one;
}

class Received implements ProbeMessage {
  taken = false;
  readonly kind: 'call' | 'cast';
  readonly op: string;
  readonly payload: unknown;
  readonly #context: Context<unknown>;
  readonly #from: ReplyTo | undefined;

  constructor(op: string, payload: unknown, context: Context<unknown>, from: ReplyTo | undefined) {
    this.kind = from === undefined ? 'cast' : 'call';
    this.op = op;
    this.payload = payload;
    this.#context = context;
    this.#from = from;
  }

  reply(value: unknown): void {
    if (this.#from === undefined) throw new Error(`'${this.op}' was a cast: nobody waits for an answer.`);
    this.#context.reply(this.#from, value);
  }

  toString(): string {
    return `${this.kind} '${this.op}' ${format(this.payload)}`;
  }
}

/** A table in which each operation has a handler. */
class AnyOperation extends Map<string, Handler> {
  readonly #make: (op: string) => Handler;

  constructor(make: (op: string) => Handler) {
    super();
    this.#make = make;
  }

  override has(): boolean {
    return true;
  }

  override get(op: string): Handler {
    let handler = super.get(op);
    if (handler === undefined) {
      handler = this.#make(op);
      this.set(op, handler);
    }
    return handler;
  }
}

class ActorProbe<D extends AnyDefinition> implements Probe<D> {
  readonly received: Received[] = [];
  ref!: Ref<D>;
  context!: Context<unknown>;
  readonly #system: ActorSystem;
  readonly #watches: (() => void)[] = [];
  readonly #ends = new Map<string, ExitReason | undefined>();
  readonly #changed = new Set<() => void>();
  /** Expectations that move the clock. */
  #driving = 0;
  #until = Number.POSITIVE_INFINITY;

  constructor(system: ActorSystem) {
    this.#system = system;
  }

  get pid(): Pid {
    return this.ref.pid;
  }

  async start(name: string | undefined): Promise<void> {
    const { program } = actor({
      name: 'probe',
      trapExit: true,
      init: (_: void, ctx) => {
        this.context = ctx;
        return {};
      },
      onExit: (_s, exit) => {
        // Who lives has sent an exit signal, and has not ended.
        if (this.#system.process(exit.pid) === undefined) this.#ended(exit.pid, exit.reason);
      },
    });
    const take = (op: string, payload: unknown, ctx: Context<unknown>, from: ReplyTo | undefined): void => {
      this.received.push(new Received(op, payload, ctx, from));
      this.#wake();
    };
    const any: Program = {
      ...program,
      calls: new AnyOperation(op => (_s, payload, ctx) => {
        take(op, payload, ctx, ctx.from);
        return noReply;
      }),
      casts: new AnyOperation(op => (_s, payload, ctx) => take(op, payload, ctx, undefined)),
    };
    const definition = defineProgram<D & (() => Start<D>)>(any);
    this.ref = await this.#system.spawn<D>(definition(), name === undefined ? {} : { name });
  }

  async expectMessage(op: string, matcher?: unknown, options?: ExpectOptions): Promise<ProbeMessage> {
    let found: Received | undefined;
    const look = (): boolean => {
      found = this.received.find(message => !message.taken && message.op === op && matches(matcher, message.payload));
      return found !== undefined;
    };
    const ms = this.#within(options, WITHIN);
    if (!(await this.#wait(look, ms))) {
      throw new Error(`no message '${op}'${described(matcher)} within ${ms} ms; ${this.#waiting()}`);
    }
    const message = found as Received;
    message.taken = true;
    return message;
  }

  async expectNoMessage(options?: ExpectOptions): Promise<void> {
    const some = (): boolean => this.received.some(message => !message.taken);
    if (await this.#wait(some, this.#within(options, QUIET)))
      throw new Error(`no message was expected; ${this.#waiting()}`);
  }

  watch(target: Ref | Pid): void {
    const pid = target instanceof Pid ? target : target.pid;
    if (this.#ends.has(pid.key)) return;
    this.#ends.set(pid.key, undefined);
    this.#watches.push(this.#system.watch(pid, reason => this.#ended(pid, reason)));
  }

  async expectExit(target: Ref | Pid, matcher?: Matcher<ExitReason>, options?: ExpectOptions): Promise<ExitReason> {
    const pid = target instanceof Pid ? target : target.pid;
    this.watch(pid);
    const ms = this.#within(options, WITHIN);
    const ended = (): boolean => this.#ends.get(pid.key) !== undefined;
    if (!(await this.#wait(ended, ms))) throw new Error(`${pid} has not ended within ${ms} ms`);
    const reason = this.#ends.get(pid.key) as ExitReason;
    if (!matches(matcher, reason)) {
      throw new Error(`${pid} ended with ${formatReason(reason)}, expected:${described(matcher)}`);
    }
    return reason;
  }

  async within<T>(ms: number, body: () => T | Promise<T>): Promise<T> {
    const { clock } = this.#system;
    const outer = this.#until;
    this.#until = Math.min(outer, clock.now() + ms);
    let settled = false;
    const result = Promise.resolve().then(body);
    const done = (): void => {
      settled = true;
      this.#wake();
    };
    result.then(done, done);
    const inTime = await this.#wait(() => settled, this.#until - clock.now(), true);
    const until = this.#until;
    this.#until = outer;
    if (!inTime || clock.now() > until) throw new Error(`not done within ${ms} ms`);
    return result;
  }

  async stop(): Promise<void> {
    for (const cancel of this.#watches.splice(0)) cancel();
    await this.#system.stop(this.pid);
  }

  /** The first reason stands: a link may tell what the monitor tells again. */
  #ended(pid: Pid, reason: ExitReason): void {
    if (this.#ends.get(pid.key) === undefined) this.#ends.set(pid.key, reason);
    this.#wake();
  }

  #within(options: ExpectOptions | undefined, otherwise: number): number {
    const left = Math.max(0, this.#until - this.#system.clock.now());
    return Math.min(options?.within ?? (left === Number.POSITIVE_INFINITY ? otherwise : left), left);
  }

  #wake(): void {
    for (const wake of [...this.#changed]) wake();
  }

  #waiting(): string {
    const list = this.received.filter(message => !message.taken).map(String);
    return list.length === 0 ? 'nothing is there.' : `there is: ${list.join('; ')}.`;
  }

  /** Until `condition` holds; false when time is up. @param yielding - leaves the clock to expectations under way */
  #wait(condition: () => boolean, ms: number, yielding = false): Promise<boolean> {
    const { clock } = this.#system;
    return clock instanceof SimulatedClock ? this.#drive(clock, condition, ms, yielding) : this.#await(condition, ms);
  }

  async #drive(clock: SimulatedClock, condition: () => boolean, ms: number, yielding: boolean): Promise<boolean> {
    const until = clock.now() + ms;
    if (!yielding) this.#driving++;
    try {
      for (;;) {
        do await settle();
        while (!this.#system.scheduler.idle);
        if (condition()) return true;
        if (yielding && this.#driving > 0) continue;
        if (await clock.step(until - clock.now())) continue;
        if (condition()) return true;
        if (yielding && this.#driving > 0) continue;
        await clock.advance(Math.max(0, until - clock.now()));
        return condition();
      }
    } finally {
      if (!yielding) this.#driving--;
    }
  }

  #await(condition: () => boolean, ms: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise(resolve => {
      const end = (result: boolean): void => {
        this.#changed.delete(look);
        timer?.cancel();
        resolve(result);
      };
      const look = (): void => {
        if (condition()) end(true);
      };
      const timer =
        ms === Number.POSITIVE_INFINITY ? undefined : this.#system.clock.setTimeout(() => end(condition()), ms);
      this.#changed.add(look);
    });
  }
}

function matches(matcher: unknown, value: unknown): boolean {
  if (matcher === undefined) return true;
  if (typeof matcher === 'function') return (matcher as (value: unknown) => boolean)(value);
  return isDeepStrictEqual(matcher, value);
}

function described(matcher: unknown): string {
  if (matcher === undefined) return '';
  return typeof matcher === 'function' ? ` ${matcher}` : ` ${format(matcher)}`;
}

function format(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
