import { type Random, seededRandom } from '@foundation-ts/core';
import { describe, expect, it } from 'vitest';
import { Reconnects } from '../src/reconnect.js';

const highest: Random = { next: () => 1 - Number.EPSILON, bytes: length => new Uint8Array(length) };

describe('Reconnects', () => {
  it('redials at once, then after at most 100 ms, doubling to 10 s', () => {
    const reconnects = new Reconnects();
    const delays = Array.from({ length: 11 }, () => Math.round(reconnects.failed('a', 1_000, highest) - 1_000));
    expect(delays).toEqual([0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]);
  });

  it('spreads the delays over the whole range below the ceiling', () => {
    const random = seededRandom(1);
    const delays = Array.from({ length: 2_000 }, () => {
      const reconnects = new Reconnects();
      for (let failure = 0; failure < 10; failure++) reconnects.failed('a', 0, random);
      return reconnects.failed('a', 0, random);
    });
    const tenths = new Array<number>(10).fill(0);
    for (const delay of delays) tenths[Math.floor(delay / 1_000)] = (tenths[Math.floor(delay / 1_000)] ?? 0) + 1;
    for (const count of tenths) expect(count).toBeGreaterThan(120);
  });

  it('lets an address be dialled when it is due, and one that never failed always', () => {
    const reconnects = new Reconnects();
    expect(reconnects.mayDial('a', 0)).toBe(true);
    expect(reconnects.nextAt('a')).toBeUndefined();
    reconnects.failed('a', 0, highest);
    const at = reconnects.failed('a', 0, highest);
    expect(reconnects.nextAt('a')).toBe(at);
    expect(reconnects.mayDial('a', at - 1)).toBe(false);
    expect(reconnects.mayDial('a', at)).toBe(true);
    expect(reconnects.mayDial('b', 0)).toBe(true);
  });

  it('starts again after a connection that held, and from 200 ms at most after one that broke at once', () => {
    const reconnects = new Reconnects();
    for (let failure = 0; failure < 5; failure++) reconnects.failed('a', 0, highest);
    reconnects.succeeded('a', 10_000);
    expect(reconnects.failed('a', 10_999, highest) - 10_999).toBeCloseTo(200);
    expect(reconnects.failed('a', 12_000, highest) - 12_000).toBeCloseTo(400);
    reconnects.succeeded('a', 20_000);
    expect(reconnects.failed('a', 21_000, highest)).toBe(21_000);
  });

  it('stays finite after very many failures', () => {
    const reconnects = new Reconnects();
    for (let failure = 0; failure < 5_000; failure++) reconnects.failed('a', 0, highest);
    expect(reconnects.failed('a', 0, highest)).toBeLessThanOrEqual(10_000);
  });

  it('remembers a bounded number of addresses, the latest ones', () => {
    const reconnects = new Reconnects({ maxAddresses: 3 });
    for (const address of ['a', 'b', 'c', 'a', 'd']) reconnects.failed(address, 0, highest);
    expect(reconnects.size).toBe(3);
    expect(reconnects.nextAt('b')).toBeUndefined();
    expect(reconnects.nextAt('a')).toBeDefined();
    reconnects.forget('a');
    expect(reconnects.size).toBe(2);
  });
});
