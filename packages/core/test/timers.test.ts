import { actor, systemClock } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { bench, rejection } from './support.js';

const Alarm = actor({
  name: 'alarm',
  init: () => ({ rung: [] as number[], timers: [] as { cancel(): void }[] }),
  calls: { rung: s => s.rung },
  casts: {
    set: (s, ms: number, ctx) => s.timers.push(ctx.after(ms, 'ring', ms)),
    cancel: (s, index: number) => s.timers[index]?.cancel(),
    ring: (s, ms: number) => s.rung.push(ms),
  },
});

test('ctx.after casts to the actor itself, in the order of time', async () => {
  const { system, clock } = bench();
  const alarm = await system.spawn(Alarm());
  for (const ms of [30, 10, 20]) alarm.cast('set', ms);
  await clock.advance(9);
  expect(await alarm.call('rung')).toEqual([]);
  await clock.advance(21);
  expect(await alarm.call('rung')).toEqual([10, 20, 30]);
});

test('a cancelled timer does not fire', async () => {
  const { system, clock } = bench();
  const alarm = await system.spawn(Alarm());
  alarm.cast('set', 10);
  alarm.cast('set', 20);
  alarm.cast('cancel', 0);
  alarm.cast('cancel', 0);
  await clock.advance(50);
  expect(await alarm.call('rung')).toEqual([20]);
});

test('timers die with their actor', async () => {
  const { system, clock } = bench();
  const alarm = await system.spawn(Alarm());
  for (const ms of [10, 20, 30]) alarm.cast('set', ms);
  await clock.advance(10);
  expect(clock.pending).toBe(2);
  system.exit(alarm.pid, 'kill');
  expect(clock.pending).toBe(0);
  await clock.advance(50);
  expect(system.deadLetters.count).toBe(0);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, '5' as never])('a delay of %s is refused', async ms => {
  const { system } = bench();
  const alarm = await system.spawn(Alarm());
  const ended = system.whenEnded(alarm);
  alarm.cast('set', ms);
  expect(await ended).toMatchObject({ code: 'invalid-option' });
  expect((await rejection(alarm.call('rung'))).code).toBe('noproc');
});

const Beat = actor({
  name: 'beat',
  init: () => ({ beats: [] as string[], timers: [] as { cancel(): void }[] }),
  calls: { beats: s => s.beats },
  casts: {
    start: (s, ms: number, ctx) => s.timers.push(ctx.every(ms, 'beat', `every ${ms}`)),
    stop: s => s.timers[0]?.cancel(),
    beat: (s, text: string) => s.beats.push(text),
  },
});

test('ctx.every casts again and again, without drift, until it is cancelled', async () => {
  const { system, clock } = bench();
  const beat = await system.spawn(Beat());
  beat.cast('start', 10);
  await clock.advance(9);
  expect(await beat.call('beats')).toEqual([]);
  await clock.advance(26);
  expect(await beat.call('beats')).toEqual(['every 10', 'every 10', 'every 10']);
  await clock.advance(5);
  expect((await beat.call('beats')).length).toBe(4);
  beat.cast('stop');
  await clock.advance(100);
  expect((await beat.call('beats')).length).toBe(4);
});

test('ctx.every dies with its actor, and leaves out the beats that were missed', async () => {
  const { clock } = bench();
  // A clock whose timers come late, as when the event loop stands still.
  let late = 0;
  const { system } = bench({
    clock: {
      now: () => clock.now() + late,
      wallTime: () => clock.wallTime(),
      setTimeout: (callback, ms) => clock.setTimeout(callback, ms),
    },
  });
  const beat = await system.spawn(Beat());
  beat.cast('start', 10);
  await clock.advance(5);
  late = 37;
  await clock.advance(5);
  expect(await beat.call('beats', undefined, { timeout: Number.POSITIVE_INFINITY })).toEqual(['every 10']);
  // It is 47: the next is due at 50.
  await clock.advance(2);
  expect((await beat.call('beats', undefined, { timeout: Number.POSITIVE_INFINITY })).length).toBe(1);
  await clock.advance(1);
  expect((await beat.call('beats', undefined, { timeout: Number.POSITIVE_INFINITY })).length).toBe(2);
  expect(clock.pending).toBe(1);
  system.exit(beat.pid, 'kill');
  expect(clock.pending).toBe(0);
});

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('a rhythm of %s is refused', async ms => {
  const { system } = bench();
  const beat = await system.spawn(Beat());
  const ended = system.whenEnded(beat);
  beat.cast('start', ms);
  expect(await ended).toMatchObject({ code: 'invalid-option' });
});

describe('the clock of the machine', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('waits longer than Node.js can in one timer (24.8 days)', async () => {
    const day = 86_400_000;
    let fired = 0;
    systemClock.setTimeout(() => fired++, 60 * day);
    const cancelled = systemClock.setTimeout(() => fired++, 50 * day);
    vi.advanceTimersByTime(40 * day);
    cancelled.cancel();
    vi.advanceTimersByTime(20 * day - 1);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(1);
    expect(fired).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('fires once, not when cancelled, and never synchronously', () => {
    const fired: number[] = [];
    systemClock.setTimeout(() => fired.push(1), 0);
    systemClock.setTimeout(() => fired.push(2), -5);
    systemClock.setTimeout(() => fired.push(3), 5, { unref: true }).cancel();
    expect(fired).toEqual([]);
    vi.advanceTimersByTime(10);
    expect(fired).toEqual([1, 2]);
  });
});

test('the clock of the machine never goes back', async () => {
  const first = systemClock.now();
  await settle();
  expect(systemClock.now()).toBeGreaterThanOrEqual(first);
  expect(Math.abs(systemClock.wallTime() - Date.now())).toBeLessThan(60_000);
});
