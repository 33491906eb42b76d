import { child, seededRandom } from '@foundation-ts/core';
import type { SimulatedCluster } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { processesOn, running, type Services, Shard, shardCluster } from './harness.js';

const HOSTS = ['n1', 'n2', 'n3', 'n4', 'n5'];
const SHARDS = 16;

/** Numbers sent to shards through their names while the cluster changes, and which of them were acknowledged. */
class Counting {
  readonly #cluster: SimulatedCluster<Services>;
  readonly #acked = new Map<number, Set<number>>();
  readonly #random;
  #next = 0;

  constructor(cluster: SimulatedCluster<Services>, seed: number) {
    this.#cluster = cluster;
    this.#random = seededRandom(seed);
  }

  async during(ms: number): Promise<void> {
    const until = this.#cluster.clock.now() + ms;
    while (this.#cluster.clock.now() < until) {
      this.#send();
      await this.#cluster.run(10);
    }
  }

  #send(): void {
    const hosts = this.#cluster.running.filter(host => host.node.self.status === 'up');
    const host = hosts[Math.floor(this.#random.next() * hosts.length)];
    const key = Math.floor(this.#random.next() * SHARDS);
    const number = this.#next++;
    host?.services.shards
      .whereis(Shard, `shard-${key}`)
      ?.call('add', number)
      .then(
        () => this.#acked.set(key, (this.#acked.get(key) ?? new Set()).add(number)),
        () => {},
      );
  }

  /** Each shard lives once, and has all that it acknowledged, once each. */
  check(): void {
    let total = 0;
    for (const [key, hosts] of running(this.#cluster)) {
      expect(hosts, `shard ${key}`).toHaveLength(1);
      const process = processesOn(this.#cluster, hosts[0] as string).find(each => each.start.argument === key);
      const seen: readonly number[] = (process?.state as { seen: number[] } | undefined)?.seen ?? [];
      const acked = [...(this.#acked.get(key as number) ?? [])];
      total += acked.length;
      const lost = acked.filter(number => !seen.includes(number));
      expect(lost, `what shard ${key} acknowledged and lost`).toEqual([]);
      expect(new Set(seen).size, `shard ${key} counts nothing twice`).toBe(seen.length);
    }
    expect(running(this.#cluster).size).toBe(SHARDS);
    expect(total).toBeGreaterThan(100);
  }
}

/** Links so slow and lossy that nodes hear of the same change at very different times. */
async function slowCluster(seed: number, hosts: readonly string[]) {
  const cluster = shardCluster(HOSTS, { seed, faults: { delay: 15, jitter: 60, loss: 0.08, retransmit: 200 } });
  await cluster.start(hosts);
  await cluster.formed();
  await cluster.run(2_000);
  const starts = Array.from({ length: SHARDS }, (_, key) =>
    cluster.host('n1').services.shards.startChild(child(Shard(key), { id: `shard-${key}` })),
  );
  await cluster.finish(Promise.all(starts));
  return { cluster, counting: new Counting(cluster, seed) };
}

describe('over slow links', () => {
  test.each(Array.from({ length: 10 }, (_, index) => index + 1))(
    'members that come while others leave start nothing that runs already; no acknowledged message is lost (seed %i)',
    async seed => {
      const { cluster, counting } = await slowCluster(seed, ['n1', 'n2', 'n3', 'n4']);
      for (const [leaves, comes] of [
        ['n2', 'n5'],
        ['n3', 'n2'],
        ['n1', 'n3'],
      ] as const) {
        const came = cluster.start([comes]);
        await counting.during(200 + 60 * seed);
        const left = cluster.leave(leaves);
        await counting.during(2_000);
        await Promise.all([came, left]);
        await counting.during(1_000);
      }
      await cluster.run(10_000);
      counting.check();
      cluster.dispose();
    },
  );

  test.each(Array.from({ length: 10 }, (_, index) => index + 1))(
    'a member that comes as another dies starts none of the children that the others have started (seed %i)',
    async seed => {
      const { cluster, counting } = await slowCluster(seed, HOSTS.slice(0, 4));
      const before = new Set(processesOn(cluster, 'n2').map(process => process.start.argument));
      const came = cluster.start(['n5']);
      await cluster.run(100 + 97 * seed);
      cluster.crash('n2');
      const started = new Map<unknown, number>();
      const seen = new Set<string>();
      const look = (): boolean => {
        for (const host of cluster.running) {
          for (const process of processesOn(cluster, host.name)) {
            const { key, resumed } = process.state as { readonly key: number; readonly resumed: number };
            if (resumed > 0 || !before.has(key) || seen.has(process.pid.key)) continue;
            seen.add(process.pid.key);
            started.set(key, (started.get(key) ?? 0) + 1);
          }
        }
        return false;
      };
      await cluster.until(look, 'nothing', 5_000).catch(() => {});
      await came;
      await cluster.run(10_000);
      for (const [key, times] of started) expect(times, `starts of shard ${key}`).toBe(1);
      await counting.during(1_000);
      cluster.dispose();
    },
  );
});
