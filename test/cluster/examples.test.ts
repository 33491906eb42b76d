import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Runs an example as its README says; gives its exit code and the end of what it wrote. */
async function run(program: string, ...args: string[]): Promise<{ code: number | null; end: string }> {
  const flags = ['--import', 'tsx', '-C', '@foundation-ts/source'];
  const child = spawn(process.execPath, [...flags, join('examples', program), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      written = (written + text).slice(-4_000);
    });
  }
  const code = await new Promise<number | null>(resolve => {
    child.once('close', resolve);
  });
  return { code, end: written };
}

describe.each(['tcp', 'ws', 'tls', 'threads'])('over %s', transport => {
  test('the search cluster answers as a plain scan does, whoever is killed, joins or leaves', async () => {
    const { code, end } = await run(
      'search-cluster/src/main.ts',
      'node_modules/typescript/lib',
      '--transport',
      transport,
    );
    expect(end).toContain('Every answer was exactly that of the plain scan.');
    expect(code).toBe(0);
  });

  test('the bank keeps its total while processes are killed', async () => {
    const { code, end } = await run('bank/bank.ts', '--transport', transport);
    expect(end).toContain('12 of 12 accounts right; total 12000, at the start 12000');
    expect(code).toBe(0);
  });
});
