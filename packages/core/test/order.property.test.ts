import { actor, type Ref } from '@foundation-ts/core';
import { seededOrder } from '@foundation-ts/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bench } from './support.js';

// A failing run prints its seed and the smallest case; replay it with FAST_CHECK_SEED.
const seed = process.env.FAST_CHECK_SEED === undefined ? {} : { seed: Number(process.env.FAST_CHECK_SEED) };

interface Item {
  readonly from: number;
  readonly n: number;
  /** Turns that its handler takes: 0 is synchronous. */
  readonly takes: number;
}

interface Seen {
  readonly items: Item[];
  active: number;
  most: number;
}

/** Notes what it handles, and how many of its handlers are active at once. */
const Receiver = actor({
  name: 'receiver',
  init: (seen: Seen) => seen,
  calls: { call: (s, item: Item) => handle(s, item) },
  casts: { cast: (s, item: Item) => handle(s, item), offer: (s, item: Item) => handle(s, item) },
  onDown: async s => {
    await handle(s, { from: -1, n: 0, takes: 1 });
  },
});

function handle(seen: Seen, item: Item): unknown {
  seen.active++;
  seen.most = Math.max(seen.most, seen.active);
  seen.items.push(item);
  if (item.takes === 0) {
    seen.active--;
    return undefined;
  }
  return (async () => {
    for (let n = 0; n < item.takes; n++) await Promise.resolve();
    seen.active--;
  })();
}

interface Sending {
  readonly how: 'cast' | 'call' | 'offer';
  readonly to: number;
  readonly takes: number;
}

/** Sends one message for each `next`, without waiting for answers: by its context, so in its own name. */
const Sender = actor({
  name: 'sender',
  init: (init: { from: number; receivers: readonly Ref<typeof Receiver>[]; plan: readonly Sending[] }) => ({
    ...init,
    n: 0,
    failed: [] as unknown[],
  }),
  calls: { failed: s => s.failed },
  casts: {
    next: (s, _: void, ctx) => {
      const { how, to, takes } = s.plan[s.n] as Sending;
      const ref = s.receivers[to] as Ref<typeof Receiver>;
      const item = { from: s.from, n: s.n++, takes };
      if (how === 'cast') ctx.cast(ref, 'cast', item);
      else {
        const sent: Promise<unknown> = how === 'call' ? ctx.call(ref, 'call', item) : ctx.offer(ref, 'offer', item);
        sent.catch(error => s.failed.push(error));
      }
      if (s.n < s.plan.length) ctx.castSelf('next');
    },
  },
});

const sending: fc.Arbitrary<Sending> = fc.record({
  how: fc.constantFrom('cast', 'cast', 'call', 'offer'),
  to: fc.nat(1),
  takes: fc.constantFrom(0, 0, 1, 3),
});
const plans = fc.array(fc.array(sending, { minLength: 1, maxLength: 25 }), { minLength: 1, maxLength: 4 });

describe('random traffic in a random order of scheduling', () => {
  test('the messages of each pair of actors are handled in the order in which they were sent, one at a time', async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.option(fc.nat(), { nil: undefined }), async (lists, order) => {
        const { system, clock } = bench(order === undefined ? {} : { schedule: seededOrder(order) });
        const seen: Seen[] = [0, 1].map(() => ({ items: [], active: 0, most: 0 }));
        const receivers = await Promise.all(seen.map(one => system.spawn(Receiver(one))));
        const senders = await Promise.all(lists.map((plan, from) => system.spawn(Sender({ from, receivers, plan }))));
        for (const sender of senders) sender.cast('next');
        await clock.advance(1_000);
        for (const [to, { items, most, active }] of seen.entries()) {
          expect(most).toBeLessThanOrEqual(1);
          expect(active).toBe(0);
          for (const [from, plan] of lists.entries()) {
            const sent = plan.flatMap((one, n) => (one.to === to ? [n] : []));
            expect(items.filter(item => item.from === from).map(({ n }) => n)).toEqual(sent);
          }
        }
        for (const sender of senders) expect(await sender.call('failed')).toEqual([]);
        await system.shutdown();
      }),
      { numRuns: 300, ...seed },
    );
  });

  test('the down of an actor comes after what it sent before, to each of those who monitor it', async () => {
    const Watching = actor({
      name: 'watching',
      init: (seen: unknown[]) => ({ seen }),
      calls: { watch: (_s, ref: Ref, ctx) => ctx.monitor(ref) },
      casts: { take: (s, n: number) => s.seen.push(n) },
      onDown: s => s.seen.push('down'),
    });
    const Ending = actor({
      name: 'ending',
      init: (to: readonly Ref<typeof Watching>[]) => ({ to }),
      casts: {
        end: (s, { messages, crash }: { messages: number; crash: boolean }, ctx) => {
          for (let n = 0; n < messages; n++) for (const ref of s.to) ctx.cast(ref, 'take', n);
          if (crash) throw new Error('crash');
          ctx.stop('shutdown');
        },
      },
    });
    await fc.assert(
      fc.asyncProperty(fc.nat(40), fc.boolean(), fc.nat(), async (messages, crash, order) => {
        const { system, clock } = bench({ schedule: seededOrder(order) });
        const lists: unknown[][] = [[], [], []];
        const watching = await Promise.all(lists.map(list => system.spawn(Watching(list))));
        const ending = await system.spawn(Ending(watching));
        for (const ref of watching) await ref.call('watch', ending);
        ending.cast('end', { messages, crash });
        await clock.advance(10);
        for (const list of lists) expect(list).toEqual([...Array(messages).keys(), 'down']);
      }),
      { numRuns: 100, ...seed },
    );
  });
});
