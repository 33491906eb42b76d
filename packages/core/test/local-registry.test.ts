import {
  actor,
  type Context,
  localRegistry,
  type Pid,
  type Registration,
  type RegistryEvent,
  type UniqueRegistry,
} from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bench, Counter, rejection } from './support.js';

const seed = process.env.FAST_CHECK_SEED === undefined ? {} : { seed: Number(process.env.FAST_CHECK_SEED) };

async function setUp() {
  const world = bench();
  const [a, b, c] = await Promise.all([1, 2, 3].map(n => world.system.spawn(Counter(n))));
  if (a === undefined || b === undefined || c === undefined) throw new Error('three are there');
  return { ...world, a, b, c };
}

const pids = (found: readonly Registration<never, never, never>[]): Pid[] => found.map(({ pid }) => pid);

describe('a registry of unique keys', () => {
  test('finds who is registered, with its value and a typed ref', async () => {
    const { system, a } = await setUp();
    const rooms = localRegistry<string, { size: number }, typeof Counter>(system, { keys: 'unique' });
    rooms.register(a, 'attic', { size: 3 });
    expect(rooms.lookup('attic')).toMatchObject({ key: 'attic', value: { size: 3 }, pid: a.pid });
    expect(await rooms.whereis('attic')?.call('get')).toBe(1);
    expect(rooms.whereis('attic')).toBe(rooms.whereis('attic'));
    expect([rooms.lookup('cellar'), rooms.whereis('cellar')]).toEqual([undefined, undefined]);
  });

  test('takes a key once: the second is refused, be it by the same actor, and nothing changes', async () => {
    const { system, a, b } = await setUp();
    const rooms = localRegistry<string, number>(system, { keys: 'unique', name: 'rooms' });
    rooms.register(a, 'attic', 1);
    for (const owner of [a, b]) {
      expect(() => rooms.register(owner, 'attic', 2)).toThrow(/attic in rooms belongs to counter/);
    }
    expect([rooms.lookup('attic')?.value, rooms.count, rooms.keys(b)]).toEqual([1, 1, []]);
  });

  test('of two actors that race for a key in their init one wins, the other does not start', async () => {
    const { system } = bench();
    const rooms = localRegistry(system, { keys: 'unique' });
    const Room = actor({
      name: 'room',
      init: async (_: void, ctx) => {
        await Promise.resolve();
        rooms.register(ctx, 'attic');
        return {};
      },
    });
    const results = await Promise.allSettled([system.spawn(Room()), system.spawn(Room())]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect((results[1] as PromiseRejectedResult).reason).toMatchObject({
      code: 'start-failed',
      cause: { code: 'name-taken' },
    });
  });

  test('refuses an actor that has ended, and one of another node', async () => {
    const { system, a } = await setUp();
    const rooms = localRegistry(system, { keys: 'unique' });
    system.exit(a.pid, 'kill');
    expect(() => rooms.register(a, 'attic')).toThrow(expect.objectContaining({ code: 'noproc' }));
    const other = bench({ node: 'other' });
    const there = await other.system.spawn(Counter(1));
    expect(() => rooms.register(there.pid, 'attic')).toThrow(expect.objectContaining({ code: 'noproc' }));
    expect(rooms.count).toBe(0);
  });

  test('a value is replaced by its owner alone', async () => {
    const { system, a, b } = await setUp();
    const rooms = localRegistry<string, number>(system, { keys: 'unique' });
    rooms.register(a, 'attic', 1);
    expect(rooms.updateValue(b, 'attic', n => n + 1)).toBe(undefined);
    expect(rooms.updateValue(a, 'cellar', n => n + 1)).toBe(undefined);
    expect(rooms.updateValue(a, 'attic', n => n + 1)).toBe(2);
    expect(rooms.lookup('attic')?.value).toBe(2);
  });

  test('a ref by key follows its holder; in between it says noproc', async () => {
    const { system, a, b } = await setUp();
    const rooms = localRegistry<string, undefined, typeof Counter>(system, { keys: 'unique' });
    const attic = rooms.via('attic');
    expect(await rejection(attic.call('get'))).toMatchObject({ code: 'noproc' });
    rooms.register(a, 'attic');
    expect(await attic.call('get')).toBe(1);
    system.exit(a.pid, 'kill');
    attic.cast('add', 1);
    expect(system.deadLetters.recent).toMatchObject([{ to: "registry 'attic'", reason: 'noproc' }]);
    rooms.register(b, 'attic');
    expect(await attic.call('get')).toBe(2);
  });

  test('keys are of any type, compared as in a Map', async () => {
    const { system, a, b } = await setUp();
    const rooms = localRegistry<unknown>(system, { keys: 'unique' });
    const key = { floor: 3 };
    for (const one of [1, '1', key, undefined, Number.NaN, '__proto__']) rooms.register(a, one);
    rooms.register(b, { floor: 3 });
    expect(rooms.lookup(Number.NaN)?.pid).toEqual(a.pid);
    expect(rooms.keys(a)).toEqual([1, '1', key, undefined, Number.NaN, '__proto__']);
  });
});

describe('a registry of duplicate keys', () => {
  test('finds all under a key, in order, one actor also more than once', async () => {
    const { system, a, b } = await setUp();
    const topics = localRegistry<string, number>(system, { keys: 'duplicate' });
    topics.register(a, 'news', 1);
    topics.register(b, 'news', 2);
    topics.register(a, 'news', 3);
    expect(topics.lookup('news').map(({ value }) => value)).toEqual([1, 2, 3]);
    expect([topics.countOf('news'), topics.countOf('sport'), topics.count]).toEqual([3, 0, 3]);
    expect([topics.keys(a), topics.values(a, 'news'), topics.values(b, 'sport')]).toEqual([
      ['news', 'news'],
      [1, 3],
      [],
    ]);
  });

  test('ends what one actor holds under a key, or what of it is chosen', async () => {
    const { system, a, b } = await setUp();
    const topics = localRegistry<string, number>(system, { keys: 'duplicate' });
    for (const n of [1, 2, 3]) topics.register(a, 'news', n);
    topics.register(b, 'news', 4);
    expect(topics.unregister(a, 'news', n => n === 2)).toBe(1);
    expect(topics.lookup('news').map(({ value }) => value)).toEqual([1, 3, 4]);
    expect(topics.unregister(a, 'news')).toBe(2);
    expect(topics.unregister(a, 'news')).toBe(0);
    expect([topics.keys(a), topics.lookup('news').length]).toEqual([[], 1]);
  });

  test('matches by value under a key, and selects over all', async () => {
    const { system, a, b, c } = await setUp();
    const topics = localRegistry<string, number>(system, { keys: 'duplicate' });
    topics.register(a, 'news', 1);
    topics.register(b, 'news', 2);
    topics.register(c, 'sport', 2);
    expect(pids(topics.match('news', n => n > 1) as never)).toEqual([b.pid]);
    expect(pids(topics.select(({ value }) => value === 2) as never)).toEqual([b.pid, c.pid]);
    expect(topics.select()).toHaveLength(3);
  });

  test('dispatches to those who are registered when it begins', async () => {
    const { system, a, b, c } = await setUp();
    const topics = localRegistry<string, number, typeof Counter>(system, { keys: 'duplicate' });
    topics.register(a, 'news', 10);
    topics.register(b, 'news', 20);
    const visited = topics.dispatch('news', (ref, value) => {
      ref.cast('add', value);
      topics.register(c, 'news', 30);
    });
    expect(visited).toBe(2);
    expect(await Promise.all([a, b, c].map(ref => ref.call('get')))).toEqual([11, 22, 3]);
    expect(topics.dispatch('sport', () => {})).toBe(0);
    expect(() =>
      topics.dispatch('news', () => {
        throw new RangeError('no');
      }),
    ).toThrow(RangeError);
  });
});

describe('the end of an actor', () => {
  test('ends its registrations in all registries, before anyone hears of it', async () => {
    const { system, a, b } = await setUp();
    const rooms = localRegistry(system, { keys: 'unique' });
    const topics = localRegistry<string, number>(system, { keys: 'duplicate' });
    rooms.register(a, 'attic');
    rooms.register(a, 'cellar');
    topics.register(a, 'news', 1);
    topics.register(b, 'news', 2);
    const seen: unknown[] = [];
    rooms.subscribe(({ type, registration }) => seen.push([type, registration.key, rooms.count]));
    system.watch(a.pid, () => seen.push(['down', rooms.count, topics.countOf('news')]));
    system.exit(a.pid, 'kill');
    expect(seen).toEqual([
      ['unregister', 'cellar', 1],
      ['unregister', 'attic', 0],
      ['down', 0, 1],
    ]);
    expect(rooms.register(b, 'attic').pid).toEqual(b.pid);
  });

  test('leaves the keys until it has terminated', async () => {
    const { system } = bench();
    const rooms = localRegistry(system, { keys: 'unique' });
    const seen: boolean[] = [];
    const Room = actor({
      name: 'room',
      init: (_: void, ctx) => {
        rooms.register(ctx, 'attic');
        return {};
      },
      terminate: () => seen.push(rooms.lookup('attic') !== undefined),
    });
    const room = await system.spawn(Room());
    await system.stop(room);
    expect([seen, rooms.count]).toEqual([[true], 0]);
  });
});

describe('listeners', () => {
  test('hear of each registration and its end, until they leave; one that throws is logged', async () => {
    const { system, a, lines } = await setUp();
    const rooms = localRegistry(system, { keys: 'unique' });
    const seen: RegistryEvent<string, undefined, never>['type'][] = [];
    rooms.subscribe(() => {
      throw new Error('listener');
    });
    const leave = rooms.subscribe(({ type }) => seen.push(type));
    rooms.register(a, 'attic');
    rooms.unregister(a, 'attic');
    leave();
    rooms.register(a, 'attic');
    expect(seen).toEqual(['register', 'unregister']);
    expect(lines.filter(line => line.message === 'a listener of registry failed')).toHaveLength(3);
  });
});

test('an actor registers itself by its context, and meta goes with the registry', async () => {
  const { system } = bench();
  const topics = localRegistry<string, string>(system, { keys: 'duplicate' });
  const Listener = actor({
    name: 'listener',
    init: () => ({ heard: [] as string[] }),
    calls: {
      join: (_s, topic: string, ctx) => {
        topics.register(ctx, topic, 'hear');
        return topics.keys(ctx);
      },
      leave: (_s, topic: string, ctx: Context<unknown>) => topics.unregister(ctx, topic),
      heard: s => s.heard,
    },
    casts: { hear: (s, what: string) => s.heard.push(what) },
  });
  const listener = await system.spawn(Listener());
  expect(await listener.call('join', 'news')).toEqual(['news']);
  topics.dispatch('news', (ref, op) => (ref as unknown as typeof listener).cast(op as 'hear', 'rain'));
  expect(await listener.call('heard')).toEqual(['rain']);
  expect(await listener.call('leave', 'news')).toBe(1);
  topics.meta.set('since', 5);
  expect(topics.meta.get('since')).toBe(5);
});

test('wrong options are refused', () => {
  const { system } = bench();
  expect(() => localRegistry(system, { keys: 'many' as 'unique' })).toThrow(/'keys'/);
  expect(() => localRegistry(system, { keys: 'unique', name: '' })).toThrow(/'name'/);
  expect(() => localRegistry(system, { keys: 'unique', values: 1 } as never)).toThrow(/values/);
});

test('random registrations and ends: the registry is what a plain list says', async () => {
  const step = fc.record({
    do: fc.constantFrom('register', 'register', 'register', 'unregister', 'kill', 'spawn'),
    who: fc.nat(4),
    key: fc.nat(3),
    value: fc.nat(9),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.constantFrom('unique' as const, 'duplicate' as const),
      async (steps, keys) => {
        const { system } = bench();
        const registry = localRegistry<number, number>(system, { keys: keys as 'unique' });
        const told = new Map<string, number>();
        registry.subscribe(({ type, registration: { pid, key } }) => {
          const id = `${pid} ${key}`;
          told.set(id, (told.get(id) ?? 0) + (type === 'register' ? 1 : -1));
        });
        const refs = await Promise.all([0, 1, 2, 3, 4].map(() => system.spawn(Counter(0))));
        let model: { pid: string; key: number; value: number }[] = [];
        for (const { do: what, who, key, value } of steps) {
          const ref = refs[who] as (typeof refs)[number];
          const pid = ref.pid.toString();
          const alive = system.process(ref.pid) !== undefined;
          if (what === 'spawn') refs[who] = await system.spawn(Counter(0));
          else if (what === 'kill') {
            system.exit(ref.pid, 'kill');
            model = model.filter(entry => entry.pid !== pid);
          } else if (what === 'unregister') {
            const mine = model.filter(entry => entry.pid === pid && entry.key === key);
            expect(registry.unregister(ref, key)).toBe(mine.length);
            model = model.filter(entry => !mine.includes(entry));
          } else {
            const taken = keys === 'unique' && model.some(entry => entry.key === key);
            if (!alive || taken) expect(() => registry.register(ref, key, value)).toThrow();
            else {
              registry.register(ref, key, value);
              model.push({ pid, key, value });
            }
          }
          const order = (list: { pid: unknown; key: number; value: number }[]): string[] =>
            list.map(entry => `${entry.pid} ${entry.key} ${entry.value}`).sort();
          expect(order(registry.select() as never)).toEqual(order(model));
          expect(registry.count).toBe(model.length);
          const now = refs[who] as (typeof refs)[number];
          expect(registry.keys(now)).toEqual(model.filter(e => e.pid === now.pid.toString()).map(e => e.key));
        }
        for (const ref of refs) system.exit(ref.pid, 'kill');
        await settle();
        expect((registry as UniqueRegistry<number, number>).count).toBe(model.filter(gone(refs)).length);
        expect([...told.values()].reduce((sum, n) => sum + n, 0)).toBe(registry.count);
      },
    ),
    { numRuns: 200, ...seed },
  );
});

/** Whether an entry belongs to none of these, all of which have ended: to one that was replaced. */
function gone(refs: readonly { readonly pid: Pid }[]): (entry: { readonly pid: string }) => boolean {
  return entry => !refs.some(({ pid }) => pid.toString() === entry.pid);
}
