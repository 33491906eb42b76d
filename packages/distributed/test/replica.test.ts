import { Replica } from '@foundation-ts/distributed';
import { SimulatedCluster } from '@foundation-ts/testing';
import type { LinkFaults } from '@foundation-ts/transport/memory';
import { afterEach, describe, expect, test } from 'vitest';

interface Services {
  replica: Replica<number>;
}

let cluster: SimulatedCluster<Services>;
afterEach(() => cluster.dispose());

async function form(hosts: readonly string[], faults?: LinkFaults, seed = 1, interval = 10_000): Promise<void> {
  cluster = new SimulatedCluster<Services>({
    seed,
    hosts,
    ...(faults === undefined ? {} : { faults }),
    services: async node => ({
      replica: await Replica.start<number>(node, { name: 'numbers', antiEntropyInterval: interval }),
    }),
  });
  await cluster.start();
  await cluster.formed();
  await cluster.run(1_000);
}

const replica = (host: string): Replica<number> => cluster.host(host).services.replica;
const put = (host: string, key: string, value: number) => replica(host).mutate(map => map.put(key, value));
const value = (host: string, key: string): number | undefined => replica(host).map.get(key)[0]?.value;
const equal = (): boolean =>
  new Set(cluster.running.map(host => host.services.replica.map.digestRoot().join())).size === 1;

describe('a mutation', () => {
  test('is here at once and on the others in the time of a message, without an interval', async () => {
    await form(['a', 'b', 'c']);
    const from = cluster.clock.now();
    put('a', 'k', 1);
    expect(value('a', 'k')).toBe(1);
    await cluster.until(() => value('b', 'k') === 1 && value('c', 'k') === 1, 'the value to arrive');
    expect(cluster.clock.now() - from).toBeLessThan(5);
  });

  test('of one turn go in few messages', async () => {
    await form(['a', 'b']);
    let pushes = 0;
    const off = replica('b').onChange(() => pushes++);
    for (let index = 0; index < 100; index++) put('a', `k${index}`, index);
    await cluster.until(() => replica('b').map.size === 100, 'all to arrive');
    off();
    expect(pushes).toBeLessThanOrEqual(3);
  });

  test('tells listeners which keys changed, and whether it came from elsewhere', async () => {
    await form(['a', 'b']);
    const heard: string[] = [];
    replica('a').onChange((keys, source) => heard.push(`a ${keys.join()} ${source}`));
    replica('b').onChange((keys, source) => heard.push(`b ${keys.join()} ${source}`));
    put('a', 'k', 1);
    await cluster.run(20);
    expect(heard).toEqual(['a k here', 'b k elsewhere']);
  });
});

describe('acked', () => {
  test('resolves when so many others hold it, and not before', async () => {
    await form(['a', 'b', 'c'], { delay: 50 });
    const { mark } = put('a', 'k', 1);
    let acked: number | undefined;
    void replica('a')
      .acked(2, { mark })
      .then(count => {
        acked = count;
      });
    await cluster.run(60);
    expect([value('b', 'k'), value('c', 'k'), acked]).toEqual([1, 1, undefined]);
    await cluster.run(60);
    expect(acked).toBe(2);
  });

  test('does not count the one that is excepted', async () => {
    await form(['a', 'b', 'c']);
    const { mark } = put('a', 'k', 1);
    await expect(cluster.finish(replica('a').acked(2, { mark, except: 'b' }))).rejects.toMatchObject({
      code: 'unknown-outcome',
    });
    expect(await cluster.finish(replica('a').acked(1, { mark, except: 'b' }))).toBe(1);
  });

  test('alone is zero; lost while waiting is an unknown outcome; so is silence', async () => {
    await form(['a', 'b']);
    const { mark } = put('a', 'k', 1);
    const waiting = replica('a').acked(1, { mark });
    cluster.crash('b');
    await expect(cluster.finish(waiting)).rejects.toMatchObject({ code: 'unknown-outcome', retryable: false });
    expect(value('a', 'k')).toBe(1);
    await cluster.run(1_000);
    expect(await cluster.finish(replica('a').acked(1))).toBe(0);
    await cluster.start(['b']);
    await cluster.formed();
    await cluster.run(500);
    cluster.network.partition(['a'], ['b']);
    const silent = replica('a').acked(1, { mark: put('a', 'k', 2).mark, timeout: 500 });
    await expect(cluster.finish(silent)).rejects.toMatchObject({ code: 'unknown-outcome' });
  });

  test('of everything so far waits for the exchange with a newcomer', async () => {
    cluster = new SimulatedCluster<Services>({
      seed: 1,
      hosts: ['a', 'b'],
      services: async node => ({ replica: await Replica.start<number>(node, { name: 'numbers' }) }),
    });
    await cluster.start(['a']);
    for (let index = 0; index < 3_000; index++) put('a', `k${index}`, index);
    await cluster.start(['b']);
    await cluster.formed();
    expect(await cluster.finish(replica('a').acked(1))).toBe(1);
    expect(replica('b').map.size).toBe(3_000);
  });
});

describe('anti-entropy', () => {
  test('loses nothing: nine thousand writes on both sides of a split are all there after it', async () => {
    await form(['a', 'b', 'c']);
    cluster.partition(['a'], ['b', 'c']);
    await cluster.until(() => cluster.running.every(host => host.node.visible().length < 3), 'the split');
    for (let index = 0; index < 4_500; index++) {
      put('a', `a${index}`, index);
      put(index % 2 === 0 ? 'b' : 'c', `b${index}`, index);
    }
    await cluster.run(100);
    for (let index = 0; index < 100; index++) replica('b').mutate(map => map.remove(`b${index}`));
    cluster.heal();
    await cluster.formed();
    await cluster.until(equal, 'equal replicas', 10_000);
    for (const host of cluster.hosts) expect(replica(host).map.size).toBe(8_900);
  });

  test('repairs what a member told only some of the others before it died, at once', async () => {
    await form(['a', 'b', 'c'], undefined, 1, 1_000_000);
    cluster.network.partition(['a'], ['c']);
    put('a', 'k', 1);
    await cluster.until(() => value('b', 'k') === 1, 'b to hear');
    expect(value('c', 'k')).toBeUndefined();
    cluster.crash('a');
    await cluster.until(() => value('c', 'k') === 1, 'c to be told by b', 9_000);
    expect(equal()).toBe(true);
  });

  test.each([1, 2, 3])('replicas are equal after delay, loss and breaks of links (seed %i)', async seed => {
    await form(['a', 'b', 'c', 'd'], { delay: 100, jitter: 50, loss: 0.3 } as LinkFaults, seed);
    for (let round = 0; round < 40; round++) {
      const host = cluster.hosts[Math.floor(cluster.random.next() * 4)] as string;
      const key = `k${Math.floor(cluster.random.next() * 30)}`;
      if (cluster.random.next() < 0.3) replica(host).mutate(map => map.remove(key));
      else put(host, key, round);
      if (round % 10 === 5) cluster.partition([host]);
      await cluster.run(cluster.random.next() * 2_000);
      if (round % 10 === 9) cluster.heal();
    }
    cluster.heal();
    await cluster.formed(120_000);
    await cluster.until(equal, 'equal replicas', 60_000);
  });

  test('costs next to nothing when there is nothing to repair', async () => {
    await form(['a', 'b', 'c']);
    for (let index = 0; index < 2_000; index++) put('a', `k${index}`, index);
    await cluster.run(30_000);
    let exchanges = 0;
    let bytes = 0;
    for (const host of cluster.running) {
      const { map } = host.services.replica;
      const original = map.digestRoot.bind(map);
      map.digestRoot = () => {
        exchanges++;
        bytes += JSON.stringify(['root', ['a', host.node.incarnation, ...original()]]).length;
        return original();
      };
      map.digestGroups = () => {
        throw new Error('compared more than roots');
      };
    }
    await cluster.run(100_000);
    expect(exchanges).toBeGreaterThan(20);
    expect(exchanges).toBeLessThan(90);
    expect(bytes / exchanges).toBeLessThan(100);
  });

  test('refuses writes of its own incarnation that it never made', async () => {
    await form(['a', 'b']);
    const me = replica('a').map.replica;
    replica('b').map.join({ changes: [{ key: 'x', added: [{ replica: me, counter: 9, value: 1 }], removed: [] }] });
    put('b', 'y', 1);
    await cluster.run(30_000);
    expect(value('a', 'x')).toBeUndefined();
    expect(value('a', 'y')).toBe(1);
  });

  test('waits for a replica that starts later', async () => {
    cluster = new SimulatedCluster<Services>({
      seed: 1,
      hosts: ['a', 'b'],
      services: async () => ({ replica: undefined as never }),
    });
    await cluster.start();
    await cluster.formed();
    const one = await cluster.finish(Replica.start<number>(cluster.host('a').node, { name: 'late' }));
    one.mutate(map => map.put('k', 1));
    await cluster.run(100);
    expect(one.peers()).toEqual([]);
    expect(await cluster.finish(one.acked(1))).toBe(0);
    const two = await cluster.finish(Replica.start<number>(cluster.host('b').node, { name: 'late' }));
    await cluster.finish(two.ready);
    expect(two.map.get('k')[0]?.value).toBe(1);
    expect(one.peers()).toEqual(['b']);
    two.mutate(map => map.put('l', 2));
    await cluster.run(20);
    expect(one.map.get('l')[0]?.value).toBe(2);
  });
});
