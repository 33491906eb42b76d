import { ActorSystem, actor, type Ref, silentLog } from '@foundation-ts/core';
import { leakCheck, type Probe, probe, SimulatedClock, seededOrder, settle } from '@foundation-ts/testing';
import { beforeEach, describe, expect, test } from 'vitest';

let clock: SimulatedClock;
let system: ActorSystem;
beforeEach(() => {
  clock = new SimulatedClock();
  system = new ActorSystem({ clock, log: silentLog });
});

const Bell = actor({
  name: 'bell',
  init: (listener: Ref<Listener>) => ({ listener }),
  casts: {
    ringIn: (_s, ms: number, ctx) => ctx.after(ms, 'ring'),
    ring: s => s.listener.cast('rang', { loud: true }),
    askAfter: async (s, ms: number, ctx) => {
      await new Promise<void>(resolve => clock.setTimeout(resolve, ms));
      s.listener.cast('rang', { loud: (await ctx.call(s.listener, 'loud', 'please')) as boolean });
    },
    crash: () => {
      throw new RangeError('cracked');
    },
    stop: (_s, _: void, ctx) => ctx.stop('shutdown'),
  },
});

const Listening = actor({
  name: 'listening',
  init: () => ({}),
  calls: { loud: (_s, _how: string) => true },
  casts: { rang: (_s, _how: { loud: boolean }) => {}, other: () => {} },
});
type Listener = typeof Listening;

async function bell(): Promise<{ ear: Probe<Listener>; ring: Ref<typeof Bell> }> {
  const ear = await probe<Listener>(system);
  return { ear, ring: await system.spawn(Bell(ear.ref)) };
}

async function fails(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it did not fail');
}

describe('a probe', () => {
  test('waits for a message in simulated time, and moves it no further than needed', async () => {
    const { ear, ring } = await bell();
    ring.cast('ringIn', 700);
    const message = await ear.expectMessage('rang', { loud: true });
    expect(message).toMatchObject({ kind: 'cast', op: 'rang', payload: { loud: true } });
    expect(clock.now()).toBe(700);
    expect(() => message.reply(1)).toThrow(/was a cast/);
  });

  test('says what was there when the one it expects does not come', async () => {
    const { ear, ring } = await bell();
    ring.cast('ringIn', 200);
    ear.ref.cast('other');
    expect(await fails(ear.expectMessage('rang', { loud: true }, { within: 150 }))).toBe(
      `no message 'rang' {"loud":true} within 150 ms; there is: cast 'other' undefined.`,
    );
    expect(clock.now()).toBe(150);
    expect(await fails(ear.expectMessage('rang', { loud: false }, { within: 100 }))).toContain('there is: cast');
    await ear.expectMessage('rang', payload => payload.loud, { within: 0 });
  });

  test('takes each message once, and leaves those before it', async () => {
    const { ear } = await bell();
    ear.ref.cast('rang', { loud: false });
    ear.ref.cast('rang', { loud: true });
    await ear.expectMessage('rang', { loud: true });
    expect(await fails(ear.expectNoMessage())).toContain(`cast 'rang' {"loud":false}`);
    await ear.expectMessage('rang');
    await ear.expectNoMessage({ within: 50 });
    expect(ear.received).toHaveLength(2);
  });

  test('hears of a message that comes while none is expected', async () => {
    const { ear, ring } = await bell();
    ring.cast('ringIn', 50);
    expect(await fails(ear.expectNoMessage({ within: 60 }))).toContain('no message was expected');
    expect(clock.now()).toBe(50);
  });

  test('answers a call when it is told to', async () => {
    const { ear, ring } = await bell();
    ring.cast('askAfter', 100);
    const asked = await ear.expectMessage('loud', 'please');
    expect(asked.kind).toBe('call');
    asked.reply(false);
    await ear.expectMessage('rang', { loud: false });
  });

  test('waits for the end of an actor, with its reason', async () => {
    const { ear, ring } = await bell();
    ear.watch(ring);
    ring.cast('crash');
    const reason = await ear.expectExit(ring, end => end instanceof RangeError);
    expect(reason).toMatchObject({ message: 'cracked' });
    const next = await system.spawn(Bell(ear.ref));
    expect(await fails(ear.expectExit(next, 'shutdown', { within: 20 }))).toMatch(/has not ended within 20 ms/);
    next.cast('stop');
    expect(await fails(ear.expectExit(next, 'normal'))).toMatch(/ended with shutdown, expected: "normal"/);
    expect(await ear.expectExit(next)).toBe('shutdown');
    await settle();
    expect(await ear.expectExit((await bell()).ring.pid, undefined, { within: 0 }).catch(() => 'alive')).toBe('alive');
    const gone = await system.spawn(Bell(ear.ref));
    system.exit(gone.pid, 'kill');
    expect(await ear.expectExit(gone)).toBe('noproc');
  });

  test('hears of a linked actor by the link', async () => {
    const { ear, ring } = await bell();
    ear.context.link(ring);
    ring.cast('stop');
    await ear.expectExit(ring, 'shutdown');
    expect(system.process(ear.pid)?.alive).toBe(true);
  });

  test('an exit signal is not the end of its sender', async () => {
    const ear = await probe(system);
    const other = await probe(system);
    other.context.exit(ear.pid, 'shutdown');
    expect(await fails(ear.expectExit(other.ref, undefined, { within: 20 }))).toMatch(/has not ended within 20 ms/);
  });

  test('that was stopped watches nobody any more', async () => {
    const { ear, ring } = await bell();
    ear.watch(ring);
    expect(system.process(ring.pid)?.watchers?.size).toBe(1);
    await ear.stop();
    expect(system.process(ring.pid)?.watchers?.size).toBe(0);
  });

  test('bounds a whole passage, and what is expected in it', async () => {
    const { ear, ring } = await bell();
    const passage = ear.within(500, async () => {
      ring.cast('ringIn', 300);
      await ear.expectMessage('rang');
      return clock.now();
    });
    expect(await passage).toBe(300);
    const late = ear.within(100, async () => {
      ring.cast('ringIn', 300);
      await ear.expectMessage('rang', undefined, { within: 5_000 });
    });
    expect(await fails(late)).toMatch(/within 100 ms/);
    expect(clock.now()).toBe(400);
    expect(await fails(ear.within(100, () => new Promise(() => {})))).toBe('not done within 100 ms');
    const slow = ear.within(1_000, () => new Promise(resolve => clock.setTimeout(() => resolve('woke'), 800)));
    expect(await slow).toBe('woke');
  });

  test('works in real time too', async () => {
    const real = new ActorSystem({ log: silentLog });
    const ear = await probe(real);
    const untyped = ear.ref as unknown as Ref<Listener>;
    setTimeout(() => untyped.cast('other'), 5);
    await ear.expectMessage('other', undefined, { within: 5_000 });
    expect(await fails(ear.expectMessage('other', undefined, { within: 5 }))).toContain('nothing is there');
    await ear.expectNoMessage({ within: 5 });
    expect(await ear.within(5_000, () => 3)).toBe(3);
    await ear.stop();
    expect(real.processCount).toBe(0);
  });

  test('does not take time for passed while its system has messages to handle', async () => {
    const { ear } = await bell();
    let left = 50_000;
    const Chain = actor({
      name: 'chain',
      init: () => ({}),
      casts: {
        next: (_s, _: void, ctx) => {
          if (--left === 0) ear.ref.cast('other');
          else ctx.castSelf('next');
        },
      },
    });
    (await system.spawn(Chain())).cast('next');
    clock.setTimeout(() => expect(left).toBe(0), 1);
    await ear.expectMessage('other', undefined, { within: 10 });
    expect(clock.now()).toBe(0);
  });
});

describe('run until idle', () => {
  test('fires every timer there is, and those that they set, and says how long that took', async () => {
    const { ring, ear } = await bell();
    ring.cast('ringIn', 4_000);
    clock.setTimeout(() => clock.setTimeout(() => {}, 3_000), 3_000);
    clock.setTimeout(() => {}, 1e9, { unref: true });
    expect(await clock.runUntilIdle()).toBe(6_000);
    expect(ear.received).toHaveLength(1);
    expect(clock.timers().map(({ unref }) => unref)).toEqual([true]);
  });

  test('gives up on what never rests', async () => {
    const again = (): void => void clock.setTimeout(again, 1_000);
    again();
    expect(await fails(clock.runUntilIdle({ within: 5_500 }))).toBe(
      'not idle within 5500 simulated ms: 1 timers are set',
    );
    expect(clock.now()).toBe(5_000);
  });
});

describe('a seeded order', () => {
  const Teller = actor({
    name: 'teller',
    init: (init: { name: string; said: string[] }) => init,
    casts: { say: (s, n: number) => s.said.push(`${s.name}${n}`) },
  });

  async function order(seed: number | undefined): Promise<string[]> {
    const said: string[] = [];
    const one = new ActorSystem({ log: silentLog, ...(seed === undefined ? {} : { schedule: seededOrder(seed) }) });
    const refs = await Promise.all(['a', 'b', 'c', 'd'].map(name => one.spawn(Teller({ name, said }))));
    for (let n = 0; n < 6; n++) for (const ref of refs) ref.cast('say', n);
    await settle();
    return said;
  }

  test('is the same for the same seed and another for another; without one, first come first served', async () => {
    expect(await order(7)).toEqual(await order(7));
    const orders = new Set(await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(async seed => (await order(seed)).join())));
    expect(orders.size).toBeGreaterThan(6);
    expect((await order(undefined)).slice(0, 6)).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5']);
  });

  test('keeps the order of the messages to one actor', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const said = await order(seed);
      expect(said).toHaveLength(24);
      for (const name of 'abcd') {
        expect(said.filter(one => one.startsWith(name))).toEqual([0, 1, 2, 3, 4, 5].map(n => name + n));
      }
    }
  });

  test('finds an interleaving that first come first served hides', async () => {
    // One actor configures, another takes for granted that it has: right as long as they run in the order of their messages.
    const early = async (seed: number | undefined): Promise<boolean> => {
      const one = new ActorSystem({ log: silentLog, ...(seed === undefined ? {} : { schedule: seededOrder(seed) }) });
      const shared = { configured: false, early: false };
      const Configurer = actor({
        name: 'configurer',
        init: () => ({}),
        casts: {
          configure: () => {
            shared.configured = true;
          },
        },
      });
      const User = actor({
        name: 'user',
        init: () => ({}),
        casts: {
          use: () => {
            shared.early = !shared.configured;
          },
        },
      });
      const [configurer, user] = [await one.spawn(Configurer()), await one.spawn(User())];
      configurer.cast('configure');
      user.cast('use');
      await settle();
      return shared.early;
    };
    expect(await early(undefined)).toBe(false);
    const results = await Promise.all(Array.from({ length: 40 }, (_, seed) => early(seed)));
    expect(new Set(results)).toEqual(new Set([true, false]));
  });
});

describe('a leak check', () => {
  const Holder = actor({
    name: 'holder',
    init: () => ({}),
    calls: {
      never: () => new Promise<never>(() => {}),
      watch: (_s, ref: Ref, ctx) => ctx.monitor(ref),
      unwatch: (_s, monitor: number, ctx) => ctx.demonitor(monitor),
      setTimer: (_s, _: void, ctx) => {
        ctx.after(1_000, 'tick');
      },
    },
    casts: { tick: () => {} },
  });

  test('is content when all is as it was', async () => {
    const old = await system.spawn(Holder());
    await old.call('setTimer');
    const check = leakCheck(system);
    const one = await system.spawn(Holder(), { name: 'short' });
    const monitor = await old.call('watch', one);
    await old.call('unwatch', monitor);
    one.cast('tick');
    void system.stop(one);
    await check.assertNone();
    expect(check.leaks()).toEqual([]);
  });

  test('names an actor that lives, what it holds, and where it was started', async () => {
    const check = leakCheck(system);
    const one = await system.spawn(Holder(), { name: 'left' });
    await one.call('setTimer');
    await one.call('watch', one);
    await settle();
    const [leak, ...others] = check.leaks();
    expect(others).toEqual([]);
    expect(leak).toMatchObject({
      kind: 'actor',
      what: `holder 'left' ${one.pid} has not ended, holding 1 timer and 1 monitor`,
    });
    expect(leak?.origin).toContain('probe.test.ts');
    expect(await fails(check.assertNone())).toMatch(
      /^1 left behind:\n- actor: holder 'left' .*\n {4}at .*probe\.test\.ts/,
    );
  });

  test('names timers, monitors and names of actors that were there before', async () => {
    const [one, two] = [await system.spawn(Holder()), await system.spawn(Holder())];
    const check = leakCheck(system);
    await one.call('setTimer');
    await one.call('watch', two);
    const process = system.process(two.pid);
    if (process === undefined) throw new Error('it lives');
    system.names.register('new', process);
    await settle();
    expect(check.leaks().map(({ kind }) => kind)).toEqual(['timer', 'monitor', 'name']);
  });

  test('checks one after another leave the system as it was', async () => {
    const { launch } = system;
    for (let n = 0; n < 2; n++) {
      const check = leakCheck(system);
      expect(system.launch).not.toBe(launch);
      await check.assertNone();
    }
    expect(system.launch).toBe(launch);
  });

  test('names timers of nobody, with the place where they were set', async () => {
    clock.setTimeout(() => {}, 1);
    const check = leakCheck(system);
    const timer = clock.setTimeout(() => {}, 500);
    clock.setTimeout(() => {}, 500, { unref: true });
    expect(check.leaks()).toMatchObject([
      { kind: 'timer', what: 'one that fires in 500 ms', origin: expect.stringContaining('probe.test.ts') },
    ]);
    timer.cancel();
    await check.assertNone();
  });

  test('names calls that hang and messages that wait behind them', async () => {
    const one = await system.spawn(Holder());
    const check = leakCheck(system);
    one.call('never', undefined, { timeout: Number.POSITIVE_INFINITY }).catch(() => {});
    one.cast('tick');
    await settle();
    expect(check.leaks().map(({ what }) => what)).toEqual([
      `'never' is being handled by holder ${one.pid}`,
      `1 message in the mailbox of holder ${one.pid}`,
    ]);
    const ear = await probe(system);
    (ear.ref as unknown as Ref<typeof Holder>).call('never', undefined, { timeout: Number.POSITIVE_INFINITY });
    await settle();
    expect(check.leaks().map(({ kind }) => kind)).toEqual(['call', 'message', 'actor', 'call']);
  });

  test('leaves out what it is told to', async () => {
    const check = leakCheck(system, { ignore: ({ what }) => what.includes('holder') });
    await system.spawn(Holder());
    await check.assertNone();
  });
});
