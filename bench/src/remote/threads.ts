import { once } from 'node:events';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { Running } from '../bench.js';
import type { Link } from './link.js';
import { castInTurns, Tellings } from './pair.js';

/** What the thread is given. */
export interface ThreadData {
  readonly kind: ThreadKind;
  readonly port: import('node:worker_threads').MessagePort;
}

export type ThreadKind = 'foundation' | 'batches' | 'single';

/** A message names an operation and carries a payload, as ours do. */
export interface ThreadMessage {
  readonly op: 'take';
  readonly payload: string;
}

/** Messages of one `postMessage` of the floor. */
const batch = 64;

/** The other side is a worker thread of this process. */
export async function startThreads(metric: string, kind: ThreadKind): Promise<Running> {
  const told = new Tellings();
  const open = kind === 'foundation' ? openNodes : openPort;
  const { link, thread } = await open(kind, () => told.tell());
  return {
    round: size => castInTurns(metric, size, link, told),
    close: async () => {
      await link.close?.();
      await thread.terminate();
    },
  };
}

interface Opened {
  readonly link: Link;
  readonly thread: Worker;
}

function startThread(data: ThreadData): Worker {
  return new Worker(join(import.meta.dirname, 'thread.js'), { workerData: data, transferList: [data.port] });
}

async function openPort(kind: ThreadKind, told: () => void): Promise<Opened> {
  const { port1: port, port2: theirs } = new MessageChannel();
  const thread = startThread({ kind, port: theirs });
  port.on('message', told);
  let waiting: ThreadMessage[] = [];
  const flush = () => {
    port.postMessage(waiting);
    waiting = [];
  };
  const cast = (payload: string) => {
    waiting.push({ op: 'take', payload });
    if (waiting.length === batch) flush();
    // What one turn leaves of a batch goes out with its end.
    else if (waiting.length === 1) process.nextTick(() => waiting.length > 0 && flush());
  };
  return {
    thread,
    link: {
      call: () => Promise.reject(new Error('The floor of threads.cast has no calls.')),
      cast: kind === 'single' ? payload => port.postMessage({ op: 'take', payload } satisfies ThreadMessage) : cast,
      close: () => port.close(),
    },
  };
}

async function openNodes(kind: ThreadKind, told: () => void): Promise<Opened> {
  const { ThreadBroker, threads } = await import('@foundation-ts/transport/threads');
  const { dialWorker, startBenchNode } = await import('./foundation.js');
  const broker = new ThreadBroker();
  const thread = startThread({ kind, port: broker.connect('server') });
  const [where] = (await once(thread, 'message')) as [string];
  const node = await startBenchNode('client', threads({ broker, name: 'client' }));
  return { thread, link: await dialWorker(node, where, told) };
}
