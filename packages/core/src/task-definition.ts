import { actor } from './actor.js';
import type { ActorContext, Context } from './context.js';
import { checkKeys, invalidOption } from './errors.js';
import type { Pid } from './pid.js';
import { type Process, RUN } from './process.js';
import type { Definition } from './types.js';

/** The operations of a task: `result` answers when it is through, if it was asked before. */
export type TaskCalls<R> = { readonly result: (state: object) => R };

/** What {@link task} makes: `A` is the argument of the function, `R` what it resolves with. */
export type TaskDefinition<A, R> = Definition<A, TaskCalls<R>, unknown>;

/** What {@link task} takes beside the function. */
export interface TaskInit {
  /** The stable name: other nodes start it, logs show it; default: the name of the function. */
  readonly name?: string;
  /** Never started at the request of another node; default false. */
  readonly localOnly?: boolean;
}

/** The argument of a task that runs when its owner asks for the result. */
interface OwnedArgument {
  readonly '~task': Pid;
  readonly argument: unknown;
}

/** Marks the argument of a task that runs for an owner. */
export function ownedBy(owner: Pid, argument: unknown): object {
  return { '~task': owner, argument } satisfies OwnedArgument;
}

function isOwned(given: unknown): given is OwnedArgument {
  return typeof given === 'object' && given !== null && '~task' in given;
}

interface TaskState {
  /** Who asks for the result, once; without one the task runs by itself. */
  readonly owner: Pid | undefined;
  readonly argument: unknown;
  value: unknown;
}

/**
 * A definition of an actor that runs a function once and ends: `normal` when it is through, with what it threw else. The function's
 * context has a `signal`, aborted when the task is to end. Started like any actor, here, under a supervisor (usually
 * `restart: 'temporary'` or `'transient'`) or on another node that has the definition; by `Task.async` to wait for its result.
 * @throws FoundationError `invalid-option` for no function, or one without a name
 */
export function task<A = void, R = unknown>(
  run: (argument: A, ctx: Context) => R,
  init: TaskInit = {},
): TaskDefinition<A, Awaited<R>> {
  checkKeys('task()', init, ['name', 'localOnly']);
  if (typeof run !== 'function') throw invalidOption('run', run, 'a function');
  const name = init.name ?? run.name;
  if (typeof name !== 'string' || name.length === 0)
    throw invalidOption('name', name, 'a non-empty string, for a function without a name');
  const definition = actor<unknown, TaskState, unknown, unknown, unknown>({
    name,
    ...(init.localOnly !== undefined && { localOnly: init.localOnly }),
    init: (given, ctx) => {
      if (isOwned(given)) {
        ctx.monitor(given['~task']);
        return { owner: given['~task'], argument: given.argument, value: undefined };
      }
      const { process } = ctx as ActorContext;
      const state: TaskState = { owner: undefined, argument: given, value: undefined };
      runInTurn(
        process,
        () => run(given as A, ctx),
        value => {
          state.value = value;
          endInTurn(process);
        },
      );
      return state;
    },
    calls: {
      result: async (state: TaskState, _: void, ctx: Context) => {
        if (state.owner === undefined) return state.value;
        // Asked by its owner: run for it, so that what comes out is the answer, however far the owner is.
        const value = await run(state.argument as A, ctx);
        ctx.stop();
        return value;
      },
    },
    onDown: (state, down, ctx) => {
      if (state.owner?.equals(down.pid) === true) ctx.stop();
    },
  });
  return definition as unknown as TaskDefinition<A, Awaited<R>>;
}

/** Runs the work of a task as a message, so that the actor is busy with it and nothing else is handled meanwhile. */
export function runInTurn(process: Process, work: () => unknown, done: (value: unknown) => void): void {
  process.enqueueSignal(RUN, async () => {
    done(await work());
  });
}

/** Ends behind what was asked before, so that it is answered. */
function endInTurn(process: Process): void {
  process.enqueueSignal(RUN, () => process.stop('normal'));
}
