import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import type { Answer } from 'dns-packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DiscoveryStrategy } from '../src/index.js';
import { kubernetesDns, kubernetesDnsSrv } from '../src/kubernetes-dns.js';
import { testContext, until, Watching } from './context.js';
import { FakeNameServer } from './name-server.js';

const service = 'shop-nodes';
const host = 'shop-nodes.prod.svc.cluster.local';
/** As CoreDNS answers for a headless service. */
const pods: readonly Answer[] = [
  { type: 'A', name: host, ttl: 5, data: '10.0.0.1' },
  { type: 'A', name: host, ttl: 5, data: '10.0.0.2' },
  { type: 'SRV', name: `_foundation._tcp.${host}`, ttl: 5, data: { target: `10-0-0-1.${host}`, port: 4370 } },
  { type: 'A', name: `10-0-0-1.${host}`, ttl: 5, data: '10.0.0.1' },
];

const given = { service, namespace: 'prod', pollInterval: 50 };

for (const { name, make, hosts } of [
  { name: 'kubernetesDns', make: kubernetesDns, hosts: ['10.0.0.1', '10.0.0.2'] },
  { name: 'kubernetesDnsSrv', make: kubernetesDnsSrv, hosts: ['10.0.0.1'] },
]) {
  discoverySuite(name, async () => {
    const server = await FakeNameServer.start();
    server.records = pods.map(one => (one.type === 'SRV' ? { ...one, data: { ...one.data, port: 40_001 } } : one));
    return {
      strategy: () => make({ ...given, servers: server.servers, ...(make === kubernetesDns ? { port: 40_001 } : {}) }),
      names: hosts.map(one => ({ protocol: 'tcp', host: one, port: 40_001 })),
      breakLookups: () => {
        server.code = 2;
      },
      dispose: () => server.stop(),
    };
  });
}

describe('the Kubernetes DNS strategies', () => {
  let server: FakeNameServer;
  let serviceAccount: string;

  beforeEach(async () => {
    server = await FakeNameServer.start();
    serviceAccount = await mkdtemp(join(tmpdir(), 'service-account-'));
  });

  afterEach(async () => {
    server.stop();
    await rm(serviceAccount, { recursive: true });
  });

  const first = async (strategy: DiscoveryStrategy): Promise<readonly string[] | undefined> => {
    const ctx = testContext();
    const watching = new Watching(strategy, ctx);
    await until(() => watching.values.length > 0 || watching.error !== undefined, 'a first value');
    ctx.abort();
    await watching.ended;
    if (watching.error !== undefined) throw watching.error;
    return watching.last;
  };
  const asked = (): Set<string> => new Set(server.queries.map(({ name }) => name));
  const init = () => ({ service, serviceAccount, servers: server.servers });

  test("name the pods of a service in the pod's own namespace", async () => {
    server.records = pods;
    await writeFile(join(serviceAccount, 'namespace'), 'prod\n');
    expect(await first(kubernetesDns(init()))).toEqual(['tcp://10.0.0.1:4370', 'tcp://10.0.0.2:4370']);
    expect(await first(kubernetesDnsSrv(init()))).toEqual(['tcp://10.0.0.1:4370']);
  });

  test('look in the namespace default outside a pod', async () => {
    expect(await first(kubernetesDns(init()))).toEqual([]);
    expect([...asked()]).toEqual(['shop-nodes.default.svc.cluster.local']);
  });

  test('ask for the names given', async () => {
    const elsewhere = { ...init(), namespace: 'stage', clusterDomain: 'example.net' };
    await first(kubernetesDns({ ...elsewhere, family: 6 }));
    await first(kubernetesDnsSrv({ ...elsewhere, portName: 'beam' }));
    expect([...asked()]).toEqual(['shop-nodes.stage.svc.example.net', '_beam._tcp.shop-nodes.stage.svc.example.net']);
  });

  test('reject a namespace that can not be read or is none', async () => {
    await writeFile(join(serviceAccount, 'namespace'), 'a b');
    await expect(first(kubernetesDns(init()))).rejects.toMatchObject({
      code: 'invalid-operation',
      message: expect.stringContaining("give the option 'namespace'"),
    });
  });

  test.each<[() => unknown, string]>([
    [() => kubernetesDns({} as never), "Option 'service' is undefined"],
    [() => kubernetesDns({ service: 'a.b' }), "Option 'service' is 'a.b'"],
    [() => kubernetesDns({ service, namespace: '' }), "Option 'namespace' is ''"],
    [() => kubernetesDns({ service, clusterDomain: '.' }), "Option 'clusterDomain' is '.'"],
    [() => kubernetesDns({ service, family: 7 as never }), "Option 'family' is 7"],
    [() => kubernetesDns({ service, serviceAccount: '' }), "Option 'serviceAccount' is ''"],
    [() => kubernetesDns({ service, portName: 'a' } as never), "kubernetesDns has no option 'portName'"],
    [() => kubernetesDnsSrv({ service, portName: 'a.b' }), "Option 'portName' is 'a.b'"],
    [() => kubernetesDnsSrv({ service, port: 1 } as never), "kubernetesDnsSrv has no option 'port'"],
  ])('refuse wrong options: %s', (make, message) => {
    expect(make).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
    );
  });
});
