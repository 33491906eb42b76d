import { type BackoffOptions, child, dynamicSupervisor, partitionSupervisor, supervisor } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { backoffDelay } from '../src/backoff.js';
import { bench, rejection } from './support.js';
import { workshop } from './workshop.js';

const boom = new Error('boom');
const exact = { initial: 100, max: 1_000, jitter: 0 };

describe('the delay', () => {
  test('doubles up to its maximum, and chance takes off at most its share', () => {
    const delays = [0, 1, 2, 3, 4, 50].map(attempt => backoffDelay(exact, attempt, 0.9));
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(backoffDelay({ ...exact, jitter: 0.5 }, 1, 0)).toBe(200);
    expect(backoffDelay({ ...exact, jitter: 0.5 }, 1, 0.5)).toBe(150);
    expect(backoffDelay({ ...exact, jitter: 1 }, 1, 0.75)).toBe(50);
  });

  test.each<BackoffOptions>([
    { initial: 0 },
    { initial: Number.POSITIVE_INFINITY },
    { max: 99, initial: 100 },
    { jitter: 1.1 },
    { jitter: -0.1 },
    { inital: 100 } as BackoffOptions,
    7 as BackoffOptions,
    null as unknown as BackoffOptions,
  ])('%j is refused', backoff => {
    expect(() => supervisor({ backoff })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    expect(() => dynamicSupervisor({ backoff })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });
});

describe('a supervisor with backoff', () => {
  async function shop(options: Parameters<typeof supervisor>[0] = {}) {
    const { system, clock } = bench();
    const kit = workshop();
    const { worker } = kit;
    const app = await system.supervise(
      supervisor({ maxRestarts: 100, backoff: exact, children: [worker('a'), worker('b'), worker('c')], ...options }),
    );
    kit.events.length = 0;
    const crash = async (id: string) => {
      app.ref(kit.Worker, id).cast('end', boom);
      await settle();
    };
    const status = async () => (await app.whichChildren()).map(info => `${info.id} ${info.status}`);
    return { ...kit, system, clock, app, crash, status };
  }

  test('restarts after the delay, which grows with each crash, and answers meanwhile', async () => {
    const { clock, events, crash, status, app } = await shop();
    for (const delay of [100, 200, 400, 800, 1_000, 1_000]) {
      await crash('b');
      expect(await status()).toEqual(['a running', 'b restarting', 'c running']);
      await clock.advance(delay - 1);
      expect(events).toEqual(['end b error']);
      await clock.advance(1);
      expect(events.splice(0)).toEqual(['end b error', 'start b']);
    }
    expect(await status()).toEqual(['a running', 'b running', 'c running']);
    expect((await app.countChildren()).active).toBe(3);
  });

  test('begins anew with a child that has run for as long as the longest delay', async () => {
    const { clock, events, crash } = await shop();
    await crash('b');
    await clock.advance(100 + 999);
    await crash('b');
    await clock.advance(199);
    expect(events.filter(event => event === 'start b')).toHaveLength(1);
    await clock.advance(1);
    expect(events.filter(event => event === 'start b')).toHaveLength(2);
    await clock.advance(1_000);
    await crash('b');
    await clock.advance(100);
    expect(events.filter(event => event === 'start b')).toHaveLength(3);
  });

  test('each child has its own delay', async () => {
    const { clock, events, crash } = await shop();
    await crash('a');
    await clock.advance(100);
    await crash('a');
    await crash('b');
    await clock.advance(100);
    expect(events.slice(-1)).toEqual(['start b']);
    await clock.advance(100);
    expect(events.slice(-1)).toEqual(['start a']);
  });

  test('a restart that fails is tried again after a longer delay, and counts', async () => {
    const { system, clock, events, failing, crash, app } = await shop({ maxRestarts: 3 });
    failing.set('b', 2);
    await crash('b');
    await clock.advance(99);
    expect(events).toEqual(['end b error']);
    await clock.advance(1 + 200 + 400);
    expect(events).toEqual(['end b error', 'fail b', 'fail b', 'start b']);
    const ended = system.whenEnded(app.pid);
    await crash('b');
    expect(await ended).toBe('shutdown');
    expect(clock.pending).toBe(0);
  });

  test('a stop during a pending restart stops the rest, and nothing comes again', async () => {
    const { system, clock, events, crash, app } = await shop();
    await crash('b');
    events.length = 0;
    expect(await app.stop()).toBe('shutdown');
    expect(events).toEqual(['end c "shutdown"', 'end a "shutdown"']);
    await clock.advance(10_000);
    expect(events).toHaveLength(2);
    expect(system.processCount).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('so does a kill', async () => {
    const { system, clock, crash, app } = await shop();
    await crash('b');
    system.exit(app.pid, 'kill');
    await clock.advance(10_000);
    expect(system.processCount).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('terminateChild gives a pending restart up; restartChild then starts at once', async () => {
    const { system, clock, events, crash, app, status } = await shop();
    await crash('b');
    expect(await rejection(app.restartChild('b'))).toMatchObject({ code: 'invalid-operation' });
    await app.terminateChild('b');
    expect(system.process(app.pid)?.timers?.size).toBe(0);
    await clock.advance(10_000);
    expect(await status()).toEqual(['a running', 'b stopped', 'c running']);
    await app.restartChild('b');
    await clock.advance(10_000);
    expect(events.filter(event => event === 'start b')).toHaveLength(1);
  });

  test('one_for_all: the others stop at once, and all start together after the delay', async () => {
    const { clock, events, crash, status } = await shop({ strategy: 'one_for_all' });
    await crash('b');
    expect(events.splice(0)).toEqual(['end b error', 'end c "shutdown"', 'end a "shutdown"']);
    expect(await status()).toEqual(['a stopped', 'b restarting', 'c stopped']);
    await clock.advance(100);
    expect(events).toEqual(['start a', 'start b', 'start c']);
  });

  test('rest_for_one: a crash before a pending one takes it over', async () => {
    const { clock, events, crash, status } = await shop({ strategy: 'rest_for_one' });
    await crash('c');
    await clock.advance(50);
    await crash('b');
    expect(await status()).toEqual(['a running', 'b restarting', 'c stopped']);
    events.length = 0;
    await clock.advance(99);
    expect(events).toEqual([]);
    await clock.advance(1);
    expect(events).toEqual(['start b', 'start c']);
    await clock.advance(10_000);
    expect(events).toEqual(['start b', 'start c']);
  });
});

test('a dynamic supervisor waits too; a child that waits counts, and can be terminated by the pid that it had', async () => {
  const { system, clock } = bench();
  const { events, worker, Worker } = workshop();
  const pool = await system.supervise(dynamicSupervisor({ maxChildren: 2, maxRestarts: 100, backoff: exact }));
  const first = await pool.startChild(worker('a'));
  const second = await pool.startChild(worker('b'));
  events.length = 0;
  system.ref<typeof Worker>(first).cast('end', boom);
  system.ref<typeof Worker>(second).cast('end', boom);
  await settle();
  expect(await pool.countChildren()).toEqual({ specs: 2, active: 0, supervisors: 0, workers: 2 });
  expect((await pool.whichChildren()).map(info => info.status)).toEqual(['restarting', 'restarting']);
  expect(await rejection(pool.startChild(worker('c')))).toMatchObject({ code: 'max-children' });
  await pool.terminateChild(second);
  await clock.advance(100);
  expect(events.slice(2)).toEqual(['start a']);
  expect(await rejection(pool.terminateChild(first))).toMatchObject({ code: 'not-found' });
  expect((await pool.whichChildren()).map(info => info.status)).toEqual(['running']);
  await pool.stop();
  expect(clock.pending).toBe(0);
});

test('a partition supervisor waits too', async () => {
  const { system, clock } = bench();
  const { events, worker, Worker } = workshop();
  const parts = await system.supervise(partitionSupervisor({ children: worker('p'), partitions: 2, backoff: exact }));
  events.length = 0;
  parts.ref(Worker, 1).cast('end', boom);
  await clock.advance(99);
  expect(events).toEqual(['end p error']);
  await clock.advance(1);
  expect(events).toEqual(['end p error', 'start p']);
});

test('without it a nested supervisor that gives up is restarted at once', async () => {
  const { system } = bench();
  const { worker, Worker } = workshop();
  const inner = supervisor({ maxRestarts: 0, children: [worker('x')] });
  const app = await system.supervise(supervisor({ children: [child(inner, { id: 'inner' })] }));
  const nested = app.supervisor(inner.definition, 'inner');
  const before = nested.pid;
  nested.ref(Worker, 'x').cast('end', boom);
  await settle();
  expect(nested.pid.equals(before)).toBe(false);
  expect(await nested.ref(Worker, 'x').call('name')).toBe('x');
});
