import type { Context } from './context.js';
import type { ExitReason } from './exit-reason.js';
import type { Failure } from './failure.js';
import type { Pid } from './pid.js';
import type { Program } from './program.js';

/** Handlers of calls: their (awaited) result is the reply. `S` is the actor's state. */
export type Calls<S> = Readonly<Record<string, (state: S, payload: never, ctx: Context<S>) => unknown>>;

/** Handlers of casts: their result is ignored. */
export type Casts<S> = Readonly<Record<string, (state: S, payload: never, ctx: Context<S>) => unknown>>;

/** Returned by a call handler that will answer later through {@link Context.reply}. */
export const noReply: unique symbol = Symbol('noReply');
export type NoReply = typeof noReply;

/** The payload that a handler takes; `void` when it takes none. */
export type PayloadOf<H> = H extends (...args: infer P) => unknown
  ? P extends readonly [unknown, infer Payload, ...unknown[]]
    ? Payload
    : P extends readonly [unknown, (infer Payload)?, ...unknown[]]
      ? [unknown] extends [Payload]
        ? void
        : Payload | undefined
      : void
  : never;

/**
 * What a call of this handler resolves with; `unknown` when it only ever returns `noReply`. No symbol: an inferred return type shows
 * `noReply` as one.
 */
export type ReplyOf<H> = [H] extends [(...args: never) => infer R] ? ReplyIn<Awaited<R>> : never;

type ReplyIn<R> = [Exclude<R, symbol | Failure>] extends [never]
  ? [Extract<R, symbol>] extends [never]
    ? never
    : unknown
  : Exclude<R, symbol | Failure>;

/** The arguments after the operation's name: none or optional when the handler takes no payload. */
export type PayloadArgs<P, O> = [P] extends [void]
  ? [payload?: undefined, options?: O]
  : undefined extends P
    ? [payload?: P, options?: O]
    : [payload: P, options?: O];

/** The arguments of a definition: none when its `init` takes none. */
export type StartArgs<A> = [A] extends [void] ? [] : undefined extends A ? [argument?: A] : [argument: A];

/**
 * What actors are made from: a value with a stable name. Called with the argument of `init` it gives {@link Start} data, which
 * spawns here, spawns on another node that has a definition of that name, or goes into a supervisor.
 */
export interface Definition<A, C, K> {
  (...args: StartArgs<A>): Start<Definition<A, C, K>>;
  /** The stable name by which other nodes start it. */
  readonly name: string;
  /** Its behaviour; for the runtime only. */
  readonly program: Program;
  /** Exists in types only. */
  readonly '~types'?: { readonly argument: A; readonly calls: C; readonly casts: K };
}

/** Any definition. */
export interface AnyDefinition {
  readonly name: string;
  readonly program: Program;
  readonly '~types'?: { readonly argument: unknown; readonly calls: unknown; readonly casts: unknown } | undefined;
}

type TypesOf<D extends AnyDefinition> = NonNullable<D['~types']>;
/** The call handlers of a definition. */
export type CallsOf<D extends AnyDefinition> = TypesOf<D>['calls'];
/** The cast handlers of a definition. */
export type CastsOf<D extends AnyDefinition> = TypesOf<D>['casts'];

/** Plain data that starts an actor: which definition, with what argument. */
export interface Start<D extends AnyDefinition = AnyDefinition> {
  readonly definition: D;
  readonly argument: unknown;
}

/** Options of a message. */
export interface SendOptions {
  /** The channel that carries it to another node; default `'data'`. Ignored locally. */
  readonly channel?: string;
  /** Messages of the same key keep their order on a channel with several connections; default: the target's identity. */
  readonly partition?: string | number;
}

/** Options of a call. */
export interface CallOptions extends SendOptions {
  /** Milliseconds until the call rejects with `timeout`; default 5,000; `Infinity` waits for ever. */
  readonly timeout?: number;
  /** When it aborts, the call rejects with `aborted`; the handler is not stopped. */
  readonly signal?: AbortSignal;
}

/** A typed handle on an actor, local or remote. Cheap, immutable, sendable in messages. */
export interface Ref<D extends AnyDefinition = AnyDefinition> {
  /** Exists in types only: a ref on one definition is none on another. A method, so that a ref on any, as `ctx.self`, passes for either. */
  '~operations'?(operations: { readonly calls: CallsOf<D>; readonly casts: CastsOf<D> }): void;
  /**
   * Who it points to now.
   * @throws FoundationError `noproc` when it points to a name or child that nobody holds now
   */
  readonly pid: Pid;
  /**
   * Asks and awaits the answer.
   * @returns what the handler returned
   * @throws (rejects) FoundationError: `timeout`, `aborted`, `noproc`, `noconnection`, `not-delivered`, `unknown-outcome`,
   *   `handler-failed`, `mailbox-full`, `invalid-operation`, `not-sendable`, `too-large`, `moved`
   */
  call<O extends keyof CallsOf<D> & string>(
    op: O,
    ...rest: PayloadArgs<PayloadOf<CallsOf<D>[O]>, CallOptions>
  ): Promise<ReplyOf<CallsOf<D>[O]>>;
  /**
   * Tells and forgets. A message that can't be delivered becomes a dead letter.
   * @throws FoundationError `not-sendable` or `too-large` when the payload can't be sent to another node
   */
  cast<O extends keyof CastsOf<D> & string>(op: O, ...rest: PayloadArgs<PayloadOf<CastsOf<D>[O]>, SendOptions>): void;
  /**
   * Tells, and resolves once the target's mailbox has accepted the message: back-pressure.
   * @throws (rejects) FoundationError as {@link call} does, except `handler-failed`
   */
  offer<O extends keyof CastsOf<D> & string>(
    op: O,
    ...rest: PayloadArgs<PayloadOf<CastsOf<D>[O]>, CallOptions>
  ): Promise<void>;
  /** The same target with other default options. */
  with(options: CallOptions): Ref<D>;
  toString(): string;
}

/** What a monitor reports: who ended, why, and which monitor it was. */
export interface Down {
  readonly monitor: MonitorRef;
  readonly pid: Pid;
  readonly reason: ExitReason;
}

/** What a process that traps exits hears when a linked one ends. */
export interface Exit {
  readonly pid: Pid;
  readonly reason: ExitReason;
}

/** Identifies one monitor of one actor. */
export type MonitorRef = number;

/** A call that waits for its answer; see {@link Context.from}. */
export interface ReplyTo<R = unknown> {
  readonly '~reply'?: R;
}
