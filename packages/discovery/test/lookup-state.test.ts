import type { Address } from '@foundation-ts/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { initialLookupState, type LookupEffects, type LookupPart, stepLookup } from '../src/lookup-state.js';

const address = (host: string): Address => ({ protocol: 'tcp', host, port: 4370 });
const self = address('10.0.0.1');
const named = (hosts: string, ttl?: number): LookupPart => ({
  addresses: hosts === '' ? [] : hosts.split(' ').map(host => address(`10.0.0.${host}`)),
  ttl,
});
const broken: LookupPart = { error: new Error('SERVFAIL') };
const outage = new Error('no server');

type Step = LookupPart | Error | Readonly<Record<string, LookupPart>>;

/** What comes of look-ups one after the other; a lone part is the question A. */
function run(steps: readonly Step[], pollInterval = 5_000): LookupEffects[] {
  let state = initialLookupState;
  return steps.map(step => {
    const parts =
      step instanceof Error ? step : 'addresses' in step || 'error' in step ? { A: step as LookupPart } : step;
    const result = parts instanceof Error ? parts : new Map(Object.entries(parts));
    const [next, effects] = stepLookup(state, result, { pollInterval }, self);
    state = next;
    return effects;
  });
}

const published = (steps: readonly Step[]): (string | undefined)[] =>
  run(steps).map(({ publish }) => publish?.map(({ host }) => host.slice('10.0.0.'.length)).join(' '));
const waits = (steps: readonly Step[], pollInterval?: number): number[] =>
  run(steps, pollInterval).map(({ wait }) => wait);

describe('a repeated look-up', () => {
  test('publishes the whole set, at each change', () => {
    expect(published([named('1 2'), named('2 1'), named('2 3'), named('3')])).toEqual(['1 2', undefined, '2 3', '3']);
  });

  test('publishes that there is nobody yet', () => {
    expect(published([named(''), named(''), named('2')])).toEqual(['', undefined, '2']);
  });

  test('believes that there is nobody any more when it hears it three times in a row', () => {
    const steps = [named('2'), named(''), named(''), named('2'), named(''), named(''), named(''), named('')];
    expect(published(steps)).toEqual(['2', undefined, undefined, undefined, undefined, undefined, '', undefined]);
  });

  test('asks again soon while it doubts that there is nobody', () => {
    expect(waits([named('2'), named(''), named(''), named('', 3_600_000)])).toEqual([5_000, 1_000, 1_000, 5_000]);
  });

  test('does not take a failure between them for an answer', () => {
    const steps = [named('2'), named(''), outage, named(''), outage, named('')];
    expect(published(steps)).toEqual(['2', undefined, undefined, undefined, undefined, '']);
  });

  test('keeps its set when a look-up fails', () => {
    expect(published([named('2'), outage, broken, named('2')])).toEqual(['2', undefined, undefined, undefined]);
    expect(run([named('2'), outage])[1]?.failed).toBe(outage);
  });

  test('keeps what a question that fails said last, and takes what the others say', () => {
    const steps = [
      { A: named('2'), AAAA: named('12') },
      { A: named('3'), AAAA: broken },
      { A: named('3'), AAAA: named('') },
    ];
    expect(published(steps)).toEqual(['12 2', '12 3', '3']);
  });

  test('tells of a part that fails once, until it has recovered', () => {
    const [both, half] = [
      { A: named('2'), AAAA: named('') },
      { A: named('2'), AAAA: broken },
    ];
    const told = run([both, half, half, both, half]).map(({ partlyFailed }) => partlyFailed !== undefined);
    expect(told).toEqual([false, true, false, false, true]);
    expect(run([both, half]).every(({ failed }) => failed === undefined)).toBe(true);
  });

  test('holds a look-up in which some say nobody and others fail for failed', () => {
    expect(run([{ A: named(''), AAAA: broken }])[0]).toMatchObject({ failed: expect.any(Error) });
    expect(published([named('2'), { A: named(''), AAAA: broken }])).toEqual(['2', undefined]);
  });

  test('forgets what questions said that are asked no more', () => {
    expect(
      published([
        { SRV: named(''), 'A x': named('2') },
        { SRV: named(''), 'A y': named('3') },
      ]),
    ).toEqual(['2', '3']);
  });

  test('asks again when the shortest answer expires, within bounds', () => {
    expect(waits([named('2', 3_000)])).toEqual([3_000]);
    expect(waits([named('2', 0)])).toEqual([1_000]);
    expect(waits([named('2', 86_400_000)])).toEqual([5_000]);
    expect(waits([named('2')])).toEqual([5_000]);
    expect(waits([named('2', 0)], 50)).toEqual([50]);
    expect(waits([{ A: named('2', 4_000), AAAA: named('', 2_000) }])).toEqual([2_000]);
  });

  test('asks quickly until somebody else is found, and slows down', () => {
    const alone = Array.from({ length: 7 }, () => named('1'));
    expect(waits(alone)).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    expect(waits([named('', 1_000), named('1 2', 60_000), named('1', 60_000)])).toEqual([250, 5_000, 5_000]);
  });

  test('tries again after a failure with growing pauses, up to 30 s', () => {
    const pauses = waits([...Array.from({ length: 9 }, () => outage), named('2'), outage]);
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 5_000, 500]);
    expect(
      waits(
        Array.from({ length: 9 }, () => outage),
        60_000,
      ).at(-1),
    ).toBe(60_000);
  });

  test('takes no more than 4,096 addresses, always the same', () => {
    const many = Array.from({ length: 5_000 }, (_, index) => address(`10.1.${index >> 8}.${index & 255}`));
    const [first, second] = run([
      { addresses: many, ttl: undefined },
      { addresses: many.toReversed(), ttl: undefined },
    ]);
    expect(first?.publish).toHaveLength(4_096);
    expect(first?.excess).toBe(904);
    expect(second?.publish).toBeUndefined();
  });

  test('always asks again, and never publishes the same set twice', () => {
    const part = fc.oneof(
      fc.record({
        addresses: fc.array(fc.constantFrom('1', '2', '3').map(host => address(`10.0.0.${host}`))),
        ttl: fc.option(fc.nat(), { nil: undefined }),
      }),
      fc.constant(broken),
    );
    const step = fc.oneof(fc.record({ A: part, AAAA: part }), fc.constant(outage));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        let last: string | undefined;
        let empties = 0;
        const all = run(steps);
        for (const [index, { publish, wait, failed }] of all.entries()) {
          expect(wait).toBeGreaterThanOrEqual(250);
          expect(wait).toBeLessThanOrEqual(30_000);
          const step = steps[index];
          if (failed !== undefined) expect(publish).toBeUndefined();
          else if (
            !(step instanceof Error) &&
            Object.values(step ?? {}).every(one => !('error' in one) && one.addresses.length === 0)
          )
            empties++;
          else empties = 0;
          if (publish === undefined) continue;
          const text = JSON.stringify(publish);
          expect(text).not.toBe(last);
          if (publish.length === 0 && last !== undefined) expect(empties).toBeGreaterThanOrEqual(3);
          last = text;
        }
      }),
    );
  });
});
