import { expect, test } from 'vitest';
import { DialPace, inRing } from '../src/dial-pace.js';

const begun = (pace: DialPace, count: number, now: number, prefix = 'n'): number =>
  Array.from({ length: count }, (_, index) => pace.begin(`${prefix}${index}`, count, now)).filter(Boolean).length;

test('four dials begin at once, and a further one when one is over', () => {
  const pace = new DialPace();
  expect(begun(pace, 19, 1_000)).toBe(4);
  expect(pace.begin('n4', 19, 1_050)).toBe(false);
  expect(pace.nextAt(1_050)).toBe(1_100);
  pace.end('n2');
  expect(pace.begin('n4', 19, 1_050)).toBe(true);
  expect(pace.begin('n5', 19, 1_050)).toBe(false);
});

test('where nobody answers, others wait for a tenth of a second', () => {
  const pace = new DialPace();
  expect(begun(pace, 19, 0, 'silent')).toBe(4);
  expect(begun(pace, 19, 99)).toBe(0);
  expect(begun(pace, 19, 100)).toBe(4);
});

test('where somebody answers, they wait for two seconds at most', () => {
  const pace = new DialPace();
  expect(begun(pace, 19, 0, 'slow')).toBe(4);
  for (const slow of ['slow0', 'slow1', 'slow2']) pace.answered(slow);
  expect(begun(pace, 19, 100)).toBe(1);
  pace.answered('n0');
  expect(begun(pace, 19, 1_999, 'other')).toBe(0);
  expect(begun(pace, 19, 2_000, 'other')).toBe(3);
});

test('of a crowd an eighth is dialled at once', () => {
  expect(begun(new DialPace(), 4_096, 0)).toBe(512);
});

test('nodes dial on the ring from behind themselves: of a pair one is first by far, and no node is first for many', () => {
  const all = Array.from({ length: 20 }, (_, index) => ({ text: `tcp://10.0.0.${index + 1}:4370` }));
  const firsts = all.map(({ text: own }) => inRing(all.filter(({ text }) => text !== own).reverse(), own));
  expect(new Set(firsts.map(([first]) => first?.text)).size).toBe(20);
  const place = (of: string, whom: string): number =>
    (firsts[all.findIndex(({ text }) => text === of)] as { text: string }[]).findIndex(({ text }) => text === whom);
  for (const { text: one } of all) {
    for (const { text: other } of all) if (one !== other) expect(place(one, other) + place(other, one)).toBe(18);
  }
  expect(inRing([], 'x')).toEqual([]);
});
