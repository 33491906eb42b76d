import { actor, Pid, type Ref } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { expect, test } from 'vitest';
import { bench, Counter, Puppet } from './support.js';

const boom = new Error('boom');

test('a monitor fires exactly once, with the reason and its own mark', async () => {
  const { system } = bench();
  const downs: unknown[] = [];
  const Watcher = actor({
    name: 'watcher',
    init: () => ({}),
    calls: { watch: (_s, ref: Ref, ctx) => ctx.monitor(ref) },
    onDown: (_s, down) => downs.push(down),
  });
  const watcher = await system.spawn(Watcher());
  const counter = await system.spawn(Counter(0));
  const monitor = await watcher.call('watch', counter);
  counter.cast('crash', boom);
  await settle();
  system.exit(counter.pid, 'kill');
  await settle();
  expect(downs).toEqual([{ monitor, pid: counter.pid, reason: boom }]);
});

test('each of several monitors on one target fires', async () => {
  const { system } = bench();
  const puppet = await system.spawn(Puppet(undefined));
  const counter = await system.spawn(Counter(0));
  const monitors = (await puppet.call('run', ctx => [ctx.monitor(counter), ctx.monitor(counter)])) as number[];
  expect(new Set(monitors).size).toBe(2);
  system.exit(counter.pid, 'shutdown');
  expect((await puppet.call('seen')).map(one => one.reason)).toEqual(['shutdown', 'shutdown']);
});

test('monitoring what is gone fires with noproc; another node without a cluster, with noconnection', async () => {
  const { system } = bench();
  const puppet = await system.spawn(Puppet(undefined));
  const gone = new Pid('local', system.incarnation, 777);
  const far = new Pid('elsewhere', 1, 1);
  const old = new Pid('local', system.incarnation - 1, 1);
  await puppet.call('run', ctx => {
    for (const pid of [gone, far, old]) ctx.monitor(pid);
  });
  expect(await puppet.call('seen')).toEqual([
    { what: 'down', pid: gone, reason: 'noproc' },
    { what: 'down', pid: far, reason: 'noconnection' },
    { what: 'down', pid: old, reason: 'noproc' },
  ]);
});

test('monitoring a ref that points to nobody now fires with noproc instead of crashing the watcher', async () => {
  const { system } = bench();
  const puppet = await system.spawn(Puppet(undefined));
  const nobody = system.refOn('local', 'nobody');
  await puppet.call('run', ctx => ctx.monitor(nobody));
  expect(await puppet.call('seen')).toMatchObject([{ what: 'down', reason: 'noproc' }]);
});

test('demonitor: no onDown afterwards, not even one that waits in the mailbox already', async () => {
  const { system } = bench();
  const puppet = await system.spawn(Puppet(undefined));
  const [early, late] = [await system.spawn(Counter(0)), await system.spawn(Counter(0))];
  await puppet.call('run', ctx => {
    ctx.demonitor(ctx.monitor(early));
    const monitor = ctx.monitor(late);
    system.exit(late.pid, 'kill');
    ctx.demonitor(monitor);
    ctx.demonitor(monitor);
    ctx.demonitor(4_711);
  });
  system.exit(early.pid, 'kill');
  expect(await puppet.call('seen')).toEqual([]);
});

test('a watcher that ends takes its monitors along', async () => {
  const { system } = bench();
  const counter = await system.spawn(Counter(0));
  for (let n = 0; n < 10; n++) {
    const puppet = await system.spawn(Puppet(undefined));
    await puppet.call('run', ctx => ctx.monitor(counter));
    await system.stop(puppet);
  }
  expect(system.process(counter.pid)?.watchers?.size).toBe(0);
});

test('names are free and the actor is out of the tables before a monitor hears of its end', async () => {
  const { system } = bench();
  const found: unknown[] = [];
  const counter = await system.spawn(Counter(0), { name: 'held' });
  system.watch(counter.pid, () => found.push(system.whereis('held'), system.process(counter.pid)));
  counter.cast('crash', boom);
  await settle();
  expect(found).toEqual([undefined, undefined]);
});

test('system.watch: never within the call itself, and not after it was cancelled', async () => {
  const { system } = bench();
  const gone = new Pid('local', system.incarnation, 777);
  const heard: unknown[] = [];
  system.watch(gone, reason => heard.push(reason));
  const cancel = system.watch(gone, reason => heard.push(reason));
  cancel();
  expect(heard).toEqual([]);
  await settle();
  expect(heard).toEqual(['noproc']);

  const counter = await system.spawn(Counter(0));
  const cancelled = system.watch(counter.pid, reason => heard.push(reason));
  cancelled();
  system.exit(counter.pid, 'kill');
  await settle();
  expect(heard).toEqual(['noproc']);
});

test('a watch callback that throws is logged and keeps nobody else from hearing', async () => {
  const { system, lines } = bench();
  const puppet = await system.spawn(Puppet(undefined));
  const counter = await system.spawn(Counter(0));
  system.watch(counter.pid, () => {
    throw boom;
  });
  await puppet.call('run', ctx => ctx.monitor(counter));
  const ended = system.whenEnded(counter);
  counter.cast('crash', new Error('first'));
  await ended;
  expect((await puppet.call('seen')).map(one => one.reason)).toEqual([new Error('first')]);
  expect(lines.map(line => line.fields.error)).toContain(boom);
});
