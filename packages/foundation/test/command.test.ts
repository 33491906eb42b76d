import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from '../src/command.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'foundation-command-'));
  writeFileSync(join(folder, 'package.json'), '{ "name": "shop", "type": "module" }');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(args: readonly string[], env: Record<string, string> = {}) {
  let [out, err] = ['', ''];
  const code = await runCommand(args, {
    env,
    cwd: folder,
    out: text => {
      out += text;
    },
    err: text => {
      err += text;
    },
  });
  return { code, out, err };
}

describe('foundation config', () => {
  test('prints what a node here would get', async () => {
    const { code, out } = await run(['config'], {
      FOUNDATION_PORT: '4370',
      FOUNDATION_SECRET: 'a secret of the cluster',
    });
    expect(code).toBe(0);
    expect(out).toMatch(/^clusterId +'shop' +default$/m);
    expect(out).toMatch(/^port +4370 +environment \(FOUNDATION_PORT\)$/m);
    expect(out).toMatch(/^secret +\(set, 23 bytes\) +environment \(FOUNDATION_SECRET\)$/m);
  });

  test('--profile, --cwd and --json', async () => {
    mkdirSync(join(folder, 'deploy'));
    writeFileSync(
      join(folder, 'deploy/foundation.config.json'),
      '{ "secret": "a secret of the cluster", "profiles": { "production": { "port": 4370, "roles": ["web"] } } }',
    );
    const { code, out } = await run(['config', '--json', '--profile', 'production', '--cwd', 'deploy'], {
      NODE_ENV: 'test',
      FOUNDATION_SLOW_HANDLER: 'Infinity',
    });
    expect(code).toBe(0);
    const { profile, file, options, warnings } = JSON.parse(out);
    expect([profile, file, warnings]).toEqual(['production', join(folder, 'deploy/foundation.config.json'), []]);
    const option = (name: string) => options.find((row: { option: string }) => row.option === name);
    expect(option('port')).toEqual({ option: 'port', value: 4370, origin: 'file, profile production', place: file });
    expect(option('roles').value).toEqual(['web']);
    expect(option('slowHandler').value).toBe('Infinity');
    expect(option('secret').value).toBe('(set, 23 bytes)');
    expect(option('zone')).toEqual({ option: 'zone', value: 'none', origin: 'default' });
  });

  test('a wrong configuration: exit code 1, and what is wrong', async () => {
    expect(await run(['config'], { FOUNDATION_PORT: 'x' })).toEqual({
      code: 1,
      out: '',
      err: "invalid-option: Option 'FOUNDATION_PORT' is 'x'; allowed: a whole number, 0 to 65535.\n",
    });
    const { code, err } = await run(['config'], { FOUNDATION_HOST: '0.0.0.0' });
    expect([code, err]).toEqual([1, expect.stringMatching(/It comes from FOUNDATION_HOST/)]);
  });

  test.each([
    [[], /^A command is missing\.\n\nUsage: foundation/],
    [['frobnicate'], /^There is no command 'frobnicate'/],
    [['config', '--frob'], /--frob.*\n\nUsage: foundation config/],
    [['config', 'extra'], /extra/],
    [['config', '--profile', 'prod'], /--profile is 'prod'; allowed: development, test, production/],
  ])('wrong arguments: exit code 2: %o', async (args, message) => {
    expect(await run(args)).toEqual({ code: 2, out: '', err: expect.stringMatching(message) });
  });

  test.each([[['--help']], [['-h']], [['config', '--help']], [['config', '-h']]])('help: %o', async args => {
    expect(await run(args)).toEqual({ code: 0, out: expect.stringMatching(/^Usage: foundation/), err: '' });
  });
});

describe('as a process', () => {
  const program = fileURLToPath(new URL('../src/cli/foundation.ts', import.meta.url));
  const flags = ['--import', import.meta.resolve('tsx'), '-C', '@foundation-ts/source'];
  const foundation = (...args: string[]) =>
    spawnSync(process.execPath, [...flags, program, ...args], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 30_000,
      env: { PATH: process.env.PATH, NODE_ENV: 'production' },
    });

  test('reads foundation.config.ts with defineConfig', () => {
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(fileURLToPath(new URL('..', import.meta.url)), join(folder, 'node_modules/foundation-ts'), 'dir');
    writeFileSync(
      join(folder, 'foundation.config.ts'),
      `import { defineConfig, staticList } from 'foundation-ts';
       const seeds: readonly string[] = ['10.0.0.1:4370'];
       export default defineConfig({ zone: 'z', profiles: { production: { discovery: [staticList(seeds)] } } });`,
    );
    const { stdout, stderr, status } = foundation('config');
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toMatch(/^discovery +\[ static\(\) \] +file, profile production$/m);
    expect(stdout).toMatch(/^zone +'z' +file$/m);
  });

  test('ends with the exit code', () => {
    const { stderr, status } = foundation('frobnicate');
    expect([stderr, status]).toEqual([expect.stringMatching(/^There is no command/), 2]);
  });
});
