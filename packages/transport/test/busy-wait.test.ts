import { expect, test } from 'vitest';
import { BusyWait, MAX_BUSY_WAIT } from '../src/internal/busy-wait.js';
import { tcp } from '../src/tcp/index.js';
import { ws } from '../src/ws/index.js';

/** An event loop whose turns are counted. */
class Loop {
  turns = 0;
  #next: (() => void) | undefined;
  readonly nextTurn = (run: () => void): void => {
    expect(this.#next).toBeUndefined();
    this.#next = run;
  };

  get awake(): boolean {
    return this.#next !== undefined;
  }

  turn(): void {
    const run = this.#next;
    this.#next = undefined;
    this.turns++;
    run?.();
  }

  /** @returns how many turns it took */
  sleep(): number {
    const before = this.turns;
    while (this.awake) this.turn();
    return this.turns - before;
  }
}

function wait(turns = 32): { loop: Loop; wait: BusyWait } {
  const loop = new Loop();
  return { loop, wait: new BusyWait(turns, loop.nextTurn) };
}

/** How often a wait begins in so many occasions on which nothing comes. */
function waitsInVain(each: { loop: Loop; wait: BusyWait }, occasions: number): number {
  let waits = 0;
  for (let occasion = 0; occasion < occasions; occasion++) {
    each.wait.sent();
    if (each.loop.sleep() > 0) waits++;
  }
  return waits;
}

test('stays awake for so many turns after something was sent, or has come, and not longer', () => {
  const { loop, wait: busy } = wait();
  busy.sent();
  expect(loop.sleep()).toBe(32);
  busy.received();
  expect(loop.sleep()).toBe(32);
});

test('what comes meanwhile begins the time anew; what is sent meanwhile does not', () => {
  const { loop, wait: busy } = wait();
  busy.sent();
  for (let turn = 0; turn < 20; turn++) loop.turn();
  busy.received();
  busy.sent();
  for (let turn = 0; turn < 20; turn++) loop.turn();
  busy.sent();
  expect(loop.sleep()).toBe(12);
});

test('is tried ever more seldom while nothing comes, but never given up', () => {
  const each = wait();
  expect(waitsInVain(each, 4)).toBe(4);
  expect(waitsInVain(each, 1_000)).toBeLessThan(12);
  expect(waitsInVain(each, 1_000)).toBeGreaterThanOrEqual(3);
});

test('goes on at every occasion when something has come in time once', () => {
  const each = wait();
  waitsInVain(each, 2_000);
  while (!each.loop.awake) each.wait.sent();
  each.wait.received();
  each.loop.sleep();
  expect(waitsInVain(each, 4)).toBe(4);
});

test('what has come after the time is over does not count', () => {
  const each = wait();
  for (let occasion = 0; occasion < 1_000; occasion++) {
    each.wait.sent();
    each.loop.sleep();
    each.wait.received();
    each.loop.sleep();
  }
  expect(each.loop.turns).toBeLessThan(32 * 30);
});

test('with 0 turns the process sleeps at once', () => {
  const { loop, wait: busy } = wait(0);
  busy.sent();
  busy.received();
  expect(loop.awake).toBe(false);
});

test.each([-1, 1.5, MAX_BUSY_WAIT + 1, Number.NaN, '32'])('a busyWait of %s is refused', value => {
  const busyWait = value as number;
  for (const make of [() => tcp({ busyWait }), () => ws({ busyWait })])
    expect(make).toThrow(/busyWait.*an integer from 0 to 10000/s);
});
