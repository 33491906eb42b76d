import { type ActorInit, actor } from './actor.js';
import type { ActorContext, Context } from './context.js';
import { checkKeys, invalidOption } from './errors.js';
import type { ExitReason } from './exit-reason.js';
import { type EventHandlers, type MachineHandlerLike, MachineRuntime } from './machine-runtime.js';
import type { Definition, Down, Exit, NoReply, PayloadOf, ReplyOf } from './types.js';

/**
 * What handlers of a machine can do: everything of {@link Context}, and transitions. These take effect when the handler is through,
 * in OTP's order. `D` is the data, `S` the names of states, `E` those of internal events.
 */
export interface MachineContext<D, S extends string, E extends string> extends Omit<Context<D>, 'setState'> {
  /** The state that the machine is in. */
  readonly state: S;
  /** Goes to a state; to go where the machine is already changes nothing (OTP: `keep_state`). */
  next(state: S): void;
  /** Stays, but calls `enter` again (OTP: `repeat_state`). */
  repeat(): void;
  /**
   * Puts the event off until the state has changed. In a call: `return m.postpone()`.
   * @throws FoundationError `invalid-operation` in `enter` and `init`
   */
  postpone(): NoReply;
  /**
   * Inserts an internal event, to be handled before all others; several keep their order.
   * @throws FoundationError `invalid-operation` in `enter`
   */
  nextEvent(event: E, payload?: unknown): void;
  /**
   * Delivers an internal event after `ms` milliseconds, unless the state changes first. Set again, it starts anew; 0 comes before
   * any message that waits; `Infinity` cancels.
   */
  stateTimeout(ms: number, event: E, payload?: unknown): void;
  /** Delivers an internal event when no other event is handled for `ms` milliseconds. */
  eventTimeout(ms: number, event: E, payload?: unknown): void;
  /** Delivers an internal event after `ms` milliseconds, in whichever state; each event has one such time-out. */
  timeout(ms: number, event: E, payload?: unknown): void;
  cancelStateTimeout(): void;
  cancelTimeout(event: E): void;
  /** Replaces the data. */
  setData(data: D): void;
}

/** A handler of a machine. */
export type MachineHandler<D, S extends string, E extends string> = (
  data: D,
  payload: never,
  m: MachineContext<D, S, E>,
) => unknown;

type MachineHandlers<D, S extends string, E extends string> = Readonly<Record<string, MachineHandler<D, S, E>>>;

/** What a state of a machine handles; what it does not, the machine's own handlers do. */
export interface StateInit<D, S extends string, E extends string> {
  /**
   * Called when the machine has come to this state: at the start (from the state itself), at each change and at each `repeat`. It can
   * set time-outs, but neither change the state, nor postpone, nor insert events.
   */
  readonly enter?: (data: D, previous: S, m: MachineContext<D, S, E>) => unknown;
  /** Events with an answer: what the handler returns, unless `noReply` or `m.postpone()`. */
  readonly calls?: MachineHandlers<D, S, E>;
  /** Events without an answer. */
  readonly casts?: MachineHandlers<D, S, E>;
  /** Events that only the machine itself makes: inserted ones and time-outs. */
  readonly internal?: { readonly [Event in E]?: MachineHandler<D, S, E> };
  /** A monitored actor has ended. */
  readonly onDown?: (data: D, down: Down, m: MachineContext<D, S, E>) => unknown;
  /** A linked actor has ended; a machine with such a handler traps exits. */
  readonly onExit?: (data: D, exit: Exit, m: MachineContext<D, S, E>) => unknown;
}

/** Where a machine starts. */
export interface MachineStart<D, S extends string> {
  readonly state: S;
  readonly data: D;
}

/** What {@link machine} takes. */
export interface MachineInit<A, D extends object, S extends string, E extends string, St, C, K, H>
  extends Omit<StateInit<D, S, E>, 'enter' | 'calls' | 'casts'>,
    Pick<ActorInit<A, object, unknown, unknown, H>, 'name' | 'version' | 'trapExit' | 'mailbox' | 'localOnly'> {
  /** Makes the first state and the data; may be async, set time-outs and insert events. */
  readonly init: (
    argument: A,
    m: MachineContext<object, NoInfer<S>, NoInfer<E>>,
  ) => MachineStart<D, NoInfer<S>> | Promise<MachineStart<D, NoInfer<S>>>;
  /** The states by name. */
  readonly states: St & { readonly [Name in S]: StateInit<D, S, E> } & OnlyKnown<St>;
  /** Calls in states that do not handle them themselves. */
  readonly calls?: C & MachineHandlers<D, S, E>;
  /** Casts in states that do not handle them themselves. */
  readonly casts?: K & MachineHandlers<D, S, E>;
  /** The actor ends, for whatever reason but `killed`. */
  readonly terminate?: (data: D, reason: ExitReason, m: MachineContext<D, S, E>) => unknown;
  /** Hand-off: what goes to the machine's next node (plain, sendable data). Time-outs and postponed events do not. */
  readonly handOff?: (data: D, state: S) => H;
  /** Hand-off: makes state and data on the next node, in place of `init`. */
  readonly resume?: (
    handed: H,
    argument: A,
    info: { readonly fromVersion: number },
    m: MachineContext<object, NoInfer<S>, NoInfer<E>>,
  ) => MachineStart<D, NoInfer<S>> | Promise<MachineStart<D, NoInfer<S>>>;
}

/** Makes a misspelt key of a state an error: an inferred type takes any. */
type OnlyKnown<St> = {
  readonly [Name in keyof St]: {
    readonly [Key in Exclude<keyof St[Name], keyof StateInit<object, string, string>>]: never;
  };
};
type HandlersOf<T, Kind extends PropertyKey> = T extends { readonly [Key in Kind]: infer H } ? H : never;
type OperationsIn<H> = H extends unknown ? keyof H : never;
type HandlerIn<H, O> = H extends unknown ? (O extends keyof H ? H[O] : never) : never;
type TakingPayload<H> = H extends unknown ? ([PayloadOf<H>] extends [void] ? never : H) : never;
type PayloadOfAll<H> = (H extends unknown ? (payload: PayloadOf<H>) => void : never) extends (payload: infer P) => void
  ? P
  : never;
type Merged<H> = [TakingPayload<H>] extends [never]
  ? (data: object) => ReplyOf<H>
  : (data: object, payload: PayloadOfAll<TakingPayload<H>>) => ReplyOf<H>;

/** The operations of a machine: those of all its states and its own. The reply of a call is that of any of its handlers. */
export type MachineOperations<St, Kind extends 'calls' | 'casts', Common> = {
  readonly [O in OperationsIn<HandlersOf<St[keyof St], Kind> | Common>]: Merged<
    HandlerIn<HandlersOf<St[keyof St], Kind> | Common, O>
  >;
};

const stateKeys = [
  'enter',
  'calls',
  'casts',
  'internal',
  'onDown',
  'onExit',
] as const satisfies readonly (keyof StateInit<object, string, string>)[];

const machineKeys = [
  'name',
  'init',
  'states',
  'calls',
  'casts',
  'internal',
  'onDown',
  'onExit',
  'terminate',
  'handOff',
  'resume',
  'version',
  'trapExit',
  'mailbox',
  'localOnly',
] as const satisfies readonly (keyof MachineInit<
  unknown,
  object,
  string,
  string,
  unknown,
  unknown,
  unknown,
  unknown
>)[];

/**
 * Makes a definition of an actor that is a state machine, by the rules of OTP's `gen_statem`: what a handler asks for takes effect
 * when it is through; then `enter` of the new state is called; inserted events come first, then (when the state has changed) the
 * postponed ones, oldest first, then time-outs of 0, then the mailbox. An event that neither the state nor the machine handles is an
 * error of its sender: calls reject with `invalid-operation`, casts become dead letters. The types of states, data, payloads and
 * replies are inferred.
 * @throws FoundationError `invalid-option` for a wrong key or value
 */
export function machine<
  A = void,
  D extends object = object,
  S extends string = string,
  E extends string = never,
  St = unknown,
  C = unknown,
  K = unknown,
  H = unknown,
>(
  init: MachineInit<A, D, S, E, St, C, K, H>,
): Definition<A, MachineOperations<St, 'calls', C>, MachineOperations<St, 'casts', K>> {
  checkKeys('machine()', init, machineKeys);
  const { name, version, trapExit, mailbox, localOnly, terminate, handOff, resume } = init;
  if (init.init === undefined) throw invalidOption('init', init.init, 'a function that returns { state, data }');
  for (const option of ['init', 'terminate', 'handOff', 'resume'] as const) checkFunction(option, init[option]);
  if (typeof init.states !== 'object' || init.states === null || Object.keys(init.states).length === 0) {
    throw invalidOption('states', init.states, 'an object of one state or more');
  }
  const states = new Map<string, EventHandlers>();
  for (const [state, given] of Object.entries<object>(init.states)) {
    if (typeof given !== 'object' || given === null) throw invalidOption(`states.${state}`, given, 'an object');
    checkKeys(`machine()'s state '${state}'`, given, stateKeys);
    states.set(state, eventHandlers(`states.${state}.`, given));
  }
  const common = eventHandlers('', init);
  const all = [...states.values(), common];

  const begin = (ctx: Context, make: (m: never) => unknown): object =>
    new MachineRuntime((ctx as ActorContext).process, states, common).begin(m => make(m as never));
  const operation =
    (kind: 'call' | 'cast', op: string) =>
    (runtime: object, payload: unknown): unknown =>
      (runtime as MachineRuntime).receive(kind, op, payload);
  const named = (kind: 'call' | 'cast'): Readonly<Record<string, (runtime: object, payload: never) => unknown>> =>
    Object.fromEntries(all.flatMap(handlers => [...handlers[kind].keys()]).map(op => [op, operation(kind, op)]));

  const definition = actor<unknown, object, unknown, unknown, unknown>({
    name,
    init: (argument, ctx) => begin(ctx, m => init.init(argument as A, m)),
    calls: named('call'),
    casts: named('cast'),
    ...(all.some(handlers => handlers.down !== undefined) && {
      onDown: (runtime, down) => (runtime as MachineRuntime).receive('down', 'down', down),
    }),
    ...(all.some(handlers => handlers.exit !== undefined) && {
      onExit: (runtime, exit) => (runtime as MachineRuntime).receive('exit', 'exit', exit),
    }),
    ...(terminate !== undefined && {
      terminate: (runtime, reason) => {
        const { data, context } = runtime as MachineRuntime;
        return terminate(data as D, reason, context as never);
      },
    }),
    ...(handOff !== undefined && {
      handOff: runtime => handOff((runtime as MachineRuntime).data as D, (runtime as MachineRuntime).state as S),
    }),
    ...(resume !== undefined && {
      resume: (handed, argument, info, ctx) => begin(ctx, m => resume(handed as H, argument as A, info, m)),
    }),
    ...(version !== undefined && { version }),
    ...(trapExit !== undefined && { trapExit }),
    ...(mailbox !== undefined && { mailbox }),
    ...(localOnly !== undefined && { localOnly }),
  });
  return definition as unknown as Definition<A, MachineOperations<St, 'calls', C>, MachineOperations<St, 'casts', K>>;
}

function eventHandlers(path: string, given: object): EventHandlers {
  const from = given as Readonly<Record<string, unknown>>;
  for (const option of ['enter', 'onDown', 'onExit']) checkFunction(`${path}${option}`, from[option]);
  return {
    enter: from.enter as EventHandlers['enter'],
    call: handlerMap(`${path}calls`, from.calls),
    cast: handlerMap(`${path}casts`, from.casts),
    internal: handlerMap(`${path}internal`, from.internal),
    down: from.onDown as EventHandlers['down'],
    exit: from.onExit as EventHandlers['exit'],
  };
}

function handlerMap(option: string, given: unknown): ReadonlyMap<string, MachineHandlerLike> {
  if (given === undefined) return new Map();
  if (typeof given !== 'object' || given === null) throw invalidOption(option, given, 'an object of functions');
  const entries = Object.entries(given);
  for (const [name, handler] of entries) {
    if (typeof handler !== 'function') throw invalidOption(`${option}.${name}`, handler, 'a function');
  }
  return new Map(entries as [string, MachineHandlerLike][]);
}

function checkFunction(option: string, given: unknown): void {
  if (given !== undefined && typeof given !== 'function') throw invalidOption(option, given, 'a function');
}
