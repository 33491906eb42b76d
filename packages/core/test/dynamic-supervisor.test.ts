import { actor, child, dynamicSupervisor, Pid, type Restart, supervisor } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { expect, test } from 'vitest';
import { bench, gate, rejection } from './support.js';

const boom = new Error('boom');

const Session = actor({
  name: 'session',
  init: (init: { fail?: () => boolean; until?: Promise<void> } | undefined) => {
    if (init?.fail?.() === true) throw new Error('no session');
    return { until: init?.until };
  },
  calls: { ping: () => 'pong' },
  casts: {
    crash: () => {
      throw boom;
    },
    quit: (_s, _: undefined, ctx) => ctx.stop('normal'),
  },
  terminate: s => s.until,
});

test('children are started on demand, listed, counted, and terminated by pid', async () => {
  const { system } = bench();
  const sessions = await system.spawn(dynamicSupervisor());
  const first = await sessions.call('startChild', Session(undefined));
  const second = await sessions.call('startChild', child(Session(undefined), { id: 'other' }));
  expect(await sessions.call('countChildren')).toEqual({ specs: 2, active: 2, supervisors: 0, workers: 2 });
  expect((await sessions.call('whichChildren')).map(info => info.pid)).toEqual([first, second]);
  await sessions.call('terminateChild', first);
  expect(system.process(first)).toBeUndefined();
  expect(await rejection(sessions.call('terminateChild', first))).toMatchObject({ code: 'not-found' });
  expect(await rejection(sessions.call('terminateChild', new Pid('local', 1, 1)))).toMatchObject({ code: 'not-found' });
  expect(await rejection(sessions.call('startChild', Session({ fail: () => true })))).toMatchObject({
    code: 'start-failed',
  });
  expect(await rejection(sessions.call('startChild', undefined as never))).toMatchObject({ code: 'invalid-option' });
  expect((await sessions.call('countChildren')).specs).toBe(1);
});

test('maxChildren bounds them; one that ends makes room', async () => {
  const { system } = bench();
  const sessions = await system.spawn(dynamicSupervisor({ maxChildren: 2 }));
  const first = await sessions.call('startChild', child(Session(undefined), { restart: 'temporary' }));
  await sessions.call('startChild', Session(undefined));
  expect(await rejection(sessions.call('startChild', Session(undefined)))).toMatchObject({ code: 'max-children' });
  system.ref<typeof Session>(first).cast('crash');
  await settle();
  await sessions.call('startChild', Session(undefined));
});

test.each<[Restart, boolean, boolean]>([
  ['permanent', true, true],
  ['transient', false, true],
  ['temporary', false, false],
])('a %s child: restarted after normal %s, after a crash %s', async (restart, afterNormal, afterCrash) => {
  const { system } = bench();
  const sessions = await system.spawn(dynamicSupervisor());
  for (const [op, expected] of [
    ['quit', afterNormal],
    ['crash', afterCrash],
  ] as const) {
    const before = (await sessions.call('countChildren')).active;
    const pid = await sessions.call('startChild', child(Session(undefined), { restart }));
    system.ref<typeof Session>(pid).cast(op);
    await settle();
    const pids = (await sessions.call('whichChildren')).map(info => info.pid);
    expect(pids).toHaveLength(before + (expected ? 1 : 0));
    expect(pids).not.toContainEqual(pid);
  }
});

test('a restart that fails is tried again, counts, and can be over the intensity', async () => {
  const { system } = bench();
  let failures = 0;
  const sessions = await system.spawn(dynamicSupervisor({ maxRestarts: 3 }));
  const pid = await sessions.call('startChild', Session({ fail: () => failures-- > 0 }));
  await sessions.call('startChild', Session(undefined));
  failures = 2;
  system.ref<typeof Session>(pid).cast('crash');
  await settle();
  const infos = await sessions.call('whichChildren');
  expect(infos.map(info => info.status)).toEqual(['running', 'running']);
  const ended = system.whenEnded(sessions);
  failures = 100;
  system.ref<typeof Session>(infos[1]?.pid as Pid).cast('crash');
  expect(await ended).toBe('shutdown');
  expect(system.processCount).toBe(0);
});

test('children stop together, each in its own time', async () => {
  const { system, clock } = bench();
  const sessions = await system.spawn(dynamicSupervisor());
  const gates = [gate(), gate(), gate()];
  for (const { promise } of gates) await sessions.call('startChild', Session({ until: promise }));
  const stopped = system.stop(sessions, 'shutdown', Number.POSITIVE_INFINITY);
  await settle();
  expect([...system.processes()].map(process => process.status)).toEqual(
    Array.from({ length: 4 }, () => 'terminating'),
  );
  gates[2]?.open();
  gates[0]?.open();
  await settle();
  expect(system.processCount).toBe(2);
  await clock.advance(5_000);
  expect(await stopped).toBe('shutdown');
});

test('is a child like any other: a supervisor, with all the time it needs', async () => {
  const { system } = bench();
  const app = await system.supervise(supervisor({ children: [child(dynamicSupervisor(), { id: 'sessions' })] }));
  expect(await app.whichChildren()).toMatchObject([{ id: 'sessions', type: 'supervisor', status: 'running' }]);
  const sessions = app.ref(dynamicSupervisor().definition, 'sessions');
  await sessions.call('startChild', Session(undefined));
  await app.stop();
  expect(system.processCount).toBe(0);
});

test('killed while it restarts a child: no child is left behind', async () => {
  const { system } = bench();
  const until = gate();
  let slow = false;
  const Slow = actor({
    name: 'slow',
    init: async () => {
      if (slow) await until.promise;
      return {};
    },
    casts: {
      crash: () => {
        throw boom;
      },
    },
  });
  const sessions = await system.spawn(dynamicSupervisor());
  const pid = await sessions.call('startChild', Slow());
  slow = true;
  system.ref<typeof Slow>(pid).cast('crash');
  await settle();
  system.exit(sessions.pid, 'kill');
  until.open();
  await settle();
  expect(system.processCount).toBe(0);
});

test('a handle starts, lists, counts and terminates', async () => {
  const { system } = bench();
  const pool = await system.supervise(dynamicSupervisor({ maxChildren: 2 }), { name: 'pool' });
  expect(system.whereis('pool')?.pid.equals(pool.pid)).toBe(true);
  const first = await pool.startChild(Session(undefined));
  expect(await pool.startChild(child(Session(undefined), { restart: 'transient' }))).toBeInstanceOf(Pid);
  expect(await rejection(pool.startChild(Session(undefined)))).toMatchObject({ code: 'max-children' });
  expect(await pool.countChildren()).toEqual({ specs: 2, active: 2, supervisors: 0, workers: 2 });
  await pool.terminateChild(first);
  expect(await rejection(pool.terminateChild(first))).toMatchObject({ code: 'not-found' });
  expect((await pool.whichChildren()).map(info => [info.id, info.status])).toEqual([['session', 'running']]);
  expect(system.supervisorHandle(pool.pid).pid.equals(pool.pid)).toBe(true);
  expect(await pool.stop()).toBe('shutdown');
  expect(await pool.stop()).toBe('noproc');
  expect(await rejection(pool.startChild(Session(undefined)))).toMatchObject({ code: 'noproc' });
  expect(system.processCount).toBe(0);
});

test('await using stops it', async () => {
  const { system } = bench();
  {
    await using pool = await system.supervise(dynamicSupervisor());
    await pool.startChild(Session(undefined));
    expect(system.processCount).toBe(2);
  }
  expect(system.processCount).toBe(0);
});

test('a handle on one that is a child follows its restarts', async () => {
  const { system } = bench();
  const sessions = dynamicSupervisor();
  const app = await system.supervise(supervisor({ children: [child(sessions, { id: 'sessions' })] }));
  const pool = app.supervisor(sessions.definition, 'sessions');
  await pool.startChild(Session(undefined));
  system.exit(pool.pid, 'kill');
  expect(pool.tree()).toBeUndefined();
  expect(await rejection(pool.countChildren())).toMatchObject({ code: 'noproc' });
  await settle();
  // OTP: children that were started on demand do not come again with it.
  expect(await pool.countChildren()).toMatchObject({ specs: 0 });
  await pool.startChild(Session(undefined));
  expect(await pool.stop()).toBe('shutdown');
  await settle();
  expect(await pool.countChildren()).toMatchObject({ specs: 0 });
});

test('children of one definition need no ids of their own', async () => {
  const { system } = bench();
  const pool = await system.supervise(dynamicSupervisor());
  for (let index = 0; index < 3; index++) await pool.startChild(child(Session(undefined), { id: 'same' }));
  expect((await pool.whichChildren()).map(info => info.id)).toEqual(['same', 'same', 'same']);
});

test('a child that is being restarted keeps its place, and can be given up by the pid that it had', async () => {
  const { system } = bench();
  let failing = false;
  const pool = await system.supervise(dynamicSupervisor({ maxChildren: 1, maxRestarts: 1_000_000 }));
  const pid = await pool.startChild(Session({ fail: () => failing }));
  failing = true;
  system.ref<typeof Session>(pid).cast('crash');
  for (;;) {
    const [info] = await pool.whichChildren();
    if (info?.status === 'restarting') break;
  }
  expect(await pool.countChildren()).toEqual({ specs: 1, active: 0, supervisors: 0, workers: 1 });
  expect(await rejection(pool.startChild(Session(undefined)))).toMatchObject({ code: 'max-children' });
  await pool.terminateChild(pid);
  failing = false;
  await pool.startChild(Session(undefined));
  await settle();
  expect(await pool.countChildren()).toEqual({ specs: 1, active: 1, supervisors: 0, workers: 1 });
});

test('twenty thousand temporary children come and go without a trace', async () => {
  const { system } = bench();
  const pool = await system.supervise(dynamicSupervisor());
  const supervisorProcess = system.process(pool.pid);
  for (let round = 0; round < 20; round++) {
    const pids: Pid[] = [];
    for (let index = 0; index < 1_000; index++)
      pids.push(await pool.startChild(child(Session(undefined), { restart: 'temporary' })));
    for (const pid of pids) system.ref<typeof Session>(pid).cast('quit');
    await settle();
    expect(await pool.countChildren()).toMatchObject({ specs: 0 });
  }
  expect(system.processCount).toBe(1);
  expect(supervisorProcess?.links?.size ?? 0).toBe(0);
  expect(supervisorProcess?.mailbox.size).toBe(0);
});

test('a child that asks its own supervisor for a sibling gets it', async () => {
  const { system } = bench();
  const pool = await system.supervise(dynamicSupervisor());
  const Breeder = actor({
    name: 'breeder',
    init: () => ({}),
    calls: { breed: () => pool.startChild(child(Session(undefined), { restart: 'temporary' })) },
  });
  const breeder = await pool.startChild(Breeder());
  const pid = await system.ref<typeof Breeder>(breeder).call('breed');
  expect(await system.ref<typeof Session>(pid).call('ping')).toBe('pong');
});
