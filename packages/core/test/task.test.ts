import {
  type ActorSystem,
  actor,
  asyncStream,
  type Context,
  child,
  dynamicSupervisor,
  type ExitReason,
  Pid,
  supervisor,
  Task,
  type TaskResult,
  task,
  taskSupervisor,
  tasksOf,
} from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { bench, gate, Puppet, rejection, type Seen, Trapper } from './support.js';

/** An actor whose context the test holds, busy with nothing; one that traps exits tells what it saw. */
async function owner(system: ActorSystem, trapping = false) {
  const seen: Seen[] = [];
  const ref = await system.spawn((trapping ? Trapper : Puppet)(seen));
  const ctx = (await ref.call('run', (own: Context) => own)) as Context;
  return { ref, ctx, seen };
}

/** A task supervisor, its handle, and an owner. */
async function tasks(init?: Parameters<typeof taskSupervisor>[0]) {
  const made = bench();
  const ref = await made.system.spawn(taskSupervisor(init));
  return { ...made, tasks: tasksOf(ref), ...(await owner(made.system)) };
}

const never = (): Promise<never> => new Promise(() => {});

describe('Task.async', () => {
  test('runs the function in an actor of its own, and gives its value', async () => {
    const { system } = bench();
    const { ctx } = await owner(system);
    const made = Task.async(ctx, async own => {
      await Promise.resolve();
      return [own.pid.id, 'done'] as const;
    });
    expect(await made.await()).toEqual([made.pid.id, 'done']);
    expect(made.pid.equals(ctx.pid)).toBe(false);
    expect(await made.await()).toEqual([made.pid.id, 'done']);
    await settle();
    expect(system.process(made.pid)).toBeUndefined();
  });

  test('a crash takes down the owner that it is linked with, and rejects', async () => {
    const { system } = bench();
    const { ctx, ref } = await owner(system);
    const ended = system.whenEnded(ref);
    const made = Task.async(ctx, () => {
      throw new RangeError('no');
    });
    expect(await rejection(made.await())).toMatchObject({ code: 'handler-failed', cause: { message: 'no' } });
    expect(await ended).toBeInstanceOf(RangeError);
  });

  test('an owner that traps exits survives and hears of it', async () => {
    const { system } = bench();
    const { ctx, seen } = await owner(system, true);
    const made = Task.async(ctx, () => Promise.reject(new Error('no')));
    expect(await made.yield()).toMatchObject({ ok: false, reason: { message: 'no' } });
    await settle();
    expect(seen).toMatchObject([{ what: 'exit', reason: { message: 'no' } }]);
  });

  test('it ends with its owner, and its signal says so', async () => {
    const { system } = bench();
    const { ctx, ref } = await owner(system);
    let signal: AbortSignal | undefined;
    const made = Task.async(ctx, own => {
      signal = own.signal;
      return never();
    });
    await settle();
    expect(signal?.aborted).toBe(false);
    system.exit(ref.pid, 'shutdown');
    expect(await made.yield()).toEqual({ ok: false, reason: 'shutdown' });
    expect(signal?.aborted).toBe(true);
  });

  test('an owner that ends normally leaves it running, as a link does', async () => {
    const { system } = bench();
    const { ctx, ref } = await owner(system);
    const opened = gate<number>();
    const made = Task.async(ctx, () => opened.promise);
    await system.stop(ref);
    opened.open(1);
    expect(await made.await()).toBe(1);
  });

  test('await gives up in time and leaves the task running', async () => {
    const { system, clock } = bench();
    const { ctx } = await owner(system);
    const opened = gate<number>();
    const made = Task.async(ctx, () => opened.promise);
    const waited = rejection(made.await({ timeout: 10 }));
    const byDefault = rejection(made.await());
    await clock.advance(10);
    expect((await waited).code).toBe('timeout');
    await clock.advance(4_990);
    expect((await byDefault).code).toBe('timeout');
    opened.open(3);
    expect(await made.await({ timeout: Number.POSITIVE_INFINITY })).toBe(3);
  });

  test('yield gives undefined in place of a rejection, and can be asked again', async () => {
    const { system, clock } = bench();
    const { ctx } = await owner(system);
    const opened = gate<string>();
    const made = Task.async(ctx, () => opened.promise);
    const first = made.yield({ timeout: 0 });
    await clock.advance(0);
    expect(await first).toBeUndefined();
    opened.open('x');
    expect(await made.yield()).toEqual({ ok: true, value: 'x' });
    expect(clock.pending).toBe(0);
    expect((await rejection(made.yield({ timeout: -1 }))).code).toBe('invalid-option');
  });

  test('asked again and again, it looks at its outcome once', async () => {
    const { system, clock } = bench();
    const outcome = gate<TaskResult<string>>();
    const then = vi.spyOn(outcome.promise, 'then');
    const made = new Task(system, new Pid('local', system.incarnation, 999), outcome.promise, undefined);
    const late = Array.from({ length: 5 }, () => made.yield({ timeout: 10 }));
    await clock.advance(10);
    expect(await Promise.all(late)).toEqual(late.map(() => undefined));
    const patient = Array.from({ length: 5 }, () => made.yield());
    expect(then).toHaveBeenCalledTimes(1);
    then.mockRestore();
    outcome.open({ ok: true, value: 'x' });
    expect(await Promise.all(patient)).toEqual(patient.map(() => ({ ok: true, value: 'x' })));
    expect(await made.yield({ timeout: 0 })).toEqual({ ok: true, value: 'x' });
    expect(clock.pending).toBe(0);
  });

  test('a task that ends itself without a value has an unknown outcome', async () => {
    const { system } = bench();
    const { ctx } = await owner(system, true);
    const made = Task.async(ctx, own => system.exit(own.pid, 'kill'));
    expect((await rejection(made.await())).code).toBe('unknown-outcome');
  });

  test('an owner that has ended starts none; a definition that was not called is refused', async () => {
    const { system } = bench();
    const { ctx, ref } = await owner(system);
    expect(() => Task.async(ctx, task(() => 1, { name: 'one' }) as never)).toThrow(/called with its argument/);
    expect((await rejection(Task.async(ctx, Puppet(undefined) as never) as never)).code).toBe('invalid-option');
    await system.stop(ref);
    expect(() => Task.async(ctx, () => 1)).toThrow(expect.objectContaining({ code: 'stopped' }));
  });
});

describe('Task.awaitMany', () => {
  test('gives all values in order', async () => {
    const { system } = bench();
    const { ctx } = await owner(system);
    const opened = gate<string>();
    const all = Task.awaitMany([Task.async(ctx, () => opened.promise), Task.async(ctx, () => 2)]);
    opened.open('one');
    expect(await all).toEqual(['one', 2]);
    expect(await Task.awaitMany([])).toEqual([]);
  });

  test('rejects with the first that fails, and when not all are through in time', async () => {
    const { system, clock } = bench();
    const { ctx } = await owner(system, true);
    const failing = rejection(
      Task.awaitMany([Task.async(ctx, never), Task.async(ctx, () => Promise.reject(new Error('no')))]),
    );
    const late = rejection(Task.awaitMany([Task.async(ctx, () => 1), Task.async(ctx, never)], { timeout: 10 }));
    expect((await failing).code).toBe('handler-failed');
    await clock.advance(10);
    expect((await late).code).toBe('timeout');
  });
});

describe('shutdown', () => {
  test('ends the task without its owner, and gives undefined', async () => {
    const { system } = bench();
    const { ctx, ref } = await owner(system);
    const made = Task.async(ctx, never);
    await settle();
    expect(await made.shutdown()).toBeUndefined();
    expect(system.process(made.pid)).toBeUndefined();
    const brutal = Task.async(ctx, never);
    expect(await brutal.shutdown({ timeout: 'brutal_kill' })).toBeUndefined();
    expect(await ref.call('seen')).toEqual([]);
  });

  test('gives the value of one that is through, and the reason of one that crashed before', async () => {
    const { system } = bench();
    const { ctx } = await owner(system, true);
    const good = Task.async(ctx, () => 1);
    const bad = Task.async(ctx, () => Promise.reject(new Error('no')));
    await settle();
    expect(await good.shutdown()).toEqual({ ok: true, value: 1 });
    expect(await bad.shutdown()).toMatchObject({ ok: false, reason: { message: 'no' } });
  });

  test('kills one that traps exits and takes too long', async () => {
    const { system, clock } = bench();
    const { ctx } = await owner(system);
    const made = Task.async(ctx, own => {
      (own as unknown as { process: { trapExit: boolean } }).process.trapExit = true;
      return never();
    });
    await settle();
    const ended = made.shutdown({ timeout: 50 });
    await clock.advance(49);
    expect(system.process(made.pid)).toBeDefined();
    await clock.advance(1);
    expect(await ended).toBeUndefined();
    expect(system.process(made.pid)).toBeUndefined();
    expect((await rejection(made.shutdown({ timeout: Number.NaN }))).code).toBe('invalid-option');
  });
});

describe('task', () => {
  const Square = task(
    async (n: number, ctx) => {
      if (n < 0) throw new RangeError('negative');
      ctx.signal.throwIfAborted();
      return n * n;
    },
    { name: 'square' },
  );

  test('a definition runs once and ends normally; whoever asks meanwhile gets the result', async () => {
    const { system } = bench();
    const opened = gate<number>();
    const Slow = task(async (by: number) => (await opened.promise) * by, { name: 'slow' });
    const ref = await system.spawn(Slow(2));
    const ended = system.whenEnded(ref);
    const result = ref.call('result');
    opened.open(21);
    expect(await result).toBe(42);
    expect(await ended).toBe('normal');
  });

  test('what it throws is the reason of its end: a transient one is run again', async () => {
    const { system } = bench();
    let runs = 0;
    const Flaky = task(
      () => {
        if (++runs < 3) throw new Error('flaky');
      },
      { name: 'flaky' },
    );
    const tree = await system.supervise(supervisor({ children: [child(Flaky(), { restart: 'transient' })] }));
    await settle();
    expect(runs).toBe(3);
    expect(await tree.countChildren()).toMatchObject({ active: 0 });
    await tree.stop();
  });

  test('Task.async waits for a definition, however soon it is through', async () => {
    const { system } = bench();
    const { ctx } = await owner(system, true);
    const made = await Task.async(ctx, Square(5));
    await settle();
    expect(await made.await()).toBe(25);
    await settle();
    expect(system.process(made.pid)).toBeUndefined();
    const bad = await Task.async(ctx, Square(-1));
    expect(await rejection(bad.await())).toMatchObject({ code: 'handler-failed', cause: { message: 'negative' } });
  });

  test('one whose owner has ended normally ends when it is through', async () => {
    const { system } = bench();
    const { ctx, ref } = await owner(system);
    const opened = gate();
    const Slow = task(() => opened.promise, { name: 'slow' });
    const made = await Task.async(ctx, Slow());
    // Its result is asked for by an owner that is gone: nobody takes it.
    await system.stop(ref);
    expect(system.process(made.pid)).toBeDefined();
    opened.open();
    await settle();
    expect(system.process(made.pid)).toBeUndefined();
  });

  test('one that its owner never asks does not outlive it', async () => {
    const { system } = bench();
    const { ctx, ref } = await owner(system);
    // As Task.async starts it, but the question is lost.
    const start = { definition: Square, argument: { '~task': ctx.pid, argument: 2 } };
    const made = await ctx.spawnLink(start);
    await settle();
    expect(system.process(made.pid)).toBeDefined();
    await system.stop(ref);
    await settle();
    expect(system.process(made.pid)).toBeUndefined();
  });

  test('its name is that of the function, and it must have one', () => {
    async function resize() {}
    expect(task(resize).name).toBe('resize');
    expect(() => task(async () => {})).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    expect(() => task(3 as never, { name: 'x' })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    expect(() => task(resize, { nam: 'x' } as never)).toThrow(/did you mean 'name'/);
  });
});

describe('a task supervisor', () => {
  test('async links with the owner and with the supervisor', async () => {
    const { system, tasks: sup, ctx, ref } = await tasks();
    const made = await sup.async(ctx, () => never());
    const ended = system.whenEnded(made.pid);
    expect(await sup.children()).toEqual([made.pid]);
    system.exit(ctx.pid, 'shutdown');
    expect(await ended).toBe('shutdown');
    expect(await sup.children()).toEqual([]);
    expect((await rejection(sup.async(ctx, never))).code).toBe('stopped');
    expect(system.process(ref.pid)).toBeUndefined();
  });

  test('a crash of async takes down its owner, not the supervisor', async () => {
    const { system, tasks: sup, ctx, ref } = await tasks();
    const ended = system.whenEnded(ref);
    const made = await sup.async(ctx, () => Promise.reject(new Error('no')));
    expect((await rejection(made.await())).code).toBe('handler-failed');
    expect(await ended).toMatchObject({ message: 'no' });
    expect(await sup.children()).toEqual([]);
  });

  test('a crash of asyncNolink is its own', async () => {
    const { system, tasks: sup, ctx } = await tasks();
    const made = await sup.asyncNolink(() => Promise.reject(new Error('no')));
    expect(await made.yield()).toMatchObject({ ok: false, reason: { message: 'no' } });
    expect(system.process(ctx.pid)).toBeDefined();
    const good = await sup.asyncNolink(own => own.pid.id);
    expect(await good.await()).toBe(good.pid.id);
  });

  test('tasks end with their supervisor', async () => {
    const { system, tasks: sup } = await tasks();
    const made = await sup.asyncNolink(never);
    await system.stop(sup.pid, 'shutdown');
    expect(await made.yield()).toEqual({ ok: false, reason: 'shutdown' });
    expect((await rejection(sup.asyncNolink(never))).code).toBe('noproc');
  });

  test('startChild runs what nobody waits for; transient ones again after a crash', async () => {
    const { system, tasks: sup } = await tasks();
    let runs = 0;
    await sup.startChild(() => {
      runs++;
      throw new Error('no');
    });
    await settle();
    expect(runs).toBe(1);
    await sup.startChild(
      () => {
        if (++runs < 4) throw new Error('again');
      },
      { restart: 'transient' },
    );
    await settle();
    expect(runs).toBe(4);
    const pid = await sup.startChild(never);
    await sup.terminateChild(pid);
    expect(system.process(pid)).toBeUndefined();
    expect((await rejection(sup.terminateChild(pid))).code).toBe('not-found');
  });

  test('maxChildren and wrong options are refused', async () => {
    const { tasks: sup } = await tasks({ maxChildren: 1 });
    await sup.asyncNolink(never);
    expect((await rejection(sup.asyncNolink(never))).code).toBe('max-children');
    expect((await rejection(sup.asyncNolink(never, { shutdwn: 1 } as never))).code).toBe('invalid-option');
    expect((await rejection(sup.startChild(3 as never))).code).toBe('invalid-option');
    expect(() => taskSupervisor({ maxChildrn: 1 } as never)).toThrow(/did you mean 'maxChildren'/);
  });

  test('it is a child like any other, and found by its ref, its handle or its name', async () => {
    const { system } = bench();
    const start = taskSupervisor();
    const tree = await system.supervise(supervisor({ children: [child(start, { id: 'tasks', name: 'tasks' })] }));
    const byRef = tasksOf(tree.ref(start.definition, 'tasks'));
    const byHandle = tasksOf(tree.supervisor(start.definition, 'tasks'));
    expect(await (await byRef.asyncNolink(() => 1)).await()).toBe(1);
    system.exit(byRef.pid, 'kill');
    await settle();
    expect(await (await byHandle.asyncNolink(() => 2)).await()).toBe(2);
    expect((await tree.whichChildren())[0]).toMatchObject({ definition: 'task-supervisor', type: 'supervisor' });
    const any = tasksOf(await system.supervise(dynamicSupervisor()));
    expect(await (await any.asyncNolink(() => 3)).await()).toBe(3);
    await tree.stop();
  });

  test('functions pass although messages are copied', async () => {
    const { system } = bench({ strictMessages: structuredClone });
    const sup = tasksOf(await system.spawn(taskSupervisor()));
    const value = { run: () => 1 };
    expect(await (await sup.asyncNolink(() => value)).await()).toBe(value);
  });
});

describe('asyncStream', () => {
  const collect = async <R>(stream: AsyncIterable<TaskResult<R>>): Promise<(R | ExitReason)[]> => {
    const all: (R | ExitReason)[] = [];
    for await (const result of stream) all.push(result.ok ? result.value : result.reason);
    return all;
  };

  /** Work whose every item waits for its gate; knows how many run. */
  function work() {
    const gates = new Map<number, ReturnType<typeof gate<void>>>();
    const started: number[] = [];
    const aborted: number[] = [];
    const of = (n: number) => {
      let found = gates.get(n);
      if (found === undefined) {
        found = gate();
        gates.set(n, found);
      }
      return found;
    };
    const run = async (n: number, ctx: Context): Promise<number> => {
      started.push(n);
      ctx.signal.addEventListener('abort', () => aborted.push(n));
      await of(n).promise;
      return n * 10;
    };
    return { started, aborted, run, finish: (n: number) => of(n).open() };
  }

  test('gives the results in the order of the items', async () => {
    const { tasks: sup } = await tasks();
    const { run, finish, started } = work();
    const all = collect(sup.asyncStream([1, 2, 3, 4], run, { maxConcurrency: 2 }));
    await settle();
    expect(started).toEqual([1, 2]);
    finish(2);
    await settle();
    // The first was not taken yet: there is no room.
    expect(started).toEqual([1, 2]);
    for (const n of [1, 4, 3]) finish(n);
    expect(await all).toEqual([10, 20, 30, 40]);
    expect(started).toEqual([1, 2, 3, 4]);
    expect(await sup.children()).toEqual([]);
  });

  test('or as they come out', async () => {
    const { tasks: sup } = await tasks();
    const { run, finish, started } = work();
    const all = collect(sup.asyncStream([1, 2, 3, 4], run, { maxConcurrency: 2, ordered: false }));
    await settle();
    finish(2);
    await settle();
    expect(started).toEqual([1, 2, 3]);
    for (const n of [3, 4, 1]) {
      finish(n);
      await settle();
    }
    expect(await all).toEqual([20, 30, 40, 10]);
  });

  test('starts nothing before it is asked, and no more while nobody asks', async () => {
    const { tasks: sup } = await tasks();
    const { run, finish, started } = work();
    const pulled: number[] = [];
    function* items() {
      for (let n = 1; ; n++) {
        pulled.push(n);
        yield n;
      }
    }
    const stream = sup.asyncStream(items(), run, { maxConcurrency: 3 });
    await settle();
    expect(pulled).toEqual([]);
    for (const n of [1, 2, 3, 4, 5]) finish(n);
    expect((await stream.next()).value).toEqual({ ok: true, value: 10 });
    await settle();
    expect(pulled).toEqual([1, 2, 3]);
    expect((await stream.next()).value).toEqual({ ok: true, value: 20 });
    expect(pulled).toEqual([1, 2, 3, 4]);
    expect(started).toEqual([1, 2, 3, 4]);
    await stream.return();
  });

  test('leaving the loop kills what runs and closes the source', async () => {
    const { tasks: sup } = await tasks();
    const { run, finish, aborted } = work();
    let closed = false;
    async function* items() {
      try {
        for (let n = 1; ; n++) yield n;
      } finally {
        closed = true;
      }
    }
    finish(1);
    for await (const result of sup.asyncStream(items(), run, { maxConcurrency: 3 })) {
      expect(result).toEqual({ ok: true, value: 10 });
      break;
    }
    expect(closed).toBe(true);
    expect(await sup.children()).toEqual([]);
    expect(aborted.filter(n => n !== 1)).toEqual([2, 3]);
  });

  test('an item that takes too long fails the stream, and the rest is killed', async () => {
    const { tasks: sup, clock } = await tasks();
    const { run, finish } = work();
    finish(1);
    const all = rejection(collect(sup.asyncStream([1, 2, 3], run, { timeout: 20 })));
    await clock.advance(20);
    expect((await all).code).toBe('timeout');
    expect(await sup.children()).toEqual([]);
  });

  test('or is killed by itself', async () => {
    const { tasks: sup, clock } = await tasks();
    const { run, finish } = work();
    const all = collect(sup.asyncStream([1, 2, 3], run, { timeout: 20, onTimeout: 'kill-task' }));
    finish(1);
    finish(3);
    await clock.advance(20);
    expect(await all).toMatchObject([10, { code: 'timeout' }, 30]);
    expect(await sup.children()).toEqual([]);
  });

  test('a crash under a supervisor is a result', async () => {
    const { tasks: sup } = await tasks();
    const all = collect(
      sup.asyncStream([1, 2, 3], n => {
        if (n === 2) throw new Error('two');
        return n;
      }),
    );
    expect(await all).toMatchObject([1, { message: 'two' }, 3]);
  });

  test('linked with an owner, a crash takes it down, and the stream with it', async () => {
    const { system } = bench();
    const { ctx, ref } = await owner(system);
    const ended = system.whenEnded(ref);
    const pids: Pid[] = [];
    const all = rejection(
      collect(
        asyncStream(ctx, [1, 2, 3], (n, own) => {
          pids.push(own.pid);
          return n === 2 ? Promise.reject(new Error('two')) : never();
        }),
      ),
    );
    expect(await ended).toMatchObject({ message: 'two' });
    expect((await all).code).toBe('stopped');
    expect(pids.map(pid => system.process(pid))).toEqual([undefined, undefined, undefined]);
  });

  test('an owner that ends normally ends its stream as well', async () => {
    const { system } = bench();
    const { ctx, ref } = await owner(system);
    const all = rejection(collect(asyncStream(ctx, [1], never)));
    await settle();
    expect(system.processCount).toBe(2);
    await system.stop(ref);
    expect((await all).code).toBe('stopped');
    expect(system.processCount).toBe(0);
  });

  test('a signal aborts it, also while it waits for an item', async () => {
    const { tasks: sup } = await tasks();
    const controller = new AbortController();
    async function* items() {
      yield 1;
      await never();
    }
    const all = rejection(collect(sup.asyncStream(items(), never, { signal: controller.signal })));
    await settle();
    expect((await sup.children()).length).toBe(1);
    controller.abort();
    expect((await all).code).toBe('aborted');
    expect(await sup.children()).toEqual([]);
    const late = sup.asyncStream([1], n => n, { signal: controller.signal });
    expect((await rejection(late.next())).code).toBe('aborted');
  });

  test('what the source throws comes out, and the rest is killed', async () => {
    const { tasks: sup } = await tasks();
    function* items() {
      yield 1;
      throw new Error('source');
    }
    async function* later() {
      yield* items();
    }
    for (const source of [items(), later()]) {
      expect((await rejection(collect(sup.asyncStream(source, never)))).message).toBe('source');
      expect(await sup.children()).toEqual([]);
    }
  });

  test('wrong options are refused', async () => {
    const { tasks: sup } = await tasks();
    for (const wrong of [
      { maxConcurrency: 0 },
      { maxConcurrency: 1.5 },
      { timeout: -1 },
      { onTimeout: 'kill' },
      { ordered: 1 },
      { concurrency: 3 },
    ]) {
      expect(() => sup.asyncStream([1], n => n, wrong as never)).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      );
    }
    expect(() => sup.asyncStream(3 as never, n => n)).toThrow(/iterable/);
  });

  test('random streams: every item once, in order when asked, never more at a time than allowed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ ms: fc.nat(20), fails: fc.boolean() }), { maxLength: 25 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        fc.boolean(),
        async (items, maxConcurrency, ordered, asynchronous) => {
          const { tasks: sup, clock, system } = await tasks();
          let running = 0;
          let most = 0;
          async function* later() {
            yield* items.entries();
          }
          const all = collect(
            sup.asyncStream(
              asynchronous ? later() : items.entries(),
              async ([index, { ms, fails }]) => {
                most = Math.max(most, ++running);
                await new Promise<void>(resolve => clock.setTimeout(resolve, ms));
                running--;
                if (fails) throw new Error(`${index}`);
                return index;
              },
              { maxConcurrency, ordered, timeout: 1_000 },
            ),
          );
          await clock.advance(1_000);
          const got = (await all).map(result => (result instanceof Error ? Number(result.message) : Number(result)));
          expect(most).toBeLessThanOrEqual(maxConcurrency);
          expect(ordered ? got : got.sort((left, right) => left - right)).toEqual(items.map((_, index) => index));
          expect(clock.pending).toBe(0);
          // The supervisor and the owner.
          expect(system.processCount).toBe(2);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test('a task in a handler: the owner is busy until it has the value', async () => {
  const { system } = bench();
  const Page = actor({
    name: 'page',
    init: () => ({}),
    calls: {
      lengths: async (_s, urls: readonly string[], ctx) =>
        Task.awaitMany(urls.map(url => Task.async(ctx, async () => url.length))),
    },
  });
  const page = await system.spawn(Page());
  expect(await page.call('lengths', ['a', 'bb'])).toEqual([1, 2]);
});
