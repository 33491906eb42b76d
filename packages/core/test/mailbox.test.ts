import { actor, type Ref } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Mailbox } from '../src/mailbox.js';
import { bench, Counter, gate, rejection } from './support.js';

describe('the queue', () => {
  test('is a queue, whatever is pushed, taken and removed in between', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('push' as const), count: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ do: fc.constant('take' as const), count: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ do: fc.constant('remove' as const), count: fc.integer({ min: 0, max: 60 }) }),
      fc.record({ do: fc.constant('drain' as const), count: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const box = new Mailbox();
        let model: number[] = [];
        let next = 0;
        for (const { do: what, count } of steps) {
          if (what === 'push') {
            for (let n = 0; n < count; n++) {
              box.push(next, next * 2, next * 3);
              model.push(next++);
            }
          } else if (what === 'take') {
            for (let n = 0; n < count && box.size > 0; n++) {
              box.take();
              const expected = model.shift() ?? Number.NaN;
              expect([box.head, box.payload, box.meta]).toEqual([expected, expected * 2, expected * 3]);
            }
          } else if (what === 'remove') {
            const target = model[count];
            expect(box.removeFirst(head => head === target && target !== undefined)).toBe(target !== undefined);
            if (target !== undefined) {
              expect([box.head, box.payload]).toEqual([target, target * 2]);
              model = model.filter(value => value !== target);
            }
          } else {
            const drained: unknown[] = [];
            box.drain(head => drained.push(head));
            expect(drained).toEqual(model);
            model = [];
          }
          expect(box.size).toBe(model.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('holds on to nothing that was taken', () => {
    const box = new Mailbox();
    for (let n = 0; n < 5_000; n++) box.push('op', { n }, undefined);
    while (box.size > 0) box.take();
    box.forget();
    expect([box.payload, box.meta]).toEqual([undefined, undefined]);
    box.push('again', 1, undefined);
    box.take();
    expect(box.head).toBe('again');
  });
});

const bounded = (capacity: number, overflow?: 'reject' | 'drop-newest' | 'drop-oldest') =>
  actor({
    name: 'bounded',
    init: (until: Promise<void>) => ({ until, seen: [] as number[] }),
    calls: {
      hold: async s => {
        await s.until;
      },
      note: (s, n: number) => s.seen.push(n),
      seen: s => s.seen,
      watch: (_s, ref: Ref, ctx) => ctx.monitor(ref),
    },
    casts: { note: (s, n: number) => s.seen.push(n) },
    onDown: s => s.seen.push(-1),
    mailbox: overflow === undefined ? { capacity } : { capacity, overflow },
  });

describe('capacity', () => {
  test("'reject', the default: calls fail, casts become dead letters", async () => {
    const { system } = bench();
    const until = gate();
    const ref = await system.spawn(bounded(2)(until.promise));
    const held = ref.call('hold');
    await settle();
    for (const n of [1, 2, 3]) ref.cast('note', n);
    expect(await rejection(ref.call('note', 4))).toMatchObject({ code: 'mailbox-full', retryable: true });
    expect(system.deadLetters.recent).toMatchObject([{ op: 'note', payload: 3, reason: 'mailbox-full' }]);
    until.open();
    await held;
    await settle();
    expect(await ref.call('seen')).toEqual([1, 2]);
  });

  test("'drop-newest': the new one goes", async () => {
    const { system } = bench();
    const until = gate();
    const ref = await system.spawn(bounded(2, 'drop-newest')(until.promise));
    const held = ref.call('hold');
    await settle();
    const kept = ref.call('note', 1);
    ref.cast('note', 2);
    ref.cast('note', 3);
    expect(await rejection(ref.call('note', 4))).toMatchObject({ code: 'mailbox-full' });
    until.open();
    await Promise.all([held, kept]);
    expect(await ref.call('seen')).toEqual([1, 2]);
    expect(system.deadLetters.recent.map(letter => letter.payload)).toEqual([3]);
  });

  test("'drop-oldest': the oldest goes, and a call that goes so is told", async () => {
    const { system } = bench();
    const until = gate();
    const ref = await system.spawn(bounded(2, 'drop-oldest')(until.promise));
    const held = ref.call('hold');
    await settle();
    const dropped = rejection(ref.call('note', 1));
    for (const n of [2, 3, 4]) ref.cast('note', n);
    expect(await dropped).toMatchObject({ code: 'mailbox-full' });
    until.open();
    await held;
    await settle();
    expect(await ref.call('seen')).toEqual([3, 4]);
    expect(system.deadLetters.recent.map(letter => [letter.payload, letter.reason])).toEqual([[2, 'mailbox-full']]);
  });

  test.each(['reject', 'drop-newest', 'drop-oldest'] as const)('%s drops no signal', async overflow => {
    const { system } = bench();
    const until = gate();
    const ref = await system.spawn(bounded(1, overflow)(until.promise));
    const others = [await system.spawn(Counter(0)), await system.spawn(Counter(0))];
    for (const other of others) await ref.call('watch', other);
    const held = ref.call('hold');
    await settle();
    for (const other of others) system.exit(other.pid, 'kill');
    ref.cast('note', 1);
    ref.cast('note', 2);
    until.open();
    await held;
    await settle();
    expect((await ref.call('seen')).filter(n => n === -1)).toHaveLength(2);
  });
});

describe('offer', () => {
  test('resolves once the message is accepted: back-pressure, in order', async () => {
    const { system } = bench();
    const until = gate();
    const ref = await system.spawn(bounded(2)(until.promise));
    const held = ref.call('hold');
    await settle();
    const accepted: number[] = [];
    const offers = [1, 2, 3, 4, 5].map(n => ref.offer('note', n).then(() => accepted.push(n)));
    await settle();
    expect(accepted).toEqual([1, 2]);
    until.open();
    await held;
    await Promise.all(offers);
    expect(accepted).toEqual([1, 2, 3, 4, 5]);
    expect(await ref.call('seen')).toEqual([1, 2, 3, 4, 5]);
    expect(system.deadLetters.count).toBe(0);
  });

  test('that ran out of time is not handled afterwards', async () => {
    const { system, clock } = bench();
    const until = gate();
    const ref = await system.spawn(bounded(1)(until.promise));
    const held = ref.call('hold', undefined, { timeout: Number.POSITIVE_INFINITY });
    await settle();
    ref.cast('note', 1);
    const late = rejection(ref.offer('note', 2, { timeout: 50 }));
    const patient = ref.offer('note', 3, { timeout: 500 });
    await clock.advance(50);
    expect(await late).toMatchObject({ code: 'timeout' });
    until.open();
    await Promise.all([held, patient]);
    expect(await ref.call('seen')).toEqual([1, 3]);
  });

  test('those that ran out of time among many leave the others in their order', async () => {
    const { system, clock } = bench();
    const until = gate();
    const ref = await system.spawn(bounded(1)(until.promise));
    const held = ref.call('hold', undefined, { timeout: Number.POSITIVE_INFINITY });
    await settle();
    ref.cast('note', 0);
    const offers = Array.from({ length: 500 }, (_, n) =>
      ref.offer('note', n + 1, { timeout: n % 3 === 0 ? 60_000 : 50 }).catch(() => {}),
    );
    await clock.advance(50);
    offers.push(...Array.from({ length: 500 }, (_, n) => ref.offer('note', n + 501)));
    until.open();
    await Promise.all([held, ...offers]);
    const patient = Array.from({ length: 500 }, (_, n) => n + 1).filter(n => n % 3 === 1);
    expect(await ref.call('seen')).toEqual([0, ...patient, ...Array.from({ length: 500 }, (_, n) => n + 501)]);
  });

  test('to an actor that ends first is noproc', async () => {
    const { system } = bench();
    const ref = await system.spawn(bounded(1)(gate().promise));
    const held = rejection(ref.call('hold'));
    await settle();
    ref.cast('note', 1);
    const waiting = rejection(ref.offer('note', 2));
    system.exit(ref.pid, 'kill');
    expect(await waiting).toMatchObject({ code: 'noproc' });
    expect(await held).toMatchObject({ code: 'unknown-outcome' });
    expect(await rejection(ref.offer('note', 3))).toMatchObject({ code: 'noproc' });
  });
});
