import type { Context } from './context.js';
import { checkKeys, invalidOption } from './errors.js';
import type { ExitReason } from './exit-reason.js';
import type { Handler, Overflow, Program } from './program.js';
import type { AnyDefinition, Calls, Casts, Definition, Down, Exit, Start } from './types.js';

/** What {@link actor} takes. */
export interface ActorInit<A, S extends object, C, K, H> {
  /** The stable name: other nodes start it, logs show it. Unique among the definitions of a node. */
  readonly name: string;
  /** Makes the state; what it throws makes the spawn fail with `start-failed`. */
  // Not Context<S>: that would fix S before the result is looked at, as `object`.
  readonly init: (argument: A, ctx: Context) => S | Promise<S>;
  /** Operations with an answer. May be async: the actor handles its next message when the promise has settled. */
  readonly calls?: C & Calls<S>;
  /** Operations without an answer. */
  readonly casts?: K & Casts<S>;
  /** A monitored actor has ended. */
  readonly onDown?: (state: S, down: Down, ctx: Context<S>) => unknown;
  /** A linked actor has ended; giving this handler makes the actor trap exits. */
  readonly onExit?: (state: S, exit: Exit, ctx: Context<S>) => unknown;
  /** The actor ends, for whatever reason but `killed`: release what it holds. */
  readonly terminate?: (state: S, reason: ExitReason, ctx: Context<S>) => unknown;
  /** Hand-off: what goes to the actor's next node (plain, sendable data). Without it the state starts anew there. */
  readonly handOff?: (state: S) => H;
  /** Hand-off: makes the state on the next node, in place of `init`. */
  readonly resume?: (handed: H, argument: A, info: { readonly fromVersion: number }, ctx: Context) => S | Promise<S>;
  /** The version of what `handOff` gives, told to `resume`; default 0. */
  readonly version?: number;
  /** Whether exits of linked actors arrive as messages; default: whether `onExit` is given. */
  readonly trapExit?: boolean;
  /** Bounds of the mailbox. */
  readonly mailbox?: {
    /** Most messages that wait; default unbounded. */
    readonly capacity?: number;
    /** What happens to one too many; default `'reject'`: calls and offers fail or wait, casts become dead letters. */
    readonly overflow?: Overflow;
  };
  /** Never started at the request of another node; default false. */
  readonly localOnly?: boolean;
}

const keys = [
  'name',
  'init',
  'calls',
  'casts',
  'onDown',
  'onExit',
  'terminate',
  'handOff',
  'resume',
  'version',
  'trapExit',
  'mailbox',
  'localOnly',
] as const satisfies readonly (keyof ActorInit<unknown, object, unknown, unknown, unknown>)[];

const functions = ['onDown', 'onExit', 'terminate', 'handOff', 'resume'] as const;
const overflows: readonly Overflow[] = ['reject', 'drop-newest', 'drop-oldest'];

/**
 * Makes a definition of an actor from a map of handlers. The types of payloads, replies and the argument are inferred.
 * @throws FoundationError `invalid-option` for a wrong key or value
 */
export function actor<A = void, S extends object = object, C = unknown, K = unknown, H = unknown>(
  init: ActorInit<A, S, C, K, H>,
): Definition<A, C, K> {
  checkKeys('actor()', init, keys);
  if (typeof init.name !== 'string' || init.name.length === 0)
    throw invalidOption('name', init.name, 'a non-empty string');
  if (typeof init.init !== 'function') throw invalidOption('init', init.init, 'a function that returns the state');
  for (const option of functions) checkType(option, init[option], 'function');
  for (const option of ['trapExit', 'localOnly'] as const) checkType(option, init[option], 'boolean');
  checkType('version', init.version, 'number');
  checkType('mailbox', init.mailbox, 'object');
  checkKeys("actor()'s mailbox", init.mailbox ?? {}, ['capacity', 'overflow']);
  const { capacity = Number.POSITIVE_INFINITY, overflow = 'reject' } = init.mailbox ?? {};
  if (typeof capacity !== 'number' || !(capacity >= 1)) {
    throw invalidOption('mailbox.capacity', capacity, '1 or more, or Infinity');
  }
  if (!overflows.includes(overflow)) throw invalidOption('mailbox.overflow', overflow, overflows.join(', '));
  const program: Program = {
    name: init.name,
    init: init.init as Program['init'],
    calls: handlerMap('calls', init.calls),
    casts: handlerMap('casts', init.casts),
    onDown: init.onDown as Program['onDown'],
    onExit: init.onExit as Program['onExit'],
    terminate: init.terminate as Program['terminate'],
    handOff: init.handOff as Program['handOff'],
    resume: init.resume as Program['resume'],
    version: init.version ?? 0,
    trapExit: init.trapExit ?? init.onExit !== undefined,
    capacity,
    overflow,
    localOnly: init.localOnly ?? false,
    supervisor: false,
  };
  return defineProgram<Definition<A, C, K>>(program);
}

function checkType(option: string, given: unknown, type: 'function' | 'boolean' | 'number' | 'object'): void {
  if (given !== undefined && typeof given !== type) throw invalidOption(option, given, `a value of type ${type}`);
}

/** Makes the callable definition of a program. For behaviours. */
export function defineProgram<D extends AnyDefinition>(program: Program): D {
  const definition = (argument?: unknown): Start => ({ definition: definition as unknown as D, argument });
  Object.defineProperty(definition, 'name', { value: program.name });
  Object.defineProperty(definition, 'program', { value: program });
  return definition as unknown as D;
}

function handlerMap(option: string, handlers: unknown): ReadonlyMap<string, Handler> {
  const map = new Map<string, Handler>();
  if (handlers === undefined) return map;
  if (typeof handlers !== 'object' || handlers === null)
    throw invalidOption(option, handlers, 'an object of functions');
  for (const [op, handler] of Object.entries(handlers)) {
    if (typeof handler !== 'function') throw invalidOption(`${option}.${op}`, handler, 'a function');
    map.set(op, handler as Handler);
  }
  return map;
}
