import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterNode } from '@foundation-ts/cluster';
import { type Log, silentLog } from '@foundation-ts/core';
import type { StartOptions } from 'foundation-ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectionOf } from '../../packages/foundation/src/connection.js';
import { apiCertificate, KubernetesApi } from '../support/kubernetes-api.js';
import { until } from '../support/member.js';
import { freePort } from '../support/server-process.js';

const elsewhere = process.platform !== 'linux';
if (elsewhere) console.warn('mortal mode in a pod is skipped: only Linux has all of 127.0.0.0/8');

/** What `cluster: true` does in a pod, with the API played; the pods are addresses of loopback. */
describe.skipIf(elsewhere)('cluster: true in a pod', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pod-'));
  const tls = apiCertificate(join(folder, 'tls'));
  const saved = { ...process.env };
  const lines: string[] = [];
  const add = (_fields: unknown, message: string): void => void lines.push(message);
  const log: Log = { ...silentLog, info: add, warn: add, error: add };
  let api: KubernetesApi;
  let port: number;
  let nodes: ClusterNode[];

  beforeEach(async () => {
    api = await new KubernetesApi(tls).start();
    port = await freePort();
    nodes = [];
    lines.length = 0;
    process.env.KUBERNETES_SERVICE_HOST = '127.0.0.1';
    process.env.KUBERNETES_SERVICE_PORT = `${api.port}`;
  });
  afterEach(async () => {
    process.env = { ...saved };
    await Promise.all(nodes.map(node => node.stop()));
    await api[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const pod = async (name: string, ip: string, options: StartOptions = {}): Promise<ClusterNode> => {
    const { serviceAccount } = api;
    const about = { clusterId: '@acme/shop', log };
    const connection = await connectionOf(
      { cluster: true, secret: 'at least sixteen random bytes', port, ...options },
      about,
      { env: { ...process.env, POD_IP: ip }, interfaces: () => ({}), exists: existsSync, serviceAccount },
    );
    const node = await ClusterNode.start({ name, clusterId: about.clusterId, log, ...connection });
    nodes.push(node);
    return node;
  };

  test('finds the pods labelled with its name, as they come', async () => {
    api.setPod('shop-0', { ip: '127.0.0.2' });
    api.setPod('shop-1', { ip: '127.0.0.3', ready: false });
    api.setPod('other', { ip: '127.0.0.9', labels: { app: 'other' } });
    const a = await pod('a', '127.0.0.2');
    const b = await pod('b', '127.0.0.3');
    await until(
      () => a.visible().length === 2 && b.visible().length === 2,
      () => lines.join('\n'),
    );
    expect(a.address).toEqual({ protocol: 'tcp', host: '127.0.0.2', port });
    api.setPod('shop-2', { ip: '127.0.0.4' });
    const c = await pod('c', '127.0.0.4');
    await until(
      () => [a, b, c].every(node => node.visible().length === 3),
      () => lines.join('\n'),
    );
    // What the API says of members who are there takes nobody down.
    api.deletePod('shop-0');
    api.deletePod('shop-1');
    expect(api.requests.some(({ verb }) => verb === 'watch')).toBe(true);
    await until(
      () => lines.some(line => /pods labelled app=shop/.test(line)),
      () => lines.join('\n'),
    );
    expect(c.visible()).toHaveLength(3);
  });

  test('that may not ask the API says which right is missing, and asks the DNS of the service instead', async () => {
    api.forbid('list');
    const node = await pod('a', '127.0.0.2', { detect: { service: 'shop-nodes' } });
    await until(
      () => lines.some(line => /pods are found by the DNS of the service/.test(line)),
      () => lines.join('\n'),
    );
    const said = lines.find(line => /DNS of the service/.test(line));
    expect(said).toMatch(/403 to list pods in namespace 'shop'/);
    expect(said).toMatch(/resources: \['pods'\], verbs: \['list', 'watch'\]/);
    const asked = api.requests.length;
    expect(asked).toBe(1);
    expect(node.members()).toHaveLength(1);
  });

  test('without a service in the environment it goes on asking, and says what else would do', async () => {
    api.forbid('list');
    api.setPod('shop-0', { ip: '127.0.0.2' });
    api.setPod('shop-1', { ip: '127.0.0.3' });
    const a = await pod('a', '127.0.0.2');
    const b = await pod('b', '127.0.0.3');
    await until(
      () => lines.some(line => /FOUNDATION_SERVICE/.test(line)),
      () => lines.join('\n'),
    );
    api.allow();
    await until(
      () => a.visible().length === 2 && b.visible().length === 2,
      () => lines.join('\n'),
    );
  });
});
