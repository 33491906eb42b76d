import { HLC_ZERO, Hlc, hlcCompare, hlcLogical, hlcOf, hlcReceive, hlcTick, hlcWallTime } from '@foundation-ts/crdt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const wall = fc.integer({ min: 0, max: 3_700_000_000_000 });

describe('hybrid logical clock', () => {
  it('always ticks forward, and never behind the wall, when that jumps about', () => {
    fc.assert(
      fc.property(fc.array(wall, { minLength: 1 }), walls => {
        let last = HLC_ZERO;
        for (const now of walls) {
          const next = hlcTick(last, now);
          expect(next).toBeGreaterThan(last);
          expect(hlcWallTime(next)).toBeGreaterThanOrEqual(now);
          expect(Number.isSafeInteger(next)).toBe(true);
          last = next;
        }
      }),
    );
  });

  it('takes wall time and logical part apart again', () => {
    fc.assert(
      fc.property(wall, fc.integer({ min: 0, max: 4095 }), (now, logical) => {
        const timestamp = hlcOf(now, logical);
        expect(hlcWallTime(timestamp)).toBe(now);
        expect(hlcLogical(timestamp)).toBe(logical);
      }),
    );
  });

  it('ticks after what it received, though its own wall clock is behind', () => {
    const clock = new Hlc();
    const remote = hlcOf(10_000, 7);
    expect(clock.receive(remote, 9_000)).toBe(0);
    expect(clock.tick(9_000)).toBeGreaterThan(remote);
    expect(hlcWallTime(clock.last)).toBe(10_000);
  });

  it('clamps a clock far ahead and says by how much', () => {
    const clock = new Hlc({ maxLead: 1_000 });
    expect(clock.receive(hlcOf(500_000), 10_000)).toBe(489_000);
    expect(hlcWallTime(clock.tick(10_000))).toBe(11_001);
    expect(hlcReceive(HLC_ZERO, hlcOf(11_000), 10_000, 1_000)).toEqual({ timestamp: hlcOf(11_000), clampedBy: 0 });
  });

  it('keeps counting when a millisecond is full', () => {
    let last = hlcTick(HLC_ZERO, 5);
    for (let i = 0; i < 5_000; i++) last = hlcTick(last, 5);
    expect(hlcWallTime(last)).toBe(6);
  });

  it('orders totally, ties by node', () => {
    expect(hlcCompare(1, 'b', 2, 'a')).toBeLessThan(0);
    expect(hlcCompare(2, 'a', 2, 'b')).toBeLessThan(0);
    expect(hlcCompare(2, 'b', 2, 'a')).toBeGreaterThan(0);
    expect(hlcCompare(2, 'b', 2, 'b')).toBe(0);
  });
});
