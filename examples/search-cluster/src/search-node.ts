import { startNode, tlsFiles } from 'foundation-ts';
import { Shard } from './shard.js';
import type { ConnectionSetup } from './worker-protocol.js';

/** The name of the distributed supervisor; every node that starts one of this name shares its children. */
const supervisorName = 'shards';

/**
 * Starts a node of the search cluster in this process. Nodes of the same cluster id find each other by themselves.
 * @param init.handleSignals - whether SIGTERM and SIGINT drain the node and end the process
 */
export async function startSearchNode({
  tls,
  ...init
}: ConnectionSetup & { name: string; clusterId: string; handleSignals: boolean }) {
  const security = tls === undefined ? {} : { tls: tlsFiles(tls) };
  const node = await startNode({ ...init, ...security, cluster: true, definitions: [Shard], log: 'error' });
  const shards = await node.distributedSupervisor(supervisorName);
  return { node, shards };
}

/** A started node and its view of the shards. */
export type SearchNode = Awaited<ReturnType<typeof startSearchNode>>;
