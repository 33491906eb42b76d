import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('../programs/thread-node.ts', import.meta.url));

interface Step {
  readonly step: string;
  readonly places?: readonly string[];
  readonly events?: readonly string[];
  readonly alive?: number;
}

test('threads as nodes: one that hangs or runs out of memory is replaced, and its actors start elsewhere', async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', '-C', '@foundation-ts/source', program]);
  let out = '';
  let err = '';
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  const code = await new Promise<number | null>(resolve => child.once('exit', resolve));
  expect(code, `${out}\n${err}`).toBe(0);
  const steps = out
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Step);
  expect(steps.map(step => step.step)).toEqual(['spread', 'told to end', 'hung', 'out of memory', 'stopped']);
  expect(steps[1]?.alive, 'threads after others told them to end').toBe(2);
  for (const { step, places } of steps) {
    if (places === undefined) continue;
    expect(new Set(places), step).toEqual(new Set(['main', 'main-thread-1', 'main-thread-2']));
  }
  expect(steps.at(-1)?.events).toEqual(
    expect.arrayContaining(['down main-thread-1', 'up main-thread-1', 'down main-thread-2', 'up main-thread-2']),
  );
  expect(err).toMatch(/a thread hangs; it is terminated and started again.*thread=main-thread-1/);
}, 90_000);
