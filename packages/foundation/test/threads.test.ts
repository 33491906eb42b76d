import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isFoundationError, silentLog } from '@foundation-ts/core';
import { afterEach, expect, test } from 'vitest';
import { type FoundationNode, type StartOptions, startNode } from '../src/index.js';

const nodes: FoundationNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(node => node.stop()));
});

/** A module of a thread. */
const module = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);

/** A thread that says that its node runs, and then does something. */
const ready = (then: string): URL =>
  module(`
    import { workerData } from 'node:worker_threads';
    const { beat, control } = Object.values(workerData)[0];
    Atomics.add(beat, 0, 1);
    control.postMessage({ type: 'ready' });
    control.on('message', () => process.exit());
    ${then}
  `);

async function start(threads: StartOptions['threads'], rest: StartOptions = {}): Promise<FoundationNode> {
  const options = { name: 'main', log: 'silent', handleSignals: false, ...rest } as const;
  const node = await startNode({ ...options, ...(threads === undefined ? {} : { threads }) });
  nodes.push(node);
  return node;
}

test.each([
  ['loops while it is imported', 'for (;;);'],
  ['never calls startNode()', 'setInterval(() => {}, 1_000);'],
])('a thread that %s is given up after startTimeout, without waiting for it to leave', async (_what, code) => {
  const begin = performance.now();
  const error = await start({ count: 1, entry: module(code), startTimeout: 500 }).catch((thrown: unknown) => thrown);
  expect(isFoundationError(error, 'start-failed') && error.message).toMatch(/its node did not run within 500 ms/);
  expect(performance.now() - begin).toBeLessThan(5_000);
});

test('a thread that hangs is found though the main thread itself stands still again and again', async () => {
  const told: string[] = [];
  const log = { ...silentLog, error: (_fields: object, message: string) => told.push(message) };
  await start({ count: 1, entry: ready('for (;;);'), hangTimeout: 400 }, { log });
  const end = performance.now() + 10_000;
  while (!told.some(message => message.includes('a thread hangs')) && performance.now() < end) {
    // Each look of the watchdog, one in 100 ms, comes late.
    const until = performance.now() + 350;
    while (performance.now() < until);
    await new Promise(resolve => setImmediate(resolve));
  }
  expect(told.some(message => message.includes('a thread hangs'))).toBe(true);
});

test('a stop of the whole process is no hang', async () => {
  const told: string[] = [];
  const log = { ...silentLog, error: (_fields: object, message: string) => told.push(message) };
  // As if all were stopped for nearly 4 s, the thread a little longer than the main thread, of which the watchdog is.
  const still = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4_000)';
  const code = `setInterval(() => Atomics.add(beat, 0, 1), 20); setTimeout(() => ${still}, 300);`;
  await start({ count: 1, entry: ready(code), hangTimeout: 2_000 }, { log });
  await new Promise(resolve => setTimeout(resolve, 600));
  const until = performance.now() + 3_500;
  while (performance.now() < until);
  await new Promise(resolve => setTimeout(resolve, 600));
  expect(told).toEqual([]);
});

test.each(['64', Number.NaN, Number.POSITIVE_INFINITY, -1])('refuses %s as the memory of a thread', async given => {
  const threads = { count: 1, entry: 'x.js', maxOldGenerationSizeMb: given as number };
  await expect(start(threads)).rejects.toThrow(
    /Option 'threads\.maxOldGenerationSizeMb' is .*allowed: MiB, more than 0/,
  );
});

test('a thread whose node stops by itself, or whose actor is killed, comes back; nothing is left at the end', async () => {
  const program = fileURLToPath(new URL('./programs/ending-threads.ts', import.meta.url));
  const options = ['--import', 'tsx', '-C', '@foundation-ts/source', program];
  const { stdout } = await promisify(execFile)(process.execPath, options, { timeout: 50_000 });
  expect(stdout).toBe('both came back\n');
}, 60_000);
