import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../support/member.js';
import { Namespaces, namespacesMissing } from '../support/netns.js';
import { type ClusterNodeInit, programCommand, Running } from '../support/programs.js';

const missing = namespacesMissing();
if (missing !== undefined) console.warn(`discovery across network namespaces is not tested: ${missing}`);
const sideBySide = process.env['DISCOVERY_LONG'] === '1' ? 60_000 : 10_000;

describe.skipIf(missing !== undefined)('across network namespaces', () => {
  let hosts: Namespaces;
  let all: Running[];
  const secret = randomBytes(32).toString('hex');

  beforeEach(() => {
    hosts = new Namespaces(3);
    all = [];
  });

  afterEach(async () => {
    await hosts[Symbol.asyncDispose]();
  });

  const start = (index: number, init: Omit<ClusterNodeInit, 'host'>): Running => {
    const running = new Running(
      hosts.run(index, ...programCommand('cluster-node', { ...init, host: hosts.address(index) }), {
        FOUNDATION_SECRET: secret,
      }),
    );
    all.push(running);
    return running;
  };

  const output = (): string =>
    all.map(({ errors, told }) => `${errors}${JSON.stringify([told.at(-1), told.length])}`).join('\n');

  /** Until each of these sees exactly this. @returns how long after the last of them started, ms */
  const see = async (nodes: readonly Running[], members: readonly string[], within: number): Promise<number> => {
    const wanted = [...members].sort().join();
    const seen = (node: Running): string => [...(node.last('members')?.members ?? [])].sort().join();
    await until(
      () => nodes.every(node => seen(node) === wanted),
      () => `${wanted} to be seen; ${output()}`,
      within,
    );
    const startedAt = Math.max(...nodes.map(node => node.told[0]?.at ?? 0));
    return Math.max(...nodes.map(node => node.last('members')?.at ?? 0)) - startedAt;
  };

  test.each(['gossip', 'mdns'] as const)('%s forms one cluster, and again after a link was down', async strategy => {
    const names = ['a', 'b', 'c'];
    const nodes = names.map((name, index) => start(index, { name, clusterId: 'shop', strategy }));
    const up = names.map(name => `${name} up`);
    const took = await see(nodes, up, 15_000);
    console.info(`${strategy}: three network namespaces formed one cluster in ${took} ms`);
    expect(took).toBeLessThan(3_000);

    const link = strategy === 'gossip' ? 'plug' : 'interface';
    hosts.link(2, link, 'down');
    await see(nodes.slice(0, 2), ['a up', 'b up', 'c unreachable'], 20_000);
    hosts.link(2, link, 'up');
    await see(nodes, up, 30_000);
    for (const node of nodes) {
      for (const { members = [] } of node.told) {
        const seen = members.map(member => member.split(' ')[0]);
        expect(seen).toEqual([...new Set(seen)]);
      }
    }
  });

  test('gossip and mdns keep clusters on one network apart', async () => {
    const clusters = (['gossip', 'mdns'] as const).flatMap(strategy =>
      ['shop', 'bank'].map(name => {
        const clusterId = `${strategy}-${name}`;
        const nodes = [0, 1].map(index => start(index, { name: `${clusterId}-${index}`, clusterId, strategy }));
        return { clusterId, nodes, members: [0, 1].map(index => `${clusterId}-${index} up`) };
      }),
    );
    for (const { nodes, members } of clusters) await see(nodes, members, 30_000);
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
    const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
    const nodes = names.map((name, index) => start(index % 3, { name, clusterId: 'shop', strategy: 'gossip' }));
    const took = await see(
      nodes,
      names.map(name => `${name} up`),
      150_000,
    );
    // no limit asserted: twenty processes on few cores start for longer than they take to form
    console.info(`gossip: twenty processes formed one cluster in ${took} ms from the start of the last`);
  });
});
