import { ActorSystem, actor, type Context, type ExitReason, Pid } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { bench, Counter, gate, Puppet, rejection, Trapper } from './support.js';

const boom = new Error('boom');

describe('init', () => {
  const Slow = actor({
    name: 'slow',
    init: async (until: Promise<void>) => {
      await until;
      return { n: 0 };
    },
    calls: { bump: s => ++s.n },
    casts: { bump: s => ++s.n },
  });

  test('may be async: spawn waits for it, and so do messages', async () => {
    const { system } = bench();
    const until = gate();
    let spawned = false;
    const spawning = system.spawn(Slow(until.promise), { name: 'slow' }).then(ref => {
      spawned = true;
      return ref;
    });
    const early = system.whereis<typeof Slow>('slow');
    early?.cast('bump');
    const call = early?.call('bump');
    await settle();
    expect(spawned).toBe(false);
    until.open();
    await spawning;
    expect(await call).toBe(2);
  });

  test.each([
    [
      'throws',
      actor({
        name: 'bad',
        init: (): object => {
          throw boom;
        },
      }),
    ],
    [
      'rejects',
      actor({
        name: 'bad',
        init: async (): Promise<object> => {
          throw boom;
        },
      }),
    ],
  ])('that %s: start-failed with the cause, name free, nothing left, linked spawner alive', async (_name, Bad) => {
    const { system, lines } = bench();
    const puppet = await system.spawn(Puppet(undefined));
    for (const linked of [false, true]) {
      const error = await puppet.call('run', ctx =>
        rejection(linked ? ctx.spawnLink(Bad(), { name: 'bad' }) : ctx.spawn(Bad(), { name: 'bad' })),
      );
      expect(error).toMatchObject({ code: 'start-failed', cause: boom });
    }
    expect(system.whereis('bad')).toBeUndefined();
    expect(system.processCount).toBe(1);
    expect(lines).toEqual([]);
  });

  test('killed meanwhile: start-failed, mail bounces, what init gives afterwards is discarded', async () => {
    const { system } = bench();
    const until = gate();
    const spawning = rejection(system.spawn(Slow(until.promise), { name: 'slow' }));
    const early = system.whereis<typeof Slow>('slow');
    const call = rejection(early?.call('bump') as Promise<unknown>);
    early?.cast('bump');
    system.exit(early?.pid as never, 'kill');
    expect(await spawning).toMatchObject({ code: 'start-failed' });
    expect(await call).toMatchObject({ code: 'noproc' });
    expect(system.deadLetters.count).toBe(1);
    expect(system.whereis('slow')).toBeUndefined();
    until.open();
    await settle();
    expect(system.processCount).toBe(0);
  });

  test.each([
    ['killed', (ctx: Context) => ctx.exit(ctx.pid, 'kill')],
    ['linked with one that is gone', (ctx: Context) => ctx.link(new Pid('local', ctx.pid.incarnation, 999))],
  ])('%s before its first await: start-failed, without waiting for the rest', async (_name, begin) => {
    const { system } = bench();
    const Stuck = actor({
      name: 'stuck',
      init: async (_: undefined, ctx) => {
        begin(ctx);
        await gate().promise;
        return {};
      },
    });
    const spawning = rejection(system.spawn(Stuck(), { name: 'stuck' }));
    await settle();
    expect(system.processCount).toBe(0);
    expect(system.whereis('stuck')).toBeUndefined();
    expect(await spawning).toMatchObject({ code: 'start-failed' });
  });

  test('the spawner it is linked with ends meanwhile: it ends too', async () => {
    const { system } = bench();
    const puppet = await system.spawn(Trapper(undefined));
    puppet.cast('run', ctx => {
      ctx.spawnLink(Slow(gate().promise)).catch(() => {});
    });
    await settle();
    expect(system.processCount).toBe(2);
    system.exit(puppet.pid, 'kill');
    await settle();
    expect(system.processCount).toBe(0);
  });

  test.each([
    ['sync', false],
    ['async', true],
  ])('that stops its actor (%s): start-failed, after terminate', async (_name, later) => {
    const { system } = bench();
    const seen: ExitReason[] = [];
    let finished = false;
    const Quitter = actor({
      name: 'quitter',
      init: (_: undefined, ctx) => {
        if (!later) {
          ctx.stop({ shutdown: 'not today' });
          finished = true;
          return {};
        }
        return (async () => {
          await Promise.resolve();
          ctx.stop({ shutdown: 'not today' });
          await Promise.resolve();
          finished = true;
          return {};
        })();
      },
      terminate: (_s, reason) => {
        expect(finished).toBe(true);
        seen.push(reason);
      },
    });
    const error = await rejection(system.spawn(Quitter(), { name: 'q' }));
    expect(error).toMatchObject({ code: 'start-failed' });
    expect(error.message).toContain('not today');
    expect(seen).toEqual([{ shutdown: 'not today' }]);
    expect(system.whereis('q')).toBeUndefined();
  });

  test('sees its own name, context and pid', async () => {
    const { system } = bench();
    const Self = actor({
      name: 'self',
      init: (_: undefined, ctx) => ({ same: system.whereis('me')?.pid.equals(ctx.pid), pid: ctx.self.pid }),
      calls: { get: s => s },
    });
    const self = await system.spawn(Self(), { name: 'me' });
    expect(await self.call('get')).toEqual({ same: true, pid: self.pid });
  });
});

describe('spawn', () => {
  test('on another node without a cluster is noconnection; on its own name it is local', async () => {
    const { system } = bench({ node: 'a' });
    expect(await rejection(system.spawn(Counter(1), { on: 'b' }))).toMatchObject({ code: 'noconnection' });
    expect((await system.spawn(Counter(1), { on: 'a' })).pid.node).toBe('a');
  });

  test('of something that is no start data says so', async () => {
    const { system } = bench();
    for (const wrong of [Counter, undefined, {}]) {
      const error = await rejection(system.spawn(wrong as never));
      expect(error).toMatchObject({ code: 'invalid-option' });
    }
  });

  test('setState replaces the state', async () => {
    const { system } = bench();
    const Swap = actor({
      name: 'swap',
      init: () => ({ n: 1 }),
      calls: { get: s => s.n },
      casts: { set: (_s, n: number, ctx) => ctx.setState({ n }) },
    });
    const swap = await system.spawn(Swap());
    swap.cast('set', 9);
    expect(await swap.call('get')).toBe(9);
  });

  test('systems share nothing', async () => {
    const [one, two] = [bench({ node: 'one' }).system, bench({ node: 'two' }).system];
    const counter = await one.spawn(Counter(1), { name: 'c' });
    expect(two.whereis('c')).toBeUndefined();
    expect(two.process(counter.pid)).toBeUndefined();
    expect([one.processCount, two.processCount]).toEqual([1, 0]);
  });
});

describe('names', () => {
  test('are atomic: of two racers one wins, the other gets name-taken and leaves nothing', async () => {
    const { system } = bench();
    const results = await Promise.allSettled([
      system.spawn(Counter(1), { name: 'n' }),
      system.spawn(Counter(2), { name: 'n' }),
    ]);
    expect(results.map(result => result.status)).toEqual(['fulfilled', 'rejected']);
    expect((results[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'name-taken' });
    expect(system.processCount).toBe(1);
    expect(await system.whereis<typeof Counter>('n')?.call('get')).toBe(1);
  });

  test('are addressed at each send, and may be taken again as soon as the exit is heard of', async () => {
    const { system } = bench();
    const ref = system.refOn<typeof Counter>('local', 'n');
    expect(await rejection(ref.call('get'))).toMatchObject({ code: 'noproc' });
    const first = await system.spawn(Counter(1), { name: 'n' });
    expect(await ref.call('get')).toBe(1);
    const again = system.whenEnded(first).then(() => system.spawn(Counter(2), { name: 'n' }));
    first.cast('crash', boom);
    await again;
    expect(await ref.call('get')).toBe(2);
  });

  test('an actor may have several; unregister frees one', async () => {
    const { system } = bench();
    const counter = await system.spawn(Counter(1), { name: 'a' });
    const process = system.process(counter.pid);
    if (process === undefined) throw new Error('gone');
    system.names.register('b', process);
    system.names.register('b', process);
    expect(system.names.names()).toEqual(['a', 'b']);
    expect(system.names.unregister('a')).toBe(true);
    expect(system.names.unregister('a')).toBe(false);
    system.exit(counter.pid, 'kill');
    expect(system.names.names()).toEqual([]);
    expect(() => system.names.register('', process)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  test('are not given to an actor that has ended', async () => {
    const { system } = bench();
    const counter = await system.spawn(Counter(1));
    const process = system.process(counter.pid);
    if (process === undefined) throw new Error('gone');
    system.exit(counter.pid, 'kill');
    expect(() => system.names.register('late', process)).toThrow(expect.objectContaining({ code: 'noproc' }));
    expect(system.names.whereis('late')).toBeUndefined();
  });
});

describe('system.shutdown', () => {
  test('ends roots before what they started, last first, so that no supervisor restarts what is being stopped', async () => {
    const { system } = bench();
    const events: string[] = [];
    const Noisy = actor({
      name: 'noisy',
      init: (name: string) => {
        events.push(`start ${name}`);
        return { name };
      },
      terminate: s => {
        events.push(`stop ${s.name}`);
      },
    });
    const { child, supervisor } = await import('@foundation-ts/core');
    await system.spawn(Noisy('lone'));
    await system.supervise(supervisor({ children: [child(Noisy('a'), { id: 'a' }), child(Noisy('b'), { id: 'b' })] }));
    events.length = 0;
    await system.shutdown();
    expect(events).toEqual(['stop b', 'stop a', 'stop lone']);
    expect(system.processCount).toBe(0);
  });

  test('kills what hangs', async () => {
    const { system, clock } = bench();
    const Hanging = actor({ name: 'hanging', init: () => ({}), terminate: () => gate().promise });
    await system.spawn(Hanging());
    const done = system.shutdown();
    await clock.advance(5_000);
    await done;
    expect(system.processCount).toBe(0);
  });

  test('a system made with defaults lets the operating-system process end', async () => {
    const system = new ActorSystem();
    const counter = await system.spawn(Counter(1));
    expect(await counter.call('get')).toBe(1);
    await system.shutdown();
    expect(system.processCount).toBe(0);
  });
});
