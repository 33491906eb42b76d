import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ThreadBroker, threads } from 'foundation-ts';
import { placeOf } from './place.js';
import type { Connection } from './search-node.js';
import { type ThreadSetup, threadConnection } from './thread-connection.js';
import type { WorkerHost } from './worker-host.js';

/**
 * Workers as threads of this process, and how the node of this thread talks with them. A program that wants a supervised thread per
 * processor sets `threads` in `startNode()`; here threads come and go one by one, so the transport is used by itself.
 */
export class WorkerThreads implements WorkerHost {
  readonly kind = 'threads';
  readonly #broker = new ThreadBroker();
  readonly #seed: string;

  /** @param seed - the name of the node in this thread, which the others look for */
  constructor(seed: string) {
    this.#seed = seed;
  }

  /** For the node of this thread. */
  connection(): Connection {
    return threadConnection(this.#seed, this.#seed, threads({ broker: this.#broker, name: this.#seed }));
  }

  async start(setup: { readonly name: string; readonly clusterId: string }) {
    const port = this.#broker.connect(setup.name);
    const data: ThreadSetup = { ...setup, seed: this.#seed, port };
    const worker = new Worker(new URL('./worker-thread.mjs', import.meta.url), {
      ...{ name: setup.name, workerData: data, transferList: [port], stdout: true, stderr: true },
    });
    let killed = false;
    const place = placeOf(process.pid, worker.threadId);
    worker.on('error', error => process.stderr.write(`[${setup.name}] ${error}\n`));
    return {
      place,
      output: [worker.stdout, worker.stderr],
      ready: once(worker, 'message'),
      ended: new Promise<number | null>(resolve => {
        worker.once('exit', code => {
          this.#broker.disconnect(setup.name);
          resolve(killed ? null : code);
        });
      }),
      end: (how: 'SIGKILL' | 'SIGTERM'): void => {
        killed = how === 'SIGKILL';
        if (killed) void worker.terminate();
        else worker.postMessage('stop');
      },
    };
  }
}
