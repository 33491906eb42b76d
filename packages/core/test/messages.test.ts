import { actor, failure, noReply, PendingCall, type ReplyTo } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { bench, Counter, gate, Puppet, rejection } from './support.js';

describe('order', () => {
  const Log = actor({
    name: 'log',
    init: () => ({ seen: [] as number[], busy: 0, overlaps: 0 }),
    calls: {
      note: (s, n: number) => s.seen.push(n),
      noteSlowly: async (s, n: number) => {
        if (s.busy++ > 0) s.overlaps++;
        await Promise.resolve();
        s.seen.push(n);
        await Promise.resolve();
        s.busy--;
        return n;
      },
      all: s => s,
    },
    casts: {
      note: (s, n: number) => {
        if (s.busy > 0) s.overlaps++;
        s.seen.push(n);
      },
    },
  });

  test('messages of one sender are handled in the order in which they were sent, whatever their kind', async () => {
    const { system } = bench();
    const log = await system.spawn(Log());
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 1_000; n++) {
      if (n % 3 === 0) log.cast('note', n);
      else if (n % 3 === 1) calls.push(log.call('note', n));
      else calls.push(log.offer('note', n));
    }
    await Promise.all(calls);
    expect((await log.call('all')).seen).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
  });

  test('one message at a time, its awaits included', async () => {
    const { system } = bench();
    const log = await system.spawn(Log());
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 60; n++) {
      if (n % 2 === 0) calls.push(log.call('noteSlowly', n));
      else log.cast('note', n);
    }
    await Promise.all(calls);
    const { seen, overlaps } = await log.call('all');
    expect(overlaps).toBe(0);
    expect(seen).toEqual(Array.from({ length: 60 }, (_, n) => n));
  });

  test('an actor that awaits does not hold up another', async () => {
    const { system } = bench();
    const [slow, quick] = [await system.spawn(Counter(1)), await system.spawn(Counter(2))];
    const until = gate();
    const waiting = slow.call('wait', until.promise);
    expect(await quick.call('get')).toBe(2);
    until.open();
    expect(await waiting).toBe(1);
  });

  test('a handler that returns a thenable of its own making is awaited like a promise', async () => {
    const { system } = bench();
    let settled = 0;
    const Odd = actor({
      name: 'odd',
      init: () => ({}),
      calls: {
        twice: () => ({
          then(resolve: (value: number) => void) {
            settled++;
            resolve(1);
            resolve(2);
          },
        }),
        broken: () => ({
          then() {
            throw new Error('no then');
          },
        }),
      },
    });
    const odd = await system.spawn(Odd());
    expect(await odd.call('twice')).toBe(1);
    expect(settled).toBe(1);
    const ended = system.whenEnded(odd);
    expect(await rejection(odd.call('broken'))).toMatchObject({ code: 'handler-failed', cause: new Error('no then') });
    expect(await ended).toEqual(new Error('no then'));
  });
});

describe('calls', () => {
  test('resolve with what the handler returned, sync or async', async () => {
    const { system } = bench();
    const counter = await system.spawn(Counter(1));
    expect(await counter.call('add', 2)).toBe(3);
    expect(await counter.call('wait', Promise.resolve())).toBe(3);
  });

  test('a self-call is rejected at once, with the bare ref and with the context', async () => {
    const { system } = bench();
    const puppet = await system.spawn(Puppet(undefined), { name: 'me' });
    const bare = await puppet.call('run', () => rejection(puppet.call('seen')));
    expect(bare).toMatchObject({ code: 'calling-self' });
    const afterAwait = await puppet.call('run', async ctx => {
      await Promise.resolve();
      return rejection(ctx.call(puppet, 'seen'));
    });
    expect(afterAwait).toMatchObject({ code: 'calling-self' });
    const byName = await puppet.call('run', ctx => rejection(ctx.call(system.refOn('local', 'me'), 'seen' as never)));
    expect(byName).toMatchObject({ code: 'calling-self' });
  });

  test('failure() rejects the caller and leaves the actor alive', async () => {
    const { system, lines } = bench();
    const Picky = actor({
      name: 'picky',
      init: () => ({ n: 0 }),
      calls: {
        now: (s, n: number) => (n < 0 ? failure(new RangeError('negative')) : ++s.n),
        later: async (s, n: number) => (n < 0 ? failure(new RangeError('negative')) : ++s.n),
      },
    });
    const picky = await system.spawn(Picky());
    expect(await rejection(picky.call('now', -1))).toEqual(new RangeError('negative'));
    expect(await rejection(picky.call('later', -1))).toEqual(new RangeError('negative'));
    expect(await picky.call('now', 1)).toBe(1);
    expect(lines).toEqual([]);
  });

  test.each(['nope', '__proto__', 'constructor', 'then', 'toString', 'hasOwnProperty'])(
    'an operation that is not declared (%s) is an error that lists those that are; the actor lives on',
    async op => {
      const { system } = bench();
      const counter = await system.spawn(Counter(4));
      const error = await rejection(counter.call(op as 'get'));
      expect(error).toMatchObject({ code: 'invalid-operation' });
      expect(error.message).toContain('get, add');
      counter.cast(op as 'add', 1);
      expect(await rejection(counter.offer(op as 'add', 1))).toMatchObject({ code: 'invalid-operation' });
      expect(await counter.call('get')).toBe(4);
      expect(system.deadLetters.recent.map(letter => [letter.op, letter.reason])).toEqual([[op, 'invalid-operation']]);
    },
  );

  test('operations may have any name that their map declares as its own', async () => {
    const { system } = bench();
    const Named = actor({
      name: 'named',
      init: () => ({}),
      calls: { ['__proto__']: () => 'proto', constructor: () => 'constructor', then: () => 'then' },
    });
    const named = await system.spawn(Named());
    for (const op of ['__proto__', 'constructor', 'then']) {
      expect(await named.call(op as 'then')).toBe(op.replaceAll('_', ''));
    }
  });
});

describe('deferred replies', () => {
  const Door = actor({
    name: 'door',
    init: () => ({ waiting: [] as ReplyTo<string>[] }),
    calls: {
      pass: (s, _: undefined, ctx): string | typeof noReply => {
        s.waiting.push(ctx.from as ReplyTo<string>);
        return noReply;
      },
      passLater: async (s, _: undefined, ctx): Promise<string | typeof noReply> => {
        await Promise.resolve();
        s.waiting.push(ctx.from as ReplyTo<string>);
        return noReply;
      },
      early: (_s, _: undefined, ctx): string | typeof noReply => {
        ctx.reply(ctx.from, 'early');
        return noReply;
      },
    },
    casts: {
      open: (s, value: string, ctx) => {
        for (const to of s.waiting.splice(0)) ctx.reply(to, value);
      },
      refuse: (s, error: Error, ctx) => {
        for (const to of s.waiting.splice(0)) ctx.reply<unknown>(to, failure(error));
      },
      twice: (s, _: undefined, ctx) => {
        for (const to of s.waiting.splice(0)) {
          ctx.reply(to, 'first');
          ctx.reply(to, 'second');
        }
      },
      quit: (_s, _: undefined, ctx) => ctx.stop('shutdown'),
    },
  });

  test('answer through ctx.reply, once, with a value or a failure', async () => {
    const { system } = bench();
    const door = await system.spawn(Door());
    const both = Promise.all([door.call('pass'), door.call('passLater')]);
    await settle();
    door.cast('open', 'welcome');
    expect(await both).toEqual(['welcome', 'welcome']);

    const refused = rejection(door.call('pass'));
    door.cast('refuse', new Error('closed'));
    expect(await refused).toEqual(new Error('closed'));

    const twice = door.call('pass');
    door.cast('twice');
    expect(await twice).toBe('first');
    expect(await door.call('early')).toBe('early');
  });

  test('an actor that ends before it has answered: the outcome is unknown', async () => {
    const { system } = bench();
    const door = await system.spawn(Door());
    const waiting = rejection(door.call('pass'));
    door.cast('quit');
    expect(await waiting).toMatchObject({ code: 'unknown-outcome' });
  });

  test('ctx.from exists in calls only', async () => {
    const { system } = bench();
    const puppet = await system.spawn(Puppet(undefined));
    const asked = gate<unknown>();
    puppet.cast('run', ctx => {
      try {
        asked.open(ctx.from);
      } catch (error) {
        asked.open(error);
      }
    });
    expect(await asked.promise).toMatchObject({ code: 'invalid-operation' });
  });
});

describe('deadlines', () => {
  test('a call without an answer rejects with timeout; the late answer is dropped and answers no other call', async () => {
    const { system, clock } = bench();
    const counter = await system.spawn(Counter(7));
    const until = gate();
    const late = rejection(counter.call('wait', until.promise, { timeout: 100 }));
    await clock.advance(99);
    const next = counter.call('add', 1);
    await clock.advance(1);
    const error = await late;
    expect(error).toMatchObject({ code: 'timeout', retryable: false });
    expect(error.message).toContain("'wait'");
    expect(error.message).toContain('100 ms');
    until.open();
    expect(await next).toBe(8);
    await settle();
  });

  test('the default is five seconds; Infinity waits for ever', async () => {
    const { system, clock } = bench();
    const counter = await system.spawn(Counter(7));
    const until = gate();
    const settled: string[] = [];
    const usual = rejection(counter.call('wait', until.promise)).then(error => settled.push(`usual ${error.code}`));
    const patient = counter.call('wait', until.promise, { timeout: Number.POSITIVE_INFINITY });
    await clock.advance(4_999);
    expect(settled).toEqual([]);
    await clock.advance(1);
    await usual;
    await clock.advance(1_000_000);
    until.open();
    expect(await patient).toBe(7);
    expect(settled).toEqual(['usual timeout']);
  });

  test('defaults of with() hold, and options of the call go before them', async () => {
    const { system, clock } = bench();
    const counter = (await system.spawn(Counter(7))).with({ timeout: 10 });
    const until = gate();
    const short = rejection(counter.call('wait', until.promise));
    const long = rejection(counter.call('wait', until.promise, { timeout: 20 }));
    await clock.advance(10);
    expect((await short).message).toContain('10 ms');
    await clock.advance(10);
    expect((await long).message).toContain('20 ms');
    until.open();
  });

  test('an AbortSignal rejects with aborted and its reason; the handler goes on', async () => {
    const { system } = bench();
    const counter = await system.spawn(Counter(7));
    const controller = new AbortController();
    const aborted = rejection(counter.call('add', 1, { signal: controller.signal }));
    controller.abort(new Error('changed my mind'));
    expect(await aborted).toMatchObject({ code: 'aborted', cause: new Error('changed my mind') });
    expect(await counter.call('get')).toBe(8);
  });

  test('what is aborted before it is sent is not sent', async () => {
    const { system } = bench();
    const counter = await system.spawn(Counter(7));
    const signal = AbortSignal.abort();
    expect(await rejection(counter.call('add', 1, { signal }))).toMatchObject({ code: 'aborted' });
    expect(await rejection(counter.offer('add', 1, { signal }))).toMatchObject({ code: 'aborted' });
    expect(await counter.call('get')).toBe(7);
  });

  test('ten thousand calls in flight share one timer, which is given back when they are answered', async () => {
    const { system, clock } = bench();
    const counter = await system.spawn(Counter(0));
    const byChild = system.refBy<typeof Counter>({ resolve: () => system.process(counter.pid) });
    const before = clock.pending;
    const until = gate();
    const calls = Array.from({ length: 10_000 }, (_, n) =>
      (n % 2 === 0 ? counter : byChild).call('wait', until.promise),
    );
    await settle();
    expect(clock.pending - before).toBe(1);
    until.open();
    await Promise.all(calls);
    await settle();
    expect(clock.pending).toBe(before);
  });

  test('calls with fractions of milliseconds left share timers too', async () => {
    const { system, clock } = bench();
    const counter = await system.spawn(Counter(0));
    const until = gate();
    const calls = Array.from({ length: 100 }, (_, n) =>
      rejection(counter.call('wait', until.promise, { timeout: 50 + n / 100 })),
    );
    await settle();
    expect(clock.pending).toBeGreaterThanOrEqual(1);
    expect(clock.pending).toBeLessThanOrEqual(2);
    await clock.advance(49);
    await clock.advance(2);
    expect((await Promise.all(calls)).every(error => error.code === 'timeout')).toBe(true);
    until.open();
  });
});

test('a call settles once, and tells once who keeps it', async () => {
  const { system } = bench();
  const call = new PendingCall(system, 'op', 'someone');
  const told: number[] = [];
  call.keptBy({ delete: number => told.push(number) }, 7);
  call.start(100, undefined);
  expect(call.timeout).toBe(100);
  call.succeed(1);
  call.succeed(2);
  call.fail(new Error('late'));
  call.expire();
  expect(await call.promise).toBe(1);
  expect(told).toEqual([7]);
});

describe('refs by resolver', () => {
  test('look their target up at each send, and say noproc at once when nobody is there', async () => {
    const { system } = bench();
    const [one, two] = [await system.spawn(Counter(1)), await system.spawn(Counter(2))];
    let target: typeof one | undefined = one;
    const ref = system.refBy<typeof Counter>({
      resolve: () => (target === undefined ? undefined : system.process(target.pid)),
      toString: () => 'the chosen one',
    });
    expect(await ref.call('get')).toBe(1);
    target = two;
    expect(await ref.call('get')).toBe(2);
    target = undefined;
    expect(await rejection(ref.call('get'))).toMatchObject({ code: 'noproc' });
    expect(await rejection(ref.offer('add', 1))).toMatchObject({ code: 'noproc' });
    ref.cast('add', 1);
    expect(system.deadLetters.recent).toMatchObject([{ to: 'the chosen one', reason: 'noproc' }]);
    expect(() => ref.pid).toThrow(expect.objectContaining({ code: 'noproc' }));
  });

  test('a call that meets an actor that has moved is tried again within its time', async () => {
    const { system, clock } = bench();
    const [old, now] = [await system.spawn(Counter(1)), await system.spawn(Counter(2))];
    const process = system.process(old.pid);
    if (process === undefined) throw new Error('gone');
    await process.seal();
    system.handOver(process, now.pid)();
    let target = old.pid;
    const ref = system.refBy<typeof Counter>({ resolve: () => target });
    const answer = ref.call('get');
    await settle();
    target = now.pid;
    await clock.advance(10);
    expect(await answer).toBe(2);

    target = old.pid;
    const hopeless = rejection(ref.call('get', undefined, { timeout: 30 }));
    await clock.advance(40);
    expect(['moved', 'timeout']).toContain((await hopeless).code);
  });
});

describe('strictMessages', () => {
  const copy = (value: unknown): unknown => {
    if (typeof value === 'function') throw new TypeError('functions are not sendable');
    return structuredClone(value);
  };
  const Holder = actor({
    name: 'holder',
    init: () => ({ held: { n: 1 } }),
    calls: {
      give: s => s.held,
      giveFunction: () => () => 1,
      giveFunctionLater: async () => () => 1,
      take: (s, held: { n: number } | (() => void)) => {
        s.held = held as { n: number };
      },
    },
    casts: {
      take: (s, held: { n: number }) => {
        s.held = held;
      },
    },
  });

  test('copies payloads and replies', async () => {
    const { system } = bench({ strictMessages: copy });
    const holder = await system.spawn(Holder());
    const mine = { n: 5 };
    holder.cast('take', mine);
    mine.n = 6;
    const given = await holder.call('give');
    expect(given).toEqual({ n: 5 });
    given.n = 7;
    expect(await holder.call('give')).toEqual({ n: 5 });
  });

  test('a payload or a reply that can not be copied is an error of its call; the actor lives on', async () => {
    const { system } = bench({ strictMessages: copy });
    const holder = await system.spawn(Holder());
    let call: Promise<unknown> | undefined;
    expect(() => {
      call = holder.call('take', () => {});
    }).not.toThrow();
    expect(await rejection(call as Promise<unknown>)).toEqual(new TypeError('functions are not sendable'));
    expect(await rejection(holder.offer('take', (() => {}) as never))).toBeInstanceOf(TypeError);
    expect(await rejection(holder.call('giveFunction'))).toBeInstanceOf(TypeError);
    expect(await rejection(holder.call('giveFunctionLater'))).toBeInstanceOf(TypeError);
    expect(() => holder.cast('take', (() => {}) as never)).toThrow(TypeError);
    expect(await holder.call('give')).toEqual({ n: 1 });
  });
});
