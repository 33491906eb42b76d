import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Namespaces, namespacesMissing } from '../support/netns.js';
import { type ClusterNodeInit, programCommand, Running } from '../support/programs.js';
import { until } from '../support/until.js';

const missing = namespacesMissing();
if (missing !== undefined) console.warn(`discovery across network namespaces is not tested: ${missing}`);
const sideBySide = process.env['DISCOVERY_LONG'] === '1' ? 60_000 : 6_000;

/** Three hosts, and the nodes that were started on them. */
class World implements AsyncDisposable {
  readonly #hosts = new Namespaces(3);
  readonly #all: Running[] = [];
  readonly #secret = randomBytes(32).toString('hex');

  start(index: number, init: Omit<ClusterNodeInit, 'host'>): Running {
    const [command, args] = programCommand('cluster-node', { ...init, host: this.#hosts.address(index) });
    const running = new Running(this.#hosts.run(index, command, args, { FOUNDATION_SECRET: this.#secret }));
    this.#all.push(running);
    return running;
  }

  link(...args: Parameters<Namespaces['link']>): void {
    this.#hosts.link(...args);
  }

  #output(): string {
    return this.#all.map(({ errors, told }) => `${errors}${JSON.stringify([told.at(-1), told.length])}`).join('\n');
  }

  /** Until each of these sees exactly this. @returns how long after the last of them started, ms */
  async see(nodes: readonly Running[], members: readonly string[], within: number): Promise<number> {
    const wanted = [...members].sort().join();
    const seen = (node: Running): string => [...(node.last('members')?.members ?? [])].sort().join();
    await until(
      () => nodes.every(node => seen(node) === wanted),
      () => `${wanted} to be seen; ${this.#output()}`,
      within,
    );
    const startedAt = Math.max(...nodes.map(node => node.told[0]?.at ?? 0));
    return Math.max(...nodes.map(node => node.last('members')?.at ?? 0)) - startedAt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hosts[Symbol.asyncDispose]();
  }
}

let starting: Promise<unknown> = Promise.resolve();
/** Programs take the processors while they start, and wait from then on: so tests start theirs one after the other, and wait together. */
function inTurn<T>(start: () => Promise<T>): Promise<T> {
  const mine = starting.then(start);
  starting = mine.catch(() => {});
  return mine;
}

describe.skipIf(missing !== undefined)('across network namespaces', () => {
  for (const strategy of ['gossip', 'mdns'] as const) {
    test.concurrent(`${strategy} forms one cluster, and again after a link was down`, async () => {
      await using world = new World();
      const names = ['a', 'b', 'c'];
      const up = names.map(name => `${name} up`);
      const nodes = await inTurn(async () => {
        const nodes = names.map((name, index) => world.start(index, { name, clusterId: 'shop', strategy }));
        const took = await world.see(nodes, up, 30_000);
        console.info(`${strategy}: three network namespaces formed one cluster in ${took} ms`);
        expect(took).toBeLessThan(3_000);
        return nodes;
      });

      const link = strategy === 'gossip' ? 'plug' : 'interface';
      world.link(2, link, 'down');
      await world.see(nodes.slice(0, 2), ['a up', 'b up', 'c unreachable'], 30_000);
      world.link(2, link, 'up');
      await world.see(nodes, up, 30_000);
      for (const node of nodes) {
        for (const { members = [] } of node.told) {
          const seen = members.map(member => member.split(' ')[0]);
          expect(seen).toEqual([...new Set(seen)]);
        }
      }
    });
  }

  test.concurrent('gossip and mdns keep clusters on one network apart', async () => {
    await using world = new World();
    const clusters = await inTurn(async () => {
      const clusters = (['gossip', 'mdns'] as const).flatMap(strategy =>
        ['shop', 'bank'].map(name => {
          const clusterId = `${strategy}-${name}`;
          const nodes = [0, 1].map(index => world.start(index, { name: `${clusterId}-${index}`, clusterId, strategy }));
          return { clusterId, nodes, members: [0, 1].map(index => `${clusterId}-${index} up`) };
        }),
      );
      for (const { nodes, members } of clusters) await world.see(nodes, members, 45_000);
      return clusters;
    });
    await new Promise(resolve => setTimeout(resolve, sideBySide));
    for (const { clusterId, nodes, members } of clusters) {
      for (const node of nodes) {
        expect([...(node.last('members')?.members ?? [])].sort()).toEqual(members);
        const met = node.told.flatMap(told => [...(told.members ?? []), ...(told.peers ?? [])]);
        expect(met.filter(name => !name.startsWith(clusterId))).toEqual([]);
        expect(node.last('peers')?.peers).toHaveLength(1);
      }
    }
  });

  test('twenty processes that start at once form one cluster', { timeout: 180_000 }, async () => {
    await using world = new World();
    const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
    const nodes = names.map((name, index) => world.start(index % 3, { name, clusterId: 'shop', strategy: 'gossip' }));
    const took = await world.see(
      nodes,
      names.map(name => `${name} up`),
      150_000,
    );
    // no limit asserted: twenty processes on few cores start for longer than they take to form
    console.info(`gossip: twenty processes formed one cluster in ${took} ms from the start of the last`);
  });
});
