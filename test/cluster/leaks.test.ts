import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

interface Result {
  readonly casts: number;
  readonly calls: number;
  readonly actors: number;
  readonly handled: number;
  readonly left: number;
  readonly registered: number;
  readonly kept: number;
}

/** Bytes that five million casts, or half a million calls or actors, may leave: caches of the engine. One pointer each would be four times that. */
const ALLOWED = 1_024 * 1_024;

function run(env: Readonly<Record<string, string>>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const program = join(import.meta.dirname, '../programs/leaks.ts');
    const child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', '-C', '@foundation-ts/source', program], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', chunk => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', code => {
      if (code === 0) resolve(JSON.parse(output) as Result);
      else reject(new Error(`exit code ${code}\n${output}`));
    });
  });
}

describe('the heap', () => {
  test('is where it was after ten million casts, a million calls and a million actors', async () => {
    const result = await run({});
    expect(result).toMatchObject({ handled: 10_000_000, left: 1, registered: 0, kept: 0 });
    expect(result.casts).toBeLessThan(ALLOWED);
    expect(result.calls).toBeLessThan(ALLOWED);
    expect(result.actors).toBeLessThan(ALLOWED);
  }, 180_000);

  test('is not, where refs of the dead are kept: the measure would find a leak', async () => {
    const result = await run({ SEEDED_LEAK: '1', CASTS: '1000000', ACTORS: '100000' });
    expect(result.kept).toBe(100_000);
    expect(result.actors).toBeGreaterThan(10 * ALLOWED);
  }, 60_000);
});
