import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Log, silentLog } from '@foundation-ts/core';
import {
  actor,
  type FoundationNode,
  type StartOptions,
  startNode,
  staticList,
  type TlsOptions,
  tlsFiles,
} from 'foundation-ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

const Counter = actor({
  name: 'counter',
  init: (start: number) => ({ count: start }),
  calls: { add: (s, n: number) => (s.count += n) },
});

let folder: string;
const openssl = (...args: string[]): void => {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
};
const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function issue(node: string): TlsOptions {
  openssl('req', ...KEY, '-keyout', `${node}.key`, '-out', 'csr', '-subj', `/CN=${node}`);
  const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', String(Date.now()), '-days', '1'];
  openssl('x509', '-req', '-in', 'csr', ...by, '-out', `${node}.pem`);
  return { cert: read(`${node}.pem`), key: read(`${node}.key`), ca: read('ca.pem') };
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'security-'));
  openssl('req', '-x509', ...KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '1', '-subj', '/CN=test');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const nodes: FoundationNode[] = [];
const savedSecret = process.env.FOUNDATION_SECRET;
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(node => node.stop({ timeout: 1_000 })));
  if (savedSecret === undefined) delete process.env.FOUNDATION_SECRET;
  else process.env.FOUNDATION_SECRET = savedSecret;
});

async function start(options: StartOptions): Promise<FoundationNode> {
  const node = await startNode({ clusterId: 'secure', log: 'silent', handleSignals: false, ...options });
  nodes.push(node);
  return node;
}

function seeds(node: FoundationNode) {
  const { address } = node;
  if (address === undefined) throw new Error('the node does not listen');
  return [staticList([`${address.protocol}://${address.host}:${address.port}`])];
}

function recording(): { readonly log: Log; readonly warnings: string[] } {
  const warnings: string[] = [];
  return { log: { ...silentLog, warn: (_fields, text) => warnings.push(text) }, warnings };
}

const first = 'the-first-secret-of-the-cluster';
const second = 'the-second-secret-of-the-cluster';

describe.each(['tcp', 'ws'] as const)('nodes over %s', transport => {
  test('meet and call each other', async () => {
    const a = await start({ name: 'a', transport, secret: first, definitions: [Counter] });
    const b = await start({ name: 'b', transport, secret: first, discovery: seeds(a) });
    expect(a.address?.protocol).toBe(transport);
    const counter = await b.spawn(Counter(1), { on: 'a' });
    expect(await counter.call('add', 2)).toBe(3);
  });

  test('meet under mutual TLS without a secret, also from files', async () => {
    issue('b');
    const path = (file: string): string => join(folder, file);
    const a = await start({ name: 'a', transport, tls: issue('a'), definitions: [Counter] });
    const tls = tlsFiles({ cert: path('b.pem'), key: path('b.key'), ca: path('ca.pem') });
    const b = await start({ name: 'b', transport, tls, discovery: seeds(a) });
    const counter = await b.spawn(Counter(1), { on: 'a' });
    expect(await counter.call('add', 2)).toBe(3);
  });
});

describe('certificates', () => {
  test('must name the node', async () => {
    await expect(start({ name: 'c', tls: issue('a') })).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringMatching(/tls\.cert is the certificate of 'a', and this node is called 'c'/),
    });
  });

  test('allow a node to listen beyond loopback without a secret, and without a warning', async () => {
    const { log, warnings } = recording();
    // 127.0.0.1 by another name, which is not taken for loopback.
    const host = '0177.0.0.1';
    await expect(start({ name: 'a', host })).rejects.toMatchObject({ code: 'insecure' });
    await start({ name: 'a', host, tls: issue('a'), log });
    expect(warnings.filter(warning => warning.includes('not encrypted'))).toEqual([]);
  });
});

describe('secrets', () => {
  test('without TLS warn beyond loopback, once, and not on it', async () => {
    const far = recording();
    await start({ name: 'a', host: '0177.0.0.1', secret: first, log: far.log });
    expect(
      far.warnings.filter(warning => /authenticated by the secret, but not encrypted.*TLS/.test(warning)),
    ).toHaveLength(1);
    const near = recording();
    await start({ name: 'b', secret: first, log: near.log });
    expect(near.warnings).toEqual([]);
  });

  test('can be changed step by step: each node meets those a step before and after it', async () => {
    const steps = [[first], [first, second], [second, first], [second]];
    for (let step = 1; step < steps.length; step++) {
      const [earlier, later] = [steps[step - 1], steps[step]] as [string[], string[]];
      const a = await start({ name: 'a', secret: earlier, port: 0 });
      const b = await start({ name: 'b', secret: later, discovery: seeds(a) });
      expect(b.members().map(({ name }) => name)).toEqual(['a', 'b']);
      const c = await start({ name: 'c', secret: earlier, discovery: seeds(b) });
      await expect.poll(() => c.members().length, { timeout: 5_000 }).toBe(3);
      await Promise.all(nodes.splice(0).map(node => node.stop({ timeout: 1_000 })));
    }
  });

  test('come from FOUNDATION_SECRET, separated by commas', async () => {
    process.env.FOUNDATION_SECRET = `${second}, ${first}`;
    const a = await start({ name: 'a', port: 0 });
    const b = await start({ name: 'b', secret: first, discovery: seeds(a) });
    await expect.poll(() => b.members().length, { timeout: 5_000 }).toBe(2);
    process.env.FOUNDATION_SECRET = `${second},short`;
    await expect(start({ name: 'c', port: 0 })).rejects.toMatchObject({
      message: expect.stringMatching(/Option 'FOUNDATION_SECRET\[1\]' is '5 bytes long'/),
    });
  });
});
