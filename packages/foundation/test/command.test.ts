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
    [{ secret: 'short' }, "'secret' is '5 bytes long'"],
    [{ port: '4370' }, "'port' is '4370'"],
    [{ port: 65_536 }, "'port' is 65536"],
    [{ name: 'a b' }, "'name' is 'a b'"],
    [{ zone: 1 }, "'zone' is 1"],
    [{ roles: 'web' }, "'roles' is 'web'"],
    [{ metadata: 3 }, "'metadata' is 3"],
    [{ joinTimeout: -1 }, "'joinTimeout' is -1"],
    [{ strictMessages: 1 }, "'strictMessages' is 1"],
    [{ longMailbox: 0 }, "'longMailbox' is 0"],
    [{ channels: {} }, "'channels' is an object"],
    [{ definitions: 'x' }, "'definitions' is 'x'"],
    [{ permissions: [] }, "'permissions' is an array"],
    [{ tls: { key: 'x' } }, "'tls.cert' is undefined"],
    [{ log: 'loud' }, "'log' is 'loud'"],
    [{ threads: { count: 2 } }, "'threads.entry' is undefined"],
    [{ cluster: { strategy: 'gossip', prt: 1 } }, "'cluster': gossip has no option 'prt' (did you mean 'port'?)"],
    [{ topologies: { a: { strategy: { strategy: 'dns' } } } }, "'topologies.a.strategy.query' is undefined"],
  ])('finds wrong before a start what would be wrong at it, and says where it stands: %j', async (config, message) => {
    const file = join(folder, 'foundation.config.json');
    writeFileSync(file, `\uFEFF${JSON.stringify(config)}`);
    const { code, out, err } = await run(['config']);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(message);
    expect(err).toContain(`It comes from ${file} (file).`);
  });

  test('of a keyword in the environment it says the variable, also of what is missing there', async () => {
    const wrong = await run(['config'], { FOUNDATION_CLUSTER: '{"strategy":"dns"}' });
    expect(wrong.err).toMatch(/'cluster.query' is undefined; .* It comes from FOUNDATION_CLUSTER\.$/m);
    const { out } = await run(['config'], {
      FOUNDATION_CLUSTER: '{"strategy":"dns","query":"a.b"}',
      FOUNDATION_PORT: '0',
    });
    expect(out).toMatch(/^cluster\.query +'a\.b' +environment \(FOUNDATION_CLUSTER\)$/m);
    expect(out).toContain("in full: topologies: { dns: { strategy: { strategy: 'dns', query: 'a.b' }, overlay");
  });

  test.each([
    { strategy: 'etcd', hosts: 'https://root:hunter2@h:1' },
    { strategy: 'etcd', hosts: ['https://root:hunter2@h:1'] },
    { strategy: 'etcd', options: 'password=hunter2' },
    { strategy: 'redis', url: 'redis//:hunter2@h' },
    { strategy: 'redis', options: 'password=hunter2' },
  ])('does not show what may be a password in what is wrong: %j', async cluster => {
    const { code, out, err } = await run(['config'], { FOUNDATION_CLUSTER: JSON.stringify(cluster) });
    expect([code, out + err]).toEqual([1, expect.not.stringContaining('hunter2')]);
  });

  test('a topology called private is no secret, what it holds may be', async () => {
    const redis = { strategy: 'redis', options: { password: 'hunter2', pass: 'hunter2' } };
    const config = { topologies: { private: { strategy: redis } } };
    writeFileSync(join(folder, 'foundation.config.json'), JSON.stringify(config));
    const { out } = await run(['config']);
    expect(out).toMatch(
      /^topologies\.private +\{ strategy: \{ strategy: 'redis', options: \{ password: \(set, 7 bytes\)/m,
    );
    expect(out).not.toContain('hunter2');
  });

  test.each([
    [[], /^A command is missing\.\n\nUsage: foundation/],
    [['frobnicate'], /^There is no command 'frobnicate'/],
    [['config', '--frob'], /--frob.*\n\nUsage: foundation config/],
    [['config', 'extra'], /extra/],
    [['config', '--cwd', 'nowhere'], /--cwd is 'nowhere', but there is no /],
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
