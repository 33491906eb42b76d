import { ClusterNode } from '@foundation-ts/cluster';
import { actor, silentLog } from '@foundation-ts/core';
import type { Transport } from '@foundation-ts/transport';
import type { Link, Side } from './link.js';
import { Work } from './work.js';

interface Told {
  cast(op: 'told'): void;
}

const Worker = actor({
  name: 'worker',
  init: (teller: Told) => ({ teller, work: new Work() }),
  calls: { measure: ({ work }, payload: string | Uint8Array) => work.answer(payload) },
  casts: {
    take: ({ teller, work }, payload: string) => {
      if (work.take(payload)) teller.cast('told');
    },
  },
});

const Teller = actor({
  name: 'teller',
  init: (told: () => void) => ({ told }),
  casts: {
    told: state => state.told(),
  },
});

export const startBenchNode = (name: string, transport: Transport): Promise<ClusterNode> =>
  ClusterNode.start({ name, clusterId: 'bench', transport, log: silentLog, definitions: [Worker], joinTimeout: 0 });

/** An actor on the node that listens there, and the ref on it. */
export async function dialWorker(node: ClusterNode, where: string, told: () => void): Promise<Link> {
  await node.connect(JSON.parse(where));
  const teller = await node.spawn(Teller(told));
  const worker = await node.spawn(Worker(teller), { on: 'server' });
  return {
    call: payload => worker.call('measure', payload),
    cast: payload => worker.cast('take', payload),
    close: () => node.stop({ timeout: 500 }),
  };
}

/** Two nodes as they come; a process loads one transport only. */
function nodes(transport: () => Promise<Transport>): Side {
  return {
    serve: async () => JSON.stringify((await startBenchNode('server', await transport())).address),
    dial: async (where, told) => dialWorker(await startBenchNode('client', await transport()), where, told),
  };
}

export const overTcp: Side = nodes(async () => (await import('@foundation-ts/transport/tcp')).tcp());
export const overWs: Side = nodes(async () => (await import('@foundation-ts/transport/ws')).ws());
