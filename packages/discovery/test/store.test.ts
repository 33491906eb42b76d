import { SimulatedClock } from '@foundation-ts/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keepTrying } from '../src/attempts.js';
import { type EtcdInit, etcd } from '../src/etcd.js';
import { EtcdEntries, type EtcdKeyValue } from '../src/etcd-entries.js';
import { clusterKey, formatNodeEntry, parseNodeEntry } from '../src/node-entry.js';
import { type RedisInit, redis } from '../src/redis.js';
import { type StoreReader, watchStore } from '../src/store-watch.js';
import { advertisedNode, testContext } from './context.js';

describe('a node entry', () => {
  test('says where a node is', () => {
    expect(parseNodeEntry(formatNodeEntry(advertisedNode('a', 5)))).toEqual({
      protocol: 'tcp',
      host: '127.0.0.1',
      port: 5,
    });
  });

  test('is read whatever somebody wrote: an address or nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.jsonValue().map(v => JSON.stringify({ address: v })),
        ),
        text => {
          const address = parseNodeEntry(text);
          if (address !== undefined) expect(address.port).toBeGreaterThan(0);
        },
      ),
    );
    expect(parseNodeEntry(JSON.stringify({ address: `tcp://${'x'.repeat(2_000)}:1` }))).toBeUndefined();
  });

  test('stands where no other cluster looks, whatever their names are', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (mine, other, rest) => {
        fc.pre(mine !== other && !/\p{Surrogate}/u.test(mine + other));
        expect(`${clusterKey('p', other)}${rest}`.startsWith(clusterKey('p', mine))).toBe(false);
      }),
    );
  });
});

test('a burst of changes is read once, and its end is told', async () => {
  const clock = new SimulatedClock();
  const ctx = testContext({ clock });
  let reads = 0;
  const entries = function* (count: number): Generator<string> {
    reads++;
    for (let port = 1; port <= count; port++) yield formatNodeEntry(advertisedNode('a', port));
  };
  const told: number[] = [];
  const watching = (async () => {
    const session = async ({ signal, found }: StoreReader): Promise<void> => {
      for (let count = 1; count <= 500; count++) found(entries(count));
      await new Promise(resolve => signal.addEventListener('abort', resolve));
    };
    for await (const set of watchStore('etcd', 'A store', ctx, session)) told.push(set.length);
  })();
  await clock.advance(100);
  expect(told).toEqual([1, 500]);
  expect(reads).toBe(2);
  ctx.abort();
  await watching;
});

describe('EtcdEntries', () => {
  const pair = (key: string, value: string, revision: number): EtcdKeyValue => ({
    key: Buffer.from(key),
    value: Buffer.from(value),
    mod_revision: String(revision),
  });

  test('ends as etcd is, however lists and events overtake each other', () => {
    const keys = ['a', 'b', 'c'];
    const change = fc.record({ key: fc.constantFrom(...keys), value: fc.option(fc.constantFrom('1', '2', '3')) });
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 20 }),
        fc.array(fc.nat(20)),
        fc.array(fc.boolean()),
        (changes, at, order) => {
          const history = [new Map<string, string>()];
          for (const { key, value } of changes) {
            const next = new Map(history.at(-1));
            if (value === null) next.delete(key);
            else next.set(key, value);
            history.push(next);
          }
          // events come in order, lists in any, and both between each other
          const events = changes.map(({ key, value }, index) => ({ key, value, revision: index + 1 }));
          const lists = at.map(revision => Math.min(revision, changes.length));
          const entries = new EtcdEntries();
          entries.list('0', []);
          for (let turn = 0; events.length > 0 || lists.length > 0; turn++) {
            const listed = events.length === 0 || (lists.length > 0 && order[turn % order.length] === true);
            if (listed) {
              const revision = lists.shift() as number;
              const kept = [...(history[revision] as Map<string, string>)].map(([key, value]) =>
                pair(key, value, revision),
              );
              entries.list(String(revision), kept);
            } else {
              const { key, value, revision } = events.shift() as (typeof events)[number];
              if (value === null) entries.delete(pair(key, '', revision));
              else entries.put(pair(key, value, revision));
            }
          }
          expect([...entries.values].sort()).toEqual([...(history.at(-1) as Map<string, string>).values()].sort());
        },
      ),
    );
  });

  test('compares revisions beyond the precision of a number', () => {
    const entries = new EtcdEntries();
    entries.list('9007199254740993', []);
    entries.put({ ...pair('a', 'old', 0), mod_revision: '9007199254740992' });
    expect([...entries.values]).toEqual([]);
    entries.put({ ...pair('a', 'new', 0), mod_revision: '9007199254740994' });
    expect([...entries.values]).toEqual(['new']);
  });
});

describe('keepTrying', () => {
  test('waits longer after each failure, and begins anew after a success', async () => {
    const clock = new SimulatedClock();
    const ctx = testContext({ clock });
    const controller = new AbortController();
    const at: number[] = [];
    const trying = keepTrying('A store', ctx, controller.signal, async succeeded => {
      at.push(clock.now());
      if (at.length === 4) succeeded();
      throw new Error('is down');
    });
    await clock.advance(200_000);
    controller.abort();
    await trying;
    const pauses = at.slice(1).map((time, index) => time - (at[index] as number));
    const expected = [500, 1_000, 2_000, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    expect(pauses.length).toBeGreaterThanOrEqual(expected.length);
    for (const [index, mean] of expected.entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(mean * 0.8);
      expect(pauses[index]).toBeLessThanOrEqual(mean * 1.2);
    }
    expect(ctx.failures[0]?.message).toBe('A store failed: is down');
  });
});

describe('the options of etcd and redis', () => {
  test.each([
    [{ host: 'a:1' }, /etcd has no option 'host' \(did you mean 'hosts'\?\)/],
    [{ hosts: [] }, /'hosts' is an array/],
    [{ hosts: 'https://user:word@a:1' }, /'hosts'/],
    [{ prefix: '' }, /'prefix'/],
    [{ ttl: 1_500 }, /'ttl' is 1500; allowed: milliseconds in whole seconds/],
    [{ pollInterval: 0 }, /'pollInterval'/],
    [{ options: 5 }, /'options'/],
  ])('etcd refuses %j', (init, message) => {
    expect(() => etcd(init as EtcdInit)).toThrow(message);
  });

  test.each([
    [{ uri: 'redis://a' }, /redis has no option 'uri' \(did you mean 'url'\?\)/],
    [{ url: 'http://a:word@b' }, /^Option 'url' is 'another text'; allowed: a URL such as/],
    [{ ttl: 5 }, /'ttl'/],
    [{ prefix: 5 }, /'prefix'/],
    [{ pollInterval: 1.5 }, /'pollInterval'/],
    [{ options: null }, /'options'/],
  ])('redis refuses %j', (init, message) => {
    expect(() => redis(init as RedisInit)).toThrow(message);
  });
});
