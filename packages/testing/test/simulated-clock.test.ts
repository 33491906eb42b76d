import { SimulatedClock } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';

describe('a simulated clock', () => {
  test('fires timers in the order of their time, those of one time in the order in which they were set', async () => {
    const clock = new SimulatedClock();
    const fired: string[] = [];
    clock.setTimeout(() => fired.push(`c@${clock.now()}`), 30);
    clock.setTimeout(() => fired.push(`a@${clock.now()}`), 10);
    clock.setTimeout(() => fired.push(`b@${clock.now()}`), 10);
    await clock.advance(20);
    expect(fired).toEqual(['a@10', 'b@10']);
    expect(clock.now()).toBe(20);
    await clock.advance(10);
    expect(fired).toEqual(['a@10', 'b@10', 'c@30']);
  });

  test('lets what follows from a timer happen before the next one', async () => {
    const clock = new SimulatedClock();
    const seen: string[] = [];
    clock.setTimeout(async () => {
      seen.push('first');
      await Promise.resolve();
      await new Promise(resolve => setImmediate(resolve));
      seen.push('after first');
    }, 1);
    clock.setTimeout(() => seen.push('second'), 1);
    await clock.advance(1);
    expect(seen).toEqual(['first', 'after first', 'second']);
  });

  test('a timer set by a timer fires in the same advance when it falls due', async () => {
    const clock = new SimulatedClock();
    let ticks = 0;
    const tick = (): void => {
      ticks++;
      clock.setTimeout(tick, 10);
    };
    clock.setTimeout(tick, 10);
    await clock.advance(1_000);
    expect(ticks).toBe(100);
  });

  test('a cancelled timer does not fire and does not count', async () => {
    const clock = new SimulatedClock();
    let fired = false;
    const timer = clock.setTimeout(() => {
      fired = true;
    }, 5);
    expect(clock.pending).toBe(1);
    timer.cancel();
    expect(clock.pending).toBe(0);
    await clock.advance(10);
    expect(fired).toBe(false);
  });

  test('advanceUntil stops at the moment the condition holds, and says what it waited for', async () => {
    const clock = new SimulatedClock();
    let done = false;
    clock.setTimeout(() => {
      done = true;
    }, 700);
    await clock.advanceUntil(() => done);
    expect(clock.now()).toBe(700);
    await expect(clock.advanceUntil(() => false, { within: 50, what: 'the moon' })).rejects.toThrow(/50.*the moon/);
  });

  test('stepping the wall clock leaves the monotonic one alone', async () => {
    const clock = new SimulatedClock({ epoch: 1_000 });
    await clock.advance(5);
    clock.stepWallTime(-3_600_000);
    expect(clock.wallTime()).toBe(1_005 - 3_600_000);
    expect(clock.now()).toBe(5);
  });
});
