import type { Context } from './context.js';
import type { Down, Exit } from './types.js';

/** A handler as the runtime sees it, whatever its declared types. */
export type Handler = (state: unknown, payload: unknown, ctx: Context<unknown>) => unknown;

/** What a mailbox does with a message that exceeds its capacity. */
export type Overflow = 'reject' | 'drop-newest' | 'drop-oldest';

/**
 * The behaviour of an actor in the one form that the runtime executes. `actor`, `GenServer`, supervisors are thin adapters
 * onto it.
 */
export interface Program {
  readonly name: string;
  readonly init: (argument: unknown, ctx: Context<unknown>) => unknown;
  readonly calls: ReadonlyMap<string, Handler>;
  readonly casts: ReadonlyMap<string, Handler>;
  readonly onDown: ((state: unknown, down: Down, ctx: Context<unknown>) => unknown) | undefined;
  readonly onExit: ((state: unknown, exit: Exit, ctx: Context<unknown>) => unknown) | undefined;
  readonly terminate: ((state: unknown, reason: unknown, ctx: Context<unknown>) => unknown) | undefined;
  readonly handOff: ((state: unknown) => unknown) | undefined;
  readonly resume:
    | ((handed: unknown, argument: unknown, info: { readonly fromVersion: number }, ctx: Context<unknown>) => unknown)
    | undefined;
  readonly version: number;
  readonly trapExit: boolean;
  /** Messages; `Infinity` is unbounded. */
  readonly capacity: number;
  readonly overflow: Overflow;
  readonly localOnly: boolean;
  readonly supervisor: boolean;
}
