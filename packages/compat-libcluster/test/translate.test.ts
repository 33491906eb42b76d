import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { staticList } from '@foundation-ts/discovery/static';
import { describe, expect, test } from 'vitest';
import { formatFindings, type LibclusterOptions, translate } from '../src/index.js';

const env = {};
const one = (strategy: string, config: Record<string, unknown> = {}, options: LibclusterOptions = {}) => {
  const { topologies, node, findings } = translate({ t: { strategy, config } }, { env, ...options });
  return { strategy: topologies[0]?.strategy, node, findings: findings.map(({ key, kind }) => `${key} ${kind}`) };
};

describe('each of libcluster’s strategies', () => {
  test('Epmd: hosts become addresses with the port that all agree on', () => {
    expect(one('Cluster.Strategy.Epmd', { hosts: ['a@10.0.0.1', ':"b@10.0.0.2"'], timeout: 30_000 })).toEqual({
      strategy: { strategy: 'static', nodes: ['10.0.0.1:4370', '10.0.0.2:4370'] },
      node: { port: 4370 },
      findings: ['timeout ignored', 'hosts changed', 'host changed'],
    });
  });

  test.each([
    [['a@127.0.0.1', 'b@127.0.0.1']],
    // Two nodes are meant here as well: this one, and whoever names it.
    [['a@localhost']],
  ])('Epmd: nodes of one machine, without ports, find each other on it: %j', hosts => {
    const { strategy, findings } = one('Cluster.Strategy.Epmd', { hosts });
    expect(strategy).toEqual({ strategy: 'same-host' });
    expect(findings).toEqual(['hosts changed']);
  });

  test('Epmd: ports by name', () => {
    const options = { port: 5000, ports: { 'b@127.0.0.1': 5001 }, env: { RELEASE_NODE: 'b@127.0.0.1' } };
    const { strategy, node } = one('Cluster.Strategy.Epmd', { hosts: ['a@127.0.0.1', 'b@127.0.0.1'] }, options);
    expect(strategy).toEqual({ strategy: 'static', nodes: ['127.0.0.1:5000', '127.0.0.1:5001'] });
    expect(node).toEqual({ name: 'b@127.0.0.1', host: '127.0.0.1', port: 5001 });
  });

  test('Epmd without hosts does nothing', () => {
    expect(one('Cluster.Strategy.Epmd', { hosts: [] })).toEqual({
      strategy: undefined,
      node: {},
      findings: ['hosts left-out'],
    });
  });

  test('LocalEpmd', () => {
    const expected = { strategy: { strategy: 'same-host' }, node: { port: 0 }, findings: [] };
    expect(one('Cluster.Strategy.LocalEpmd')).toEqual(expected);
  });

  test('ErlangHosts: the hosts of .hosts.erlang, in the working folder first', () => {
    const folder = mkdtempSync(join(tmpdir(), 'erlang-hosts-'));
    try {
      const at = { cwd: folder, env: { HOME: join(folder, 'home') } };
      expect(one('Cluster.Strategy.ErlangHosts', {}, at).findings).toEqual(['strategy left-out']);
      writeFileSync(join(folder, '.hosts.erlang'), "% ours\n'super.example'.\n'10.0.0.7'. localhost.\n");
      const { strategy, findings } = one('Cluster.Strategy.ErlangHosts', { timeout: 'infinity' }, at);
      expect(strategy).toEqual({
        strategy: 'static',
        nodes: ['super.example:4370', '10.0.0.7:4370', 'localhost:4370'],
      });
      expect(findings).toEqual(['timeout ignored', 'strategy changed', 'host changed']);
      writeFileSync(join(folder, '.hosts.erlang'), ' '.repeat(2 ** 20 + 1));
      expect(() => one('Cluster.Strategy.ErlangHosts', {}, at)).toThrow(expect.objectContaining({ code: 'too-large' }));
      rmSync(join(folder, '.hosts.erlang'));
      mkdirSync(join(folder, '.hosts.erlang'));
      expect(() => one('Cluster.Strategy.ErlangHosts', {}, at)).toThrow(
        expect.objectContaining({ code: 'invalid-operation' }),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('Gossip', () => {
    const config = {
      ...{ port: 45_892, if_addr: '0.0.0.0', multicast_if: [192, 168, 1, 1], multicast_addr: '233.252.1.32' },
      ...{ multicast_ttl: 2, secret: 'some long password' },
    };
    expect(one('Cluster.Strategy.Gossip', config)).toEqual({
      strategy: {
        ...{ strategy: 'gossip', port: 45_892, multicastAddress: '233.252.1.32', multicastTtl: 2 },
        interfaces: ['192.168.1.1'],
      },
      node: { port: 0, secret: 'some long password' },
      findings: ['host changed', 'secret changed'],
    });
    expect(
      one('Cluster.Strategy.Gossip', { broadcast_only: true, multicast_addr: '255.255.255.255' }).strategy,
    ).toEqual({ strategy: 'gossip', multicastAddress: false });
    expect(one('Cluster.Strategy.Gossip', { secret: 'short' }).findings).toEqual(['host changed', 'secret ignored']);
    expect(one('Cluster.Strategy.Gossip', { secret: 'short' }).node).toEqual({ port: 0 });
    const own = { env: { FOUNDATION_SECRET: 'x', POD_IP: '10.0.0.9' } };
    expect(one('Cluster.Strategy.Gossip', { secret: ':some long password' }, own)).toEqual({
      strategy: { strategy: 'gossip', multicastAddress: '233.252.1.32' },
      node: { port: 0, host: '10.0.0.9' },
      findings: ['secret ignored'],
    });
    const plain = one('Cluster.Strategy.Gossip', { secret: ':some long password', if_addr: '127.0.0.1' });
    expect(plain).toMatchObject({ node: { secret: ':some long password' }, findings: ['secret changed'] });
  });

  test('DNSPoll', () => {
    const config = { query: 'top1.nearest.of.my-app.internal', node_basename: 'my-app', polling_interval: 2_000 };
    expect(one('Cluster.Strategy.DNSPoll', { ...config, resolver: '&f/1' }, { env: { POD_IP: '10.1.2.3' } })).toEqual({
      strategy: { strategy: 'dns', query: config.query, port: 4370, pollInterval: 2_000 },
      node: { name: 'my-app@10.1.2.3', host: '10.1.2.3', port: 4370 },
      findings: ['resolver ignored'],
    });
  });

  test('Kubernetes', () => {
    const config = {
      ...{ mode: ':dns', kubernetes_node_basename: 'myapp', kubernetes_selector: 'app=myapp' },
      ...{ kubernetes_namespace: 'shop', kubernetes_ip_lookup_mode: 'pods', polling_interval: 10_000 },
      ...{ kubernetes_service_account_path: '/sa', kubernetes_master: 'kubernetes.default.svc' },
      ...{ kubernetes_use_cached_resources: true, kubernetes_service_name: 'headless', kubernetes_cluster_name: 'c1' },
    };
    expect(one('Elixir.Cluster.Strategy.Kubernetes', config)).toEqual({
      strategy: {
        ...{ strategy: 'kubernetes', selector: 'app=myapp', port: 4370, resource: 'pods', mode: 'pod-dns' },
        ...{ clusterDomain: 'c1.local', namespace: 'shop', service: 'headless', serviceAccount: '/sa' },
        api: 'https://kubernetes.default.svc.c1.local',
      },
      node: { port: 4370 },
      findings: ['polling_interval ignored', 'kubernetes_use_cached_resources ignored', 'host changed'],
    });
    const plain = { kubernetes_selector: 'app=x', kubernetes_node_basename: 'x' };
    expect(one('Cluster.Strategy.Kubernetes', plain, { env: { CLUSTER_DOMAIN: 'k.example.' } })).toMatchObject({
      strategy: { resource: 'endpoint-slices', mode: 'ip', clusterDomain: 'k.example' },
      findings: ['kubernetes_ip_lookup_mode changed', 'host changed'],
    });
  });

  test('Kubernetes.DNS and Kubernetes.DNSSRV', () => {
    const config = { service: 'myapp-headless', application_name: 'myapp', polling_interval: 10_000 };
    const dns = { strategy: 'kubernetes-dns', service: 'myapp-headless', port: 4370, pollInterval: 10_000 };
    expect(one('Cluster.Strategy.Kubernetes.DNS', config)).toEqual({
      strategy: { ...dns, clusterDomain: 'cluster.local' },
      node: { port: 4370 },
      findings: ['host changed'],
    });
    expect(one('Cluster.Strategy.Kubernetes.DNSSRV', { ...config, namespace: 'shop' })).toEqual({
      strategy: { ...dns, clusterDomain: 'cluster.local', namespace: 'shop' },
      node: { port: 4370 },
      findings: ['strategy changed', 'host changed'],
    });
  });

  test.each([
    ['nodes.shop', { service: 'nodes', namespace: 'shop', clusterDomain: 'cluster.local' }],
    ['nodes.shop.svc', { service: 'nodes', namespace: 'shop', clusterDomain: 'cluster.local' }],
    ['nodes.shop.svc.k.example.', { service: 'nodes', namespace: 'shop', clusterDomain: 'k.example' }],
  ])('Kubernetes.DNS resolves its service, which may be the whole name: %s', (service, expected) => {
    const { strategy } = one('Cluster.Strategy.Kubernetes.DNS', { service, application_name: 'a' });
    expect(strategy).toEqual({ strategy: 'kubernetes-dns', ...expected, port: 4370, pollInterval: 5_000 });
  });

  test('Kubernetes.DNS with a name that is no service’s', () => {
    const config = { service: 'nodes.shop.example', application_name: 'a' };
    expect(one('Cluster.Strategy.Kubernetes.DNS', config).strategy).toMatchObject({
      ...{ strategy: 'dns', query: 'nodes.shop.example' },
    });
  });

  test('Rancher', () => {
    expect(one('Cluster.Strategy.Rancher', { node_basename: 'myapp', polling_interval: 10_000 })).toEqual({
      strategy: { strategy: 'rancher', port: 4370, pollInterval: 10_000 },
      node: { port: 4370 },
      findings: ['host changed'],
    });
  });
});

test('a configuration is an object, JSON under its application’s name, or a keyword list as pairs', () => {
  const plain = { g: { strategy: 'Cluster.Strategy.Gossip', config: { port: 45_000 } } };
  const pairs = [
    [
      'g',
      [
        ['strategy', 'Elixir.Cluster.Strategy.Gossip'],
        ['config', [['port', 45_000]]],
      ],
    ],
  ];
  const expected = [{ strategy: 'gossip', port: 45_000, multicastAddress: '233.252.1.32' }];
  const called = [{ topologies: plain.g }, { libcluster: plain.g }];
  const wrapped = [
    { topologies: plain },
    { libcluster: { debug: true, topologies: plain } },
    { libcluster: called[0] },
  ];
  for (const given of [plain, ...called, ...wrapped, pairs])
    expect(translate(given, { env }).topologies.map(({ strategy }) => strategy)).toEqual(expected);
});

test('several topologies at once, a secret that differs, and a module of one’s own', () => {
  const own = staticList(['10.0.0.1:1']);
  const { topologies, node, findings } = translate(
    {
      a: { strategy: 'Cluster.Strategy.Gossip', config: { secret: 'the first of the secrets' } },
      b: { strategy: 'Cluster.Strategy.Gossip', config: { secret: 'another of the secrets' } },
      c: { strategy: 'MyApp.Strategy', config: { anything: 1 } },
    },
    { env, strategies: { 'MyApp.Strategy': own } },
  );
  expect(topologies.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  expect(topologies[2]?.strategy).toBe(own);
  expect(node.secret).toBe('the first of the secrets');
  expect(formatFindings(findings)).toContain(
    "topology b, secret: ignored: a node has one secret, here that of topology 'a'.",
  );
});

test('the environment’s own options come first, and a release’s cookie is the secret if it is long enough', () => {
  const given = { t: { strategy: 'Cluster.Strategy.LocalEpmd' } };
  const release = { RELEASE_NODE: 'app@10.0.0.9', RELEASE_COOKIE: 'QWERTYUIOPASDFGHJKLZ' };
  expect(translate(given, { env: release }).node).toEqual({
    ...{ name: 'app@10.0.0.9', host: '10.0.0.9', port: 0 },
    secret: 'QWERTYUIOPASDFGHJKLZ',
  });
  const named = { ...release, FOUNDATION_NAME: 'n', FOUNDATION_SECRET: 's' };
  expect(translate(given, { env: named }).node).toEqual({ host: '10.0.0.9', port: 0 });
  const placed = { ...named, FOUNDATION_HOST: '10.0.0.8', FOUNDATION_PORT: '5000' };
  expect(translate(given, { env: placed }).node).toEqual({});
  const short = translate(given, { env: { RELEASE_COOKIE: 'monster' } });
  expect(short.node.secret).toBeUndefined();
  expect(short.findings.map(({ key }) => key)).toEqual(['RELEASE_COOKIE']);
});

test('a release’s short name, which all its nodes have, is no node’s name', () => {
  const given = { t: { strategy: 'Cluster.Strategy.LocalEpmd' } };
  expect(translate(given, { env: { RELEASE_NODE: 'app' } }).node).toEqual({ port: 0 });
  const { name, host } = translate(given, { env: { RELEASE_NODE: 'app', POD_IP: '10.0.0.9' } }).node;
  expect([name, host]).toEqual(['app@10.0.0.9', '10.0.0.9']);
});

test('says that nodes of several machines listen on loopback when nothing says where they are', () => {
  const said = (config: object, around: Record<string, string> = {}) =>
    translate({ t: { strategy: 'Cluster.Strategy.Epmd', config } }, { env: around }).findings.find(
      ({ key }) => key === 'host',
    );
  expect(said({ hosts: ['a@10.0.0.1'] })?.why).toContain('FOUNDATION_HOST');
  expect(said({ hosts: ['a@127.0.0.1'] })).toBeUndefined();
  expect(said({ hosts: ['a@10.0.0.1'] }, { FOUNDATION_HOST: '10.0.0.1' })).toBeUndefined();
  expect(said({ hosts: ['a@10.0.0.1'] }, { POD_IP: '10.0.0.1' })).toBeUndefined();
});

test.each(['constructor', 'toString', '__proto__'])('there is no strategy %s', strategy => {
  const { topologies, findings } = translate({ t: { strategy } }, { env, strategies: {} });
  expect(topologies).toEqual([]);
  expect(findings.map(({ kind }) => kind)).toEqual(['unknown']);
});

test('what it does not know it says, with the nearest name', () => {
  const { topologies, findings } = translate(
    {
      a: { strategy: 'Cluster.Strategy.Gosip' },
      b: { strategy: 'Cluster.Strategy.Gossip', config: { multicast_adr: '233.252.1.32' } },
      c: { strategy: 'Cluster.Strategy.LocalEpmd', connect: ['net_kernel', 'connect_node', []] as never },
    },
    { env },
  );
  expect(topologies.map(({ name }) => name)).toEqual(['b', 'c']);
  const text = formatFindings(findings);
  expect(text).toContain(
    "topology a, strategy: unknown: there is no strategy 'Cluster.Strategy.Gosip' here. Did you mean 'Cluster.Strategy.Gossip'?",
  );
  expect(text).toContain("multicast_adr: ignored: the strategy has no such key. Did you mean 'multicast_addr'?");
  expect(text).toContain("topology c, connect: ignored: it names a function of Elixir's");
});

test.each([
  ['a list', 'topologies'],
  [{ t: 1 }, 'topologies.t'],
  [{ t: { strategy: 1 } }, 'topologies.t.strategy'],
  [{ t: { stratgy: 'x' } }, "did you mean 'strategy'"],
  [{ t: { strategy: 'Cluster.Strategy.Gossip', config: 1 } }, 'topologies.t.config'],
  [{ t: { strategy: 'Cluster.Strategy.Gossip', config: { port: 'x' } } }, 'topologies.t.config.port'],
  [{ t: { strategy: 'Cluster.Strategy.Gossip', config: { if_addr: '1.2.3' } } }, 'topologies.t.config.if_addr'],
  [{ t: { strategy: 'Cluster.Strategy.DNSPoll' } }, 'topologies.t.config.query'],
  [{ t: { strategy: 'Cluster.Strategy.Kubernetes', config: { kubernetes_selector: 'a', mode: 'up' } } }, 'config.mode'],
])('refuses %j, naming where it stands', (given, where) => {
  expect(() => translate(given, { env })).toThrow(where);
});

test.each([
  [{ port: 0 }, 'port'],
  [{ ports: { a: 70_000 } }, "'a'"],
  [{ prt: 1 }, "did you mean 'port'"],
])('refuses the options %j', (options, where) => {
  expect(() => translate({}, { env, ...options } as LibclusterOptions)).toThrow(where);
});
