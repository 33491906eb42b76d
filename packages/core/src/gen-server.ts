import { type ActorInit, actor } from './actor.js';
import type { Context } from './context.js';
import { checkKeys, invalidOption } from './errors.js';
import type { ExitReason } from './exit-reason.js';
import type { Definition, Down, Exit } from './types.js';

/**
 * An actor written as a class: one instance per actor, which is its state. Made into a definition by {@link genServer}, which
 * names the methods that are operations; nothing else can be reached by a message.
 * @typeParam A - the argument that it starts with
 */
export abstract class GenServer<A = void> {
  /** Exists in types only. */
  declare readonly '~types'?: { readonly argument: A };

  /** Called once, on a new instance, before any message; may be async. What it throws makes the spawn fail with `start-failed`. */
  abstract init(argument: A, ctx: Context): unknown;
  /** A monitored actor has ended. */
  onDown?(down: Down, ctx: Context): unknown;
  /** A linked actor has ended; a class with this method traps exits. */
  onExit?(exit: Exit, ctx: Context): unknown;
  /** The actor ends, for whatever reason but `killed`: release what it holds. */
  terminate?(reason: ExitReason, ctx: Context): unknown;
  /** Hand-off: what goes to the actor's next node (plain, sendable data). */
  handOff?(): unknown;
  /** Hand-off: called on a new instance on the next node, in place of `init`. */
  resume?(handed: never, argument: A, info: { readonly fromVersion: number }, ctx: Context): unknown;
}

/** The methods of a class that can be operations: those that take at most a payload and a context, and no lifecycle. */
export type OperationName<I> = {
  [Key in Exclude<keyof I, keyof GenServer<unknown>> & string]: I[Key] extends (payload: never, ctx: Context) => unknown
    ? Key
    : never;
}[Exclude<keyof I, keyof GenServer<unknown>> & string];

/** Methods as handlers, whose state is the instance. */
export type Operations<I, O extends PropertyKey> = {
  readonly [Key in O & keyof I]: I[Key] extends (...args: infer P) => infer R
    ? (state: object, ...args: P) => R
    : never;
};

/** The argument that a {@link GenServer} starts with. */
export type ArgumentOf<I> = I extends { readonly '~types'?: { readonly argument: infer A } } ? A : never;

/** What {@link genServer} takes beside the class. */
export interface GenServerInit<C, K> {
  /** The stable name: other nodes start it, logs show it; default: the name of the class (set it when a bundler renames classes). */
  readonly name?: string;
  /** The methods that answer. */
  readonly calls?: C;
  /** The methods whose result is ignored. */
  readonly casts?: K;
  /** As for `actor`. */
  readonly version?: number;
  /** As for `actor`; default: whether the class has `onExit`. */
  readonly trapExit?: boolean;
  /** As for `actor`. */
  readonly mailbox?: NonNullable<ActorInit<unknown, object, unknown, unknown, unknown>['mailbox']>;
  /** As for `actor`. */
  readonly localOnly?: boolean;
}

const keys = [
  'name',
  'calls',
  'casts',
  'version',
  'trapExit',
  'mailbox',
  'localOnly',
] as const satisfies readonly (keyof GenServerInit<unknown, unknown>)[];

const lifecycle: readonly string[] = ['constructor', 'init', 'onDown', 'onExit', 'terminate', 'handOff', 'resume'];

type Method = (this: unknown, ...args: unknown[]) => unknown;
type Lifecycle = { readonly [name: string]: Method | undefined };

/**
 * Makes a definition of an actor from a class: payloads, replies and the argument are those of its methods, which are called
 * as `(payload, ctx)`.
 * @throws FoundationError `invalid-option` for a wrong option, or an operation that is no method of the class or belongs to its
 *   lifecycle
 */
export function genServer<
  I extends GenServer<unknown>,
  const C extends readonly OperationName<I>[] = readonly [],
  const K extends readonly OperationName<I>[] = readonly [],
>(
  server: new () => I,
  init: GenServerInit<C, K> = {},
): Definition<ArgumentOf<I>, Operations<I, C[number]>, Operations<I, K[number]>> {
  checkKeys('genServer()', init, keys);
  const prototype: unknown = (server as { readonly prototype?: unknown } | undefined)?.prototype;
  if (!(prototype instanceof GenServer)) throw invalidOption('server', server, 'a class that extends GenServer');
  const { calls, casts, ...options } = init;
  const has = (name: string): boolean => typeof (prototype as unknown as Lifecycle)[name] === 'function';
  const forward =
    (name: string) =>
    (state: object, ...args: unknown[]): unknown =>
      ((state as Lifecycle)[name] as Method).apply(state, args);
  const begin =
    (method: string) =>
    (...args: unknown[]): object | Promise<object> => {
      const instance = new server();
      const result = forward(method)(instance, ...args);
      return isThenable(result) ? Promise.resolve(result).then(() => instance) : instance;
    };
  const definition = actor<unknown, object, unknown, unknown, unknown>({
    ...options,
    name: init.name ?? server.name,
    init: begin('init'),
    calls: operations('calls', prototype, calls ?? []),
    casts: operations('casts', prototype, casts ?? []),
    ...(has('onDown') && { onDown: forward('onDown') }),
    ...(has('onExit') && { onExit: forward('onExit') }),
    ...(has('terminate') && { terminate: forward('terminate') }),
    ...(has('handOff') && { handOff: forward('handOff') }),
    ...(has('resume') && { resume: begin('resume') }),
  });
  return definition as unknown as Definition<ArgumentOf<I>, Operations<I, C[number]>, Operations<I, K[number]>>;
}

/** The handlers of the operations that were named, each bound to the method that the class has now. */
function operations(
  option: string,
  prototype: object,
  names: readonly string[],
): Readonly<Record<string, (state: object, payload: never, ctx: Context) => unknown>> {
  if (!Array.isArray(names)) throw invalidOption(option, names, 'an array of method names');
  return Object.fromEntries(
    names.map(name => {
      const method = methodOf(prototype, name);
      if (method === undefined || lifecycle.includes(name)) {
        throw invalidOption(option, name, 'methods of the class that are not of its lifecycle');
      }
      return [name, (state: object, payload: never, ctx: Context) => method.call(state, payload, ctx)];
    }),
  );
}

/** A method of the class or of one between it and {@link GenServer}: nothing that every object has. */
function methodOf(prototype: object, name: unknown): Method | undefined {
  if (typeof name !== 'string') return undefined;
  for (let at: unknown = prototype; at !== null && at !== GenServer.prototype; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at as object, name);
    if (found !== undefined) return typeof found.value === 'function' ? (found.value as Method) : undefined;
  }
  return undefined;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && typeof (value as { then?: unknown }).then === 'function';
}
