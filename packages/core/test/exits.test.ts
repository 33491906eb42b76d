import { actor, type Context, type ExitReason, noReply, Pid, type Ref, type ReplyTo } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { bench, Counter, gate, Puppet, rejection, type Seen, Trapper } from './support.js';

const boom = new Error('boom');

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

describe('a crash', () => {
  test.each(['fail', 'failLater'] as const)(
    'in a handler (%s): the caller gets handler-failed with the cause',
    async op => {
      const { system, lines } = bench();
      const counter = await system.spawn(Counter(1));
      const ended = system.whenEnded(counter);
      const error = await rejection(counter.call(op, boom));
      expect(error).toMatchObject({ code: 'handler-failed', cause: boom, retryable: false });
      expect(await ended).toBe(boom);
      expect(await rejection(counter.call('get'))).toMatchObject({ code: 'noproc', retryable: true });
      expect(lines.map(line => [line.level, line.fields.error])).toEqual([['error', boom]]);
    },
  );

  test('in a cast: the messages behind it fail with noproc, casts become dead letters', async () => {
    const { system } = bench();
    const counter = await system.spawn(Counter(1));
    counter.cast('add', 1);
    counter.cast('crash', boom);
    counter.cast('add', 2);
    const behind = rejection(counter.call('get'));
    const error = await behind;
    expect(error).toMatchObject({ code: 'noproc' });
    expect(error.message).toContain('boom');
    expect(system.deadLetters.recent).toMatchObject([{ op: 'add', payload: 2, reason: 'noproc' }]);
    expect(system.processCount).toBe(0);
  });

  test.each([
    ['a string', 'oops', 'oops'],
    ['nothing', undefined, 'undefined'],
    ['an object without a prototype', Object.create(null), 'non-error'],
    [
      'an object whose text fails',
      {
        toString() {
          throw new Error('no text');
        },
      },
      'non-error',
    ],
    ['a symbol', Symbol('odd'), 'odd'],
    ['a proxy that was revoked', revoked(), 'non-error'],
  ])('with %s thrown is made into an error', async (_what, thrown, text) => {
    const { system } = bench();
    const puppet = await system.spawn(Puppet(undefined));
    const ended = system.whenEnded(puppet);
    const error = await rejection(
      puppet.call('run', () => {
        throw thrown;
      }),
    );
    expect(error).toMatchObject({ code: 'handler-failed' });
    expect(error.cause).toBe(thrown);
    const reason = (await ended) as Error;
    expect(reason).toBeInstanceOf(Error);
    expect(reason.cause).toBe(thrown);
    expect(reason.message).toContain(text);
    const Bad = actor({
      name: 'bad',
      init: () => {
        throw thrown;
      },
    });
    expect(await rejection(system.spawn(Bad()))).toMatchObject({ code: 'start-failed' });
    // The system lives on.
    expect(await (await system.spawn(Counter(3))).call('get')).toBe(3);
  });

  test.each([
    ['is a symbol', { value: Symbol('odd') }],
    [
      'throws',
      {
        get: () => {
          throw new Error('no text');
        },
      },
    ],
  ])('with an error whose message %s is a crash as any other', async (_what, message) => {
    const { system } = bench();
    const odd = Object.defineProperty(new Error('odd'), 'message', message);
    const puppet = await system.spawn(Puppet(undefined));
    const ended = system.whenEnded(puppet);
    const fail = (): never => {
      throw odd;
    };
    expect(await rejection(puppet.call('run', fail))).toMatchObject({ code: 'handler-failed' });
    expect((await ended) === odd).toBe(true);
    const Bad = actor({ name: 'bad', init: fail });
    expect(await rejection(system.spawn(Bad()))).toMatchObject({ code: 'start-failed' });
    expect(await (await system.spawn(Counter(3))).call('get')).toBe(3);
  });

  test('after ctx.stop() in the same handler is a crash still', async () => {
    const { system } = bench();
    const puppet = await system.spawn(Puppet(undefined));
    const ended = system.whenEnded(puppet);
    puppet.cast('run', ctx => {
      ctx.stop('normal');
      throw boom;
    });
    expect(await ended).toBe(boom);
  });

  test('of onDown or onExit is a crash as any other', async () => {
    const { system } = bench();
    const Touchy = actor({
      name: 'touchy',
      init: () => ({}),
      casts: { watch: (_s, pid: Pid, ctx) => ctx.monitor(pid) },
      onDown: async () => {
        throw boom;
      },
    });
    const touchy = await system.spawn(Touchy());
    const ended = system.whenEnded(touchy);
    touchy.cast('watch', new Pid('local', system.incarnation, 999));
    expect(await ended).toBe(boom);
  });

  test('a reason that has no JSON does not disturb the system', async () => {
    const { system } = bench();
    const circular: Record<string, unknown> = { big: 1n };
    circular.self = circular;
    const puppet = await system.spawn(Puppet(undefined));
    const ended = system.whenEnded(puppet);
    puppet.cast('run', ctx => ctx.stop({ shutdown: circular }));
    const behind = rejection(puppet.call('seen'));
    expect(await ended).toEqual({ shutdown: circular });
    expect(await behind).toMatchObject({ code: 'noproc' });
    expect(await (await system.spawn(Counter(3))).call('get')).toBe(3);
  });
});

describe('exit reasons', () => {
  const reasons: [string, ExitReason][] = [
    ['normal', 'normal'],
    ['shutdown', 'shutdown'],
    ['{ shutdown }', { shutdown: 'because' }],
    ['an error', boom],
    ['kill', 'kill'],
    ['killed', 'killed'],
    ['noconnection', 'noconnection'],
  ];

  test.each(reasons)('%s via a link: ends one that does not trap unless it is normal', async (_name, reason) => {
    const { system } = bench();
    const seen: Seen[] = [];
    const peer = await system.spawn(Puppet(seen));
    const dying = await system.spawn(Puppet(undefined));
    await peer.call('run', ctx => ctx.link(dying));
    dying.cast('run', ctx => ctx.stop(reason));
    await settle();
    if (reason === 'normal') {
      expect(await peer.call('seen')).toEqual([]);
    } else {
      expect(await rejection(peer.call('seen'))).toMatchObject({ code: 'noproc' });
      // Not by way of a signal: `terminate` runs, except at `killed`.
      expect(seen).toEqual(reason === 'killed' ? [] : [{ what: 'terminate', reason }]);
    }
  });

  test.each(reasons)('%s via a link: a message to one that traps, kill included', async (_name, reason) => {
    const { system } = bench();
    const peer = await system.spawn(Trapper(undefined));
    const dying = await system.spawn(Puppet(undefined));
    await peer.call('run', ctx => ctx.link(dying));
    dying.cast('run', ctx => ctx.stop(reason));
    await settle();
    expect(await peer.call('seen')).toEqual([{ what: 'exit', reason, pid: dying.pid }]);
  });

  test.each(reasons)('%s as an exit signal to one that does not trap', async (_name, reason) => {
    const { system } = bench();
    const target = await system.spawn(Puppet(undefined));
    const sender = await system.spawn(Puppet(undefined));
    const ended = system.whenEnded(target);
    await sender.call('run', ctx => ctx.exit(target, reason));
    if (reason === 'normal') expect(await target.call('seen')).toEqual([]);
    else expect(await ended).toEqual(reason === 'kill' ? 'killed' : reason);
  });

  test.each(reasons)('%s as an exit signal to one that traps: a message, except kill', async (_name, reason) => {
    const { system } = bench();
    const seen: Seen[] = [];
    const target = await system.spawn(Trapper(seen));
    const sender = await system.spawn(Puppet(undefined));
    const ended = system.whenEnded(target);
    await sender.call('run', ctx => ctx.exit(target, reason));
    if (reason === 'kill') {
      expect(await ended).toBe('killed');
      expect(seen).toEqual([]);
    } else {
      expect(await target.call('seen')).toEqual([{ what: 'exit', reason, pid: sender.pid }]);
    }
  });

  test('normal from the host does not end an actor; to oneself it does', async () => {
    const { system } = bench();
    const puppet = await system.spawn(Puppet(undefined));
    system.exit(puppet.pid, 'normal');
    await settle();
    expect(await puppet.call('seen')).toEqual([]);
    const ended = system.whenEnded(puppet);
    puppet.cast('run', ctx => ctx.exit(ctx.pid, 'normal'));
    expect(await ended).toBe('normal');
  });

  test('killed, not kill, is what the links of a killed actor hear, and it takes them down', async () => {
    const { system } = bench();
    const trapper = await system.spawn(Trapper(undefined));
    const chained = await system.spawn(Puppet(undefined));
    const victim = await system.spawn(Puppet(undefined));
    await trapper.call('run', ctx => ctx.link(chained));
    await chained.call('run', ctx => ctx.link(victim));
    const ended = system.whenEnded(chained);
    system.exit(victim.pid, 'kill');
    expect(await ended).toBe('killed');
    expect(await trapper.call('seen')).toEqual([{ what: 'exit', reason: 'killed', pid: chained.pid }]);
  });

  test('an exit signal acts before the messages that wait', async () => {
    const { system } = bench();
    const counter = await system.spawn(Counter(0));
    const add = counter.call('add', 1);
    system.exit(counter.pid, 'shutdown');
    expect(await rejection(add)).toMatchObject({ code: 'noproc' });
  });

  test('a trapped exit and a down queue behind the messages that their sender sent before', async () => {
    const { system } = bench();
    const order: string[] = [];
    const Watcher = actor({
      name: 'watcher',
      init: () => ({}),
      calls: {
        watch: (_s, ref: Ref, ctx) => {
          ctx.link(ref);
          ctx.monitor(ref);
        },
      },
      casts: { note: (_s, text: string) => order.push(text) },
      onDown: () => order.push('down'),
      onExit: () => order.push('exit'),
    });
    const watcher = await system.spawn(Watcher());
    const dying = await system.spawn(Puppet(undefined));
    await watcher.call('watch', dying);
    dying.cast('run', ctx => {
      for (const text of ['1', '2', '3']) ctx.cast(watcher, 'note', text);
      ctx.stop('shutdown');
    });
    await settle();
    expect(order.slice(0, 3)).toEqual(['1', '2', '3']);
    expect(order.slice(3).sort()).toEqual(['down', 'exit']);
  });

  test('trapped exits come in the order in which they happened', async () => {
    const { system } = bench();
    const trapper = await system.spawn(Trapper(undefined));
    const others: Ref<typeof Puppet>[] = [];
    for (let n = 0; n < 10; n++) others.push(await system.spawn(Puppet(undefined)));
    await trapper.call('run', ctx => {
      for (const other of others) ctx.link(other);
    });
    for (const other of [...others].reverse()) system.exit(other.pid, { shutdown: other.pid.id });
    const seen = await trapper.call('seen');
    expect(seen.map(one => one.pid)).toEqual(others.map(other => other.pid).reverse());
  });

  test('the exit of its parent ends an actor that traps, after the messages before it, with terminate', async () => {
    const { system } = bench();
    const seen: Seen[] = [];
    const parent = await system.spawn(Puppet(undefined));
    const child = (await parent.call('run', ctx => ctx.spawnLink(Trapper(seen)))) as Ref<typeof Trapper>;
    const before = child.call('run', () => 'handled');
    const ended = system.whenEnded(child);
    system.exit(parent.pid, { shutdown: 'parent' });
    expect(await before).toBe('handled');
    expect(await ended).toEqual({ shutdown: 'parent' });
    expect(seen).toEqual([{ what: 'terminate', reason: { shutdown: 'parent' } }]);
  });

  test('a killed parent ends one that traps in order, with terminate: it was not the one that was killed', async () => {
    const { system } = bench();
    const seen: Seen[] = [];
    const parent = await system.spawn(Puppet(undefined));
    const child = (await parent.call('run', ctx => ctx.spawnLink(Trapper(seen)))) as Ref<typeof Trapper>;
    const ended = system.whenEnded(child);
    system.exit(parent.pid, 'kill');
    expect(await ended).toBe('killed');
    expect(seen).toEqual([{ what: 'terminate', reason: 'killed' }]);
  });

  test('ctx.stop ends after the handler, async ones included; the first reason stands', async () => {
    const { system } = bench();
    const puppet = await system.spawn(Puppet(undefined));
    const ended = system.whenEnded(puppet);
    const answer = puppet.call('run', async ctx => {
      ctx.stop({ shutdown: 1 });
      await Promise.resolve();
      ctx.stop({ shutdown: 2 });
      return 'answered';
    });
    expect(await answer).toBe('answered');
    expect(await ended).toEqual({ shutdown: 1 });
  });

  test('system.stop lets the messages before it be handled, then gives the reason', async () => {
    const { system } = bench();
    const counter = await system.spawn(Counter(0));
    const add = counter.call('add', 1);
    const stopped = system.stop(counter);
    const after = rejection(counter.call('add', 1));
    expect(await add).toBe(1);
    expect(await stopped).toBe('normal');
    expect(await after).toMatchObject({ code: 'noproc' });
    expect(await system.stop(counter)).toBe('noproc');
    expect(await system.whenEnded(counter)).toBe('noproc');
  });

  test('system.stop kills what does not end in time', async () => {
    const { system, clock } = bench();
    const counter = await system.spawn(Counter(0));
    const stuck = rejection(counter.call('wait', gate().promise, { timeout: Number.POSITIVE_INFINITY }));
    const stopped = system.stop(counter, 'shutdown', 300);
    await clock.advance(300);
    expect(await stopped).toBe('killed');
    expect(await stuck).toMatchObject({ code: 'unknown-outcome' });
    expect(clock.pending).toBe(0);
  });
});

describe('terminate', () => {
  const Careful = actor({
    name: 'careful',
    init: (work: (reason: ExitReason) => unknown) => ({ work }),
    calls: { ping: () => 'pong' },
    casts: {
      crash: () => {
        throw boom;
      },
    },
    terminate: (s, reason) => s.work(reason),
  });

  test('is awaited before names are freed and the exit is reported', async () => {
    const { system } = bench();
    const until = gate();
    const careful = await system.spawn(
      Careful(() => until.promise),
      { name: 'c' },
    );
    const ended = system.whenEnded(careful);
    careful.cast('crash');
    await settle();
    expect(system.whereis('c')).toBeDefined();
    until.open();
    expect(await ended).toBe(boom);
    expect(system.whereis('c')).toBeUndefined();
  });

  test.each([
    ['throws', () => Promise.reject(new Error('worse'))],
    [
      'throws at once',
      () => {
        throw new Error('worse');
      },
    ],
  ])('that %s gives the reason', async (_name, work) => {
    const { system, lines } = bench();
    const careful = await system.spawn(Careful(work));
    const ended = system.whenEnded(careful);
    await careful.call('ping');
    void system.stop(careful);
    expect(await ended).toEqual(new Error('worse'));
    expect(lines).toHaveLength(1);
  });

  test('that hangs is cut short by kill', async () => {
    const { system } = bench();
    const careful = await system.spawn(Careful(() => gate().promise));
    const ended = system.whenEnded(careful);
    careful.cast('crash');
    await settle();
    expect(system.process(careful.pid)?.status).toBe('terminating');
    const behind = rejection(careful.call('ping'));
    system.exit(careful.pid, 'kill');
    expect(await ended).toBe('killed');
    expect(await behind).toMatchObject({ code: 'noproc' });
  });

  test('finds the signal of the actor aborted', async () => {
    const { system } = bench();
    const aborted: boolean[] = [];
    const Watching = actor({
      name: 'watching',
      init: (_: undefined, ctx) => ({ signal: ctx.signal }),
      terminate: s => {
        aborted.push(s.signal.aborted);
      },
    });
    const watching = await system.spawn(Watching());
    await system.stop(watching);
    expect(aborted).toEqual([true]);
  });

  test('runs at every end but killed', async () => {
    const { system } = bench();
    const seen: ExitReason[] = [];
    const spawn = () => system.spawn(Careful(reason => seen.push(reason)));
    for (const reason of ['shutdown', 'kill', { shutdown: 1 }] as const) {
      const careful = await spawn();
      system.exit(careful.pid, reason);
      await settle();
    }
    (await spawn()).cast('crash');
    await system.stop(await spawn(), 'normal');
    expect(seen).toEqual(['shutdown', { shutdown: 1 }, boom, 'normal']);
  });
});

describe('links', () => {
  test('one is one: unlink from either side, in either order, and no exit crosses', async () => {
    const { system } = bench();
    const [left, right] = [await system.spawn(Puppet(undefined)), await system.spawn(Trapper(undefined))];
    await left.call('run', ctx => {
      ctx.link(right);
      ctx.link(right);
    });
    await right.call('run', ctx => ctx.unlink(left));
    system.exit(left.pid, 'kill');
    expect(await right.call('seen')).toEqual([]);
  });

  test('linking with what is gone is an exit with noproc', async () => {
    const { system } = bench();
    const gone = new Pid('local', system.incarnation, 12_345);
    const trapper = await system.spawn(Trapper(undefined));
    await trapper.call('run', ctx => ctx.link(gone));
    expect(await trapper.call('seen')).toEqual([{ what: 'exit', reason: 'noproc', pid: gone }]);
    const old = new Pid('local', system.incarnation - 1, trapper.pid.id);
    await trapper.call('run', ctx => ctx.link(old));
    expect((await trapper.call('seen')).at(-1)).toEqual({ what: 'exit', reason: 'noproc', pid: old });
    const puppet = await system.spawn(Puppet(undefined));
    const ended = system.whenEnded(puppet);
    puppet.cast('run', ctx => ctx.link(gone));
    expect(await ended).toBe('noproc');
  });

  test('with another node, without a cluster, is an exit with noconnection', async () => {
    const { system } = bench();
    const far = new Pid('elsewhere', 1, 1);
    const trapper = await system.spawn(Trapper(undefined));
    await trapper.call('run', ctx => ctx.link(far));
    expect(await trapper.call('seen')).toEqual([{ what: 'exit', reason: 'noconnection', pid: far }]);
  });

  test('a chain of 100,000 falls without a stack overflow', async () => {
    const { system } = bench();
    const Plain = actor({ name: 'plain', init: () => ({}) });
    const length = 100_000;
    let previous = system.launch(Plain());
    const first = previous;
    for (let n = 1; n < length; n++) previous = system.launch(Plain(), { linkWith: previous });
    expect(system.processCount).toBe(length);
    const last = system.whenEnded(previous.pid);
    system.exit(first.pid, 'shutdown');
    expect(await last).toBe('shutdown');
    expect(system.processCount).toBe(0);
  });

  test('a ring of links ends once', async () => {
    const { system } = bench();
    const refs: Ref<typeof Puppet>[] = [];
    for (let n = 0; n < 5; n++) refs.push(await system.spawn(Puppet(undefined)));
    for (const [n, ref] of refs.entries()) {
      await ref.call('run', ctx => ctx.link(refs[(n + 1) % refs.length] as Ref));
    }
    (refs[2] as Ref<typeof Puppet>).cast('crash', boom);
    await settle();
    expect(system.processCount).toBe(0);
  });
});

describe('a killed actor in an async handler', () => {
  test('has its result discarded, its signal aborted, its name freed, its caller told that the outcome is unknown', async () => {
    const { system } = bench();
    const until = gate();
    let context: Context<unknown> | undefined;
    const puppet = await system.spawn(Puppet(undefined), { name: 'busy' });
    const answer = rejection(
      puppet.call('run', async ctx => {
        context = ctx;
        await until.promise;
        return 'too late';
      }),
    );
    await settle();
    expect(context?.signal.aborted).toBe(false);
    system.exit(puppet.pid, 'kill');
    expect(await answer).toMatchObject({ code: 'unknown-outcome' });
    expect(context?.signal.aborted).toBe(true);
    expect(system.whereis('busy')).toBeUndefined();
    until.open();
    await settle();
  });

  test('that fails afterwards is no crash, and does not change why it ended', async () => {
    const { system, lines } = bench();
    const handler = gate();
    const ending = gate();
    const Slow = actor({
      name: 'slow',
      init: () => ({}),
      calls: { work: () => handler.promise },
      terminate: () => ending.promise,
    });
    const slow = await system.spawn(Slow());
    const answer = rejection(slow.call('work'));
    await settle();
    const ended = system.whenEnded(slow);
    system.exit(slow.pid, 'shutdown');
    handler.fail(boom);
    expect(await answer).toMatchObject({ code: 'unknown-outcome' });
    ending.open();
    expect(await ended).toBe('shutdown');
    expect(lines).toEqual([]);
  });

  test('what it does through its context afterwards has no effect', async () => {
    const { system } = bench();
    const until = gate();
    const outcomes = gate<unknown[]>();
    const other = await system.spawn(Counter(0));
    const trapper = await system.spawn(Trapper(undefined));
    const puppet = await system.spawn(Puppet(undefined));
    puppet.cast('run', async ctx => {
      await until.promise;
      ctx.cast(other, 'add', 1);
      ctx.exit(other, 'kill');
      ctx.link(trapper);
      ctx.monitor(other);
      ctx.after(1, 'crash', boom);
      ctx.setState({});
      ctx.stop();
      outcomes.open([
        await rejection(ctx.call(other, 'add', 1)),
        await rejection(ctx.offer(other, 'add', 1)),
        await rejection(ctx.spawn(Counter(1))),
        await rejection(ctx.spawnLink(Counter(1))),
      ]);
    });
    await settle();
    system.exit(puppet.pid, 'kill');
    until.open();
    expect(await outcomes.promise).toMatchObject(Array.from({ length: 4 }, () => ({ code: 'stopped' })));
    expect(await other.call('get')).toBe(0);
    expect(await trapper.call('seen')).toEqual([]);
    expect(system.process(other.pid)?.watchers?.size ?? 0).toBe(0);
    expect(system.processCount).toBe(2);
  });

  test('by its own doing, before its first await, is dead at once', async () => {
    const { system } = bench();
    const puppet = await system.spawn(Puppet(undefined));
    const ended = system.whenEnded(puppet);
    const answer = rejection(
      puppet.call('run', async ctx => {
        ctx.exit(ctx.pid, 'kill');
        await gate().promise;
      }),
    );
    await settle();
    expect(system.process(puppet.pid)).toBeUndefined();
    expect(await ended).toBe('killed');
    expect(await answer).toMatchObject({ code: 'unknown-outcome' });
  });

  test('a synchronous handler that brings about its own end is not answered', async () => {
    const { system } = bench();
    const puppet = await system.spawn(Puppet(undefined));
    const answer = rejection(puppet.call('run', ctx => ctx.exit(ctx.pid, 'kill')));
    expect(await answer).toMatchObject({ code: 'unknown-outcome' });
  });

  test('an exit signal ends one that awaits, without waiting for its handler', async () => {
    const { system } = bench();
    const counter = await system.spawn(Counter(0));
    const stuck = rejection(counter.call('wait', gate().promise));
    await settle();
    const ended = system.whenEnded(counter);
    system.exit(counter.pid, 'shutdown');
    expect(await ended).toBe('shutdown');
    expect(await stuck).toMatchObject({ code: 'unknown-outcome' });
  });
});

test('who put an answer off once more with noReply tells its caller of the end still', async () => {
  const { system } = bench();
  const Sink = actor({
    name: 'sink',
    init: () => ({ from: undefined as ReplyTo | undefined }),
    calls: {
      park: (s, _: void, ctx) => {
        s.from = ctx.from;
        return noReply;
      },
    },
    casts: { putOff: (s, _: void, ctx) => ctx.reply(s.from as ReplyTo, noReply) },
  });
  const sink = await system.spawn(Sink());
  const parked = rejection(sink.call('park'));
  sink.cast('putOff');
  await settle();
  system.exit(sink.pid, 'kill');
  expect(await parked).toMatchObject({ code: 'unknown-outcome' });
});

test('deferred answers of calls whose callers gave up do not pile up', async () => {
  const { system, clock } = bench();
  const Sink = actor({
    name: 'sink',
    init: () => ({}),
    calls: {
      park: (): number | typeof noReply => noReply,
      answered: (_s, _p: undefined, ctx): number | typeof noReply => {
        ctx.reply(ctx.from, 1);
        return noReply;
      },
    },
  });
  const sink = await system.spawn(Sink());
  const process = system.process(sink.pid);
  for (let round = 0; round < 20; round++) {
    const calls = Array.from({ length: 100 }, () => rejection(sink.call('park', undefined, { timeout: 1 })));
    await Promise.all(Array.from({ length: 100 }, () => sink.call('answered')));
    await clock.advance(2);
    await Promise.all(calls);
  }
  expect(process?.deferredCount).toBeLessThan(300);
});
