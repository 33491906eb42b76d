import { defineProgram } from './actor.js';
import { type AsyncStreamOptions, streamOf } from './async-stream.js';
import { type ChildSpec, child, type Restart, type Shutdown } from './child-spec.js';
import type { ActorContext, Context } from './context.js';
import {
  type DynamicSupervisorDefinition,
  type DynamicSupervisorInit,
  dynamicSupervisor,
} from './dynamic-supervisor.js';
import { checkKeys, FoundationError } from './errors.js';
import type { Pid } from './pid.js';
import type { DynamicSupervisorHandle } from './supervisor-handle.js';
import { Job, jobDefinition, type Task, type TaskFunction, type TaskOwner, type TaskResult } from './task.js';
import type { Ref, Start } from './types.js';

/** How a task runs under its supervisor. */
export interface TaskChildOptions {
  /** How it is stopped with its supervisor; default 5,000. */
  readonly shutdown?: Shutdown;
}

/** A running task supervisor; made by {@link tasksOf}. Functions never travel: it has to run on this node. */
export interface TaskSupervisorHandle {
  /** The supervisor. @throws FoundationError `noproc` when nobody is it now */
  readonly pid: Pid;
  /**
   * Starts a task that is linked with its owner: it ends with it, and takes it down when it crashes.
   * @throws (rejects) FoundationError `max-children`, `noproc`, `stopped` when the owner has ended
   */
  async<R>(owner: TaskOwner, run: TaskFunction<R>, options?: TaskChildOptions): Promise<Task<R>>;
  /** Starts a task whose crash is only its own: `await` rejects, `yield` tells. @throws (rejects) as {@link async} */
  asyncNolink<R>(run: TaskFunction<R>, options?: TaskChildOptions): Promise<Task<R>>;
  /**
   * Starts a task that nobody waits for.
   * @param options.restart - default `'temporary'`; `'transient'` runs it again after a crash
   * @throws (rejects) as {@link async}
   */
  startChild(run: TaskFunction<unknown>, options?: TaskChildOptions & { readonly restart?: Restart }): Promise<Pid>;
  /** Ends a task. @throws (rejects) FoundationError `not-found` */
  terminateChild(pid: Pid): Promise<void>;
  /** The tasks that run. */
  children(): Promise<Pid[]>;
  /** As `asyncStream`, but with tasks that are linked with nobody: crashes are results that are not ok. */
  asyncStream<I, R>(
    items: Iterable<I> | AsyncIterable<I>,
    run: (item: I, ctx: Context) => R | Promise<R>,
    options?: AsyncStreamOptions,
  ): AsyncGenerator<TaskResult<R>, void, undefined>;
}

/**
 * A supervisor of tasks: a dynamic supervisor by another name, which takes its options; Elixir's `Task.Supervisor`.
 * @throws FoundationError `invalid-option`
 */
export function taskSupervisor(init: DynamicSupervisorInit = {}): Start<DynamicSupervisorDefinition> {
  return { definition: taskSupervisorDefinition, argument: dynamicSupervisor(init).argument };
}

const taskSupervisorDefinition = defineProgram<DynamicSupervisorDefinition>({
  ...dynamicSupervisor().definition.program,
  name: 'task-supervisor',
});

/** A handle on a task supervisor, given as a ref (which may follow restarts) or as the handle that `supervise` gave. */
export function tasksOf(supervisor: Ref<DynamicSupervisorDefinition> | DynamicSupervisorHandle): TaskSupervisorHandle {
  const target = operationsOf(supervisor);
  const run = async <R>(job: Job, options: TaskChildOptions, owner: ActorContext | undefined): Promise<Task<R>> => {
    await target.startChild(specOf(job, 'temporary', options));
    return job.taskOf<R>(owner?.process);
  };
  const handle: TaskSupervisorHandle = {
    get pid() {
      return supervisor.pid;
    },
    async: async (owner, work, options = {}) => {
      const ctx = owner as unknown as ActorContext;
      if (!ctx.process.alive) {
        throw new FoundationError('stopped', `A task was not started: its owner ${ctx.process} has ended.`);
      }
      return run(new Job(work, ctx.process), options, ctx);
    },
    asyncNolink: async (work, options = {}) => run(new Job(work), options, undefined),
    startChild: async (work, { restart = 'temporary', ...options } = {}) =>
      target.startChild(specOf(new Job(work), restart, options)),
    terminateChild: pid => target.terminateChild(pid),
    children: async () => (await target.whichChildren()).flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    asyncStream: (items, work, options = {}) =>
      streamOf(items, work, options, job => handle.asyncNolink(job), undefined),
  };
  return handle;
}

function specOf(job: Job, restart: Restart, options: TaskChildOptions): ChildSpec {
  checkKeys('a task', options, ['shutdown']);
  const { shutdown } = options;
  return child({ definition: jobDefinition, argument: job }, { restart, ...(shutdown !== undefined && { shutdown }) });
}

function operationsOf(
  supervisor: Ref<DynamicSupervisorDefinition> | DynamicSupervisorHandle,
): Pick<DynamicSupervisorHandle, 'startChild' | 'terminateChild' | 'whichChildren'> {
  if ('startChild' in supervisor) return supervisor;
  const ref = supervisor.with({ timeout: Number.POSITIVE_INFINITY });
  return {
    startChild: spec => ref.call('startChild', spec),
    terminateChild: pid => ref.call('terminateChild', pid),
    whichChildren: () => ref.call('whichChildren'),
  };
}
