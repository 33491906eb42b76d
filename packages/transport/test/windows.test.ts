import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReceiveWindow, type WindowShare } from '../src/internal/receive-window.js';
import { LeastRoundTrip } from '../src/internal/round-trip.js';
import { type Node, World } from './world.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Sends bulk for a while and gives the rate in bytes a second. */
async function bulk(world: World, a: Node, b: Node, milliseconds: number): Promise<number> {
  const stats = () =>
    b
      .peer('a')
      .stats()
      .find(({ channel }) => channel === 'data');
  const refill = (): void => {
    while (a.peer('b').queued('data') < 32 * MIB) a.peer('b').send('data', new Uint8Array(4 * MIB));
  };
  for (let time = 0; time < milliseconds / 2; time += 100) {
    refill();
    await world.clock.advance(100);
  }
  const before = stats()?.bytesReceived as number;
  for (let time = 0; time < milliseconds / 2; time += 100) {
    refill();
    await world.clock.advance(100);
  }
  return (((stats()?.bytesReceived as number) - before) * 2_000) / milliseconds;
}

function windowOf(node: Node, peer: string, channel = 'data'): number {
  return node
    .peer(peer)
    .stats()
    .find(stats => stats.channel === channel)?.window as number;
}

describe('a window that follows the link', () => {
  test('grows until a long fast link is used', async () => {
    const bandwidth = 50_000_000;
    const world = new World(1, { delay: 50, bandwidth });
    const [a, b] = await world.pair();
    await world.clock.advance(1_000);
    expect(windowOf(b, 'a')).toBe(256 * KIB);
    const rate = await bulk(world, a, b, 4_000);
    // 256 KiB in 100 ms would be 2.6 MB/s.
    expect(rate).toBeGreaterThan(bandwidth * 0.8);
    expect(windowOf(b, 'a')).toBeGreaterThan(4 * MIB);
    expect(windowOf(b, 'a')).toBeLessThanOrEqual(16 * MIB);
  });

  test('shrinks on a slow link, so that little waits in it, without losing its bandwidth', async () => {
    const bandwidth = 2_000_000;
    const world = new World(1, { delay: 2, bandwidth });
    const [a, b] = await world.pair();
    const rate = await bulk(world, a, b, 6_000);
    expect(rate).toBeGreaterThan(bandwidth * 0.9);
    expect(windowOf(b, 'a')).toBeLessThan(140 * KIB);
  });

  test('is fixed where the declaration says so, and for control', async () => {
    const world = new World(1, { delay: 50, bandwidth: 50_000_000 });
    const [a, b] = await world.pair({ channels: [{ name: 'control' }, { name: 'data', window: 300_000 }] });
    await bulk(world, a, b, 2_000);
    for (let index = 0; index < 300; index++) a.peer('b').send('control', new Uint8Array(10_000));
    await world.clock.advance(2_000);
    expect([windowOf(b, 'a'), windowOf(b, 'a', 'control')]).toEqual([300_000, 256 * KIB]);
  });

  test('does not take the queue of its own bulk for distance, however long that lasts', async () => {
    const world = new World(1, { delay: 5, bandwidth: 10_000_000 });
    const [a, b] = await world.pair();
    await bulk(world, a, b, 40_000);
    // 10 MB/s × 10 ms = 100 kB.
    expect(windowOf(b, 'a')).toBeLessThan(400 * KIB);
    const roundTrips = b
      .peer('a')
      .stats()
      .find(({ channel }) => channel === 'data')?.roundTrips;
    expect(roundTrips?.count).toBeGreaterThan(20);
    expect(roundTrips?.minimum).toBeGreaterThanOrEqual(10);
    expect(roundTrips?.buckets.reduce((sum, count) => sum + count, 0)).toBe(roundTrips?.count);
  });

  test.each([
    // On one machine: what hides that the other process does not run for a moment, since more only waits.
    { least: 0.07, rate: 2_000_000, window: 1024 * KIB },
    { least: 0.07, rate: 250_000, window: 1_000_000 },
    // What waits on a slow link is felt: 1 ms of it at most, or the least.
    { least: 0.07, rate: 200_000, window: 200_000 },
    { least: 0.07, rate: 12_500, window: 128 * KIB },
    { least: 20, rate: 125_000, window: 5_000_000 },
  ])('comes to $window bytes at $rate bytes and a round trip of $least ms', ({ least, rate, window }) => {
    const roundTrip = new LeastRoundTrip();
    roundTrip.answered(0, least);
    const share = { left: 20 * MIB };
    const followed = new ReceiveWindow({ start: 256 * KIB, floor: 128 * KIB, cap: 16 * MIB, share, roundTrip });
    for (let now = 1_000; now < 2_000; now++) followed.received(rate, now);
    expect(followed.size).toBe(window);
  });

  test('stays within its bounds and shares what a peer may have, whatever arrives when', () => {
    const arrivals = fc.array(
      fc.record({ bytes: fc.integer({ min: 0, max: 10 * MIB }), after: fc.double({ min: 0, max: 50, noNaN: true }) }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(arrivals, fc.double({ min: 0.01, max: 300, noNaN: true }), (steps, least) => {
        const share: WindowShare = { left: 20 * MIB };
        const roundTrip = new LeastRoundTrip();
        roundTrip.answered(0, least);
        const bounds = { start: 256 * KIB, floor: 128 * KIB, cap: 16 * MIB, share, roundTrip };
        const windows = [new ReceiveWindow(bounds), new ReceiveWindow(bounds), new ReceiveWindow(bounds)];
        let now = 1_000;
        for (const [index, { bytes, after }] of steps.entries()) {
          now += after;
          windows[index % 3]?.received(bytes, now);
          const sizes = windows.map(({ size }) => size);
          expect(sizes.every(size => size >= 128 * KIB && size <= 16 * MIB)).toBe(true);
          const extra = sizes.reduce((sum, size) => sum + Math.max(0, size - 256 * KIB), 0);
          expect(share.left).toBe(20 * MIB - extra);
          expect(share.left).toBeGreaterThanOrEqual(0);
        }
        for (const window of windows) window.release();
        expect(share.left).toBe(20 * MIB);
      }),
    );
  });
});
