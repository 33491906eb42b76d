import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { ActorSystem, actor, type Clock, silentLog, type TelemetryEvent } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { bench, rejection } from './support.js';

const release: (() => void)[] = [];
afterEach(() => {
  for (const undo of release.splice(0)) undo();
});

/** The events of that name, from now on. */
function events(name: string): TelemetryEvent[] {
  const seen: TelemetryEvent[] = [];
  const listener = (message: unknown): void => {
    seen.push(message as TelemetryEvent);
  };
  subscribe(`foundation:${name}`, listener);
  release.push(() => unsubscribe(`foundation:${name}`, listener));
  return seen;
}

const Sink = actor({ name: 'sink', init: () => ({}), calls: { flush: () => true }, casts: { drop: () => {} } });

describe('a long mailbox', () => {
  test('is reported once at each doubling of its length, by event and log', async () => {
    const { system, lines } = bench();
    const seen = events('actor.mailbox.long');
    const sink = await system.spawn(Sink());
    for (let n = 0; n < 50_000; n++) sink.cast('drop');
    expect(seen.map(event => event.measurements.length)).toEqual([10_000, 20_000, 40_000]);
    expect(seen[0]?.metadata).toEqual({ pid: sink.pid.toString(), definition: 'sink' });
    expect(lines.filter(line => line.level === 'warn')).toHaveLength(3);
    expect(lines[0]?.message).toContain('10000 messages wait');
    expect(system.longestMailboxes()).toEqual([{ pid: sink.pid, definition: 'sink', length: 50_000 }]);
  });

  test('is reported again at the same length only a minute later', async () => {
    const { system, clock } = bench({ longMailbox: 10 });
    const seen = events('actor.mailbox.long');
    const sink = await system.spawn(Sink());
    const fill = async (): Promise<void> => {
      for (let n = 0; n < 15; n++) sink.cast('drop');
      await settle();
    };
    await fill();
    await fill();
    expect(seen).toHaveLength(1);
    await clock.advance(60_000);
    await fill();
    expect(seen).toHaveLength(2);
  });

  test('is reported whatever fills it: calls, offers, signals', async () => {
    for (const how of ['call', 'offer', 'signal'] as const) {
      const { system } = bench({ longMailbox: 4 });
      const seen = events('actor.mailbox.long');
      const sink = await system.spawn(Sink());
      for (let n = 0; n < 5; n++) {
        if (how === 'call') void sink.call('flush');
        else if (how === 'offer') void sink.offer('drop');
        else system.process(sink.pid)?.enqueueSignal(3, () => undefined);
      }
      expect(seen, how).toHaveLength(1);
      await settle();
    }
  });

  test('is reported when it is bounded and a message meets it full, once a minute, by event alone', async () => {
    for (const how of ['cast', 'call', 'offer'] as const) {
      for (const overflow of ['reject', 'drop-newest', 'drop-oldest'] as const) {
        const seen = events('actor.mailbox.full');
        const Full = actor({
          name: 'full',
          init: () => ({}),
          calls: { flush: () => true },
          casts: { drop: () => {} },
          mailbox: { capacity: 3, overflow },
        });
        const { system, clock, lines } = bench();
        const full = await system.spawn(Full());
        const fill = async (): Promise<void> => {
          for (let n = 0; n < 6; n++) {
            if (how === 'cast') full.cast('drop');
            else if (how === 'call') full.call('flush').catch(() => undefined);
            else void full.offer('drop');
          }
          await settle();
        };
        await fill();
        await fill();
        expect(seen, `${how} ${overflow}`).toHaveLength(1);
        expect(seen[0]?.measurements).toEqual({ length: 3 });
        expect(seen[0]?.metadata).toEqual({ pid: full.pid.toString(), definition: 'full', overflow });
        await clock.advance(60_000);
        await fill();
        expect(seen, `${how} ${overflow}`).toHaveLength(2);
        expect(lines).toEqual([]);
      }
    }
  });

  test('is not reported when it is bounded, or when the system does not want it', async () => {
    const seen = events('actor.mailbox.long');
    const Bounded = actor({ name: 'bounded', init: () => ({}), casts: { drop: () => {} }, mailbox: { capacity: 100 } });
    const { system, lines } = bench({ longMailbox: 10 });
    const bounded = await system.spawn(Bounded());
    for (let n = 0; n < 150; n++) bounded.cast('drop');
    expect(system.deadLetters.count).toBe(50);
    const quiet = bench({ longMailbox: Number.POSITIVE_INFINITY });
    const sink = await quiet.system.spawn(Sink());
    for (let n = 0; n < 50_000; n++) sink.cast('drop');
    expect([seen, lines, quiet.lines]).toEqual([[], [], []]);
  });

  test('a threshold must be a number above 0', () => {
    expect(() => new ActorSystem({ longMailbox: 0 })).toThrow(/longMailbox/);
    expect(() => new ActorSystem({ slowHandler: Number.NaN })).toThrow(/slowHandler/);
  });
});

/** Time passes only in handlers. */
class BusyClock implements Clock {
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

const Worker = actor({
  name: 'worker',
  init: (clock: BusyClock) => ({ clock }),
  calls: { flush: () => true },
  casts: {
    work: (s, ms: number) => {
      s.clock.at += ms;
    },
    await: async (s, ms: number) => {
      await Promise.resolve();
      s.clock.at += ms;
    },
  },
});

describe('a slow handler', () => {
  test('is reported with its actor and its time', async () => {
    const clock = new BusyClock();
    const lines: string[] = [];
    const log = { ...silentLog, warn: (_: unknown, message: string) => void lines.push(message) };
    const system = new ActorSystem({ clock, log });
    const seen = events('actor.handler.slow');
    const [quick, slow] = [await system.spawn(Worker(clock)), await system.spawn(Worker(clock))];
    quick.cast('work', 90);
    slow.cast('work', 150);
    quick.cast('work', 1);
    await settle();
    expect(seen.map(({ measurements, metadata }) => [measurements.duration, metadata.pid])).toEqual([
      [150, slow.pid.toString()],
    ]);
    expect(lines).toEqual([`worker ${slow.pid} kept the event loop for 150 ms; nothing else ran meanwhile.`]);
  });

  test('is found among thousands of messages of one actor', async () => {
    const clock = new BusyClock();
    const system = new ActorSystem({ clock, log: silentLog });
    const seen = events('actor.handler.slow');
    const worker = await system.spawn(Worker(clock));
    for (let n = 0; n < 5_000; n++) worker.cast('work', n === 4_000 ? 200 : 0);
    await settle();
    expect(seen.map(({ metadata }) => metadata.pid)).toEqual([worker.pid.toString()]);
  });

  test('is found, if not by name, in the middle of a turn in which many actors have had one message each', async () => {
    const clock = new BusyClock();
    const system = new ActorSystem({ clock, log: silentLog });
    const seen = events('actor.handler.slow');
    const workers = await Promise.all(Array.from({ length: 1_000 }, () => system.spawn(Worker(clock))));
    for (const [n, worker] of workers.entries()) worker.cast('work', n === 700 ? 200 : 0);
    await settle();
    expect(seen.map(({ measurements, metadata }) => [measurements.duration, metadata.pid])).toEqual([[200, undefined]]);
  });

  test('is not what other code of the program blocked', async () => {
    const clock = new BusyClock();
    const system = new ActorSystem({ clock, log: silentLog });
    const seen = events('actor.handler.slow');
    const worker = await system.spawn(Worker(clock));
    for (let n = 0; n < 300; n++) {
      worker.cast('work', 0);
      clock.at += 500;
      await worker.call('flush');
      clock.at += 500;
    }
    // Past the messages of a turn of the event loop that are timed one by one.
    await settle();
    for (let n = 0; n < 100; n++) await worker.call('flush');
    clock.at += 500;
    for (let n = 0; n < 200; n++) await worker.call('flush');
    expect(seen).toEqual([]);
  });

  test('is logged once a second at most', async () => {
    const clock = new BusyClock();
    const more: unknown[] = [];
    const log = { ...silentLog, warn: (fields: { more?: unknown }) => void more.push(fields.more) };
    const system = new ActorSystem({ clock, log });
    const seen = events('actor.handler.slow');
    const worker = await system.spawn(Worker(clock));
    for (let n = 0; n < 13; n++) {
      worker.cast('work', 100);
      await settle();
    }
    expect(seen).toHaveLength(13);
    expect(more).toEqual([0, 9]);
  });
});

test('what a subscriber of dead letters itself brings about is counted, but told to nobody', async () => {
  const { system } = bench();
  const gone = await system.spawn(Sink());
  system.exit(gone.pid, 'kill');
  let told = 0;
  system.deadLetters.subscribe(() => {
    told++;
    gone.cast('drop');
  });
  gone.cast('drop');
  expect([told, system.deadLetters.count]).toEqual([1, 2]);
  gone.cast('drop');
  expect([told, system.deadLetters.count, system.deadLetters.recent.length]).toEqual([2, 4, 4]);
});

test('that an actor was handed over is forgotten five minutes after its forwarding has stopped', async () => {
  const { system, clock } = bench();
  const [old, next] = [await system.spawn(Sink()), await system.spawn(Sink())];
  const process = system.process(old.pid);
  if (process === undefined) throw new Error('not there');
  await process.seal();
  const stop = system.handOver(process, next.pid);
  await clock.advance(600_000);
  expect(await old.call('flush')).toBe(true);
  stop();
  stop();
  await clock.advance(299_999);
  expect(await rejection(old.call('flush'))).toMatchObject({ code: 'moved' });
  await clock.advance(1);
  expect(await rejection(old.call('flush'))).toMatchObject({ code: 'noproc' });
  await settle();
  expect(clock.pending).toBe(0);
});
