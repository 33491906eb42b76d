import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type HostsFileInit, hostsFile } from '../src/hosts-file.js';
import { readHostsLines } from '../src/hosts-lines.js';
import { type TestContext, testContext, until, Watching } from './context.js';

discoverySuite('hostsFile', async () => {
  const root = await mkdtemp(join(tmpdir(), 'hosts-file-'));
  const path = join(root, 'hosts');
  await writeFile(path, '10.0.0.1:1\nws://b:2\n10.0.0.1:1\n');
  return {
    strategy: () => hostsFile({ path, pollInterval: 50 }),
    names: [
      { protocol: 'tcp', host: '10.0.0.1', port: 1 },
      { protocol: 'ws', host: 'b', port: 2 },
    ],
    breakLookups: () => unlink(path),
    dispose: () => rm(root, { recursive: true }),
  };
});

describe('the lines of a hosts file', () => {
  const otherwise = { protocol: 'tcp', port: 4370 };
  const addressesOf = (text: string): unknown[] =>
    readHostsLines(text, otherwise).addresses.map(({ protocol, host, port }) => `${protocol} ${host} ${port}`);

  test('say where nodes are', () => {
    const text =
      '\uFEFFa\nb:1\r\n ws://c:2 # west\n\n# d\n10.0.0.1\r10.0.0.1:3\nfd00::1\n[fd00::2]\n[fd00::3]:4\nws://[fd00::4]:5';
    expect(addressesOf(text)).toEqual([
      'tcp a 4370',
      'tcp b 1',
      'ws c 2',
      'tcp 10.0.0.1 4370',
      'tcp 10.0.0.1 3',
      'tcp fd00::1 4370',
      'tcp fd00::2 4370',
      'tcp fd00::3 4',
      'ws fd00::4 5',
    ]);
    expect(readHostsLines(text, otherwise).malformed).toEqual([]);
  });

  test.each([
    'a b',
    'a:0',
    'a:70000',
    'a:',
    ':1',
    'a:1:2',
    '[a]',
    '[]:1',
    'tcp://',
    'tcp://a/b:1',
    'T://a:1',
    'a/b',
    `${'x'.repeat(300)}`,
  ])('may be malformed: %s', line => {
    const { addresses, malformed } = readHostsLines(`ok\n${line}\n`, otherwise);
    expect(addresses).toHaveLength(1);
    expect(malformed).toEqual([{ line: 2, text: line }]);
  });

  test('of any text throw nothing', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), text => void readHostsLines(text, otherwise)));
  });

  test('are 4,096 at most', () => {
    const { addresses, excess } = readHostsLines('a\n'.repeat(5_000), otherwise);
    expect([addresses.length, excess]).toEqual([4_096, 904]);
  });
});

describe('hostsFile', () => {
  let root: string;
  let path: string;
  const contexts: TestContext[] = [];

  const watch = (init: Partial<HostsFileInit> = {}) => {
    const ctx = testContext();
    contexts.push(ctx);
    return { ctx, watching: new Watching(hostsFile({ path, pollInterval: 3_600_000, ...init }), ctx) };
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'hosts-file-'));
    path = join(root, 'hosts');
  });

  afterEach(async () => {
    for (const ctx of contexts.splice(0)) ctx.abort();
    await rm(root, { recursive: true });
  });

  test('sees the file edited, replaced, and linked elsewhere, without polling', async () => {
    await writeFile(path, 'a:1\n');
    const { watching } = watch();
    await until(() => watching.values.length === 1, 'the first set');
    await appendFile(path, 'b:2\n');
    await until(() => watching.values.length === 2, 'the edit');
    await writeFile(join(root, 'draft'), 'c:3\n');
    await rename(join(root, 'draft'), path);
    await until(() => watching.values.length === 3, 'the replacement');
    await appendFile(path, 'd:4\n');
    await until(() => watching.values.length === 4, 'an edit of the new file');
    expect(watching.values).toEqual([
      ['tcp://a:1'],
      ['tcp://a:1', 'tcp://b:2'],
      ['tcp://c:3'],
      ['tcp://c:3', 'tcp://d:4'],
    ]);
  });

  test('sees a Kubernetes ConfigMap change', async () => {
    const version = async (name: string, text: string): Promise<void> => {
      await mkdir(join(root, name));
      await writeFile(join(root, name, 'hosts'), text);
      await symlink(name, join(root, '..data_tmp'));
      await rename(join(root, '..data_tmp'), join(root, '..data'));
    };
    await version('..1', 'a:1');
    await symlink('..data/hosts', path);
    const { watching } = watch();
    await until(() => watching.values.length === 1, 'the first version');
    await version('..2', 'b:2');
    await rm(join(root, '..1'), { recursive: true });
    await until(() => watching.values.length === 2, 'the second version');
    expect(watching.values).toEqual([['tcp://a:1'], ['tcp://b:2']]);
  });

  test('holds a missing file for a failure, keeps its set, and sees the file come back', async () => {
    const { watching, ctx } = watch();
    await until(() => ctx.failures.length > 0, 'the failure');
    expect(ctx.failures[0]).toMatchObject({ code: 'not-found', message: expect.stringContaining(path) });
    expect(watching.values).toEqual([]);
    await writeFile(path, 'a:1');
    await until(() => watching.values.length === 1, 'the file');
    const failures = ctx.failures.length;
    await unlink(path);
    await until(() => ctx.failures.length > failures, 'that it is gone');
    expect(watching.values).toEqual([['tcp://a:1']]);
    await writeFile(path, 'a:1\nb:1');
    await until(() => watching.values.length === 2, 'the file again');
  });

  test('sees a folder that comes later, and one that is replaced', async () => {
    path = join(root, 'folder', 'hosts');
    const { watching } = watch({ pollInterval: 50 });
    await mkdir(join(root, 'folder'));
    await writeFile(path, 'a:1');
    await until(() => watching.values.length === 1, 'the folder');
    await rename(join(root, 'folder'), join(root, 'old'));
    await mkdir(join(root, 'folder'));
    await writeFile(path, 'b:1');
    await until(() => watching.last?.[0] === 'tcp://b:1', 'the other folder');
  });

  test('takes an empty file for an empty set', async () => {
    await writeFile(path, 'a:1');
    const { watching, ctx } = watch();
    await until(() => watching.values.length === 1, 'the first set');
    await writeFile(path, '# nobody\n');
    await until(() => watching.values.length === 2, 'the empty set');
    expect(watching.last).toEqual([]);
    expect(ctx.failures).toEqual([]);
  });

  test('skips malformed lines, and logs each once', async () => {
    await writeFile(path, 'a:1\nnot a host\nb:99999\n');
    const { watching, ctx } = watch();
    await until(() => watching.values.length === 1, 'the first set');
    await writeFile(path, 'a:1\n\nnot a host\nb:2\n');
    await until(() => watching.values.length === 2, 'the second set');
    expect(watching.last).toEqual(['tcp://a:1', 'tcp://b:2']);
    expect(ctx.lines.map(({ level, fields: { line, text } }) => [level, line, text])).toEqual([
      ['warn', 2, 'not a host'],
      ['warn', 3, 'b:99999'],
    ]);
  });

  test('logs no more than a hundred malformed lines', async () => {
    await writeFile(path, Array.from({ length: 500 }, (_, index) => `bad ${index}`).join('\n'));
    const { watching, ctx } = watch();
    await until(() => watching.values.length === 1, 'the first set');
    expect(ctx.lines).toHaveLength(100);
  });

  test('refuses what is too long or no file', async () => {
    await writeFile(path, '#'.repeat(1_048_577));
    const { watching, ctx } = watch();
    await until(() => ctx.failures.length === 1, 'the failure');
    expect(ctx.failures[0]).toMatchObject({ code: 'too-large' });
    await unlink(path);
    await mkdir(path);
    await until(() => ctx.failures.some(({ message }) => message.includes('is not a file')), 'the other failure');
    expect(watching.values).toEqual([]);
  });

  test.skipIf(process.platform === 'win32')('does not wait for the writer of a pipe', async () => {
    execFileSync('sh', ['-c', 'mkfifo "$0"', path]);
    const { ctx } = watch();
    await until(() => ctx.failures.length === 1, 'the failure');
    expect(ctx.failures[0]?.message).toContain('is not a file');
  });

  test('takes port and protocol as given, or those of its own node', async () => {
    await writeFile(path, 'a');
    const { watching } = watch({ port: 5, protocol: 'ws' });
    await until(() => watching.values.length === 1, 'the first set');
    expect(watching.last).toEqual(['ws://a:5']);
    const ctx = testContext();
    contexts.push(ctx);
    const self = { ...ctx.self, address: { protocol: 'memory', host: 'me', port: 7 } };
    const own = new Watching(hostsFile({ path }), { ...ctx, self });
    await until(() => own.values.length === 1, 'the first set');
    expect(own.last).toEqual(['memory://a:7']);
  });

  test.each<[Record<string, unknown>, string]>([
    [{}, "Option 'path' is undefined"],
    [{ path: '' }, "Option 'path' is ''"],
    [{ path: 'x', port: 1.5 }, "Option 'port' is 1.5"],
    [{ path: 'x', pollInterval: '1' }, "Option 'pollInterval' is '1'"],
    [{ path: 'x', file: 'x' }, "hostsFile has no option 'file'"],
  ])('refuses %j', (init, message) => {
    expect(() => hostsFile(init as never)).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
    );
  });
});
