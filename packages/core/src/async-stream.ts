import type { ActorContext, Context } from './context.js';
import { STREAM_CONCURRENCY, TASK_TIMEOUT } from './defaults.js';
import { checkKeys, FoundationError, invalidOption } from './errors.js';
import { Task, type TaskFunction, type TaskOwner, type TaskResult } from './task.js';

/** Options of an asynchronous stream. */
export interface AsyncStreamOptions {
  /** Most items under way, those with a result that was not taken yet included; default 8. */
  readonly maxConcurrency?: number;
  /** Whether results come in the order of the items (default), or as they come out. */
  readonly ordered?: boolean;
  /** Milliseconds for each item, or `Infinity`; default 5,000. */
  readonly timeout?: number;
  /** An item that takes too long fails the stream (default), or is killed and gives a result that is not ok. */
  readonly onTimeout?: 'exit' | 'kill-task';
  /** When it aborts, so does the stream, which rejects with `aborted`. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a function on each item, in a task each that is linked with the owner: lazily, no more than `maxConcurrency` at a time, and
 * none while the consumer does not ask. What still runs when the loop is left, or the owner ends, is killed. Elixir's
 * `Task.async_stream`.
 * @returns a {@link TaskResult} for each item; those that are not ok are crashes (seen only by an owner that traps exits, for the others
 *   end with them) and time-outs under `'kill-task'`
 * @throws (rejects) FoundationError `timeout` under `'exit'`, `aborted`, `stopped` when the owner ends; whatever `items` throws
 */
export function asyncStream<I, R>(
  owner: TaskOwner,
  items: Iterable<I> | AsyncIterable<I>,
  run: (item: I, ctx: Context) => R | Promise<R>,
  options: AsyncStreamOptions = {},
): AsyncGenerator<TaskResult<R>, void, undefined> {
  const { process } = owner as unknown as ActorContext;
  return streamOf(items, run, options, work => Task.async(process.context, work), owner.signal);
}

/** An item under way. */
interface Slot<R> {
  task: Task<R> | undefined;
  result: TaskResult<R> | undefined;
}

/** The stream of whatever starts tasks. */
export function streamOf<I, R>(
  items: Iterable<I> | AsyncIterable<I>,
  run: (item: I, ctx: Context) => R | Promise<R>,
  options: AsyncStreamOptions,
  start: (work: TaskFunction<R>) => Task<R> | Promise<Task<R>>,
  owner: AbortSignal | undefined,
): AsyncGenerator<TaskResult<R>, void, undefined> {
  checkKeys('asyncStream()', options, ['maxConcurrency', 'ordered', 'timeout', 'onTimeout', 'signal']);
  const { maxConcurrency = STREAM_CONCURRENCY, ordered = true, timeout = TASK_TIMEOUT, onTimeout = 'exit' } = options;
  if (!(maxConcurrency === Number.POSITIVE_INFINITY || (Number.isInteger(maxConcurrency) && maxConcurrency >= 1)))
    throw invalidOption('maxConcurrency', maxConcurrency, 'an integer, 1 or more, or Infinity');
  if (typeof ordered !== 'boolean') throw invalidOption('ordered', ordered, 'a boolean');
  if (typeof timeout !== 'number' || !(timeout >= 0))
    throw invalidOption('timeout', timeout, 'milliseconds, 0 or more, or Infinity');
  if (onTimeout !== 'exit' && onTimeout !== 'kill-task') throw invalidOption('onTimeout', onTimeout, 'exit, kill-task');
  if (typeof run !== 'function') throw invalidOption('run', run, 'a function');
  return new Stream(source(items), run, { maxConcurrency, ordered, timeout, onTimeout }, start).results(
    options.signal,
    owner,
  );
}

function source<I>(items: Iterable<I> | AsyncIterable<I>): Iterator<I> | AsyncIterator<I> {
  const given = items as Partial<Iterable<I> & AsyncIterable<I>> | undefined;
  const iterator = given?.[Symbol.asyncIterator]?.() ?? given?.[Symbol.iterator]?.();
  if (iterator === undefined) throw invalidOption('items', items, 'something iterable');
  return iterator;
}

class Stream<I, R> {
  readonly #source: Iterator<I> | AsyncIterator<I>;
  readonly #run: (item: I, ctx: Context) => R | Promise<R>;
  readonly #options: Required<Omit<AsyncStreamOptions, 'signal'>>;
  readonly #start: (work: TaskFunction<R>) => Task<R> | Promise<Task<R>>;
  /** In the order of the items. */
  readonly #slots: Slot<R>[] = [];
  /** In the order in which they came out. */
  readonly #ready: Slot<R>[] = [];
  #exhausted = false;
  #pulling = false;
  #closed = false;
  #failure: { readonly error: unknown } | undefined = undefined;
  #wake: () => void = () => {};

  constructor(
    items: Iterator<I> | AsyncIterator<I>,
    run: (item: I, ctx: Context) => R | Promise<R>,
    options: Required<Omit<AsyncStreamOptions, 'signal'>>,
    start: (work: TaskFunction<R>) => Task<R> | Promise<Task<R>>,
  ) {
    this.#source = items;
    this.#run = run;
    this.#options = options;
    this.#start = start;
  }

  async *results(
    signal: AbortSignal | undefined,
    owner: AbortSignal | undefined,
  ): AsyncGenerator<TaskResult<R>, void, undefined> {
    const onAbort = (): void =>
      this.#fail(new FoundationError('aborted', 'The stream of tasks was aborted.', { cause: signal?.reason }));
    const onOwnerEnd = (): void =>
      this.#fail(new FoundationError('stopped', 'The stream of tasks ended: its owner has ended.'));
    if (signal?.aborted === true) onAbort();
    if (owner?.aborted === true) onOwnerEnd();
    signal?.addEventListener('abort', onAbort, { once: true });
    owner?.addEventListener('abort', onOwnerEnd, { once: true });
    try {
      for (;;) {
        this.#fill();
        if (this.#failure !== undefined) throw this.#failure.error;
        const slot = this.#take();
        if (slot !== undefined) yield slot.result as TaskResult<R>;
        else if (this.#exhausted && this.#slots.length === 0) return;
        else await this.#change();
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      owner?.removeEventListener('abort', onOwnerEnd);
      await this.#close();
    }
  }

  /** Starts as many as there is room for. */
  #fill(): void {
    const { maxConcurrency } = this.#options;
    while (!this.#exhausted && !this.#pulling && this.#failure === undefined && this.#slots.length < maxConcurrency) {
      let next: IteratorResult<I> | Promise<IteratorResult<I>>;
      try {
        next = this.#source.next();
      } catch (error) {
        this.#exhausted = true;
        this.#fail(error);
        return;
      }
      if ('then' in next) this.#pull(next);
      else this.#pulled(next);
    }
  }

  #pull(next: Promise<IteratorResult<I>>): void {
    this.#pulling = true;
    next.then(
      result => {
        this.#pulling = false;
        if (!this.#closed) this.#pulled(result);
        this.#wake();
      },
      error => {
        this.#pulling = false;
        this.#exhausted = true;
        this.#fail(error);
      },
    );
  }

  #pulled(result: IteratorResult<I>): void {
    if (result.done === true) {
      this.#exhausted = true;
      return;
    }
    const slot: Slot<R> = { task: undefined, result: undefined };
    this.#slots.push(slot);
    this.#attend(slot, result.value).catch(error => this.#fail(error));
  }

  async #attend(slot: Slot<R>, item: I): Promise<void> {
    const { timeout, onTimeout } = this.#options;
    const starting = this.#start(ctx => this.#run(item, ctx));
    const task = starting instanceof Task ? starting : await starting;
    slot.task = task;
    if (this.#closed) {
      await task.shutdown({ timeout: 'brutal_kill' });
      return;
    }
    const result = await task.yield({ timeout });
    if (this.#closed) return;
    if (result === undefined) {
      const error = new FoundationError('timeout', `Task ${task.pid} had no result within ${timeout} ms.`);
      if (onTimeout === 'exit') throw error;
      await task.shutdown({ timeout: 'brutal_kill' });
      slot.result = { ok: false, reason: error };
    } else {
      slot.result = result;
    }
    this.#ready.push(slot);
    this.#wake();
  }

  /** The next result to give, if there is one. */
  #take(): Slot<R> | undefined {
    const slot = this.#options.ordered ? this.#slots[0] : this.#ready[0];
    if (slot?.result === undefined) return undefined;
    this.#slots.splice(this.#slots.indexOf(slot), 1);
    this.#ready.splice(this.#ready.indexOf(slot), 1);
    return slot;
  }

  #change(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve;
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  async #close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#slots.map(slot => slot.task?.shutdown({ timeout: 'brutal_kill' })));
    if (this.#exhausted) return;
    const returned = this.#source.return?.();
    // A source that is asked for an item right now answers when it has one: nobody waits for that.
    if (this.#pulling) Promise.resolve(returned).catch(() => {});
    else await returned;
  }
}
