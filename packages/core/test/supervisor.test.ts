import { actor, child, type ExitReason, type Restart, type Strategy, supervisor } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { bench, gate, Puppet, rejection } from './support.js';
import { workshop } from './workshop.js';

const boom = new Error('boom');

describe('start and stop', () => {
  test('children start in order and stop in reverse', async () => {
    const { system } = bench();
    const { events, worker } = workshop();
    const app = await system.supervise(supervisor({ children: [worker('a'), worker('b'), worker('c')] }));
    expect(events).toEqual(['start a', 'start b', 'start c']);
    events.length = 0;
    expect(await app.stop()).toBe('shutdown');
    expect(events).toEqual(['end c "shutdown"', 'end b "shutdown"', 'end a "shutdown"']);
    expect(system.processCount).toBe(0);
    expect(await app.stop()).toBe('noproc');
  });

  test('a child that waits in its init holds up those after it', async () => {
    const { system } = bench();
    const { events, worker } = workshop();
    const until = gate();
    const Slow = actor({
      name: 'slow',
      init: async () => {
        await until.promise;
        events.push('start slow');
        return {};
      },
    });
    const starting = system.supervise(supervisor({ children: [Slow(), worker('b')] }));
    await settle();
    expect(events).toEqual([]);
    until.open();
    await starting;
    expect(events).toEqual(['start slow', 'start b']);
  });

  test('a child that does not start stops those that did, in reverse, and fails the supervisor', async () => {
    const { system, lines } = bench();
    const { events, failing, worker } = workshop();
    failing.set('c', 1);
    const error = await rejection(
      system.supervise(supervisor({ children: [worker('a'), worker('b'), worker('c'), worker('d')] }), { name: 'app' }),
    );
    expect(error).toMatchObject({ code: 'start-failed' });
    expect(error.message).toContain("'c'");
    expect((error.cause as Error).cause).toEqual(new Error('c does not start'));
    expect(events).toEqual(['start a', 'start b', 'fail c', 'end b "shutdown"', 'end a "shutdown"']);
    expect(system.processCount).toBe(0);
    expect(system.whereis('app')).toBeUndefined();
    expect(lines).toEqual([]);
  });

  test('await using stops the tree', async () => {
    const { system } = bench();
    const { worker } = workshop();
    {
      await using app = await system.supervise(supervisor({ children: [worker('a')] }));
      expect((await app.countChildren()).active).toBe(1);
    }
    expect(system.processCount).toBe(0);
  });

  test('a supervisor that is killed while it starts leaves no child behind', async () => {
    const { system } = bench();
    const { worker } = workshop();
    const until = gate();
    const Slow = actor({
      name: 'slow',
      init: async () => {
        await until.promise;
        return {};
      },
    });
    const starting = rejection(
      system.supervise(supervisor({ children: [worker('a'), Slow(), worker('c')] }), { name: 'app' }),
    );
    await settle();
    system.exit(system.whereis('app')?.pid as never, 'kill');
    until.open();
    expect(await starting).toMatchObject({ code: 'start-failed' });
    await settle();
    expect(system.processCount).toBe(0);
  });

  test('a supervisor that is killed while it restarts leaves no child behind', async () => {
    const { system, clock, lines } = bench();
    const { worker, Worker } = workshop();
    const until = gate();
    const Slow = actor({ name: 'slow', init: () => ({}), terminate: () => until.promise });
    const app = await system.supervise(
      supervisor({ strategy: 'one_for_all', children: [worker('a'), Slow(), worker('c')] }),
    );
    app.ref(Worker, 'a').cast('end', boom);
    await settle();
    system.exit(app.pid, 'kill');
    until.open();
    await clock.advance(10_000);
    expect(system.processCount).toBe(0);
    // Nor does it try again, or say that it will.
    expect(lines.map(line => line.message)).toEqual([expect.stringContaining('crashed')]);
  });
});

describe('shutdown of a child', () => {
  const Stubborn = actor({
    name: 'stubborn',
    init: (asked: string[]) => ({ asked }),
    calls: { work: () => gate().promise },
    trapExit: true,
    terminate: async (s, reason) => {
      s.asked.push(`terminate ${String(reason)}`);
      await gate().promise;
    },
  });

  test('brutal_kill asks nothing', async () => {
    const { system } = bench();
    const asked: string[] = [];
    const app = await system.supervise(supervisor({ children: [child(Stubborn(asked), { shutdown: 'brutal_kill' })] }));
    const ended = system.whenEnded(app.ref(Stubborn, 'stubborn'));
    await app.stop();
    expect(await ended).toBe('killed');
    expect(asked).toEqual([]);
  });

  test('after its time it is killed', async () => {
    const { system, clock } = bench();
    const asked: string[] = [];
    const app = await system.supervise(supervisor({ children: [child(Stubborn(asked), { shutdown: 700 })] }));
    const ended = system.whenEnded(app.ref(Stubborn, 'stubborn'));
    let stopped = false;
    const stop = app.stop().then(() => {
      stopped = true;
    });
    await clock.advance(699);
    expect(stopped).toBe(false);
    await clock.advance(1);
    await stop;
    expect(await ended).toBe('killed');
    expect(asked).toEqual(['terminate shutdown']);
  });

  test('Infinity waits as long as it takes', async () => {
    const { system, clock } = bench();
    const until = gate();
    const Slow = actor({ name: 'slow', init: () => ({}), trapExit: true, terminate: () => until.promise });
    const app = await system.supervise(
      supervisor({ children: [child(Slow(), { shutdown: Number.POSITIVE_INFINITY })] }),
    );
    const stop = app.stop();
    await clock.advance(10_000_000);
    expect(system.processCount).toBe(2);
    until.open();
    expect(await stop).toBe('shutdown');
  });

  test('one that traps handles what it has got first; one that does not ends in the middle of its await', async () => {
    const { system } = bench();
    const until = gate();
    const handled: string[] = [];
    const make = (name: string, trapExit: boolean) =>
      actor({
        name,
        trapExit,
        init: () => ({}),
        casts: {
          work: async () => {
            await until.promise;
            handled.push(name);
          },
        },
      });
    const [Polite, Plain] = [make('polite', true), make('plain', false)];
    const app = await system.supervise(supervisor({ children: [Polite(), Plain()] }));
    app.ref(Polite, 'polite').cast('work');
    app.ref(Plain, 'plain').cast('work');
    await settle();
    const stop = app.stop();
    await settle();
    until.open();
    await stop;
    expect(handled.sort()).toEqual(['plain', 'polite']);
  });
});

describe('strategies', () => {
  test.each<[Strategy, string[]]>([
    ['one_for_one', ['start b']],
    ['one_for_all', ['end c "shutdown"', 'end a "shutdown"', 'start a', 'start b', 'start c']],
    ['rest_for_one', ['end c "shutdown"', 'start b', 'start c']],
  ])('%s', async (strategy, expected) => {
    const { system } = bench();
    const { events, worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ strategy, children: [worker('a'), worker('b'), worker('c')] }));
    events.length = 0;
    app.ref(Worker, 'b').cast('end', boom);
    await settle();
    expect(events).toEqual(['end b error', ...expected]);
    expect((await app.whichChildren()).map(info => [info.id, info.status])).toEqual([
      ['a', 'running'],
      ['b', 'running'],
      ['c', 'running'],
    ]);
  });

  const ends: [string, ExitReason, Record<Restart, boolean>][] = [
    ['normal', 'normal', { permanent: true, transient: false, temporary: false }],
    ['shutdown', 'shutdown', { permanent: true, transient: false, temporary: false }],
    ['{ shutdown }', { shutdown: 1 }, { permanent: true, transient: false, temporary: false }],
    ['a crash', boom, { permanent: true, transient: true, temporary: false }],
    ['killed', 'killed', { permanent: true, transient: true, temporary: false }],
  ];
  for (const strategy of ['one_for_one', 'one_for_all', 'rest_for_one'] as const) {
    for (const [name, reason, restarted] of ends) {
      for (const restart of ['permanent', 'transient', 'temporary'] as const) {
        test(`${strategy}: a ${restart} child after ${name} is ${restarted[restart] ? '' : 'not '}restarted`, async () => {
          const { system } = bench();
          const { events, worker, Worker } = workshop();
          const app = await system.supervise(
            supervisor({ strategy, children: [worker('a'), worker('b', restart), worker('c')] }),
          );
          events.length = 0;
          app.ref(Worker, 'b').cast('end', reason);
          await settle();
          const starts = events.filter(event => event.startsWith('start'));
          if (restarted[restart]) {
            expect(starts).toEqual(
              {
                one_for_one: ['start b'],
                one_for_all: ['start a', 'start b', 'start c'],
                rest_for_one: ['start b', 'start c'],
              }[strategy],
            );
          } else {
            expect(starts).toEqual([]);
          }
          // OTP: a temporary child's specification goes with it, a transient one's stays.
          expect((await app.whichChildren()).map(info => `${info.id} ${info.status}`)).toEqual([
            'a running',
            ...(restart === 'temporary' ? [] : [`b ${restarted[restart] ? 'running' : 'stopped'}`]),
            'c running',
          ]);
        });
      }
    }
  }

  test('temporary siblings that are stopped by another child’s restart are gone', async () => {
    const { system } = bench();
    const { events, worker, Worker } = workshop();
    const app = await system.supervise(
      supervisor({
        strategy: 'one_for_all',
        children: [worker('a'), worker('b', 'temporary'), worker('c', 'transient')],
      }),
    );
    events.length = 0;
    app.ref(Worker, 'a').cast('end', boom);
    await settle();
    expect(events).toEqual(['end a error', 'end c "shutdown"', 'end b "shutdown"', 'start a', 'start c']);
    expect((await app.whichChildren()).map(info => info.id)).toEqual(['a', 'c']);
  });

  test('a name is free before the supervisor hears of the failure, so that the next one can take it', async () => {
    const { system } = bench();
    const Named = actor({
      name: 'named',
      init: (_: undefined, ctx) => {
        const process = system.process(ctx.pid);
        if (process !== undefined) system.names.register('only', process);
        return {};
      },
      casts: {
        crash: () => {
          throw boom;
        },
      },
    });
    const app = await system.supervise(supervisor({ children: [Named()] }));
    const first = system.whereis<typeof Named>('only');
    first?.cast('crash');
    await settle();
    const second = system.whereis('only');
    expect(second?.pid).toBeDefined();
    expect(second?.pid).not.toEqual(first?.pid);
    expect((await app.countChildren()).active).toBe(1);
  });
});

describe('restart intensity', () => {
  test('over it, the supervisor stops its children in reverse and exits shutdown', async () => {
    const { system, lines } = bench();
    const { events, worker, Worker } = workshop();
    const app = await system.supervise(
      supervisor({ maxRestarts: 2, within: 1_000, children: [worker('a'), worker('b'), worker('c')] }),
    );
    const ended = system.whenEnded(app.pid);
    for (let n = 0; n < 3; n++) {
      expect(system.process(app.pid)).toBeDefined();
      app.ref(Worker, 'b').cast('end', boom);
      await settle();
    }
    expect(await ended).toBe('shutdown');
    expect(events.filter(event => event === 'start b')).toHaveLength(3);
    expect(events.slice(-2)).toEqual(['end c "shutdown"', 'end a "shutdown"']);
    expect(system.processCount).toBe(0);
    expect(lines.some(line => line.message.includes('gives up'))).toBe(true);
    expect(await rejection(app.whichChildren())).toMatchObject({ code: 'noproc' });
    expect(await rejection(app.ref(Worker, 'b').call('name'))).toMatchObject({ code: 'noproc' });
  });

  test('restarts further apart than that go on for ever', async () => {
    const { system, clock } = bench();
    const { worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ maxRestarts: 1, within: 1_000, children: [worker('a')] }));
    for (let n = 0; n < 10; n++) {
      app.ref(Worker, 'a').cast('end', boom);
      await clock.advance(1_001);
    }
    expect(await app.ref(Worker, 'a').call('name')).toBe('a');
  });

  test('the default is three in five seconds', async () => {
    const { system } = bench();
    const { worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ children: [worker('a')] }));
    for (let n = 0; n < 3; n++) {
      app.ref(Worker, 'a').cast('end', boom);
      await settle();
    }
    expect(system.process(app.pid)).toBeDefined();
    app.ref(Worker, 'a').cast('end', boom);
    await settle();
    expect(system.process(app.pid)).toBeUndefined();
  });

  test('a restart that fails is tried again, and counts', async () => {
    const { system, lines } = bench();
    const { events, failing, worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ maxRestarts: 3, children: [worker('a'), worker('b')] }));
    events.length = 0;
    failing.set('b', 2);
    app.ref(Worker, 'b').cast('end', boom);
    await settle();
    expect(events).toEqual(['end b error', 'fail b', 'fail b', 'start b']);
    expect(lines.filter(line => line.message.includes('restart failed'))).toHaveLength(2);
    failing.set('b', 1);
    const ended = system.whenEnded(app.pid);
    app.ref(Worker, 'b').cast('end', boom);
    expect(await ended).toBe('shutdown');
  });

  test.each<[Strategy, string[]]>([
    [
      'one_for_all',
      [
        'end a error',
        'end c "shutdown"',
        'end b "shutdown"',
        'start a',
        'fail b',
        'end a "shutdown"',
        'start a',
        'start b',
        'start c',
      ],
    ],
    [
      'rest_for_one',
      ['end a error', 'end c "shutdown"', 'end b "shutdown"', 'start a', 'fail b', 'start b', 'start c'],
    ],
  ])('%s: when a sibling fails to restart, the next try goes on from that one', async (strategy, expected) => {
    const { system } = bench();
    const { events, failing, worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ strategy, children: [worker('a'), worker('b'), worker('c')] }));
    events.length = 0;
    failing.set('b', 1);
    app.ref(Worker, 'a').cast('end', boom);
    await settle();
    expect(events).toEqual(expected);
  });

  test('while a restart is tried again the supervisor answers, and terminateChild gives it up', async () => {
    const { system } = bench();
    const { failing, worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ maxRestarts: 1_000_000, children: [worker('a'), worker('b')] }));
    failing.set('b', Number.POSITIVE_INFINITY);
    app.ref(Worker, 'b').cast('end', boom);
    await settle();
    expect((await app.whichChildren())[1]).toMatchObject({ id: 'b', status: 'restarting', pid: undefined });
    expect(await rejection(app.restartChild('b'))).toMatchObject({ code: 'invalid-operation' });
    expect(await rejection(app.deleteChild('b'))).toMatchObject({ code: 'invalid-operation' });
    expect(await app.ref(Worker, 'a').call('name')).toBe('a');
    await app.terminateChild('b');
    expect((await app.whichChildren())[1]).toMatchObject({ id: 'b', status: 'stopped' });
    failing.clear();
    await settle();
    expect((await app.whichChildren())[1]).toMatchObject({ id: 'b', status: 'stopped' });
    await app.restartChild('b');
    expect(await app.ref(Worker, 'b').call('name')).toBe('b');
  });

  test('nested supervisors escalate: the inner gives up, the outer restarts it whole', async () => {
    const { system } = bench();
    const { events, worker, Worker } = workshop();
    const inner = child(supervisor({ maxRestarts: 0, children: [worker('x'), worker('y')] }), { id: 'inner' });
    const app = await system.supervise(supervisor({ maxRestarts: 1, children: [worker('a'), inner] }));
    events.length = 0;
    const crashX = async (): Promise<void> => {
      const x = [...system.processes()].find(process => process.start.argument === 'x');
      if (x !== undefined) system.refTo<typeof Worker>(x).cast('end', boom);
      await settle();
    };
    await crashX();
    expect(events).toEqual(['end x error', 'end y "shutdown"', 'start x', 'start y']);
    expect((await app.whichChildren()).map(info => [info.id, info.type, info.status])).toEqual([
      ['a', 'worker', 'running'],
      ['inner', 'supervisor', 'running'],
    ]);
    const ended = system.whenEnded(app.pid);
    await crashX();
    expect(await ended).toBe('shutdown');
    expect(system.processCount).toBe(0);
  });

  test('a transient supervisor that gave up is not restarted (shutdown is orderly)', async () => {
    const { system } = bench();
    const { worker, Worker } = workshop();
    const inner = child(supervisor({ maxRestarts: 0, children: [worker('x')] }), { id: 'inner', restart: 'transient' });
    const app = await system.supervise(supervisor({ children: [inner] }));
    const x = [...system.processes()].find(process => process.start.argument === 'x');
    if (x === undefined) throw new Error('gone');
    system.refTo<typeof Worker>(x).cast('end', boom);
    await settle();
    expect((await app.whichChildren())[0]).toMatchObject({ id: 'inner', status: 'stopped' });
  });
});

describe('children by hand', () => {
  test('a child with a name has it at each start', async () => {
    const { system } = bench();
    const { Worker } = workshop();
    const app = await system.supervise(supervisor({ children: [child(Worker('a'), { name: 'the worker' })] }));
    const first = system.whereis<typeof Worker>('the worker');
    expect(first?.pid).toEqual(app.ref(Worker, 'worker').pid);
    first?.cast('end', boom);
    await settle();
    expect(system.whereis('the worker')?.pid).toEqual(app.ref(Worker, 'worker').pid);
    expect(await rejection(app.startChild(child(Worker('b'), { id: 'b', name: 'the worker' })))).toMatchObject({
      code: 'name-taken',
    });
  });

  test('a ref by child id follows restarts', async () => {
    const { system } = bench();
    const { worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ children: [worker('a')] }));
    const ref = app.ref(Worker, 'a');
    const before = ref.pid;
    ref.cast('end', boom);
    await settle();
    expect(ref.pid).not.toEqual(before);
    expect(await ref.call('name')).toBe('a');
    expect(() => app.ref(Worker, 'nobody').pid).toThrow(expect.objectContaining({ code: 'noproc' }));
    expect(await rejection(app.ref(Worker, 'nobody').call('name'))).toMatchObject({ code: 'noproc' });
  });

  test('startChild, terminateChild, restartChild, deleteChild and their errors', async () => {
    const { system } = bench();
    const { events, failing, worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ children: [worker('a')] }));
    const pid = await app.startChild(worker('b'));
    expect(app.ref(Worker, 'b').pid).toEqual(pid);
    expect(await rejection(app.startChild(worker('b')))).toMatchObject({ code: 'already-started' });
    expect(await rejection(app.restartChild('b'))).toMatchObject({ code: 'already-started' });
    expect(await rejection(app.deleteChild('b'))).toMatchObject({ code: 'invalid-operation' });
    for (const attempt of [app.terminateChild('z'), app.restartChild('z'), app.deleteChild('z')]) {
      expect(await rejection(attempt)).toMatchObject({ code: 'not-found' });
    }
    await app.terminateChild('b');
    await app.terminateChild('b');
    expect(await app.countChildren()).toEqual({ specs: 2, active: 1, supervisors: 0, workers: 2 });
    expect(await rejection(app.startChild(worker('b')))).toMatchObject({ code: 'already-started' });
    const again = await app.restartChild('b');
    expect(again).not.toEqual(pid);
    await app.terminateChild('b');
    failing.set('b', 1);
    expect(await rejection(app.restartChild('b'))).toMatchObject({ code: 'start-failed' });
    await app.deleteChild('b');
    failing.set('c', 1);
    expect(await rejection(app.startChild(worker('c')))).toMatchObject({ code: 'start-failed' });
    expect(await rejection(app.startChild({} as never))).toMatchObject({ code: 'invalid-option' });
    expect((await app.whichChildren()).map(info => info.id)).toEqual(['a']);
    expect(events.filter(event => event.startsWith('start'))).toEqual(['start a', 'start b', 'start b']);
  });

  test('a temporary child that is terminated is forgotten', async () => {
    const { system } = bench();
    const { worker } = workshop();
    const app = await system.supervise(supervisor());
    await app.startChild(worker('t', 'temporary'));
    await app.terminateChild('t');
    expect(await app.whichChildren()).toEqual([]);
  });

  test('a child that stops itself in its init has not started', async () => {
    const { system } = bench();
    const Quitter = actor({
      name: 'quitter',
      init: (_: undefined, ctx) => {
        ctx.stop('normal');
        return {};
      },
    });
    const app = await system.supervise(supervisor());
    expect(await rejection(app.startChild(Quitter()))).toMatchObject({ code: 'start-failed' });
    expect(await app.whichChildren()).toEqual([]);
  });

  test('supervisors take start data although strictMessages copies everything else', async () => {
    const { system } = bench({ strictMessages: structuredClone });
    const { worker, Worker } = workshop();
    const app = await system.supervise(supervisor());
    await app.startChild(worker('a'));
    expect(await app.ref(Worker, 'a').call('name')).toBe('a');
    expect((await app.whichChildren())[0]?.pid?.equals(app.ref(Worker, 'a').pid)).toBe(true);
  });

  test('exits of strangers and unknown operations do not disturb a supervisor', async () => {
    const { system } = bench();
    const { worker } = workshop();
    const app = await system.supervise(supervisor({ children: [worker('a')] }));
    const puppet = await system.spawn(Puppet(undefined));
    await puppet.call('run', ctx => {
      ctx.link(app.pid);
      ctx.exit(app.pid, 'shutdown');
    });
    system.exit(puppet.pid, 'kill');
    system.ref(app.pid).cast('nonsense' as never);
    system.ref(app.pid).cast('retry' as never, { id: 'a', reason: boom } as never);
    await settle();
    expect((await app.countChildren()).active).toBe(1);
  });

  test('the end of its parent ends a supervisor in order', async () => {
    const { system } = bench();
    const { events, worker } = workshop();
    const puppet = await system.spawn(Puppet(undefined));
    await puppet.call('run', ctx => ctx.spawnLink(supervisor({ children: [worker('a'), worker('b')] })));
    events.length = 0;
    system.exit(puppet.pid, 'kill');
    await settle();
    expect(events).toEqual(['end b "shutdown"', 'end a "shutdown"']);
    expect(system.processCount).toBe(0);
  });
});
