import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SimulatedClock } from '@foundation-ts/testing';
import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Advertised } from '../src/index.js';
import { sameHost } from '../src/same-host.js';
import { advertisedNode, type TestContext, testContext, until, Watching } from './context.js';

discoverySuite('sameHost', async () => {
  const root = await mkdtemp(join(tmpdir(), 'same-host-'));
  const directory = join(root, 'nodes');
  return {
    strategy: () => sameHost({ directory, pollInterval: 50 }),
    breakLookups: async () => {
      await rename(directory, join(root, 'moved'));
      await writeFile(directory, 'in the way');
    },
    dispose: () => rm(root, { recursive: true }),
  };
});

const childFile = new URL('./same-host-child.ts', import.meta.url).pathname;

describe('sameHost', () => {
  let root: string;
  let directory: string;
  const contexts: TestContext[] = [];
  const children: ChildProcess[] = [];

  const context = (init: Parameters<typeof testContext>[0] = {}): TestContext => {
    const ctx = testContext(init);
    contexts.push(ctx);
    return ctx;
  };

  const advertise = async (node: Advertised, ctx = context()): Promise<AsyncDisposable> =>
    (await sameHost({ directory }).advertise?.(node, ctx)) as AsyncDisposable;

  const clusterFolder = async (): Promise<string> => join(directory, (await readdir(directory))[0] as string);

  const startChild = async (name: string, port: number): Promise<ChildProcess> => {
    const argv = ['--import', 'tsx', '-C', '@foundation-ts/source', childFile, directory, name, String(port)];
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    return child;
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'same-host-'));
    directory = join(root, 'nodes');
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    for (const ctx of contexts.splice(0)) ctx.abort();
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(root, { recursive: true });
  });

  test('names nobody in a folder without nodes', async () => {
    const watching = new Watching(sameHost({ directory }), context());
    await until(() => watching.values.length > 0, 'the first value');
    expect(watching.values).toEqual([[]]);
  });

  test('notices a newcomer by the file event, long before the poll', async () => {
    const watching = new Watching(sameHost({ directory, pollInterval: 3_600_000 }), context());
    await until(() => watching.values.length > 0, 'the first value');
    const entry = await advertise(advertisedNode('b', 2));
    await until(() => watching.last?.length === 1, 'the newcomer');
    await entry[Symbol.asyncDispose]();
    await until(() => watching.last?.length === 0, 'his end');
    expect(watching.values).toEqual([[], ['tcp://127.0.0.1:2'], []]);
  });

  test('sees a process come, and go in order', { timeout: 30_000 }, async () => {
    const watching = new Watching(sameHost({ directory }), context());
    const child = await startChild('b', 2);
    await until(() => watching.last?.includes('tcp://127.0.0.1:2') === true, 'the other process');
    child.stdin?.end();
    await until(() => watching.last?.length === 0, 'its end');
    expect(await readdir(await clusterFolder())).toEqual([]);
    if (child.exitCode === null) await once(child, 'exit');
  });

  test('removes the file of a killed process at the next poll', { timeout: 30_000 }, async () => {
    const watching = new Watching(sameHost({ directory, pollInterval: 100 }), context());
    await advertise(advertisedNode('a', 1));
    const child = await startChild('b', 2);
    await until(() => watching.last?.length === 2, 'both');
    child.kill('SIGKILL');
    await once(child, 'exit');
    await until(() => watching.last?.length === 1, 'the killed one gone');
    expect(watching.last).toEqual(['tcp://127.0.0.1:1']);
    expect(await readdir(await clusterFolder())).toHaveLength(1);
  });

  test.runIf(process.platform === 'linux')(
    'does not take a reused pid, or an earlier boot, for the process',
    async () => {
      await advertise(advertisedNode('a', 1));
      const folder = await clusterFolder();
      const own = join(folder, (await readdir(folder))[0] as string);
      const entry = JSON.parse(await readFile(own, 'utf8'));
      const forge = (name: string, changes: object): Promise<void> =>
        writeFile(
          join(folder, `${name}.json`),
          JSON.stringify({ ...entry, ...advertisedNode(name, 9), process: { ...entry.process, ...changes } }),
        );
      await forge('reused', { started: '1' });
      await forge('rebooted', { boot: 'another' });
      await forge('contained', { namespace: 'pid:[1]', pid: 4_000_000 });
      await writeFile(join(folder, '.4000000-draft'), 'left by a killed process');
      const watching = new Watching(sameHost({ directory }), context());
      await until(() => watching.values.length > 0, 'the first value');
      expect(watching.values).toEqual([['tcp://127.0.0.1:1']]);
      expect((await readdir(folder)).sort()).toEqual([own.slice(folder.length + 1), 'contained.json'].sort());
    },
  );

  test('holds several nodes of one process, whatever their names', async () => {
    const names = ['a', 'A', '../../escape', 'a/b', 'a\\b', '.', '..', 'ü', 'x'.repeat(255), 'con', 'a b', '%2e', "'"];
    const watching = new Watching(sameHost({ directory }), context());
    for (const [index, name] of names.entries()) await advertise(advertisedNode(name, index + 1));
    await advertise(advertisedNode('a', 100, { incarnation: 2 }));
    await until(() => watching.last?.length === names.length + 1, 'all nodes');
    expect(await readdir(await clusterFolder())).toHaveLength(names.length + 1);
    expect(await readdir(root)).toEqual(['nodes']);
  });

  test('yields only when the set has changed', async () => {
    const clock = new SimulatedClock();
    const watching = new Watching(sameHost({ directory }), context({ clock }));
    await until(() => watching.values.length > 0, 'the first value');
    await advertise(advertisedNode('b', 2));
    await clock.advanceUntil(() => watching.values.length === 2, { what: 'the newcomer' });
    await clock.advance(60_000);
    await advertise(advertisedNode('b', 2));
    await clock.advance(60_000);
    expect(watching.values).toEqual([[], ['tcp://127.0.0.1:2']]);
  });

  test('ignores malformed files, with one warning each', async () => {
    const clock = new SimulatedClock();
    await advertise(advertisedNode('a', 1));
    const folder = await clusterFolder();
    const entry = JSON.parse(await readFile(join(folder, (await readdir(folder))[0] as string), 'utf8'));
    const hostile: Record<string, string> = {
      'empty.json': '',
      'broken.json': '{"format":1,',
      'null.json': 'null',
      'array.json': '[]',
      'huge.json': ' '.repeat(100_000),
      'proto.json': '{"__proto__":{"format":1}}',
      'nesting.json': '['.repeat(16_000),
      'version.json': JSON.stringify({ ...entry, format: 2 }),
      'port.json': JSON.stringify({ ...entry, address: { protocol: 'tcp', host: 'h', port: 70_000 } }),
      'incarnation.json': JSON.stringify({ ...entry, incarnation: 2 ** 53 }),
      'pid.json': JSON.stringify({ ...entry, process: { pid: -1 } }),
    };
    for (const [file, text] of Object.entries(hostile)) await writeFile(join(folder, file), text);
    await mkdir(join(folder, 'folder.json'));
    const ctx = context({ clock });
    const watching = new Watching(sameHost({ directory }), ctx);
    await until(() => watching.values.length > 0, 'the first value');
    await clock.advance(10_000);
    expect(watching.values).toEqual([['tcp://127.0.0.1:1']]);
    const warned = ctx.lines.filter(line => line.level === 'warn').map(line => line.fields.file);
    expect(warned.sort()).toEqual([...Object.keys(hostile), 'folder.json'].sort());
    expect(await readdir(folder)).toHaveLength(Object.keys(hostile).length + 2);
  });

  test("ignores, and leaves alone, another cluster's file in its folder", async () => {
    await advertise(advertisedNode('a', 1));
    const folder = await clusterFolder();
    const entry = JSON.parse(await readFile(join(folder, (await readdir(folder))[0] as string), 'utf8'));
    const stranger = advertisedNode('b', 2, { clusterId: 'elsewhere' });
    await writeFile(join(folder, 'stranger.json'), JSON.stringify({ ...entry, ...stranger }));
    const watching = new Watching(sameHost({ directory }), context());
    await until(() => watching.values.length > 0, 'the first value');
    expect(watching.values).toEqual([['tcp://127.0.0.1:1']]);
    expect(await readdir(folder)).toContain('stranger.json');
  });

  test('makes its folders closed to others', async () => {
    await advertise(advertisedNode('a', 1));
    const folder = await clusterFolder();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, (await readdir(folder))[0] as string))).mode & 0o777).toBe(0o600);
  });

  test('refuses a folder that others can write to, and says what to run', async () => {
    await mkdir(directory);
    await chmod(directory, 0o777);
    const refused = { code: 'insecure', message: expect.stringContaining(`chmod 700 '${directory}'`) };
    await expect(advertise(advertisedNode('a', 1))).rejects.toMatchObject(refused);
    const watching = new Watching(sameHost({ directory }), context());
    await watching.ended;
    expect(watching.error).toMatchObject(refused);
  });

  test('refuses a symbolic link in place of the folder', async () => {
    const { symlink } = await import('node:fs/promises');
    await mkdir(join(root, 'target'), { mode: 0o700 });
    await symlink(join(root, 'target'), directory);
    await expect(advertise(advertisedNode('a', 1))).rejects.toMatchObject({ code: 'insecure' });
  });

  test.runIf(process.getuid?.() === 0)("refuses another user's folder", async () => {
    await mkdir(directory, { mode: 0o700 });
    await chown(directory, 12_345, 12_345);
    await expect(advertise(advertisedNode('a', 1))).rejects.toMatchObject({
      code: 'insecure',
      message: expect.stringContaining('belongs to user 12345'),
    });
  });

  test('keeps its last value and reports it when the folder is opened to others later', async () => {
    const clock = new SimulatedClock();
    await advertise(advertisedNode('a', 1));
    const ctx = context({ clock });
    const watching = new Watching(sameHost({ directory }), ctx);
    await until(() => watching.values.length > 0, 'the first value');
    await chmod(directory, 0o777);
    await clock.advanceUntil(() => ctx.failures.length > 0, { what: 'the failure' });
    expect(ctx.failures[0]).toMatchObject({ code: 'insecure' });
    expect(watching.values).toEqual([['tcp://127.0.0.1:1']]);
    await chmod(directory, 0o700);
    await advertise(advertisedNode('b', 2));
    await clock.advanceUntil(() => watching.values.length === 2, { what: 'the recovery' });
  });

  test('recovers, with its nodes, from a removal of the folder', async () => {
    const ctx = context();
    const watching = new Watching(sameHost({ directory, pollInterval: 20 }), ctx);
    await sameHost({ directory, pollInterval: 20 }).advertise?.(advertisedNode('a', 1), context());
    await until(() => watching.last?.length === 1, 'the node');
    await rm(directory, { recursive: true });
    // Whether the watcher meets the missing folder or the node has put it back before, is chance.
    const entry = await advertise(advertisedNode('b', 2));
    await until(() => watching.last?.length === 2, 'both nodes');
    await entry[Symbol.asyncDispose]();
    await until(() => watching.last?.length === 1, 'one node');
  });

  test('removes its file when the node stops without disposing of it', async () => {
    const ctx = context();
    await advertise(advertisedNode('a', 1), ctx);
    const folder = await clusterFolder();
    ctx.abort();
    expect(await readdir(folder)).toEqual([]);
  });

  test('uses XDG_RUNTIME_DIR when that folder exists, otherwise the folder for temporary files', async () => {
    vi.stubEnv('TMPDIR', root);
    vi.stubEnv('XDG_RUNTIME_DIR', join(root, 'missing'));
    await sameHost().advertise?.(advertisedNode('a', 1), context());
    const owner = process.getuid?.();
    expect(await readdir(root)).toEqual([`foundation-${owner}`]);
    await mkdir(join(root, 'run'), { mode: 0o700 });
    vi.stubEnv('XDG_RUNTIME_DIR', join(root, 'run'));
    await sameHost().advertise?.(advertisedNode('a', 1), context());
    expect(await readdir(join(root, 'run'))).toEqual(['foundation']);
  });

  test.each([{ pollInterval: 0 }, { pollInterval: Number.NaN }, { directory: '' }, { pollIntervall: 5 }])(
    'refuses %j at construction',
    init => {
      expect(() => sameHost(init as never)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    },
  );
});
