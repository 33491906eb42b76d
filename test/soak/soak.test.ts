import { expect, test } from 'vitest';
import { judge, soak } from './soak.js';
import { type Arrivals, type Sent, streams } from './streams.js';

test('order holds and nothing is repeated or lost while connections are cut every 200 ms', async () => {
  const seed = 1 + (Date.now() % 1_000_000);
  const { faults, messages, cuts } = await soak({ seconds: 6, every: 200, seed });
  expect(faults, `seed ${seed}`).toEqual([]);
  expect(cuts).toBeGreaterThan(5);
  expect(messages).toBeGreaterThan(1_000);
}, 90_000);

type Changes = Partial<Arrivals['streams'][string]>;

/** Ten messages of each stream, three calls: all well but for what is changed in one stream. */
function verdict(id: string, change: Changes, sent: Partial<Sent> = {}, handled: readonly number[] = [1, 0, 1]) {
  const good = { last: 9, count: 10, wrong: [], missing: [] };
  const all = <T>(value: T): Record<string, T> => Object.fromEntries(streams.map(stream => [stream.id, value]));
  return judge(
    { sent: all(10), refused: all([]), lost: all([]), outcomes: ['answered', 'not-delivered', 'unknown'], ...sent },
    {
      streams: { ...all(good), [id]: { ...good, ...change } },
      handled: Uint8Array.from(handled),
      cuts: 1,
      incarnations: 2,
    },
  );
}

test('the judge finds what is out of order, repeated, missing, or came although it was refused', () => {
  expect(verdict('data 0', {})).toEqual([]);
  expect(verdict('data 0', { missing: [[3, 5]], count: 7 })).toEqual([]);
  expect(verdict('data 0', { wrong: ['3 came after 5'] })).toEqual([
    'data 0: out of order or repeated: 3 came after 5',
  ]);
  expect(verdict('orders 1', { missing: [[3, 5]], count: 7 })).toEqual(['orders 1: 3 was taken and never came']);
  expect(verdict('orders 1', { last: 7, count: 8 })).toEqual(['orders 1: 8 was taken and never came']);
  expect(verdict('orders 1', { missing: [[3, 5]], count: 7 }, { refused: { 'orders 1': [[3, 5]] } })).toEqual([]);
  expect(verdict('orders 1', { missing: [[3, 4]] }, { refused: { 'orders 1': [[3, 5]] } })).toEqual([
    'orders 1: 5 came though it was refused',
  ]);
  expect(verdict('orders 1', {}, { lost: { 'orders 1': [[9, 9]] } })).toEqual([
    'orders 1: 1 were given up although both nodes live',
  ]);
  expect(verdict('data 0', { count: 0 })).toEqual(['data 0: nothing came']);
  expect(verdict('data 0', {}, {}, [2, 0, 1])).toEqual(['call 0 is answered and was handled 2 times']);
  expect(verdict('data 0', {}, {}, [1, 1, 1])).toEqual(['call 1 is not-delivered and was handled 1 times']);
  expect(verdict('data 0', {}, {}, [1, 0, 2])).toEqual(['call 2 is unknown and was handled 2 times']);
});
