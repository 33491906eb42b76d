import { parentPort, workerData } from 'node:worker_threads';
import { threads } from 'foundation-ts';
import { startBankNode } from './node.js';
import { type ThreadSetup, threadConnection } from './workers.js';

const { port, seed, ...setup } = workerData as ThreadSetup;
await startBankNode(setup, { ...threadConnection(setup.name, seed, threads({ port })), handleSignals: false });
parentPort?.postMessage('ready');
