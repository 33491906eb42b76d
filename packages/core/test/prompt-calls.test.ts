import { actor } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { expect, test } from 'vitest';
import { bench, Counter, rejection } from './support.js';

test('what waits behind a call is handled although that call was dropped before its turn', async () => {
  const { system } = bench();
  const Seen = actor({
    name: 'seen',
    init: () => ({ casts: 0 }),
    calls: { casts: s => s.casts },
    casts: { note: s => s.casts++ },
    mailbox: { capacity: 1, overflow: 'drop-oldest' },
  });
  const seen = await system.spawn(Seen());
  const dropped = rejection(seen.call('casts'));
  seen.cast('note');
  await settle();
  expect(await dropped).toMatchObject({ code: 'mailbox-full' });
  expect(await seen.call('casts')).toBe(1);
});

test('others are handled although the one whose call set off the turn was killed', async () => {
  const { system } = bench();
  const [killed, other] = [await system.spawn(Counter(0)), await system.spawn(Counter(7))];
  const lost = rejection(killed.call('get'));
  system.exit(killed.pid, 'kill');
  expect(await other.call('get')).toBe(7);
  expect(await lost).toMatchObject({ code: 'noproc' });
});

test('calls of many callers resolve in the order in which they were made', async () => {
  const { system } = bench();
  const counters = await Promise.all([0, 1, 2].map(start => system.spawn(Counter(start))));
  const order: number[] = [];
  const calls = Array.from({ length: 100 }, async (_, n) => {
    await counters[n % 3]?.call('get');
    order.push(n);
  });
  await Promise.all(calls);
  expect(order).toEqual([...order].sort((left, right) => left - right));
});
