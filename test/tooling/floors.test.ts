import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const tool = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');

/** The packages of a small tree of the workspace's shape, each with what its package.json declares. */
const packages: Readonly<Record<string, readonly string[]>> = {
  core: [],
  crdt: [],
  transport: ['core'],
  cluster: ['core', 'transport'],
  pubsub: ['core', 'cluster'],
  testing: ['core', 'transport', 'cluster'],
};

const sound: Readonly<Record<string, string>> = {
  'packages/core/src/index.ts': "export { pid } from './pid.js';\n",
  'packages/core/src/pid.ts': "import { table } from './internal/table.js';\nexport const pid = table;\n",
  'packages/core/src/internal/table.ts': 'export const table = 1;\n',
  'packages/crdt/src/index.ts': 'export const dot = 1;\n',
  'packages/transport/src/index.ts': "export { pid as frame } from '@foundation-ts/core';\n",
  'packages/cluster/src/index.ts': "export { frame as node } from '@foundation-ts/transport';\n",
  'packages/pubsub/src/index.ts': "export { node as topic } from '@foundation-ts/cluster';\n",
  'packages/testing/src/index.ts': "export { node as simulation } from '@foundation-ts/cluster';\n",
};

const trees: string[] = [];

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true });
});

/** Lays the sound tree out with `changes` over it, runs the tool there, and returns its exit code and the rules broken. */
function check(changes: Readonly<Record<string, string>>) {
  const tree = mkdtempSync(join(tmpdir(), 'floors-'));
  trees.push(tree);
  for (const file of ['tsconfig.base.json', 'tsconfig.check.json']) cpSync(join(root, file), join(tree, file));
  for (const [name, declared] of Object.entries(packages)) {
    const folder = join(tree, 'packages', name);
    mkdirSync(join(folder, 'node_modules/@foundation-ts'), { recursive: true });
    const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
    manifest.dependencies = Object.fromEntries(declared.map(other => [`@foundation-ts/${other}`, 'workspace:^']));
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    // Every package is made reachable, so that a broken rule is reported for itself and not for a missing link.
    for (const other of Object.keys(packages)) {
      symlinkSync(join(tree, 'packages', other), join(folder, 'node_modules/@foundation-ts', other));
    }
  }
  for (const [path, text] of Object.entries({ ...sound, ...changes })) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  const config = join(root, '.dependency-cruiser.cjs');
  const run = spawnSync(process.execPath, [tool, '--config', config, '--output-type', 'json', 'packages'], {
    cwd: tree,
    encoding: 'utf8',
  });
  if (run.stdout === '') throw new Error(`The tool printed nothing: ${run.stderr}`);
  const violations: readonly { rule: { name: string } }[] = JSON.parse(run.stdout).summary.violations;
  return { broken: [...new Set(violations.map(violation => violation.rule.name))], exitCode: gate(tree, config) };
}

/** What the script `check:floors` ends with: the JSON reporter itself always ends with 0. */
function gate(tree: string, config: string): number | null {
  return spawnSync(process.execPath, [tool, '--config', config, 'packages'], { cwd: tree }).status;
}

describe('the floors', () => {
  it('let a sound tree pass', () => {
    expect(check({})).toEqual({ broken: [], exitCode: 0 });
  });

  it('report an import of a higher floor', () => {
    const { broken, exitCode } = check({
      'packages/core/src/pid.ts': "export { node as pid } from '@foundation-ts/cluster';\n",
    });
    expect(broken).toContain('floor-1');
    expect(exitCode).not.toBe(0);
  });

  it('report an import of a higher floor that is for types alone', () => {
    const { broken } = check({
      'packages/transport/src/index.ts':
        "import type { node } from '@foundation-ts/cluster';\nexport type Node = typeof node;\nexport const frame = 1;\n",
    });
    expect(broken).toContain('floor-2');
  });

  it('report an import between neighbours on one floor', () => {
    const { broken } = check({ 'packages/crdt/src/index.ts': "export { pid as dot } from '@foundation-ts/core';\n" });
    expect(broken).toContain('floor-1');
  });

  it('report a cycle of files', () => {
    const { broken, exitCode } = check({
      'packages/core/src/internal/table.ts':
        "import { pid } from '../pid.js';\nexport const table: number = 1;\nexport const again = () => pid;\n",
    });
    expect(broken).toEqual(['no-cycles']);
    expect(exitCode).not.toBe(0);
  });

  it("report an import of another package's internals by path", () => {
    const { broken, exitCode } = check({
      'packages/transport/src/index.ts': "export { table as frame } from '../../core/src/internal/table.js';\n",
    });
    expect(broken).toEqual(expect.arrayContaining(['no-internals', 'no-relative-reach']));
    expect(exitCode).not.toBe(0);
  });

  it('report a deep import that the other package does not export', () => {
    const { broken, exitCode } = check({
      'packages/transport/src/index.ts': "export { pid as frame } from '@foundation-ts/core/src/pid.js';\n",
    });
    expect(broken).toContain('no-unresolvable');
    expect(exitCode).not.toBe(0);
  });

  it('report production code that imports the testing kit', () => {
    const { broken, exitCode } = check({
      'packages/pubsub/src/index.ts': "export { simulation as topic } from '@foundation-ts/testing';\n",
    });
    expect(broken).toContain('no-testing-in-production');
    expect(exitCode).not.toBe(0);
  });

  it('report a lower package that the manifest does not declare', () => {
    const { broken } = check({
      'packages/pubsub/src/index.ts': "export { frame as topic } from '@foundation-ts/transport';\n",
    });
    expect(broken).toEqual(['no-undeclared']);
  });

  it('report I/O on floor 1', () => {
    const { broken } = check({
      'packages/core/src/pid.ts': "import { readFileSync } from 'node:fs';\nexport const pid = readFileSync;\n",
    });
    expect(broken).toEqual(['no-io-on-floor-1']);
  });
});
