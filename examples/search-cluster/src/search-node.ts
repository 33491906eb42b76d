import { type StartOptions, startNode } from 'foundation-ts';
import { Shard } from './shard.js';

/** The name of the distributed supervisor; every node that starts one of this name shares its children. */
const supervisorName = 'shards';

/** How a node finds the others and talks with them. */
export type Connection = Pick<StartOptions, 'cluster' | 'discovery' | 'transport' | 'tls' | 'host' | 'port'>;

/**
 * Starts a node of the search cluster in this process or thread.
 * @param init.handleSignals - whether SIGTERM and SIGINT drain the node and end the process
 */
export async function startSearchNode(init: Connection & { name: string; clusterId: string; handleSignals: boolean }) {
  const node = await startNode({ ...init, definitions: [Shard], log: 'error' });
  const shards = await node.distributedSupervisor(supervisorName);
  return { node, shards };
}

/** A started node and its view of the shards. */
export type SearchNode = Awaited<ReturnType<typeof startSearchNode>>;
