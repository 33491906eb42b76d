/** The other thread of `threads.cast`. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadData, ThreadMessage } from './threads.js';
import { Work } from './work.js';

const { kind, port } = workerData as ThreadData;

if (kind === 'foundation') {
  const { threads } = await import('@foundation-ts/transport/threads');
  const { startBenchNode } = await import('./foundation.js');
  const node = await startBenchNode('server', threads({ port }));
  parentPort?.postMessage(JSON.stringify(node.address));
} else {
  const work = new Work();
  const take = ({ payload }: ThreadMessage) => {
    if (work.take(payload)) port.postMessage('told');
  };
  port.on('message', (message: ThreadMessage | readonly ThreadMessage[]) => {
    if (!Array.isArray(message)) take(message as ThreadMessage);
    else for (const each of message as readonly ThreadMessage[]) take(each);
  });
}
