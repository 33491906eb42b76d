import {
  type ActorSystem,
  actor,
  type Context,
  FoundationError,
  Task,
  task,
  taskSupervisor,
  tasksOf,
} from '@foundation-ts/core';
import { SimulatedCluster } from '@foundation-ts/testing';
import { afterEach, expect, test } from 'vitest';
import { rejection } from './support.js';

const Where = task(
  async (text: string, ctx) => {
    if (text === '') throw new RangeError('nothing to say');
    if (text === 'wait') await new Promise(() => {});
    return `${text} on ${ctx.pid.node}`;
  },
  { name: 'where' },
);
const Owner = actor({
  name: 'owner',
  init: (use: (ctx: Context) => void, ctx) => {
    use(ctx);
    return {};
  },
  onExit: () => {},
});

let cluster: SimulatedCluster<void> | undefined;
afterEach(async () => {
  for (const { name } of cluster?.running ?? []) cluster?.crash(name);
  cluster = undefined;
});

async function twoNodes() {
  const made = new SimulatedCluster<void>({
    seed: 7,
    hosts: ['a', 'b'],
    definitions: [Where],
    services: async () => {},
  });
  cluster = made;
  await made.start();
  await made.run(1_000);
  const { system } = made.host('a').node;
  let ctx: Context | undefined;
  const ref = await system.spawn(
    Owner(own => {
      ctx = own;
    }),
  );
  return { made, system, ref, ctx: ctx as unknown as Context, away: made.host('b').node.system as ActorSystem };
}

test('a definition runs on another node, and its owner gets what comes out', async () => {
  const { made, ctx, away } = await twoNodes();
  const before = away.processCount;
  const good = await made.finish(Task.async(ctx, Where('hello'), { on: 'b' }), 'a task');
  expect(good.pid.node).toBe('b');
  expect(await made.finish(good.await(), 'its value')).toBe('hello on b');
  const bad = await made.finish(Task.async(ctx, Where(''), { on: 'b' }), 'a task');
  expect(await made.finish(rejection(bad.await()), 'its failure')).toMatchObject({
    code: 'handler-failed',
    cause: { message: expect.stringContaining('nothing to say') },
  });
  await made.run(100);
  expect(away.processCount).toBe(before);
});

test('it is shut down from here, ends with its owner, and is lost with its node', async () => {
  const { made, ctx, system, ref, away } = await twoNodes();
  const before = away.processCount;
  const start = () => made.finish(Task.async(ctx, Where('wait'), { on: 'b' }), 'a task');
  const one = await start();
  expect(await made.finish(one.shutdown(), 'the shutdown')).toBeUndefined();
  expect(away.processCount).toBe(before);
  const lost = await start();
  const outcome = lost.await({ timeout: Number.POSITIVE_INFINITY });
  made.crash('b');
  expect((await made.finish(rejection(outcome), 'the loss')).code).toBe('noconnection');
  await made.start(['b']);
  await made.run(5_000);
  const again = made.host('b').node.system;
  const other = await start();
  expect(again.process(other.pid)).toBeDefined();
  system.exit(ref.pid, 'kill');
  await made.run(100);
  expect(again.process(other.pid)).toBeUndefined();
});

test('a function does not travel', async () => {
  const { made, system, away } = await twoNodes();
  await made.finish(away.spawn(taskSupervisor(), { name: 'tasks' }), 'the supervisor');
  const far = tasksOf(system.refOn('b', 'tasks'));
  expect(await made.finish(rejection(far.asyncNolink(() => 1)), 'the refusal')).toBeInstanceOf(FoundationError);
});
