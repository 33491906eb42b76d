import { actor, child, type PartitionSupervisorInit, Pid, partitionSupervisor, supervisor } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { partitionOf } from '../src/partition-supervisor.js';
import { bench, rejection } from './support.js';
import { workshop } from './workshop.js';

const boom = new Error('boom');
const Cache = actor({
  name: 'cache',
  init: (partition: number) => ({ partition, keys: [] as string[] }),
  calls: { partition: s => s.partition, keys: s => s.keys },
  casts: {
    put: (s, key: string) => {
      s.keys.push(key);
    },
    crash: () => {
      throw boom;
    },
  },
});

describe('the partition of a key', () => {
  test('is one of them, and always the same', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.integer(), fc.double(), fc.maxSafeInteger()),
        fc.integer({ min: 1, max: 64 }),
        (key, partitions) => {
          const partition = partitionOf(key, partitions);
          expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true);
          expect(partitionOf(key, partitions)).toBe(partition);
        },
      ),
    );
  });

  test('is the remainder of a whole number, as in Elixir', () => {
    expect([0, 1, 4, 5, 9, -1, -6].map(key => partitionOf(key, 5))).toEqual([0, 1, 4, 0, 4, 1, 1]);
  });

  test('spreads texts and pids', () => {
    const counts = new Array<number>(4).fill(0);
    for (let index = 0; index < 4_000; index++) {
      (counts[partitionOf(`user-${index}`, 4)] as number)++;
      (counts[partitionOf(new Pid('node', 1, index), 4)] as number)++;
    }
    for (const count of counts) expect(count).toBeGreaterThan(1_700);
    for (const count of counts) expect(count).toBeLessThan(2_300);
  });
});

test('starts a child for each partition, in order, under its number', async () => {
  const { system } = bench();
  const parts = await system.supervise(partitionSupervisor({ children: Cache, partitions: 3 }), { name: 'caches' });
  expect(system.whereis('caches')?.pid.equals(parts.pid)).toBe(true);
  expect((await parts.whichChildren()).map(info => [info.id, info.status])).toEqual([
    ['0', 'running'],
    ['1', 'running'],
    ['2', 'running'],
  ]);
  expect(await parts.countChildren()).toEqual({ specs: 3, active: 3, supervisors: 0, workers: 3 });
  expect(await parts.partitions()).toBe(3);
  expect(await Promise.all([0, 1, 2, 3].map(key => parts.ref(Cache, key).call('partition')))).toEqual([0, 1, 2, 0]);
  expect(await parts.stop()).toBe('shutdown');
  expect(system.processCount).toBe(0);
});

test('there are 8 unless said otherwise', async () => {
  const { system } = bench();
  const parts = await system.supervise(partitionSupervisor({ children: Cache(0) }));
  expect(await parts.partitions()).toBe(8);
  expect((await parts.countChildren()).active).toBe(8);
});

test('messages of one key meet the same child, in order', async () => {
  const { system } = bench();
  const parts = await system.supervise(partitionSupervisor({ children: Cache, partitions: 4 }));
  for (let index = 0; index < 100; index++) parts.ref(Cache, `key-${index % 10}`).cast('put', `${index}`);
  for (let key = 0; key < 10; key++) {
    const keys = await parts.ref(Cache, `key-${key}`).call('keys');
    const own = keys.filter(index => Number(index) % 10 === key);
    expect(own).toEqual(Array.from({ length: 10 }, (_, round) => `${round * 10 + key}`));
  }
});

test('a ref by key follows restarts; the other partitions go on', async () => {
  const { system } = bench();
  const parts = await system.supervise(partitionSupervisor({ children: Cache, partitions: 2 }));
  const [even, odd] = [parts.ref(Cache, 0), parts.ref(Cache, 1)];
  even.cast('put', 'a');
  odd.cast('put', 'b');
  even.cast('crash');
  expect(await rejection(even.call('keys'))).toMatchObject({ code: 'noproc' });
  await settle();
  expect(await even.call('keys')).toEqual([]);
  expect(await odd.call('keys')).toEqual(['b']);
  expect(String(even)).toContain("the partition of '0'");
});

test('strategy and intensity are those of any supervisor', async () => {
  const { system } = bench();
  const { events, worker, Worker } = workshop();
  const parts = await system.supervise(
    partitionSupervisor({ children: n => worker(`p${n}`), partitions: 2, strategy: 'one_for_all', maxRestarts: 1 }),
  );
  events.length = 0;
  parts.ref(Worker, 0).cast('end', boom);
  await settle();
  expect(events).toEqual(['end p0 error', 'end p1 "shutdown"', 'start p0', 'start p1']);
  const ended = system.whenEnded(parts.pid);
  parts.ref(Worker, 1).cast('end', boom);
  expect(await ended).toBe('shutdown');
  expect(await rejection(parts.whichChildren())).toMatchObject({ code: 'noproc' });
  expect(await rejection(parts.ref(Worker, 0).call('name'))).toMatchObject({ code: 'noproc' });
});

test('a partition that does not start stops the others and fails the supervisor', async () => {
  const { system } = bench();
  const { events, failing, worker } = workshop();
  failing.set('p2', 1);
  const error = await rejection(system.supervise(partitionSupervisor({ children: n => worker(`p${n}`) })));
  expect(error).toMatchObject({ code: 'start-failed' });
  expect(events).toEqual(['start p0', 'start p1', 'fail p2', 'end p1 "shutdown"', 'end p0 "shutdown"']);
  expect(system.processCount).toBe(0);
});

test('is a child like any other, and its handle follows its restarts', async () => {
  const { system } = bench();
  const caches = partitionSupervisor({ children: Cache, partitions: 2 });
  const app = await system.supervise(supervisor({ children: [child(caches, { id: 'caches' })] }));
  expect(await app.whichChildren()).toMatchObject([{ type: 'supervisor', definition: 'partition-supervisor' }]);
  const parts = app.supervisor(caches.definition, 'caches');
  const first = parts.ref(Cache, 1);
  expect(await first.call('partition')).toBe(1);
  system.exit(parts.pid, 'kill');
  await settle();
  expect(await first.call('partition')).toBe(1);
  expect(await parts.partitions()).toBe(2);
  await app.stop();
  expect(system.processCount).toBe(0);
});

test.each<[string, PartitionSupervisorInit]>([
  ['no partition', { children: Cache(0), partitions: 0 }],
  ['half a partition', { children: Cache(0), partitions: 1.5 }],
  ['an unknown strategy', { children: Cache(0), strategy: 'all' as never }],
  ['one name for all', { children: child(Cache(0), { name: 'cache' }) }],
  ['an unknown option', { children: Cache(0), partition: 2 } as never],
  ['no start data', { children: 7 as never }],
  [
    'significant children that mean nothing',
    { children: child(Cache(0), { restart: 'transient', significant: true }) },
  ],
])('%s is refused', (_what, init) => {
  expect(() => partitionSupervisor(init)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
});

test('a name for each partition can be given', async () => {
  const { system } = bench();
  await system.supervise(
    partitionSupervisor({ children: n => child(Cache(n), { name: `cache-${n}` }), partitions: 2 }),
  );
  expect(await system.whereis<typeof Cache>('cache-1')?.call('partition')).toBe(1);
});
