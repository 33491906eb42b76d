import {
  actor,
  child,
  dynamicSupervisor,
  formatTree,
  partitionSupervisor,
  supervisor,
  treesOf,
} from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { expect, test } from 'vitest';
import { bench, gate, Puppet } from './support.js';
import { workshop } from './workshop.js';

const boom = new Error('boom');

test('a tree is a line for each child, indented below its supervisor', async () => {
  const { system } = bench({ incarnation: 1 });
  const { worker } = workshop();
  const pool = dynamicSupervisor();
  const app = await system.supervise(
    supervisor({
      children: [
        worker('db'),
        child(pool, { id: 'sessions' }),
        child(partitionSupervisor({ children: worker('cache'), partitions: 2 }), { id: 'caches' }),
        worker('job', 'transient'),
      ],
    }),
    { name: 'app' },
  );
  await app.supervisor(pool.definition, 'sessions').startChild(worker('ada'));
  await app.terminateChild('job');
  expect(formatTree(app)).toBe(
    [
      'app <1@local#1> supervisor running',
      '  db <2@local#1> worker running',
      '  sessions <3@local#1> dynamic-supervisor running',
      '    ada <8@local#1> worker running',
      '  caches <4@local#1> partition-supervisor running',
      '    0 <5@local#1> worker running',
      '    1 <6@local#1> worker running',
      '  job - worker stopped',
    ].join('\n'),
  );
  expect(formatTree(app.supervisor(pool.definition, 'sessions'))).toBe(
    'dynamic-supervisor <3@local#1> dynamic-supervisor running\n  ada <8@local#1> worker running',
  );
  expect(formatTree(system)).toBe(formatTree(app));
  await app.stop();
  expect(formatTree(app)).toBe('');
  expect(formatTree(system)).toBe('');
});

test('actors that are no children of a supervisor stand below who started them with a link', async () => {
  const { system } = bench({ incarnation: 1 });
  const owner = await system.spawn(Puppet(undefined), { name: 'owner' });
  await owner.call('run', ctx => ctx.spawnLink(Puppet(undefined)));
  await owner.call('run', ctx => ctx.spawn(Puppet(undefined)));
  expect(treesOf(system)).toMatchObject([
    { id: 'owner', definition: 'puppet', status: 'running', children: [{ id: 'puppet', children: [] }] },
    { id: 'puppet', children: [] },
  ]);
});

test('says what starts, waits for its restart and ends, although the supervisor is busy', async () => {
  const { system } = bench({ incarnation: 1 });
  const { worker, Worker } = workshop();
  const until = gate();
  const Slow = actor({
    name: 'slow',
    init: async (wait: boolean) => {
      if (wait) await until.promise;
      return {};
    },
    terminate: () => until.promise,
  });
  const app = await system.supervise(
    supervisor({
      maxRestarts: 10,
      backoff: { initial: 100 },
      children: [worker('a'), child(Slow(false), { id: 'ends' })],
    }),
  );
  app.ref(Worker, 'a').cast('end', boom);
  await settle();
  const starting = app.startChild(child(Slow(true), { id: 'starts' }));
  system.exit(app.ref(Slow, 'ends').pid, 'shutdown');
  await settle();
  expect(formatTree(app)).toBe(
    [
      'supervisor <1@local#1> supervisor running',
      '  a - worker restarting',
      '  ends <3@local#1> slow terminating',
      '  slow <4@local#1> slow starting',
    ].join('\n'),
  );
  until.open();
  await starting;
});
