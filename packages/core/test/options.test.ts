import {
  type ActorInit,
  actor,
  child,
  dynamicSupervisor,
  FoundationError,
  formatAddress,
  formatReason,
  isFoundationError,
  isOrderly,
  Pid,
  parseAddress,
  RestartIntensity,
  seededRandom,
  supervisor,
  systemRandom,
} from '@foundation-ts/core';
import { describe, expect, test } from 'vitest';
import { bench, Counter, rejection } from './support.js';

const thrown = (work: () => unknown): FoundationError => {
  try {
    work();
  } catch (error) {
    return error as FoundationError;
  }
  throw new Error('it did not throw');
};

describe('a wrong option is named', () => {
  const good = { name: 'x', init: () => ({}) };
  test.each<[string, object]>([
    ['name', { ...good, name: '' }],
    ['name', { ...good, name: 5 }],
    ['init', { name: 'x' }],
    ['inti', { ...good, inti: 1 }],
    ['calls', { ...good, calls: 'get' }],
    ['calls.get', { ...good, calls: { get: 5 } }],
    ['casts.set', { ...good, casts: { set: undefined } }],
    ['onDown', { ...good, onDown: 'x' }],
    ['onExit', { ...good, onExit: {} }],
    ['terminate', { ...good, terminate: 1 }],
    ['handOff', { ...good, handOff: 1 }],
    ['resume', { ...good, resume: 1 }],
    ['version', { ...good, version: '1' }],
    ['trapExit', { ...good, trapExit: 1 }],
    ['localOnly', { ...good, localOnly: 'yes' }],
    ['mailbox', { ...good, mailbox: 5 }],
    ['mailbox.capacity', { ...good, mailbox: { capacity: 0 } }],
    ['mailbox.capacity', { ...good, mailbox: { capacity: Number.NaN } }],
    ['mailbox.capacity', { ...good, mailbox: { capacity: '10' } }],
    ['mailbox.overflow', { ...good, mailbox: { overflow: 'explode' } }],
    ['capactiy', { ...good, mailbox: { capactiy: 10 } }],
  ])('actor(): %s', (option, init) => {
    const error = thrown(() => actor(init as ActorInit<void, object, unknown, unknown, unknown>));
    expect(error).toMatchObject({ code: 'invalid-option', details: { option } });
    expect(error.message).toContain(`'${option}'`);
  });

  test('with the nearest right one', () => {
    expect(thrown(() => actor({ ...good, terminaet: () => {} } as never)).message).toContain(
      "did you mean 'terminate'?",
    );
    expect(thrown(() => child(Counter(0), { restrat: 'permanent' } as never)).message).toContain(
      "did you mean 'restart'?",
    );
  });

  test.each<[string, () => unknown]>([
    ['id', () => child(Counter(0), { id: '' })],
    ['name', () => child(Counter(0), { name: '' })],
    ['restart', () => child(Counter(0), { restart: 'always' as never })],
    ['shutdown', () => child(Counter(0), { shutdown: -1 })],
    ['shutdown', () => child(Counter(0), { shutdown: Number.NaN })],
    ['shutdown', () => child(Counter(0), { shutdown: 'kill' as never })],
    ['start', () => child(Counter as never)],
    ['start', () => child(undefined as never)],
    ['start', () => supervisor({ children: [Counter as never] })],
    ['start', () => supervisor({ children: [null as never] })],
    ['restart', () => supervisor({ children: [{ id: 'x', start: Counter(0), restart: 'never' } as never] })],
    ['strategy', () => supervisor({ strategy: 'all_for_none' as never })],
    ['maxRestarts', () => supervisor({ maxRestarts: -1 })],
    ['maxRestarts', () => supervisor({ maxRestarts: 1.5 })],
    ['within', () => supervisor({ within: 0 })],
    ['within', () => supervisor({ within: '5' as never })],
    ['children', () => supervisor({ children: Counter(0) as never })],
    ['kids', () => supervisor({ kids: [] } as never)],
    ['maxChildren', () => dynamicSupervisor({ maxChildren: 0 })],
    ['maxChildren', () => dynamicSupervisor({ maxChildren: '3' as never })],
    ['maxRestarts', () => dynamicSupervisor({ maxRestarts: Number.NaN })],
    ['children', () => dynamicSupervisor({ children: [] } as never)],
  ])('of trees: %s', (option, work) => {
    expect(thrown(work)).toMatchObject({ code: 'invalid-option', details: { option } });
  });

  test('two children of one id', () => {
    const error = thrown(() => supervisor({ children: [Counter(0), Counter(1)] }));
    expect(error).toMatchObject({ code: 'invalid-option' });
    expect(error.message).toContain("'counter'");
  });

  test.each([-1, Number.NaN, '100', {}])('the time-out of a call: %s', async timeout => {
    const { system } = bench();
    const counter = await system.spawn(Counter(0), { name: 'c' });
    for (const ref of [counter, system.refOn<typeof Counter>('local', 'c')]) {
      for (const attempt of [
        ref.call('add', 1, { timeout: timeout as number }),
        ref.offer('add', 1, { timeout: timeout as number }),
      ]) {
        expect(await rejection(attempt)).toMatchObject({ code: 'invalid-option', details: { option: 'timeout' } });
      }
    }
    expect(await counter.call('get')).toBe(0);
  });
});

describe('child specifications', () => {
  test('have defaults by the kind of child', () => {
    expect(child(Counter(1))).toMatchObject({ id: 'counter', restart: 'permanent', shutdown: 5_000 });
    expect(child(supervisor())).toMatchObject({ id: 'supervisor', shutdown: Number.POSITIVE_INFINITY });
  });

  test('written by hand get the same defaults', () => {
    const tree = supervisor({ children: [{ id: 'mine', start: Counter(1) } as never] });
    expect((tree.argument as { children: unknown[] }).children).toEqual([child(Counter(1), { id: 'mine' })]);
  });

  test('are plain data that compares and prints', () => {
    expect(child(Counter(1))).toEqual(child(Counter(1)));
    expect(JSON.parse(JSON.stringify(supervisor({ children: [child(Counter(1))] })))).toMatchObject({
      argument: { strategy: 'one_for_one', maxRestarts: 3, within: 5_000, children: [{ id: 'counter' }] },
    });
  });
});

describe('small values', () => {
  test('restart intensity: more than so many within so long are too many', () => {
    const intensity = new RestartIntensity(2, 100);
    expect([0, 50, 100].map(now => intensity.allow(now))).toEqual([true, true, false]);
    const slow = new RestartIntensity(2, 100);
    expect([0, 60, 120, 180, 280.5].map(now => slow.allow(now))).toEqual([true, true, true, true, true]);
    expect(new RestartIntensity(0, 100).allow(0)).toBe(false);
  });

  test('pids are equal by node, incarnation and number', () => {
    const pid = new Pid('a', 1, 2);
    expect(pid.equals(new Pid('a', 1, 2))).toBe(true);
    for (const other of [new Pid('b', 1, 2), new Pid('a', 2, 2), new Pid('a', 1, 3)]) {
      expect(pid.equals(other)).toBe(false);
      expect(other.key).not.toBe(pid.key);
    }
    expect(`${pid}`).toBe('<2@a#1>');
  });

  test('exit reasons: which are orderly, and their texts', () => {
    for (const reason of ['normal', 'shutdown', { shutdown: 1 }] as const) expect(isOrderly(reason)).toBe(true);
    for (const reason of ['kill', 'killed', 'noproc', 'noconnection', new Error('x')] as const) {
      expect(isOrderly(reason)).toBe(false);
    }
    expect(formatReason(new RangeError('x'))).toBe('RangeError: x');
    expect(formatReason({ shutdown: 'a' })).toBe('{ shutdown: a }');
    expect(formatReason({ shutdown: { a: 1 } })).toBe('{ shutdown: {"a":1} }');
    expect(formatReason({ shutdown: 1n })).toBe('{ shutdown: 1 }');
  });

  test('seeded randomness repeats; that of the machine does not', () => {
    const [one, two] = [seededRandom(7), seededRandom(7)];
    const drawn = Array.from({ length: 1_000 }, () => one.next());
    expect(Array.from({ length: 1_000 }, () => two.next())).toEqual(drawn);
    expect(drawn.every(value => value >= 0 && value < 1)).toBe(true);
    expect(seededRandom(8).next()).not.toBe(drawn[0]);
    expect(one.bytes(16)).toEqual(two.bytes(16));
    expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16));
    expect(systemRandom.next()).toBeLessThan(1);
  });

  test('addresses are read and written', () => {
    for (const text of ['tcp://localhost:80', 'ws://[::1]:4369']) expect(formatAddress(parseAddress(text))).toBe(text);
  });

  test('errors say whether trying again is safe', () => {
    expect(new FoundationError('noproc', 'x').retryable).toBe(true);
    expect(new FoundationError('timeout', 'x').retryable).toBe(false);
    expect(new FoundationError('timeout', 'x', { retryable: true }).retryable).toBe(true);
    const error = new FoundationError('conflict', 'x', { cause: 1, details: { a: 1 } });
    expect(error).toMatchObject({ name: 'FoundationError', cause: 1, details: { a: 1 } });
    expect([
      isFoundationError(error),
      isFoundationError(error, 'conflict'),
      isFoundationError(error, 'noproc'),
    ]).toEqual([true, true, false]);
    expect(isFoundationError(new Error('x'))).toBe(false);
  });
});
