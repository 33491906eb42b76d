import { actor } from './actor.js';
import type { ActorContext, Context } from './context.js';
import { SHUTDOWN_TIMEOUT, TASK_TIMEOUT } from './defaults.js';
import { type ErrorCode, FoundationError, invalidOption, isFoundationError } from './errors.js';
import { type ExitReason, formatReason } from './exit-reason.js';
import type { SpawnOptions } from './gateway.js';
import type { Pid } from './pid.js';
import type { Process } from './process.js';
import type { ActorSystem } from './system.js';
import { ownedBy, runInTurn, type TaskDefinition } from './task-definition.js';
import type { Start } from './types.js';

/** How a task came out: its value, or why it ended without one. */
export type TaskResult<R> =
  | { readonly ok: true; readonly value: R }
  | { readonly ok: false; readonly reason: ExitReason };

/** Who owns a task: the context of any actor. */
export type TaskOwner = Omit<Context, 'setState'>;

/** What a task runs: a function of this node; it never travels. */
export type TaskFunction<R> = (ctx: Context) => R | Promise<R>;

/** Options of waiting for a task. */
export interface TaskWaitOptions {
  /** Milliseconds, or `Infinity`; default 5,000. */
  readonly timeout?: number;
}

/**
 * A function that runs in an actor of its own, and its result; Elixir's `Task`. One that is linked with its owner (all but those of
 * `asyncNolink`) ends with it, and takes it down when it crashes, unless the owner traps exits.
 */
export class Task<R> {
  /** The actor that runs it. */
  readonly pid: Pid;
  readonly #system: ActorSystem;
  readonly #outcome: Promise<TaskResult<R>>;
  readonly #owner: Process | undefined;
  /** Those who wait for the outcome, no longer than their time. */
  #waiting: Set<() => void> | undefined = undefined;
  #came = false;

  /** For the runtime; tasks are made by {@link Task.async} and task supervisors. */
  constructor(system: ActorSystem, pid: Pid, outcome: Promise<TaskResult<R>>, owner: Process | undefined) {
    this.#system = system;
    this.pid = pid;
    this.#outcome = outcome;
    this.#owner = owner;
  }

  /**
   * Starts a function as a task that is linked with its owner.
   * @throws FoundationError `stopped` when the owner has ended
   */
  static async<R>(owner: TaskOwner, run: TaskFunction<R>): Task<R>;
  /**
   * Starts a definition made by `task` as a task that is linked with its owner, here or on another node.
   * @throws (rejects) FoundationError as `spawn` does
   */
  static async<A, R>(
    owner: TaskOwner,
    start: Start<TaskDefinition<A, R>>,
    options?: Pick<SpawnOptions, 'on'>,
  ): Promise<Task<R>>;
  static async(
    owner: TaskOwner,
    work: TaskFunction<unknown> | Start,
    options: Pick<SpawnOptions, 'on'> = {},
  ): Task<unknown> | Promise<Task<unknown>> {
    const { process } = owner as unknown as ActorContext;
    if (typeof work !== 'function') return startRemotely(process, work, options);
    const job = new Job(work);
    process.system.launch({ definition: jobDefinition, argument: job }, { linkWith: process });
    return job.taskOf(process);
  }

  /**
   * Waits for all tasks.
   * @returns their values, in the order of the tasks
   * @throws (rejects) FoundationError as {@link Task.await} does, with the first that fails; `timeout` when not all are through in time
   */
  static awaitMany<const T extends readonly Task<unknown>[]>(
    tasks: T,
    options: TaskWaitOptions = {},
  ): Promise<{ -readonly [Index in keyof T]: T[Index] extends Task<infer R> ? R : never }> {
    return Promise.all(tasks.map(task => task.await(options))) as Promise<never>;
  }

  /**
   * Waits for the value. A time-out does not end the task: {@link shutdown} does, or the end of its owner.
   * @throws (rejects) FoundationError `handler-failed` when it threw (`cause` is what it threw), `timeout`, `noconnection` when its
   *   node is lost, `unknown-outcome` when it was ended
   */
  async await(options: TaskWaitOptions = {}): Promise<R> {
    const { timeout = TASK_TIMEOUT } = options;
    const result = await this.yield({ timeout });
    if (result === undefined) {
      throw new FoundationError(
        'timeout',
        `Task ${this.pid} had no result within ${timeout} ms; it runs on. Raise 'timeout' or shut it down.`,
        { details: { timeout } },
      );
    }
    if (result.ok) return result.value;
    throw failureOf(this.pid, result.reason);
  }

  /** Waits for the outcome; undefined when there is none in time. Can be asked again. */
  yield(options: TaskWaitOptions = {}): Promise<TaskResult<R> | undefined> {
    const { timeout = TASK_TIMEOUT } = options;
    if (typeof timeout !== 'number' || !(timeout >= 0))
      return Promise.reject(invalidOption('timeout', timeout, 'milliseconds, 0 or more, or Infinity'));
    if (timeout === Number.POSITIVE_INFINITY || this.#came) return this.#outcome;
    const waiting = this.#waitForAll();
    return new Promise(resolve => {
      const come = (): void => {
        timer.cancel();
        resolve(this.#outcome);
      };
      const timer = this.#system.clock.setTimeout(() => {
        waiting.delete(come);
        resolve(undefined);
      }, timeout);
      waiting.add(come);
    });
  }

  /** One look at the outcome for all who wait, so that a task which is asked again and again keeps nothing of those who gave up. */
  #waitForAll(): Set<() => void> {
    if (this.#waiting !== undefined) return this.#waiting;
    const waiting = new Set<() => void>();
    this.#waiting = waiting;
    this.#outcome.then(() => {
      this.#came = true;
      for (const come of waiting) come();
      waiting.clear();
    });
    return waiting;
  }

  /**
   * Unlinks the task from its owner and ends it: asked first, by an exit `shutdown`, and killed after the time-out.
   * @param how.timeout - milliseconds, `Infinity`, or `'brutal_kill'`; default 5,000
   * @returns how it came out, if it did so by itself before; undefined when it was ended
   */
  async shutdown(how: { readonly timeout?: number | 'brutal_kill' } = {}): Promise<TaskResult<R> | undefined> {
    const { timeout = SHUTDOWN_TIMEOUT } = how;
    if (timeout !== 'brutal_kill' && (typeof timeout !== 'number' || !(timeout >= 0)))
      throw invalidOption('timeout', timeout, "milliseconds, 0 or more, Infinity, or 'brutal_kill'");
    const system = this.#system;
    if (this.#owner?.alive === true) system.unlink(this.#owner, this.pid);
    system.exit(this.pid, timeout === 'brutal_kill' ? 'kill' : 'shutdown');
    const result = await this.yield({ timeout: timeout === 'brutal_kill' ? Number.POSITIVE_INFINITY : timeout });
    if (result === undefined) system.exit(this.pid, 'kill');
    const outcome = result ?? (await this.#outcome);
    if (outcome.ok) return outcome;
    return ['shutdown', 'killed', 'noproc'].includes(outcome.reason as string) ? undefined : outcome;
  }
}

/** One run of a function of this node, between the actor that runs it and the {@link Task} that waits for it. */
export class Job {
  readonly run: TaskFunction<unknown>;
  /** Linked with the task at its start, beside whoever starts it. */
  readonly linkWith: Process | undefined;
  readonly #outcome: Promise<TaskResult<unknown>>;
  #settle!: (result: TaskResult<unknown>) => void;
  #process: Process | undefined = undefined;

  constructor(run: TaskFunction<unknown>, linkWith?: Process) {
    if (typeof run !== 'function' || 'program' in run)
      throw invalidOption('run', run, 'a function, or a definition called with its argument');
    this.run = run;
    this.linkWith = linkWith;
    this.#outcome = new Promise(resolve => {
      this.#settle = resolve;
    });
  }

  attach(process: Process): void {
    this.#process = process;
    process.system.watch(process.pid, reason => this.#settle({ ok: false, reason }));
  }

  done(value: unknown): void {
    this.#settle({ ok: true, value });
  }

  taskOf<R>(owner: Process | undefined): Task<R> {
    const { system, pid } = this.#process as Process;
    return new Task(system, pid, this.#outcome as Promise<TaskResult<R>>, owner);
  }
}

/** What runs every function of this node. */
export const jobDefinition = actor({
  name: 'task',
  localOnly: true,
  init: (job: Job, ctx) => {
    const { process } = ctx as ActorContext;
    if (job.linkWith !== undefined) process.system.link(process, job.linkWith.pid);
    job.attach(process);
    runInTurn(
      process,
      () => job.run(ctx),
      value => {
        job.done(value);
        process.stop('normal');
      },
    );
    return {};
  },
});

async function startRemotely(owner: Process, start: Start, options: Pick<SpawnOptions, 'on'>): Promise<Task<unknown>> {
  if (start?.definition?.program?.calls.has('result') !== true)
    throw invalidOption('start', start, 'a function, or a definition made by task() and called with its argument');
  const { system } = owner;
  const given = { definition: start.definition, argument: ownedBy(owner.pid, start.argument) };
  const ref = await system.spawn<TaskDefinition<unknown, unknown>>(given as never, options, owner);
  const ended = system.whenEnded(ref.pid);
  const outcome = ref.call('result', undefined, { timeout: Number.POSITIVE_INFINITY }).then(
    (value): TaskResult<unknown> => ({ ok: true, value }),
    async (error: Error): Promise<TaskResult<unknown>> => ({
      ok: false,
      reason: isFoundationError(error, 'handler-failed') && error.cause instanceof Error ? error.cause : await ended,
    }),
  );
  return new Task(system, ref.pid, outcome, owner);
}

function failureOf(pid: Pid, reason: ExitReason): FoundationError {
  const code: ErrorCode =
    reason instanceof Error ? 'handler-failed' : reason === 'noconnection' ? 'noconnection' : 'unknown-outcome';
  return new FoundationError(code, `Task ${pid} ended without a result: ${formatReason(reason)}`, {
    ...(reason instanceof Error && { cause: reason }),
    retryable: false,
  });
}
