import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Log, silentLog } from '@foundation-ts/core';
import { type FoundationNode, inProcess, type StartOptions, startNode, staticList } from 'foundation-ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let folder: string;
let saved: Record<string, string | undefined>;
const nodes: FoundationNode[] = [];
const start = async (options: StartOptions = {}): Promise<FoundationNode> => {
  const node = await startNode({ log: 'silent', handleSignals: false, ...options });
  nodes.push(node);
  return node;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'foundation-configured-'));
  saved = { ...process.env };
});
afterEach(async () => {
  process.env = saved;
  await Promise.all(nodes.splice(0).map(node => node.stop({ timeout: 1_000 })));
  rmSync(folder, { recursive: true, force: true });
});

function file(config: object): string {
  const path = join(folder, 'foundation.config.json');
  writeFileSync(path, JSON.stringify(config));
  process.env.FOUNDATION_CONFIG = path;
  return path;
}

describe('a node', () => {
  test('takes its options from the file, the environment and the arguments, and tells them', async () => {
    file({ zone: 'file', roles: ['web'], metadata: { rack: 1 }, profiles: { test: { joinTimeout: 1 } } });
    process.env.NODE_ENV = 'test';
    process.env.FOUNDATION_NAME = 'env';
    process.env.FOUNDATION_ZONE = 'env';
    process.env.FOUNDATION_SECRET = 'a secret of the cluster';
    const node = await start({ clusterId: 'c', metadata: { row: 2 } });
    expect(node.members()).toMatchObject([{ name: 'env', zone: 'env', roles: ['web'], metadata: { rack: 1, row: 2 } }]);
    expect(node.options).toEqual({
      name: 'env',
      clusterId: 'c',
      cluster: false,
      zone: 'env',
      roles: ['web'],
      metadata: { rack: 1, row: 2 },
      joinTimeout: 1,
      handleSignals: false,
      strictMessages: false,
      longMailbox: 10_000,
      slowHandler: 100,
      log: 'silent',
    });
    expect(Object.isFrozen(node.options)).toBe(true);
    expect(Object.isFrozen(node.options.metadata)).toBe(true);
  });

  test('tells neither its secret nor its strategies’ passwords', async () => {
    const strategy = staticList([]);
    const given = {
      secret: 'a secret of the cluster',
      discovery: [strategy],
      metadata: { at: { token: 'hunter2', rack: 1 } },
    };
    const { options } = await start(given);
    expect(JSON.stringify(options)).not.toMatch(/secret|hunter2/);
    expect(options.metadata).toEqual({ at: { rack: 1 } });
    expect(options.discovery?.[0]).toBe(strategy);
  });

  test('says where a wrong option comes from', async () => {
    const path = file({ port: 'many' });
    await expect(start()).rejects.toMatchObject({
      code: 'invalid-option',
      message: `Option 'port' is 'many'; allowed: 0 to 65535. It comes from ${path} (file).`,
    });
    file({ secret: 'short' });
    await expect(start()).rejects.toThrow(/'secret' is '5 bytes long'.*It comes from .*json \(file\)/);
    await expect(start({ port: -1, secret: 'a secret of the cluster' })).rejects.toMatchObject({
      message: "Option 'port' is -1; allowed: 0 to 65535.",
    });
    process.env.FOUNDATION_HOST = '0.0.0.0';
    process.env.FOUNDATION_CONFIG = 'off';
    await expect(start()).rejects.toThrow(/Option 'host' is '0\.0\.0\.0'.*It comes from FOUNDATION_HOST\.$/);
  });

  test('says that there is a file, and warns of an unknown variable', async () => {
    process.env.FOUNDATION_ZOME = 'z';
    const path = file({ profiles: { production: {} } });
    process.env.NODE_ENV = 'production';
    const said: unknown[] = [];
    const warnings: string[] = [];
    const log: Log = {
      ...silentLog,
      info: (fields, message) => said.push([fields, message]),
      warn: (_fields, message) => warnings.push(message),
    };
    await start({ log });
    expect(said).toContainEqual([{ file: path, profile: 'production' }, 'options come from a configuration file too']);
    expect(warnings).toEqual([expect.stringMatching(/FOUNDATION_ZOME means nothing.*Did you mean FOUNDATION_ZONE\?/)]);
  });
});

describe('a network in the process', () => {
  test('its nodes find each other without a socket; those of another network do not', async () => {
    const [here, there] = [inProcess(), inProcess()];
    const a = await start({ name: 'a', clusterId: 'c', ...here() });
    const b = await start({ name: 'b', clusterId: 'c', ...here() });
    const c = await start({ name: 'c', clusterId: 'c', ...there() });
    expect(
      b
        .members()
        .map(member => member.name)
        .sort(),
    ).toEqual(['a', 'b']);
    expect(
      a
        .members()
        .map(member => member.name)
        .sort(),
    ).toEqual(['a', 'b']);
    expect(c.members()).toHaveLength(1);
    expect(a.address?.protocol).toBe('memory');
  });

  test('a node that comes back is found again', async () => {
    const here = inProcess();
    const a = await start({ name: 'a', clusterId: 'c', ...here() });
    const b = await start({ name: 'b', clusterId: 'c', ...here() });
    await b.stop();
    await start({ name: 'b', clusterId: 'c', ...here() });
    await expect.poll(() => a.members().filter(member => member.reachable).length, { timeout: 5_000 }).toBe(2);
  });
});

describe('a thread', () => {
  const program = fileURLToPath(new URL('./programs/configured-threads.ts', import.meta.url));
  const entry = fileURLToPath(new URL('./programs/thread-entry.mjs', import.meta.url));
  const members = async (env: Record<string, string>): Promise<{ name: string; zone: string; port: number }[]> => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '-C', '@foundation-ts/source', program],
      {
        timeout: 30_000,
        env: {
          PATH: process.env.PATH,
          XDG_CONFIG_HOME: folder,
          FOUNDATION_NAME: 'main',
          FOUNDATION_ZONE: 'z',
          FOUNDATION_LOG: 'warn',
          FOUNDATION_THREADS_COUNT: '1',
          FOUNDATION_THREADS_ENTRY: entry,
          ...env,
        },
      },
    );
    return JSON.parse(stdout);
  };

  test('has its own name and starts no threads; the rest is as in the process', async () => {
    const found = await members({});
    expect(found.map(({ name, zone }) => [name, zone])).toEqual([
      ['main', 'z'],
      ['main-thread-1', 'z'],
    ]);
  });

  test('does not take the port that its process listens on', async () => {
    const port = await freePort();
    const found = await members({
      FOUNDATION_CLUSTER: 'true',
      FOUNDATION_CLUSTER_ID: folder,
      FOUNDATION_PORT: `${port}`,
    });
    expect(found.map(member => member.name).sort()).toEqual(['main', 'main-thread-1']);
    expect(found.find(member => member.name === 'main')?.port).toBe(port);
    expect(found.find(member => member.name !== 'main')?.port).not.toBe(port);
  });

  test('does not take the port of a topology either', async () => {
    const wan = {
      strategy: { strategy: 'static', nodes: ['ws://127.0.0.1:1'] },
      transport: 'ws',
      port: await freePort(),
    };
    const path = join(folder, 'threads.json');
    writeFileSync(path, JSON.stringify({ topologies: { local: { strategy: 'same-host' }, wan } }));
    const found = await members({
      ...{ FOUNDATION_CONFIG: path, FOUNDATION_CLUSTER_ID: folder, FOUNDATION_SECRET: 'a secret of the cluster' },
      FOUNDATION_LOG: 'error',
    });
    expect(found.map(member => member.name).sort()).toEqual(['main', 'main-thread-1']);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}
