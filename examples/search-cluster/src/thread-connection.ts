import type { MessagePort } from 'node:worker_threads';
import { type StartOptions, staticList } from 'foundation-ts';
import type { Connection } from './search-node.js';
import type { WorkerSetup } from './worker-protocol.js';

/** What a worker thread is started with. */
export interface ThreadSetup extends WorkerSetup {
  /** The node that it looks for; it learns of the others there. */
  readonly seed: string;
  readonly port: MessagePort;
}

/** Where every node listens: each has its own name as its host. */
const port = 1;

export function threadConnection(name: string, seed: string, transport: StartOptions['transport']): Connection {
  return {
    ...{ host: name, port, discovery: [staticList([{ protocol: 'threads', host: seed, port }])] },
    ...(transport === undefined ? {} : { transport }),
  };
}
