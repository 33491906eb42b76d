import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Runs one type test in a folder of its own, inside the workspace so that vitest resolves. */
function run(expectation: string) {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const tree = mkdtempSync(join(cache, 'types-'));
  try {
    writeFileSync(
      join(tree, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.base.json'),
        compilerOptions: { noEmit: true },
        files: ['seeded.test-d.ts'],
      }),
    );
    writeFileSync(join(tree, 'package.json'), '{ "type": "module" }');
    writeFileSync(
      join(tree, 'vitest.config.js'),
      "export default { test: { include: [], typecheck: { enabled: true, only: true, include: ['seeded.test-d.ts'], tsconfig: './tsconfig.json' } } };",
    );
    writeFileSync(
      join(tree, 'seeded.test-d.ts'),
      `import { expectTypeOf, test } from 'vitest';\ntest('seeded', () => { ${expectation} });\n`,
    );
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const child = spawnSync(process.execPath, [vitest, 'run', '--root', tree], { cwd: tree, encoding: 'utf8' });
    return { status: child.status, output: child.stdout + child.stderr };
  } finally {
    rmSync(tree, { recursive: true });
  }
}

it('a right type expectation passes', () => {
  expect(run('expectTypeOf(1).toEqualTypeOf<number>()')).toMatchObject({ status: 0 });
});

it('a wrong type expectation fails the run', () => {
  const { status, output } = run('expectTypeOf(1).toEqualTypeOf<string>()');
  expect(status).not.toBe(0);
  expect(output).toContain('seeded');
});

it('a mistake that compiles fails the run', () => {
  expect(run('// @ts-expect-error this is no mistake\n Number(1)')).not.toMatchObject({ status: 0 });
});
