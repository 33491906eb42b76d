import { ClusterNode } from '@foundation-ts/cluster';
import { silentLog } from '@foundation-ts/core';
import { tcp } from '@foundation-ts/transport/tcp';
import type { Place } from './crowd.js';

/** A node as it comes, with a secret, which knows where all others are to be. */
export async function form({ index, ports }: Place): Promise<void> {
  const addresses = ports.map(port => ({ protocol: 'tcp', host: '127.0.0.1', port }));
  const node = await ClusterNode.start({
    name: `n${index}`,
    clusterId: 'bench',
    secret: new Uint8Array(32).fill(7),
    transport: tcp(),
    port: ports[index] as number,
    log: silentLog,
    discovery: [
      {
        name: 'known',
        watch: async function* ({ signal }) {
          yield addresses;
          await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
        },
      },
    ],
    expectedNodes: ports.length,
    joinTimeout: 100_000,
  });
  const up = (): boolean => node.visible().length === ports.length;
  if (up()) return;
  await new Promise<void>(resolve => {
    node.onMembership(() => {
      if (up()) resolve();
    });
  });
}
