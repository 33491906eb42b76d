import { type AutoShutdown, actor, child, dynamicSupervisor, type ExitReason, supervisor } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { bench, rejection } from './support.js';
import { workshop } from './workshop.js';

const boom = new Error('boom');

describe('what is allowed', () => {
  const { significant, worker } = workshop();

  test('a permanent child is never significant', () => {
    expect(() => child(worker('a').start, { significant: true })).toThrow("'significant'");
    expect(() => child(worker('a').start, { restart: 'transient', significant: 1 as never })).toThrow("'significant'");
    expect(child(worker('a').start, { restart: 'permanent', significant: false })).not.toHaveProperty('significant');
    expect(() =>
      supervisor({ autoShutdown: 'any_significant', children: [{ ...worker('a'), significant: true }] }),
    ).toThrow("'significant'");
  });

  test('a supervisor that never shuts down by itself takes no significant child', async () => {
    expect(() => supervisor({ children: [significant('a')] })).toThrow("'autoShutdown'");
    expect(() => supervisor({ autoShutdown: 'sometimes' as AutoShutdown })).toThrow("'autoShutdown'");
    const { system } = bench();
    const app = await system.supervise(supervisor());
    expect(await rejection(app.startChild(significant('a')))).toMatchObject({ code: 'invalid-option' });
    const pool = await system.supervise(dynamicSupervisor());
    expect(await rejection(pool.startChild(significant('a')))).toMatchObject({ code: 'invalid-option' });
    expect(system.processCount).toBe(2);
  });

  test('what is wrong with a child is said before its id is looked up', async () => {
    const { system } = bench();
    const app = await system.supervise(supervisor({ children: [worker('a')] }));
    expect(await rejection(app.startChild(significant('a')))).toMatchObject({ code: 'invalid-option' });
  });
});

type Case = [restart: 'transient' | 'temporary', reason: ExitReason, ends: boolean];
const cases: Case[] = [
  ['transient', 'normal', true],
  ['transient', 'shutdown', true],
  ['transient', { shutdown: 1 }, true],
  ['transient', boom, false],
  ['temporary', 'normal', true],
  ['temporary', 'shutdown', true],
  ['temporary', boom, true],
];

describe('any_significant', () => {
  for (const strategy of ['one_for_one', 'one_for_all', 'rest_for_one'] as const) {
    test.each(cases)(`${strategy}: a %s child ends with %s: the supervisor ends: %s`, async (restart, reason, ends) => {
      const { system } = bench();
      const { events, worker, significant, Worker } = workshop();
      const app = await system.supervise(
        supervisor({
          strategy,
          autoShutdown: 'any_significant',
          children: [worker('a'), significant('s', restart), worker('c'), significant('t')],
        }),
      );
      const ended = system.whenEnded(app.pid);
      events.length = 0;
      app.ref(Worker, 's').cast('end', reason);
      await settle();
      expect(system.process(app.pid) === undefined).toBe(ends);
      if (!ends) return;
      expect(await ended).toBe('shutdown');
      expect(events.slice(1)).toEqual(['end t "shutdown"', 'end c "shutdown"', 'end a "shutdown"']);
      expect(system.processCount).toBe(0);
    });
  }

  test('children that are not significant end without that', async () => {
    const { system } = bench();
    const { worker, significant, Worker } = workshop();
    const app = await system.supervise(
      supervisor({ autoShutdown: 'any_significant', children: [worker('a', 'temporary'), significant('s')] }),
    );
    app.ref(Worker, 'a').cast('end', 'normal');
    await settle();
    expect((await app.countChildren()).active).toBe(1);
  });

  test('one that is terminated on request, or stopped because of a sibling, has not ended by itself', async () => {
    const { system } = bench();
    const { worker, significant, Worker } = workshop();
    const app = await system.supervise(
      supervisor({
        strategy: 'one_for_all',
        autoShutdown: 'any_significant',
        children: [worker('a'), significant('s'), significant('t', 'temporary')],
      }),
    );
    await app.terminateChild('s');
    expect(await app.restartChild('s')).toBeDefined();
    app.ref(Worker, 'a').cast('end', boom);
    await settle();
    expect((await app.whichChildren()).map(info => `${info.id} ${info.status}`)).toEqual(['a running', 's running']);
  });
});

describe('all_significant', () => {
  test('ends with the last of them, whatever the others do', async () => {
    const { system } = bench();
    const { worker, significant, Worker } = workshop();
    const app = await system.supervise(
      supervisor({
        autoShutdown: 'all_significant',
        children: [worker('a'), significant('s'), significant('t', 'temporary'), significant('u')],
      }),
    );
    app.ref(Worker, 's').cast('end', 'normal');
    app.ref(Worker, 't').cast('end', boom);
    await settle();
    expect((await app.countChildren()).active).toBe(2);
    app.ref(Worker, 'u').cast('end', boom);
    await settle();
    expect((await app.countChildren()).active).toBe(2);
    const ended = system.whenEnded(app.pid);
    app.ref(Worker, 'u').cast('end', 'shutdown');
    expect(await ended).toBe('shutdown');
    expect(system.processCount).toBe(0);
  });

  test('one that was terminated does not run; one that waits for its restart does', async () => {
    const { system, clock } = bench();
    const { significant, Worker } = workshop();
    const app = await system.supervise(
      supervisor({
        autoShutdown: 'all_significant',
        backoff: { initial: 1_000, jitter: 0 },
        children: [significant('s'), significant('t'), significant('u')],
      }),
    );
    await app.terminateChild('t');
    app.ref(Worker, 's').cast('end', boom);
    await settle();
    app.ref(Worker, 'u').cast('end', 'normal');
    await settle();
    expect((await app.countChildren()).active).toBe(0);
    await clock.advance(1_000);
    expect((await app.countChildren()).active).toBe(1);
    const ended = system.whenEnded(app.pid);
    app.ref(Worker, 's').cast('end', 'normal');
    expect(await ended).toBe('shutdown');
  });
});

test('dynamic supervisors shut down by the same rules', async () => {
  const { system } = bench();
  const { worker, significant, Worker } = workshop();
  const any = await system.supervise(dynamicSupervisor({ autoShutdown: 'any_significant' }));
  const all = await system.supervise(dynamicSupervisor({ autoShutdown: 'all_significant' }));
  await any.startChild(worker('bystander'));
  const first = await any.startChild(significant('a'));
  system.ref<typeof Worker>(first).cast('end', 'normal');
  expect(await system.whenEnded(any.pid)).toBe('shutdown');
  const pids = [await all.startChild(significant('b')), await all.startChild(significant('c', 'temporary'))] as const;
  await all.startChild(worker('bystander'));
  system.ref<typeof Worker>(pids[0]).cast('end', 'normal');
  await settle();
  expect((await all.countChildren()).active).toBe(2);
  await all.terminateChild(pids[1]);
  expect((await all.countChildren()).active).toBe(1);
  const last = await all.startChild(significant('d', 'temporary'));
  const ended = system.whenEnded(all.pid);
  system.ref<typeof Worker>(last).cast('end', boom);
  expect(await ended).toBe('shutdown');
  expect(system.processCount).toBe(0);
});

test('the parent decides about one that has shut down by itself: a transient one stays stopped, a permanent one comes again', async () => {
  const { system } = bench();
  const { events, significant, Worker } = workshop();
  const team = (name: string) => supervisor({ autoShutdown: 'any_significant', children: [significant(name)] });
  const app = await system.supervise(
    supervisor({
      children: [child(team('s'), { id: 'once', restart: 'transient' }), child(team('t'), { id: 'always' })],
    }),
  );
  events.length = 0;
  for (const id of ['once', 'always'] as const) {
    const inner = app.supervisor(team('s').definition, id);
    inner.ref(Worker, id === 'once' ? 's' : 't').cast('end', 'normal');
    await settle();
  }
  expect(events).toEqual(['end s "normal"', 'end t "normal"', 'start t']);
  expect((await app.whichChildren()).map(info => info.status)).toEqual(['stopped', 'running']);
});

test('a significant supervisor passes its end on to its parent', async () => {
  const { system } = bench();
  const Job = actor({ name: 'job', init: () => ({}), casts: { done: (_s, _: undefined, ctx) => ctx.stop() } });
  const inner = supervisor({
    autoShutdown: 'any_significant',
    children: [child(Job(), { restart: 'temporary', significant: true })],
  });
  const app = await system.supervise(
    supervisor({
      autoShutdown: 'all_significant',
      children: [child(inner, { id: 'inner', restart: 'temporary', significant: true })],
    }),
  );
  const ended = system.whenEnded(app.pid);
  app.supervisor(inner.definition, 'inner').ref(Job, 'job').cast('done');
  expect(await ended).toBe('shutdown');
  expect(system.processCount).toBe(0);
});
