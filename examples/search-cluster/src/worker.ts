import { connectionOf } from './connections.js';
import { startSearchNode } from './search-node.js';
import type { ConnectionSetup, WorkerReady, WorkerSetup } from './worker-protocol.js';

const { connection, ...setup } = JSON.parse(process.argv[2] ?? '') as WorkerSetup & { connection: ConnectionSetup };
const { node } = await startSearchNode({ ...setup, ...connectionOf(connection), handleSignals: true });
process.send?.({ type: 'ready' } satisfies WorkerReady);

// The parent is gone, or has no use for this node any more.
process.once('disconnect', async () => {
  await node.stop();
  process.exit();
});
