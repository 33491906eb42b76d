import { parentPort, workerData } from 'node:worker_threads';
import { threads } from 'foundation-ts';
import { startSearchNode } from './search-node.js';
import { type ThreadSetup, threadConnection } from './thread-connection.js';
import type { WorkerReady } from './worker-protocol.js';

const { name, clusterId, seed, port } = workerData as ThreadSetup;
const connection = threadConnection(name, seed, threads({ port }));
const { node } = await startSearchNode({ name, clusterId, handleSignals: false, ...connection });
parentPort?.postMessage({ type: 'ready' } satisfies WorkerReady);

// The one thing that it is ever told: to leave.
parentPort?.once('message', async () => {
  await node.stop();
  process.exit(0);
});
