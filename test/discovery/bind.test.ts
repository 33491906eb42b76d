import { randomBytes } from 'node:crypto';
import { formatAddress } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import { type DnsInit, dns } from '@foundation-ts/discovery/dns';
import { type DnsSrvInit, dnsSrv } from '@foundation-ts/discovery/dns-srv';
import { kubernetesDns, kubernetesDnsSrv } from '@foundation-ts/discovery/kubernetes-dns';
import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import { type FoundationNode, startNode } from 'foundation-ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Bind, bindMissing, freePort } from '../support/bind.js';
import { until } from '../support/until.js';
import { Watching } from '../support/watching.js';

const missing = bindMissing();
if (missing !== undefined) console.warn(`the tests on BIND are skipped: ${missing}`);

describe.skipIf(missing !== undefined)('on BIND', () => {
  let bind: Bind;
  const watches: Watching[] = [];

  beforeAll(async () => {
    bind = await Bind.start();
  });
  afterAll(() => bind?.dispose());

  let name: string;
  let count = 0;
  beforeEach(() => {
    name = `app${++count}.shop.test`;
  });
  afterEach(async () => {
    for (const watching of watches.splice(0)) await watching[Symbol.asyncDispose]();
  });

  const watch = (strategy: DiscoveryStrategy): Watching => {
    const watching = new Watching(strategy);
    watches.push(watching);
    return watching;
  };
  const watchName = (init: Partial<DnsInit> = {}): Watching =>
    watch(dns({ query: name, servers: bind.servers, ...init }));
  const watchService = (init: Partial<DnsSrvInit> = {}): Watching =>
    watch(dnsSrv({ query: `_foundation._tcp.${name}`, servers: bind.servers, ...init }));
  const sees = (watching: Watching, expected: string): Promise<unknown> =>
    until(
      () => watching.last === expected,
      () => `${expected}, but last: ${watching.last}`,
      8_000,
    );

  discoverySuite('dns on BIND', () => {
    const query = `suite${++count}.shop.test`;
    const hosts = ['10.0.0.1', '10.0.0.2', 'fd00::1'];
    bind.update(...hosts.map(host => `update add ${query} 1 ${host.includes(':') ? 'AAAA' : 'A'} ${host}`));
    return {
      strategy: () => dns({ query, port: 4370, pollInterval: 100, servers: bind.servers }),
      names: hosts.map(host => ({ protocol: 'tcp', host, port: 4370 })),
      breakLookups: () => bind.stop(),
      dispose: async () => {
        await bind.stop();
        await bind.run();
      },
    };
  });

  test('dns follows A and AAAA records as their TTL runs out', async () => {
    const watching = watchName({ pollInterval: 3_600_000 });
    await until(
      () => watching.values.length === 1,
      () => 'that there is nobody',
    );
    bind.update(`update add ${name} 1 A 10.0.0.1`, `update add ${name} 1 AAAA fd00::1`);
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://[fd00::1]:4370');
    bind.update(`update add ${name} 1 A 10.0.0.2`);
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.2:4370 tcp://[fd00::1]:4370');
    bind.update(`update delete ${name} A 10.0.0.1`);
    await sees(watching, 'tcp://10.0.0.2:4370 tcp://[fd00::1]:4370');
    bind.update(`update delete ${name}`);
    await sees(watching, '');
    expect(watching.failures).toEqual([]);
  });

  test('dns follows an alias, and takes a set too large for a datagram', async () => {
    // 16 bytes each; BIND keeps a hundred of one name by default
    const hosts = Array.from({ length: 95 }, (_, index) => `10.1.0.${index}`);
    bind.update(`update add ${name} 1 CNAME many.${name}`, ...hosts.map(host => `update add many.${name} 1 A ${host}`));
    const watching = watchName();
    await until(
      () => watching.values.length > 0,
      () => 'the set',
    );
    expect(watching.values[0]).toHaveLength(95);
    expect(watching.failures).toEqual([]);
  });

  test('dnsSrv follows services, their ports and their addresses', async () => {
    const service = `_foundation._tcp.${name}`;
    const watching = watchService({ pollInterval: 3_600_000 });
    bind.update(
      `update add a.${name} 1 A 10.0.0.1`,
      `update add b.${name} 1 AAAA fd00::2`,
      `update add ${service} 1 SRV 0 0 4001 a.${name}.`,
      `update add ${service} 1 SRV 1 0 4002 b.${name}.`,
    );
    await sees(watching, 'tcp://10.0.0.1:4001 tcp://[fd00::2]:4002');
    bind.update(`update delete ${service} SRV 1 0 4002 b.${name}.`, `update add ${service} 1 SRV 0 0 4003 a.${name}.`);
    await sees(watching, 'tcp://10.0.0.1:4001 tcp://10.0.0.1:4003');
    bind.update(`update delete a.${name} A`, `update add a.${name} 1 A 10.0.0.9`);
    await sees(watching, 'tcp://10.0.0.9:4001 tcp://10.0.0.9:4003');
    expect(watching.failures).toEqual([]);
  });

  test('dnsSrv takes a set too large for a datagram', async () => {
    const service = `_foundation._tcp.${name}`;
    const hosts = Array.from({ length: 100 }, (_, index) => index);
    bind.update(...hosts.map(index => `update add t${index}.${name} 1 A 10.2.0.${index}`));
    bind.update(...hosts.map(index => `update add ${service} 1 SRV 0 0 4370 t${index}.${name}.`));
    const watching = watchService();
    await until(
      () => watching.values.length > 0,
      () => 'the set',
    );
    expect(watching.values[0]).toHaveLength(100);
    expect(watching.failures).toEqual([]);
  });

  test('the Kubernetes strategies find the pods of a headless service', async () => {
    const host = 'shop-nodes.prod.svc.shop.test';
    bind.update(
      `update add ${host} 1 A 10.0.0.1`,
      `update add 10-0-0-1.${host} 1 A 10.0.0.1`,
      `update add _foundation._tcp.${host} 1 SRV 0 100 4371 10-0-0-1.${host}.`,
    );
    const init = { service: 'shop-nodes', namespace: 'prod', clusterDomain: 'shop.test', servers: bind.servers };
    await sees(watch(kubernetesDns(init)), 'tcp://10.0.0.1:4370');
    await sees(watch(kubernetesDnsSrv(init)), 'tcp://10.0.0.1:4371');
  });

  test('SERVFAIL is a failure', async () => {
    const watching = watchName({ query: 'app.broken.test' });
    await until(
      () => watching.failures.length > 0,
      () => 'the failure',
    );
    expect(watching.failures[0]?.message).toContain('says SERVFAIL');
    expect(watching.values).toEqual([]);
  });

  test('a name server that is away changes nothing', async () => {
    bind.update(`update add ${name} 1 A 10.0.0.1`);
    const watching = watchName({ pollInterval: 300 });
    await sees(watching, 'tcp://10.0.0.1:4370');
    await bind.stop();
    await until(
      () => watching.failures.length > 1,
      () => 'failures',
    );
    expect(watching.values).toEqual([['tcp://10.0.0.1:4370']]);
    await bind.run();
    bind.update(`update add ${name} 1 A 10.0.0.2`);
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.2:4370');
  });

  test('nodes find each other by a name that is filled in later, and stay together when it is emptied', async () => {
    const port = await freePort();
    const secret = randomBytes(16).toString('hex');
    const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
    const nodes: FoundationNode[] = [];
    const named = new Map<string, string>();
    const failures = new Map<string, number>();
    const events: string[] = [];
    const start = async (host: string): Promise<void> => {
      const real = dns({ query: name, pollInterval: 300, servers: bind.servers });
      const told: DiscoveryStrategy = {
        name: real.name,
        async *watch(ctx) {
          const failed = (error: Error): void => {
            failures.set(host, (failures.get(host) ?? 0) + 1);
            ctx.failed(error);
          };
          for await (const value of real.watch({ ...ctx, failed })) {
            named.set(host, value.map(formatAddress).join(' '));
            yield value;
          }
        },
      };
      const node = await startNode({
        name: `node-${host}`,
        clusterId: 'bind',
        host,
        port,
        secret,
        discovery: [told],
        log: 'silent',
        handleSignals: false,
      });
      nodes.push(node);
      void (async () => {
        for await (const event of node.membership()) events.push(event.type);
      })();
    };
    const together = (): boolean =>
      nodes.every(node => node.members().filter(member => member.reachable).length === hosts.length);
    try {
      await Promise.all(hosts.map(start));
      expect(nodes.map(node => node.members().length)).toEqual([1, 1, 1]);
      bind.update(...hosts.map(host => `update add ${name} 1 A ${host}`));
      await until(together, () => 'one cluster', 8_000);
      const before = events.length;
      const allNamed = (expected: string): Promise<unknown> =>
        until(
          () => hosts.every(host => named.get(host) === expected),
          () => `'${expected}' everywhere`,
          8_000,
        );
      bind.update(`update delete ${name} A 127.0.0.1`, `update delete ${name} A 127.0.0.3`);
      await allNamed(`tcp://127.0.0.2:${port}`);
      bind.update(`update delete ${name}`);
      await allNamed('');
      await bind.stop();
      await until(
        () => hosts.every(host => (failures.get(host) ?? 0) > 2),
        () => 'failures',
        8_000,
      );
      expect(together()).toBe(true);
      expect(events.slice(before)).toEqual([]);
    } finally {
      await Promise.all(nodes.map(node => node.stop({ timeout: 1_000 })));
      await bind.run();
    }
  });
});
