import { type ActorSystem, actor, type Context, machine, noReply, type Ref, type ReplyTo } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { bench, Counter, gate, rejection } from './support.js';

type Slow = typeof Counter;

/** Calls on behalf of its callers, in the ways that there are. */
const Middle = actor({
  name: 'middle',
  init: (slow: Ref<Slow>) => ({ slow, outcome: [] as string[], later: undefined as ReplyTo<string> | undefined }),
  calls: {
    outcome: s => s.outcome,
    ask: (s, { until, timeout }: { until: Promise<unknown>; timeout?: number }, ctx) =>
      note(s.outcome, ctx.call(s.slow, 'wait', until, timeout === undefined ? {} : { timeout })),
    askAfter: async (s, { first, until }: { first: Promise<unknown>; until: Promise<unknown> }, ctx) => {
      await first;
      return note(s.outcome, ctx.call(s.slow, 'wait', until));
    },
    askWith: (s, until: Promise<unknown>, ctx) =>
      note(s.outcome, ctx.call(s.slow.with({ timeout: 90_000 }), 'wait', until)),
    askFreely: (s, until: Promise<unknown>) => note(s.outcome, s.slow.call('wait', until)),
    offerAfter: async (s, first: Promise<unknown>, ctx) => {
      await first;
      return note(s.outcome, ctx.offer(s.slow, 'add', 1));
    },
    answerThenAsk: async (s, until: Promise<unknown>, ctx) => {
      ctx.reply(ctx.from, 'early');
      await note(s.outcome, ctx.call(s.slow, 'wait', until));
    },
    defer: (s, _: void, ctx): typeof noReply => {
      s.later = ctx.from as ReplyTo<string>;
      return noReply;
    },
  },
  casts: {
    askUnasked: (s, until: Promise<unknown>, ctx) => note(s.outcome, ctx.call(s.slow, 'wait', until)),
  },
});

/** A handler that calls the middle, which calls on: two hops. */
const Front = actor({
  name: 'front',
  init: (middle: Ref<typeof Middle>) => ({ middle, outcome: [] as string[] }),
  calls: {
    outcome: s => s.outcome,
    ask: (s, until: Promise<unknown>, ctx) => note(s.outcome, ctx.call(s.middle, 'ask', { until })),
  },
});

async function note(outcome: string[], promise: Promise<unknown>): Promise<string> {
  try {
    const value = await promise;
    outcome.push(`answered ${value}`);
  } catch (error) {
    outcome.push((error as { code: string }).code);
  }
  return outcome.at(-1) as string;
}

async function start(system: ActorSystem) {
  const slow = await system.spawn(Counter(7));
  const middle = await system.spawn(Middle(slow));
  return { slow, middle };
}

const never = new Promise<never>(() => {});

describe('a call made in a call handler', () => {
  test('gets at most the time that the call being handled has left', async () => {
    const { system, clock } = bench();
    const { middle } = await start(system);
    const asked = rejection(middle.call('ask', { until: never }, { timeout: 300 }));
    await clock.advance(299);
    expect(system.process(middle.pid)?.busy).toBe(true);
    await clock.advance(1);
    expect(await asked).toMatchObject({ code: 'timeout' });
    expect(await middle.call('outcome')).toEqual(['timeout']);
  });

  test('gets what is left after an await, and nothing when nothing is: it is not even sent', async () => {
    const { system, clock } = bench();
    const { middle, slow } = await start(system);
    const [early, late] = [gate(), gate()];
    const first = rejection(middle.call('askAfter', { first: early.promise, until: never }, { timeout: 300 }));
    await clock.advance(200);
    early.open();
    await clock.advance(99);
    expect(system.process(middle.pid)?.busy).toBe(true);
    await clock.advance(2);
    expect(system.process(middle.pid)?.busy).toBe(false);
    await first;
    system.exit(slow.pid, 'kill');
    const second = rejection(middle.call('askAfter', { first: late.promise, until: never }, { timeout: 300 }));
    await clock.advance(400);
    late.open();
    await second;
    // Sent, it would have been answered with `noproc`.
    expect(await middle.call('outcome')).toEqual(['timeout', 'timeout']);
  });

  test('takes a shorter time-out of its own, and no longer one', async () => {
    const { system, clock } = bench();
    const { middle } = await start(system);
    const short = middle.call('ask', { until: never, timeout: 100 });
    await clock.advance(100);
    expect(await short).toBe('timeout');
    const long = rejection(middle.call('askWith', never, { timeout: 200 }));
    await clock.advance(5_000);
    await long;
    expect(await middle.call('outcome')).toEqual(['timeout', 'timeout']);
  });

  test('is bounded through two hops, and takes its ordinary time-out under a caller that waits for ever', async () => {
    const { system, clock } = bench();
    const { middle } = await start(system);
    const front = await system.spawn(Front(middle));
    const asked = rejection(front.call('ask', never, { timeout: 250 }));
    await clock.advance(251);
    await asked;
    expect(await middle.call('outcome')).toEqual(['timeout']);
    const patient = middle.call('ask', { until: never }, { timeout: Number.POSITIVE_INFINITY });
    await clock.advance(4_999);
    expect(system.process(middle.pid)?.busy).toBe(true);
    await clock.advance(1);
    expect(await patient).toBe('timeout');
  });

  test('is aborted when its caller aborts, through two hops', async () => {
    const { system, clock } = bench();
    const { middle } = await start(system);
    const front = await system.spawn(Front(middle));
    const controller = new AbortController();
    const asked = rejection(front.call('ask', never, { signal: controller.signal }));
    await settle();
    controller.abort(new Error('no longer wanted'));
    expect(await asked).toMatchObject({ code: 'aborted' });
    expect(await front.call('outcome')).toEqual(['aborted']);
    expect(await middle.call('outcome')).toEqual(['aborted']);
    expect(clock.now()).toBe(0);
  });

  test('is not sent when its caller has aborted already', async () => {
    const { system } = bench();
    const { middle, slow } = await start(system);
    const [first, controller] = [gate(), new AbortController()];
    const asked = rejection(
      middle.call('askAfter', { first: first.promise, until: never }, { signal: controller.signal }),
    );
    await settle();
    controller.abort();
    await asked;
    system.exit(slow.pid, 'kill');
    first.open();
    expect(await middle.call('outcome')).toEqual(['aborted']);
  });

  test('goes on when its caller was answered meanwhile', async () => {
    const { system, clock } = bench();
    const { middle } = await start(system);
    const [until, controller] = [gate(), new AbortController()];
    const asked = middle.call('answerThenAsk', until.promise, { timeout: 100, signal: controller.signal });
    expect(await asked).toBe('early');
    controller.abort();
    await clock.advance(4_000);
    until.open();
    expect(await middle.call('outcome')).toEqual(['answered 7']);
  });

  test('is not bounded with a bare ref, in a cast, or after the handler returned noReply', async () => {
    const { system, clock } = bench();
    const { middle } = await start(system);
    const free = gate();
    const asked = rejection(middle.call('askFreely', free.promise, { timeout: 100 }));
    await clock.advance(1_000);
    free.open();
    await asked;
    const cast = gate();
    const deferred = rejection(middle.call('defer', undefined, { timeout: 100 }));
    middle.cast('askUnasked', cast.promise);
    await clock.advance(1_000);
    cast.open();
    await deferred;
    expect(await middle.call('outcome')).toEqual(['answered 7', 'answered 7']);
  });

  test('is bounded, in a machine, by the call that is tried again, not by the message that brought that about', async () => {
    const { system, clock } = bench();
    const slow = await system.spawn(Counter(1));
    const outcome: string[] = [];
    const Gatekeeper = machine({
      name: 'gatekeeper',
      init: () => ({ state: 'shut', data: {} }),
      states: {
        shut: {
          calls: {
            ask: (_d, _until: Promise<unknown>, m) => m.postpone(),
            open: (_d, _: void, m) => m.next('open'),
          },
        },
        open: { calls: { ask: (_d, until: Promise<unknown>, m) => note(outcome, m.call(slow, 'wait', until)) } },
      },
    });
    const keeper = await system.spawn(Gatekeeper());
    const asked = rejection(keeper.call('ask', gate().promise, { timeout: 100 }));
    await clock.advance(50);
    keeper.call('open', undefined, { timeout: 5 }).catch(() => {});
    await clock.advance(49);
    expect(outcome).toEqual([]);
    await clock.advance(1);
    expect(await asked).toMatchObject({ code: 'timeout' });
    expect(outcome).toEqual(['timeout']);
  });

  test('an offer is bounded alike', async () => {
    const { system, clock } = bench();
    const { middle, slow } = await start(system);
    const first = gate();
    const asked = rejection(middle.call('offerAfter', first.promise, { timeout: 100 }));
    await clock.advance(200);
    first.open();
    await asked;
    expect(await middle.call('outcome')).toEqual(['timeout']);
    expect(await slow.call('get')).toBe(7);
  });

  test('leaves nothing behind', async () => {
    const { system, clock } = bench();
    const { middle } = await start(system);
    const controller = new AbortController();
    for (let n = 0; n < 100; n++) {
      await middle.call('ask', { until: Promise.resolve() }, { signal: controller.signal });
    }
    await settle();
    expect(clock.pending).toBe(0);
  });
});

test('ctx.castSelf puts a message behind what waits, and does nothing after the end', async () => {
  const { system } = bench();
  const seen: string[] = [];
  let context: Context<unknown> | undefined;
  const Self = actor({
    name: 'self',
    init: () => ({}),
    casts: {
      first: (_s, _: void, ctx) => {
        context = ctx;
        seen.push('first');
        ctx.castSelf('third', 3);
      },
      second: () => seen.push('second'),
      third: (_s, n: number) => seen.push(`third ${n}`),
    },
  });
  const self = await system.spawn(Self());
  self.cast('first');
  self.cast('second');
  await settle();
  expect(seen).toEqual(['first', 'second', 'third 3']);
  system.exit(self.pid, 'kill');
  context?.castSelf('third', 4);
  await settle();
  expect(seen).toHaveLength(3);
  expect(system.deadLetters.count).toBe(0);
});
