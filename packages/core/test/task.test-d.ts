import {
  actor,
  asyncStream,
  type Context,
  child,
  type Ref,
  type Start,
  supervisor,
  Task,
  type TaskResult,
  type TaskSupervisorHandle,
  task,
  taskSupervisor,
  tasksOf,
} from '@foundation-ts/core';
import { expectTypeOf, test } from 'vitest';

declare const ctx: Context;
declare const tasks: TaskSupervisorHandle;
const Resize = task(async (file: string, own) => {
  expectTypeOf(own).toEqualTypeOf<Context>();
  return file.length;
});
const Sweep = task(() => 'swept' as string, { name: 'sweep' });

test('arguments and results are inferred', () => {
  expectTypeOf(Resize('x')).toEqualTypeOf<Start<typeof Resize>>();
  Sweep();
  supervisor({ children: [child(Resize('x')), Sweep(), taskSupervisor({ maxChildren: 3 })] });
  expectTypeOf((null as unknown as Ref<typeof Resize>).call('result')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(Task.async(ctx, async () => 1)).toEqualTypeOf<Task<number>>();
  expectTypeOf(Task.async(ctx, own => own.pid.id)).toEqualTypeOf<Task<number>>();
  expectTypeOf(Task.async(ctx, Resize('x'), { on: 'b' })).toEqualTypeOf<Promise<Task<number>>>();
  expectTypeOf(Task.async(ctx, Sweep())).toEqualTypeOf<Promise<Task<string>>>();
  const one = Task.async(ctx, () => 1 as number);
  const two = Task.async(ctx, async () => 'two' as string);
  expectTypeOf(one.await()).toEqualTypeOf<Promise<number>>();
  expectTypeOf(one.yield({ timeout: 1 })).toEqualTypeOf<Promise<TaskResult<number> | undefined>>();
  expectTypeOf(one.shutdown({ timeout: 'brutal_kill' })).toEqualTypeOf<Promise<TaskResult<number> | undefined>>();
  expectTypeOf(Task.awaitMany([one, two])).toEqualTypeOf<Promise<[number, string]>>();
  expectTypeOf(Task.awaitMany([1, 2].map(n => Task.async(ctx, () => n)))).toEqualTypeOf<Promise<number[]>>();
  expectTypeOf(tasks.asyncNolink(async () => 1)).toEqualTypeOf<Promise<Task<number>>>();
  expectTypeOf(tasks.async(ctx, () => 'x' as string)).toEqualTypeOf<Promise<Task<string>>>();
  const stream = asyncStream(ctx, ['a'], async (item, own) => {
    expectTypeOf(item).toEqualTypeOf<string>();
    expectTypeOf(own).toEqualTypeOf<Context>();
    return item.length;
  });
  expectTypeOf(stream).toEqualTypeOf<AsyncGenerator<TaskResult<number>, void, undefined>>();
});

test('mistakes are compile errors', () => {
  // @ts-expect-error wrong argument
  Resize(1);
  // @ts-expect-error missing argument
  Resize();
  // @ts-expect-error no argument taken
  Sweep(1);
  // @ts-expect-error no such option
  task(async () => 1, { nam: 'x' });
  const Other = actor({ name: 'other', init: () => ({}) });
  // @ts-expect-error no task
  Task.async(ctx, Other());
  // @ts-expect-error no such option
  tasks.asyncStream([1], n => n, { concurrency: 3 });
  // @ts-expect-error no such choice
  asyncStream(ctx, [1], n => n, { onTimeout: 'kill' });
  // @ts-expect-error not iterable
  asyncStream(ctx, 3, n => n);
  // @ts-expect-error no supervisor
  tasksOf(3);
});
