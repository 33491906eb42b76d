import { ActorSystem, actor, type Clock, type Ref, silentLog } from '@foundation-ts/core';
import { describe, expect, test } from 'vitest';
import { Scheduler } from '../src/scheduler.js';
import { gate } from './support.js';

/** Counts the turns of the event loop until `done`. */
async function turnsUntil(done: Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  await done;
  over = true;
  return turns;
}

/** A clock that moves only when it is told to. */
class ManualClock implements Clock {
  at = 0;
  now(): number {
    return this.at;
  }
  wallTime(): number {
    return this.at;
  }
  setTimeout(): { cancel(): void } {
    return { cancel: () => {} };
  }
}

const Player = actor({
  name: 'player',
  init: (done: () => void) => ({ done, other: undefined as Ref | undefined }),
  casts: {
    meet: (s, other: Ref) => {
      s.other = other;
    },
    ball: (s, left: number) => {
      if (left === 0) s.done();
      else (s.other as Ref<never> & { cast(op: string, n: number): void }).cast('ball', left - 1);
    },
  },
});

describe('fairness', () => {
  test('a ping-pong that never rests leaves the event loop its turns', async () => {
    const system = new ActorSystem({ clock: new ManualClock(), log: silentLog });
    const done = gate();
    const [a, b] = [await system.spawn(Player(() => done.open())), await system.spawn(Player(() => done.open()))];
    a.cast('meet', b);
    b.cast('meet', a);
    a.cast('ball', 200_000);
    // A turn ends after 8,192 messages at the latest, whatever the clock says.
    expect(await turnsUntil(done.promise)).toBeGreaterThan(200_000 / 8_192 - 3);
  });

  test('a full mailbox is handled in several turns of the event loop when its handlers take long', async () => {
    const clock = new ManualClock();
    const system = new ActorSystem({ clock, log: silentLog });
    const done = gate();
    const Slow = actor({
      name: 'slow',
      init: () => ({ left: 1_000 }),
      casts: {
        work: s => {
          clock.at += 10;
          if (--s.left === 0) done.open();
        },
      },
    });
    const slow = await system.spawn(Slow());
    for (let n = 0; n < 1_000; n++) slow.cast('work');
    // 10 ms each, 4 ms a turn: after it has got used to them, one a turn.
    expect(await turnsUntil(done.promise)).toBeGreaterThan(800);
  });

  test('one busy actor does not keep another waiting longer than its slice', async () => {
    const system = new ActorSystem({ clock: new ManualClock(), log: silentLog });
    const order: string[] = [];
    const Worker = actor({
      name: 'worker',
      init: (name: string) => ({ name }),
      casts: { work: s => order.push(s.name) },
      calls: { sync: () => undefined },
    });
    const [busy, late] = [await system.spawn(Worker('busy')), await system.spawn(Worker('late'))];
    for (let n = 0; n < 5_000; n++) busy.cast('work');
    late.cast('work');
    await busy.call('sync');
    expect(order.indexOf('late')).toBeLessThanOrEqual(256);
  });
});

test('what is scheduled runs although something before it in the turn threw', async () => {
  const scheduler = new Scheduler(new ManualClock(), () => {});
  const done = gate();
  const caught = gate<unknown>();
  // The failure of the runtime itself is an uncaught exception; this test stands in for the handler of those.
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.once('uncaughtException', error => caught.open(error));
  try {
    scheduler.schedule({
      queued: false,
      ready: false,
      run: () => {
        throw new Error('a bug in the runtime');
      },
    });
    scheduler.schedule({
      queued: false,
      ready: false,
      run: () => {
        done.open();
        return 1;
      },
    });
    await done.promise;
    expect(await caught.promise).toEqual(new Error('a bug in the runtime'));
    expect(scheduler.idle).toBe(true);
  } finally {
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
});
