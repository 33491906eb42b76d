import { child, isFoundationError } from '@foundation-ts/core';
import { runCluster, type SimulatedCluster } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { running, type Services, Shard, shardCluster, view } from './harness.js';

const HOSTS = ['n1', 'n2', 'n3', 'n4', 'n5'];
const KEYS = 40;

/**
 * Crashes, leaves, joins and splits close upon each other, so that they hit hand-offs, starts and exchanges in the middle. What must hold when all
 * is healed: no child runs twice, none runs that was not asked for, the ones whose fact was held by nodes that lived on run, and all nodes agree.
 */
class Chaos {
  readonly #cluster: SimulatedCluster<Services>;
  /** Children that were acknowledged, with the nodes that have been up without a break since. */
  readonly #kept = new Map<number, Set<string>>();
  readonly #asked = new Set<number>();
  readonly trace: string[] = [];
  #next = 0;
  #split = false;

  constructor(seed: number) {
    this.#cluster = shardCluster(HOSTS, { seed, options: { failoverAfter: 2_000 } });
  }

  async run(steps: number): Promise<void> {
    const cluster = this.#cluster;
    try {
      await cluster.start();
      await cluster.formed();
      await cluster.run(500);
      for (let index = 0; index < 20; index++) this.#start();
      for (let step = 0; step < steps; step++) {
        await cluster.run(this.#gap());
        await this.#step();
      }
      await this.#heal();
      this.#check();
    } catch (error) {
      throw new Error(`seed ${cluster.seed}: ${(error as Error).message}\n${this.trace.slice(-80).join('\n')}`, {
        cause: error,
      });
    } finally {
      cluster.dispose();
    }
  }

  /** Mostly within the time of a hand-off, sometimes long enough for a detection. */
  #gap(): number {
    const dice = this.#cluster.random.next();
    return dice < 0.6 ? dice * 30 : dice < 0.9 ? 150 + dice * 300 : 3_000 + dice * 6_000;
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#cluster.random.next() * from.length)];
  }

  #note(line: string): void {
    this.trace.push(`${this.#cluster.clock.now().toFixed(1)} ${line}`);
  }

  async #step(): Promise<void> {
    const cluster = this.#cluster;
    const dice = cluster.random.next();
    const up = cluster.running.map(host => host.name);
    const down = HOSTS.filter(host => !up.includes(host));
    if (dice < 0.35) this.#start();
    else if (dice < 0.5 && up.length > 3) this.#gone(this.#pick(up) as string, 'crash');
    else if (dice < 0.6 && up.length > 3) await this.#leave(this.#pick(up) as string);
    else if (dice < 0.8 && down.length > 0) await this.#join(this.#pick(down) as string);
    else if (dice < 0.9) this.#splitOrHeal();
    else this.#hurt();
  }

  #start(): void {
    const host = this.#pick(this.#cluster.running);
    if (host === undefined || this.#asked.size >= KEYS) return;
    const key = this.#next++;
    this.#note(`start ${key} from ${host.name}`);
    this.#asked.add(key);
    host.services.shards.startChild(child(Shard(key), { id: `shard-${key}` })).then(
      ref => {
        this.#note(`${key} runs on ${ref.pid.node}`);
        // Acknowledged by nobody else: the node was, or believed itself, alone.
        const alone = this.#split || ref.acked === 0;
        const holders = alone ? [host.name] : this.#cluster.running.map(each => each.name);
        this.#kept.set(key, new Set(holders));
      },
      error => this.#note(`${key}: ${isFoundationError(error) ? error.code : error}`),
    );
  }

  #gone(name: string, how: string): void {
    this.#note(`${how} ${name}`);
    for (const holders of this.#kept.values()) holders.delete(name);
    if (how === 'crash') this.#cluster.crash(name);
  }

  async #leave(name: string): Promise<void> {
    this.#gone(name, 'leave');
    await this.#cluster.leave(name);
  }

  async #join(name: string): Promise<void> {
    this.#note(`join ${name}`);
    await this.#cluster.start([name]);
  }

  #splitOrHeal(): void {
    const cluster = this.#cluster;
    this.#split = !this.#split;
    if (!this.#split) {
      this.#note('heal');
      cluster.heal();
      return;
    }
    const side = HOSTS.filter(() => cluster.random.next() < 0.4);
    this.#note(`split ${side.join()}`);
    // Until now each node up has what was acknowledged; from now on only the side that the caller is on is sure to.
    cluster.partition(side);
  }

  /** A child crashes. */
  #hurt(): void {
    const host = this.#pick(this.#cluster.running);
    const shard = host?.services.shards.children().find(each => each.pid?.node === host.name);
    if (host === undefined || shard?.pid === undefined) return;
    this.#note(`${shard.id} crashes`);
    host.node
      .ref<typeof Shard>(shard.pid)
      .call('crash')
      .catch(() => {});
  }

  async #heal(): Promise<void> {
    const cluster = this.#cluster;
    cluster.heal();
    this.#note('healed');
    for (const host of HOSTS) if (!cluster.running.some(each => each.name === host)) await cluster.start([host]);
    await cluster.formed(120_000);
    await cluster.run(100_000);
  }

  #check(): void {
    const cluster = this.#cluster;
    const where = running(cluster);
    for (const [key, hosts] of where) {
      expect(hosts, `child ${key}`).toHaveLength(1);
      expect(this.#asked.has(key as number), `child ${key} was asked for`).toBe(true);
    }
    for (const [key, holders] of this.#kept) {
      if (holders.size > 0) expect(where.has(key), `child ${key} runs`).toBe(true);
    }
    const views = cluster.running.map(host => view(host.services.registry));
    expect(new Set(views).size, views.join('\n')).toBe(1);
    for (const host of cluster.running) {
      const children = host.services.shards.children();
      expect(children.filter(each => each.status !== 'running')).toEqual([]);
      expect(children).toHaveLength(where.size);
      for (const each of children) expect(where.get(Number(each.id.slice(6)))).toEqual([each.node]);
      expect(host.services.shards.participants()).toHaveLength(HOSTS.length);
    }
  }
}

const seeds = Number(process.env.CHAOS_SEEDS ?? 20);
const from = Number(process.env.CHAOS_FROM ?? 1);

describe('under faults close upon each other', () => {
  test.each(Array.from({ length: seeds }, (_, index) => from + index))(
    'no orphan, no duplicate, no loss (seed %i)',
    async seed => {
      await new Chaos(seed).run(40);
    },
  );
});

describe('under slow lossy links, silent crashes, one-way cuts, flapping links and wrong wall clocks', () => {
  test.each([1, 2, 3, 4, 5, 6])('everything is settled after healing (seed %i)', async seed => {
    const { problems, trace } = await runCluster(seed, { chaos: true, steps: 25 });
    expect(problems, trace.slice(-80).join('\n')).toEqual([]);
  });

  test('the same seed gives the same run', async () => {
    const [one, again] = [await runCluster(7, { chaos: true }), await runCluster(7, { chaos: true })];
    expect(again.fingerprint).toBe(one.fingerprint);
  });
});
