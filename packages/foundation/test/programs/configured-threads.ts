/** A node with one thread, whose options all come from the environment; tells who is there, and ends. */
import { isMainThread } from 'node:worker_threads';
import { startNode } from 'foundation-ts';

const node = await startNode();
if (isMainThread) {
  const end = performance.now() + 20_000;
  while (node.members().length < 2) {
    if (performance.now() > end) throw new Error('the thread did not join');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  const members = node.members().map(({ name, zone, address }) => ({ name, zone, port: address?.port }));
  process.stdout.write(`${JSON.stringify(members)}\n`);
  await node.stop();
  process.exit(0);
}
