import { startSearchNode } from './search-node.js';
import type { WorkerReady, WorkerSetup } from './worker-protocol.js';

const setup = JSON.parse(process.argv[2] ?? '') as WorkerSetup;
const { node } = await startSearchNode({ ...setup, handleSignals: true });
process.send?.({ type: 'ready' } satisfies WorkerReady);

// The parent is gone, or has no use for this node any more.
process.once('disconnect', async () => {
  await node.stop();
  process.exit();
});
