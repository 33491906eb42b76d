import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type MessagePort, Worker } from 'node:worker_threads';
import { staticList, type ThreadBroker, type threads } from 'foundation-ts';
import type { BankNodeSetup } from './node.js';

/** A node elsewhere, which can be killed without a word. */
export interface BankWorker {
  kill(): void;
}

/** @throws if the process ends before its node runs */
export async function startProcess(setup: BankNodeSetup): Promise<BankWorker> {
  const worker = fork(fileURLToPath(new URL('./worker-process.ts', import.meta.url)), [JSON.stringify(setup)]);
  await untilReady(setup.name, Promise.race([once(worker, 'message'), once(worker, 'exit')]));
  return { kill: () => void worker.kill('SIGKILL') };
}

/** What a thread is started with. */
export interface ThreadSetup {
  readonly name: string;
  readonly clusterId: string;
  /** The node that it looks for; it learns of the others there. */
  readonly seed: string;
  readonly port: MessagePort;
}

/** @throws if the thread ends before its node runs */
export async function startThread(setup: Omit<ThreadSetup, 'port'>, broker: ThreadBroker): Promise<BankWorker> {
  const port = broker.connect(setup.name);
  const workerData: ThreadSetup = { ...setup, port };
  const worker = new Worker(new URL('./worker-thread.mjs', import.meta.url), { workerData, transferList: [port] });
  worker.once('exit', () => broker.disconnect(setup.name));
  await untilReady(setup.name, Promise.race([once(worker, 'message'), once(worker, 'exit')]));
  return { kill: () => void worker.terminate() };
}

/** Each thread listens under its own name. */
export function threadConnection(name: string, seed: string, transport: ReturnType<typeof threads>) {
  return { transport, host: name, port: 1, discovery: [staticList([{ protocol: 'threads', host: seed, port: 1 }])] };
}

async function untilReady(name: string, first: Promise<unknown[]>): Promise<void> {
  const [said] = await first;
  if (said !== 'ready') throw new Error(`Worker ${name} ended with ${said} before its node ran.`);
}
