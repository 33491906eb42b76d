import { actor, child, type Pid, type Strategy, supervisor } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { bench, gate, rejection } from './support.js';
import { workshop } from './workshop.js';

const boom = new Error('boom');
const strategies: readonly Strategy[] = ['one_for_one', 'one_for_all', 'rest_for_one'];

describe('children by their ids', () => {
  test('the life of a specification: start, terminate, restart, terminate, delete', async () => {
    const { system } = bench();
    const { worker } = workshop();
    const app = await system.supervise(supervisor());
    const counts = async () => {
      const { specs, active } = await app.countChildren();
      return [specs, active];
    };
    expect(await counts()).toEqual([0, 0]);
    for (const operation of ['terminateChild', 'restartChild', 'deleteChild'] as const)
      expect(await rejection(app[operation]('a'))).toMatchObject({ code: 'not-found' });
    const first = await app.startChild(worker('a'));
    expect(await counts()).toEqual([1, 1]);
    expect(await rejection(app.startChild(worker('a')))).toMatchObject({
      code: 'already-started',
      details: { pid: first },
    });
    expect(await rejection(app.deleteChild('a'))).toMatchObject({ code: 'invalid-operation' });
    expect(await rejection(app.restartChild('a'))).toMatchObject({ code: 'already-started' });
    await app.terminateChild('a');
    expect(await counts()).toEqual([1, 0]);
    await app.terminateChild('a');
    expect(await rejection(app.startChild(worker('a')))).toMatchObject({
      code: 'already-started',
      details: { pid: undefined },
    });
    const second = await app.restartChild('a');
    expect(second.equals(first)).toBe(false);
    expect(await counts()).toEqual([1, 1]);
    await app.terminateChild('a');
    await app.deleteChild('a');
    expect(await counts()).toEqual([0, 0]);
    await app.startChild(worker('a'));
    expect(await counts()).toEqual([1, 1]);
  });

  test('one started later comes last: stopped first, listed last, with those of rest_for_one', async () => {
    const { system } = bench();
    const { events, worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ strategy: 'rest_for_one', children: [worker('a'), worker('b')] }));
    await app.startChild(worker('c'));
    events.length = 0;
    app.ref(Worker, 'b').cast('end', boom);
    await settle();
    expect(events).toEqual(['end b error', 'end c "shutdown"', 'start b', 'start c']);
    expect((await app.whichChildren()).map(info => info.id)).toEqual(['a', 'b', 'c']);
  });

  test('a specification that was deleted and is started again comes last', async () => {
    const { system } = bench();
    const { worker } = workshop();
    const app = await system.supervise(supervisor({ children: [worker('a'), worker('b')] }));
    await app.terminateChild('a');
    await app.deleteChild('a');
    await app.startChild(worker('a'));
    expect((await app.whichChildren()).map(info => info.id)).toEqual(['b', 'a']);
  });

  test('one that was terminated and restarted keeps its place', async () => {
    const { system } = bench();
    const { events, worker } = workshop();
    const app = await system.supervise(supervisor({ children: [worker('a'), worker('b')] }));
    await app.terminateChild('a');
    await app.restartChild('a');
    events.length = 0;
    await app.stop();
    expect(events).toEqual(['end b "shutdown"', 'end a "shutdown"']);
  });

  test('counts tell supervisors from workers, and who lives', async () => {
    const { system } = bench();
    const { worker } = workshop();
    const nested = child(supervisor({ children: [worker('x')] }), { id: 'nested' });
    const app = await system.supervise(supervisor({ children: [worker('a'), nested, worker('b', 'transient')] }));
    expect(await app.countChildren()).toEqual({ specs: 3, active: 3, supervisors: 1, workers: 2 });
    await app.terminateChild('nested');
    await app.terminateChild('b');
    expect(await app.countChildren()).toEqual({ specs: 3, active: 1, supervisors: 1, workers: 2 });
  });

  test('a restart on request does not count against the intensity', async () => {
    const { system } = bench();
    const { worker } = workshop();
    const app = await system.supervise(supervisor({ maxRestarts: 0, children: [worker('a')] }));
    for (let round = 0; round < 10; round++) {
      await app.terminateChild('a');
      await app.restartChild('a');
    }
    expect((await app.countChildren()).active).toBe(1);
  });

  test('one that fails on request stays as it was, and no one tries again', async () => {
    const { system } = bench();
    const { events, failing, worker } = workshop();
    const app = await system.supervise(supervisor({ children: [worker('a')] }));
    await app.terminateChild('a');
    events.length = 0;
    failing.set('a', 1);
    expect(await rejection(app.restartChild('a'))).toMatchObject({ code: 'start-failed' });
    await settle();
    expect(events).toEqual(['fail a']);
    expect(await app.whichChildren()).toMatchObject([{ id: 'a', status: 'stopped', pid: undefined }]);
    await app.restartChild('a');
  });

  test('one that fails to start on request leaves no specification', async () => {
    const { system } = bench();
    const { failing, worker } = workshop();
    const app = await system.supervise(supervisor());
    failing.set('a', 1);
    expect(await rejection(app.startChild(worker('a')))).toMatchObject({ code: 'start-failed' });
    expect(await app.whichChildren()).toEqual([]);
    await app.startChild(worker('a'));
  });
});

describe('who is affected by whom', () => {
  for (const strategy of strategies) {
    test(`${strategy}: a transient sibling that had ended in order comes again with those that are restarted`, async () => {
      const { system } = bench();
      const { events, worker, Worker } = workshop();
      const app = await system.supervise(
        supervisor({ strategy, children: [worker('a'), worker('b', 'transient'), worker('c')] }),
      );
      app.ref(Worker, 'b').cast('end', 'normal');
      await settle();
      events.length = 0;
      app.ref(Worker, 'a').cast('end', boom);
      await settle();
      expect(events).toEqual(
        {
          one_for_one: ['end a error', 'start a'],
          one_for_all: ['end a error', 'end c "shutdown"', 'start a', 'start b', 'start c'],
          rest_for_one: ['end a error', 'end c "shutdown"', 'start a', 'start b', 'start c'],
        }[strategy],
      );
    });

    test(`${strategy}: two children that end at the same moment are both restarted, and nobody twice at once`, async () => {
      const { system } = bench();
      const { events, worker, Worker } = workshop();
      const app = await system.supervise(supervisor({ strategy, children: [worker('a'), worker('b'), worker('c')] }));
      app.ref(Worker, 'a').cast('end', boom);
      app.ref(Worker, 'c').cast('end', boom);
      await settle();
      expect((await app.countChildren()).active).toBe(3);
      for (const name of ['a', 'b', 'c']) {
        let alive = 0;
        for (const event of events) {
          if (event === `start ${name}`) alive++;
          else if (event.startsWith(`end ${name}`)) alive--;
          expect(alive === 0 || alive === 1).toBe(true);
        }
        expect(alive).toBe(1);
      }
    });

    test(`${strategy}: a temporary child that ends disturbs nobody`, async () => {
      const { system } = bench();
      const { events, worker, Worker } = workshop();
      const app = await system.supervise(
        supervisor({ strategy, maxRestarts: 0, children: [worker('a'), worker('t', 'temporary'), worker('c')] }),
      );
      events.length = 0;
      app.ref(Worker, 't').cast('end', boom);
      await settle();
      expect(events).toEqual(['end t error']);
      expect((await app.whichChildren()).map(info => info.id)).toEqual(['a', 'c']);
    });
  }

  test('a whole branch of three levels gives up, one after another, when the restart of its leaf is too much for all', async () => {
    const { system } = bench();
    const { events, worker, Worker } = workshop();
    const bottom = supervisor({ maxRestarts: 1, children: [worker('leaf')] });
    const middle = supervisor({ maxRestarts: 1, children: [child(bottom, { id: 'bottom' })] });
    const app = await system.supervise(supervisor({ maxRestarts: 1, children: [child(middle, { id: 'middle' })] }));
    const leaf = () =>
      app.supervisor(middle.definition, 'middle').supervisor(bottom.definition, 'bottom').ref(Worker, 'leaf');
    const ended = system.whenEnded(app.pid);
    // Each level takes one restart: 2 × 2 × 2 lives in all.
    for (let life = 1; life <= 8; life++) {
      expect(events.filter(event => event === 'start leaf')).toHaveLength(life);
      leaf().cast('end', boom);
      await settle();
    }
    expect(await ended).toBe('shutdown');
    expect(events.filter(event => event === 'start leaf')).toHaveLength(8);
    expect(system.processCount).toBe(0);
  });

  test.each(strategies)('%s: a child that fails to start for ever can be terminated in between', async strategy => {
    const { system } = bench();
    const { failing, worker, Worker } = workshop();
    const app = await system.supervise(
      supervisor({ strategy, maxRestarts: 1_000_000, children: [worker('a'), worker('b')] }),
    );
    failing.set('a', Number.POSITIVE_INFINITY);
    app.ref(Worker, 'a').cast('end', boom);
    for (;;) {
      const [info] = await app.whichChildren();
      if (info?.status === 'restarting') break;
    }
    await app.terminateChild('a');
    expect((await app.whichChildren())[0]).toMatchObject({ status: 'stopped' });
    failing.clear();
    await app.restartChild('a');
    expect(await app.ref(Worker, 'a').call('name')).toBe('a');
  });

  test('a supervisor can be stopped while it tries to restart a child for ever', async () => {
    const { system } = bench();
    const { failing, worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ maxRestarts: 1_000_000, children: [worker('a'), worker('b')] }));
    failing.set('a', Number.POSITIVE_INFINITY);
    app.ref(Worker, 'a').cast('end', boom);
    expect(await app.stop()).toBe('shutdown');
    expect(system.processCount).toBe(0);
  });
});

describe('awkward children', () => {
  test('one that has unlinked itself from its supervisor is still stopped', async () => {
    const { system, clock } = bench();
    const Rebel = actor({
      name: 'rebel',
      init: (parent: { pid: Pid | undefined }) => parent,
      calls: {
        unlink: (s, _: undefined, ctx) => {
          ctx.unlink(s.pid as Pid);
        },
      },
      trapExit: true,
      terminate: () => gate().promise,
    });
    const parent: { pid: Pid | undefined } = { pid: undefined };
    const app = await system.supervise(supervisor({ children: [child(Rebel(parent), { shutdown: 100 })] }));
    parent.pid = app.pid;
    await app.ref(Rebel, 'rebel').call('unlink');
    const stopped = app.stop();
    await clock.advance(100);
    expect(await stopped).toBe('shutdown');
    expect(system.processCount).toBe(0);
  });

  test('one whose terminate throws is stopped nevertheless, and the rest after it', async () => {
    const { system, lines } = bench();
    const { events, worker } = workshop();
    const Clumsy = actor({
      name: 'clumsy',
      init: () => ({}),
      terminate: () => {
        throw boom;
      },
    });
    const app = await system.supervise(supervisor({ children: [worker('a'), Clumsy(), worker('c')] }));
    events.length = 0;
    expect(await app.stop()).toBe('shutdown');
    expect(events).toEqual(['end c "shutdown"', 'end a "shutdown"']);
    expect(lines.some(line => line.message.includes('crashed'))).toBe(true);
    expect(system.processCount).toBe(0);
  });

  test('one that ends while it is being stopped for another reason is stopped', async () => {
    const { system } = bench();
    const Quick = actor({
      name: 'quick',
      init: () => ({}),
      trapExit: true,
      casts: { quit: (_s, _: undefined, ctx) => ctx.stop('normal') },
    });
    const app = await system.supervise(supervisor({ maxRestarts: 0, children: [Quick()] }));
    app.ref(Quick, 'quick').cast('quit');
    await app.terminateChild('quick');
    expect(await app.whichChildren()).toMatchObject([{ status: 'stopped' }]);
  });

  test('one with an asynchronous init holds its supervisor up, whose other children go on', async () => {
    const { system } = bench();
    const { worker, Worker } = workshop();
    const until = gate();
    let first = true;
    const Slow = actor({
      name: 'slow',
      init: async () => {
        if (!first) await until.promise;
        first = false;
        return {};
      },
      casts: {
        crash: () => {
          throw boom;
        },
      },
    });
    const app = await system.supervise(supervisor({ children: [worker('a'), Slow()] }));
    app.ref(Slow, 'slow').cast('crash');
    await settle();
    let answered = false;
    const counting = app.countChildren().then(counts => {
      answered = true;
      return counts;
    });
    await settle();
    expect(answered).toBe(false);
    expect(await app.ref(Worker, 'a').call('name')).toBe('a');
    until.open();
    expect((await counting).active).toBe(2);
  });

  test('a mix of synchronous and asynchronous ends keeps the order', async () => {
    const { system } = bench();
    const events: string[] = [];
    const make = (name: string, wait: boolean, trapExit: boolean) =>
      actor({
        name,
        trapExit,
        init: () => {
          events.push(`start ${name}`);
          return wait ? Promise.resolve({}) : {};
        },
        terminate: () => {
          events.push(`end ${name}`);
          return wait ? Promise.resolve() : undefined;
        },
      });
    const kinds = [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
      [false, false],
      [true, true],
    ] as const;
    const definitions = kinds.map(([wait, trap], index) => make(`${index}`, wait, trap));
    const app = await system.supervise(
      supervisor({ strategy: 'one_for_all', children: definitions.map(definition => definition()) }),
    );
    const names = definitions.map(definition => definition.name);
    const up = names.map(name => `start ${name}`);
    const down = names.map(name => `end ${name}`).reverse();
    expect(events.splice(0)).toEqual(up);
    system.exit(app.ref(definitions[2] as (typeof definitions)[0], '2').pid, 'kill');
    await settle();
    expect(events.splice(0)).toEqual([...down.filter(event => event !== 'end 2'), ...up]);
    await app.stop();
    expect(events).toEqual(down);
  });
});

describe('ten thousand crashes in a row', () => {
  test('leave nothing behind but the child that runs', async () => {
    const { system, clock } = bench();
    const { events, worker, Worker } = workshop();
    const app = await system.supervise(supervisor({ maxRestarts: 100_000, children: [worker('a'), worker('b')] }));
    const ref = app.ref(Worker, 'a');
    for (let crash = 0; crash < 10_000; crash++) {
      ref.cast('end', boom);
      await settle();
    }
    expect(events.filter(event => event === 'start a')).toHaveLength(10_001);
    const supervisorProcess = system.process(app.pid);
    expect(system.processCount).toBe(3);
    expect(supervisorProcess?.links?.size).toBe(2);
    expect(supervisorProcess?.watchers?.size ?? 0).toBe(0);
    expect(supervisorProcess?.mailbox.size).toBe(0);
    expect(clock.pending).toBeLessThanOrEqual(1);
  });
});
