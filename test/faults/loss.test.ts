import type { ClusterNode } from '@foundation-ts/cluster';
import { actor } from '@foundation-ts/core';
import { Registry } from '@foundation-ts/distributed';
import { SimulatedCluster } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';

const Named = actor({ name: 'named', init: (_name: string) => ({}), calls: { get: () => 1 } });
const names = (node: ClusterNode, registry: Registry): string =>
  Array.from({ length: 60 }, (_, n) => `${registry.whereis(Named, `name-${n}`)?.pid ?? 'nobody'}`).join() +
  node.clusterId;

/**
 * Fault 16 in simulated time, over streams as TCP makes them of a lossy network: each loss costs what comes behind it a retransmission. On real sockets: `real-loss.test.ts`.
 */
describe('16: 30 % loss and 100 ± 50 ms delay', () => {
  test.each([1, 2, 3, 4, 5, 6])(
    'bring nobody down in five minutes, and leave the replicas equal (seed %i)',
    async seed => {
      const cluster = new SimulatedCluster<Registry>({
        seed,
        hosts: ['a', 'b', 'c', 'd', 'e'],
        definitions: [Named],
        services: node => Registry.start(node),
      });
      try {
        await cluster.start();
        await cluster.formed();
        const events: string[] = [];
        for (const { node } of cluster.running) {
          node.onMembership(event => events.push(`${node.name}: ${event.type} ${event.member.name}`));
        }
        for (const from of cluster.hosts) {
          for (const to of cluster.hosts) {
            if (from !== to) cluster.network.setFaults(from, to, { delay: 50, jitter: 100, loss: 0.3 });
          }
        }
        for (let n = 0; n < 60; n++) {
          const host = cluster.running[n % cluster.running.length];
          if (host === undefined) throw new Error('no host');
          const ref = await cluster.finish(host.node.spawn(Named(`${n}`)));
          await cluster.finish(host.services.register(`name-${n}`, ref));
          await cluster.run(5_000);
        }
        const views = (): Set<string> => new Set(cluster.running.map(({ node, services }) => names(node, services)));
        await cluster.until(() => views().size === 1, 'equal registries');
        expect([...views()][0]).not.toContain('nobody');
        expect(events).toEqual([]);
      } finally {
        cluster.dispose();
      }
    },
  );
});
