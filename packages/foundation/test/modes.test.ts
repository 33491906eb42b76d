import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { NetworkInterfaceInfo } from 'node:os';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Log, silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import { type DiscoveryContext, type DiscoveryStrategy, Latest } from '@foundation-ts/discovery';
import {
  type FoundationNode,
  fullForm,
  gossip,
  type KeywordOptions,
  STRATEGY_KEYWORDS,
  type StartOptions,
  type StrategyKeyword,
  startNode,
  staticList,
  strategyOf,
  type Topologies,
  tcp,
  ws,
} from 'foundation-ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectionOf } from '../src/connection.js';
import { withFallback } from '../src/fallback.js';
import { missingPackage } from '../src/keywords.js';
import { checkDetect, mortalMode } from '../src/mortal.js';
import { reachableHost, type Surroundings } from '../src/surroundings.js';

let home: string;
const savedHome = process.env.XDG_CONFIG_HOME;
const nodes: FoundationNode[] = [];
const start = async (options: StartOptions): Promise<FoundationNode> => {
  const node = await startNode({ log: 'silent', handleSignals: false, ...options });
  nodes.push(node);
  return node;
};
const together = (...all: FoundationNode[]): Promise<void> =>
  expect
    .poll(() => all.map(node => node.members().filter(member => member.reachable).length), { timeout: 10_000 })
    .toEqual(all.map(() => all.length)) as unknown as Promise<void>;
const clusterId = (): string => `modes-${randomBytes(4).toString('hex')}`;
const said = (): { readonly log: Log; readonly lines: string[] } => {
  const lines: string[] = [];
  const add = (_fields: unknown, message: string): void => void lines.push(message);
  return { log: { ...silentLog, info: add, warn: add, error: add }, lines };
};

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'foundation-modes-'));
  process.env.XDG_CONFIG_HOME = home;
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(node => node.stop({ timeout: 1_000 })));
  rmSync(home, { recursive: true, force: true });
  if (savedHome === undefined) delete process.env.XDG_CONFIG_HOME;
  else process.env.XDG_CONFIG_HOME = savedHome;
});

const address = (family: 'IPv4' | 'IPv6', text: string, internal = false): NetworkInterfaceInfo =>
  ({ family, address: text, internal }) as NetworkInterfaceInfo;
const machine = {
  lo: [address('IPv4', '127.0.0.1', true)],
  eth0: [address('IPv6', 'fe80::1'), address('IPv4', '169.254.1.1'), address('IPv4', '10.1.2.3')],
};
const place = (env: Surroundings['env'], more: Partial<Surroundings> = {}): Surroundings => ({
  env,
  interfaces: () => machine,
  exists: () => false,
  ...more,
});
const inPod = (env: Surroundings['env'] = {}): Surroundings =>
  place(
    { KUBERNETES_SERVICE_HOST: '10.0.0.1', POD_IP: '10.9.9.9', ...env },
    { exists: path => path.endsWith('token') },
  );

describe('mortal mode', () => {
  const secret = [new TextEncoder().encode('a secret of the cluster')];
  const decide = async (
    surroundings: Surroundings,
    init: Partial<Parameters<typeof mortalMode>[0]> = {},
  ): Promise<{ mode: Awaited<ReturnType<typeof mortalMode>>; lines: string[] }> => {
    const { log, lines } = said();
    const given = { clusterId: '@acme/shop', detect: {}, host: undefined, port: undefined, certified: false };
    const mode = await mortalMode({ ...given, secret, log, ...init }, surroundings);
    return { mode, lines };
  };

  test('with nothing around: the same host, mDNS and gossip, on loopback', async () => {
    const { mode, lines } = await decide(place({}), { secret: undefined });
    expect(mode).toMatchObject({ host: '127.0.0.1', port: undefined });
    expect(mode.keywords).toEqual([
      { strategy: 'same-host' },
      { strategy: 'mdns' },
      { strategy: 'gossip', interfaces: ['127.0.0.1'] },
    ]);
    expect(mode.discovery.map(({ name }) => name)).toEqual(['same-host', 'mdns', 'gossip']);
    expect(lines).toEqual([
      expect.stringMatching(/^cluster: Kubernetes: no, KUBERNETES_SERVICE_HOST is not set/),
      expect.stringMatching(/^cluster: DNS: no, neither FOUNDATION_DNS_NAME nor FLY_APP_NAME/),
      expect.stringMatching(/^cluster: secret: the cookie file .*FOUNDATION_SECRET="\$\(cat /),
      expect.stringMatching(/^cluster: same host: on/),
      expect.stringMatching(/^cluster: mDNS: on, on loopback only/),
      expect.stringMatching(/^cluster: UDP gossip: on, on loopback only/),
    ]);
  });

  test('with a host: mDNS and gossip on the network', async () => {
    const { mode, lines } = await decide(place({}), { host: '10.1.2.3' });
    expect(mode.keywords).toContainEqual({ strategy: 'gossip' });
    expect(lines).toContainEqual(expect.stringMatching(/UDP gossip: on, multicast on all interfaces/));
  });

  test('in Kubernetes: pods by the cluster id, or by what is given; not mDNS, not gossip', async () => {
    const { mode, lines } = await decide(inPod());
    expect(mode).toMatchObject({ host: '10.9.9.9', port: 4370 });
    expect(mode.keywords).toEqual([{ strategy: 'same-host' }, { strategy: 'kubernetes', appName: 'shop', port: 4370 }]);
    expect(lines).toContainEqual(expect.stringMatching(/Kubernetes: yes, .*pods labelled app=shop \(the cluster id\)/));
    expect(lines).toContainEqual(expect.stringMatching(/address: 10\.9\.9\.9 \(POD_IP\)/));
    expect(lines).toContainEqual(expect.stringMatching(/mDNS and UDP gossip: off/));
    const app = await decide(inPod(), { detect: { appName: 'web' }, port: 5_000 });
    expect(app.mode.port).toBe(5_000);
    expect(app.mode.keywords).toContainEqual({ strategy: 'kubernetes', appName: 'web', port: 5_000 });
    const selected = await decide(inPod(), { detect: { selector: 'tier=backend' } });
    expect(selected.mode.keywords).toContainEqual({ strategy: 'kubernetes', selector: 'tier=backend', port: 4370 });
  });

  test('Kubernetes goes before a DNS name, and a DNS name before Fly.io', async () => {
    const detect = { dnsName: 'shop.internal' };
    const both = await decide(inPod({ FLY_APP_NAME: 'x' }), { detect });
    expect(both.mode.keywords.map(({ strategy }) => strategy)).toEqual(['same-host', 'kubernetes']);
    const named = await decide(place({ FLY_APP_NAME: 'x' }), { detect });
    expect(named.mode.keywords).toContainEqual({ strategy: 'dns', query: 'shop.internal', port: 4370 });
    expect(named.mode).toMatchObject({ host: '10.1.2.3', port: 4370 });
    const fly = await decide(place({ FLY_APP_NAME: 'x', FLY_PRIVATE_IP: 'fdaa::3' }));
    expect(fly.mode.keywords).toContainEqual({ strategy: 'dns', query: 'x.internal', port: 4370 });
    expect(fly.mode.host).toBe('fdaa::3');
  });

  test('without a token: the DNS of the service, where one is named', async () => {
    const bare = { ...inPod(), exists: () => false };
    const none = await decide(bare);
    expect(none.mode.keywords.map(({ strategy }) => strategy)).toEqual(['same-host', 'mdns', 'gossip']);
    expect(none.lines).toContainEqual(expect.stringMatching(/no service-account token .*FOUNDATION_SERVICE/));
    const service = await decide(bare, { detect: { service: 'nodes' } });
    expect(service.mode.keywords).toContainEqual({ strategy: 'kubernetes-dns', service: 'nodes', port: 4370 });
  });

  test('without a secret it stays on loopback, and says what to run', async () => {
    for (const [surroundings, command] of [
      [inPod(), /kubectl create secret generic shop-cluster --from-literal=secret="\$\(openssl rand -hex 32\)"/],
      [place({ FLY_APP_NAME: 'x' }), /fly secrets set FOUNDATION_SECRET="\$\(openssl rand -hex 32\)"/],
    ] as const) {
      const { mode, lines } = await decide(surroundings, { secret: undefined });
      expect(mode).toMatchObject({ host: '127.0.0.1', port: undefined });
      expect(mode.keywords.map(({ strategy }) => strategy)).toEqual(['same-host', 'mdns', 'gossip']);
      expect(lines).toContainEqual(expect.stringMatching(command));
    }
  });

  test('certificates are proof enough, and the cookie of one machine is left out then', async () => {
    const { mode } = await decide(inPod(), { secret: undefined, certified: true });
    expect(mode).toMatchObject({ host: '10.9.9.9', secret: undefined });
    // As manifests give it: the cookies of two pods differ all the same.
    const given = await decide(inPod(), { secret: undefined, certified: true, host: '10.9.9.8' });
    expect(given.mode).toMatchObject({ host: '10.9.9.8', secret: undefined });
  });

  test('without any network it stays on loopback, and says so', async () => {
    const lonely = { ...place({ FLY_APP_NAME: 'x' }), interfaces: () => ({ lo: machine.lo }) };
    const { mode, lines } = await decide(lonely);
    expect(mode.host).toBe('127.0.0.1');
    expect(lines).toContainEqual(expect.stringMatching(/no interface has an address/));
  });

  test.each([
    [{ appname: 'x' }, /did you mean 'appName'/],
    [{ selector: '' }, /'detect.selector' is ''/],
    [{ expectedNodes: 0 }, /'detect.expectedNodes' is 0; allowed: a whole number, 1 or more/],
    ['x', /'detect' is 'x'/],
  ])('refuses detect: %j', (detect, message) => {
    expect(() => checkDetect(detect as never)).toThrow(message);
  });

  test('takes the first address that others could reach', () => {
    expect(reachableHost(place({}))).toEqual({ host: '10.1.2.3', why: "the machine's first address, of eth0" });
    const v6 = { ...place({}), interfaces: () => ({ eth0: [address('IPv6', 'fe80::1'), address('IPv6', 'fd00::1')] }) };
    expect(reachableHost(v6)?.host).toBe('fd00::1');
    expect(reachableHost({ ...place({}), interfaces: () => ({}) })).toBeUndefined();
  });

  test('waits for the nodes expected', async () => {
    const id = clusterId();
    const options = { clusterId: id, cluster: true, detect: { expectedNodes: 3 } } as const;
    const started = await Promise.all([start(options), start(options), start(options)]);
    for (const node of started) expect(node.members()).toHaveLength(3);
  });
});

describe('where the Kubernetes API refuses', () => {
  const context = (signal: AbortSignal, failed: (error: Error) => void): DiscoveryContext => ({
    self: { name: 'a', clusterId: 'c', address: undefined },
    secret: undefined,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    telemetry: new Telemetry('a'),
    signal,
    failed,
  });
  const naming = (host: string, fail?: Error): DiscoveryStrategy & { ended: number } => ({
    name: host,
    ended: 0,
    async *watch(ctx) {
      const latest = new Latest<readonly never[]>(ctx.signal);
      latest.push([{ protocol: 'tcp', host, port: 1 } as never]);
      if (fail !== undefined) setImmediate(() => ctx.failed(fail));
      yield* latest;
      this.ended++;
    },
  });

  test('another strategy takes over, once, and the first ends', async () => {
    const over = new AbortController();
    const failures: Error[] = [];
    const switched: string[] = [];
    const first = naming('api', Object.assign(new Error('403'), { status: 403 }));
    const strategy = withFallback(
      first,
      naming('dns'),
      error => 'status' in error,
      error => switched.push(error.message),
    );
    const seen: string[] = [];
    for await (const [found] of strategy.watch(context(over.signal, error => failures.push(error)))) {
      seen.push(found?.host as string);
      if (found?.host === 'dns') over.abort();
    }
    expect(seen).toEqual(['api', 'dns']);
    expect(switched).toEqual(['403']);
    expect(failures).toEqual([]);
    expect(first.ended).toBe(1);
  });

  test('other failures are only told', async () => {
    const over = new AbortController();
    const failures: Error[] = [];
    const strategy = withFallback(
      naming('api', new Error('500')),
      naming('dns'),
      error => 'status' in error,
      () => {},
    );
    const watching = (async () => {
      const seen: string[] = [];
      for await (const [found] of strategy.watch(context(over.signal, error => failures.push(error)))) {
        seen.push(found?.host as string);
      }
      return seen;
    })();
    await expect.poll(() => failures.length).toBe(1);
    over.abort();
    expect(await watching).toEqual(['api']);
  });
});

describe('apprentice mode', () => {
  const complete: Record<StrategyKeyword, KeywordOptions> = {
    kubernetes: { strategy: 'kubernetes', appName: 'shop' },
    'kubernetes-dns': { strategy: 'kubernetes-dns', service: 'shop' },
    'kubernetes-dns-srv': { strategy: 'kubernetes-dns-srv', service: 'shop' },
    dns: { strategy: 'dns', query: 'shop.internal' },
    'dns-srv': { strategy: 'dns-srv', query: '_foundation._tcp.shop.internal' },
    mdns: { strategy: 'mdns' },
    gossip: { strategy: 'gossip' },
    'same-host': { strategy: 'same-host' },
    static: { strategy: 'static', nodes: ['127.0.0.1:4370'] },
    'hosts-file': { strategy: 'hosts-file', path: '/etc/nodes' },
    etcd: { strategy: 'etcd' },
    redis: { strategy: 'redis' },
  };

  test.each(STRATEGY_KEYWORDS)('%s makes the strategy of that name, from plain data', async keyword => {
    const given = complete[keyword];
    expect(JSON.parse(JSON.stringify(given))).toEqual(given);
    expect((await strategyOf(given)).name).toBe(keyword);
    expect(JSON.parse(JSON.stringify(fullForm(given)))).toEqual({
      [keyword]: { strategy: given, overlay: 'full-mesh' },
    });
  });

  test('the full form of a word has what the addresses of the node decide', () => {
    expect(fullForm('gossip', { loopback: true })).toEqual({
      gossip: { strategy: { strategy: 'gossip', interfaces: ['127.0.0.1'] }, overlay: 'full-mesh' },
    });
    expect(fullForm('gossip')).toEqual({ gossip: { strategy: { strategy: 'gossip' }, overlay: 'full-mesh' } });
    expect(fullForm(complete.dns, { port: 4370 })).toMatchObject({ dns: { strategy: { port: 4370 } } });
    expect(fullForm({ ...complete.dns, port: 1 } as KeywordOptions, { port: 4370 })).toMatchObject({
      dns: { strategy: { port: 1 } },
    });
  });

  test.each<[StartOptions['cluster'], RegExp]>([
    [
      'kuberntes' as never,
      /Option 'cluster' is 'kuberntes' \(did you mean 'kubernetes'\?\); allowed: true, false, 'kub/,
    ],
    ['gosip' as never, /did you mean 'gossip'/],
    [
      7 as never,
      /Option 'cluster' is 7; allowed: true, false, .*such as \{ strategy: 'kubernetes', appName: 'shop' \}/,
    ],
    [[] as never, /Option 'cluster' is an array/],
    [{ stragety: 'gossip' } as never, /'cluster.strategy' is undefined; .*did you mean 'strategy' where 'stragety'/],
    [{ strategy: 'mdnss' } as never, /'cluster.strategy' is 'mdnss' \(did you mean 'mdns'\?\)/],
    [{ strategy: 'constructor' } as never, /'cluster.strategy' is 'constructor'; allowed/],
    [
      { strategy: 'kubernetes', apName: 'shop' } as never,
      /'cluster': kubernetes has no option 'apName' \(did you mean 'appName'\?\)/,
    ],
    ['kubernetes', /'cluster.appName' is undefined; allowed: the application's name/],
    ['dns', /'cluster.query' is undefined; allowed: a full DNS name/],
    [{ strategy: 'dns', query: 7 } as never, /'cluster.query' is 7/],
    ['static', /'cluster.nodes' is undefined; allowed: a list of addresses/],
    [{ strategy: 'static', nodes: [] }, /'cluster.nodes' is an array/],
    [{ strategy: 'static', nodes: ['here'] }, /'cluster\.nodes\[0\]' is 'here'; allowed: host:port/],
    ['hosts-file', /'cluster.path' is undefined/],
  ])('%j is refused', async (cluster, message) => {
    await expect(start({ cluster: cluster as never })).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringMatching(message),
      details: { option: expect.stringMatching(/^cluster/) },
    });
  });

  test('a package that is not installed is named', () => {
    const error = (text: string) => Object.assign(new Error(text), { code: 'ERR_MODULE_NOT_FOUND' });
    expect(missingPackage(error("Cannot find package 'etcd3' imported from /x/etcd.js"))).toBe('etcd3');
    expect(missingPackage(error("Cannot find module 'ioredis'"))).toBe('ioredis');
    expect(missingPackage(error("Cannot find module '/x/etcd3.js'"))).toBeUndefined();
    expect(missingPackage(new Error("Cannot find package 'etcd3'"))).toBeUndefined();
    // As Node.js says it, where there is none.
    const program = 'import("etcd3").catch(({ code, message }) => console.log(JSON.stringify({ code, message })))';
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: home,
      encoding: 'utf8',
    });
    expect(missingPackage(JSON.parse(said))).toBe('etcd3');
  });

  test('same-host, static and hosts-file each form a cluster', async () => {
    const id = clusterId();
    const a = await start({ cluster: 'same-host', clusterId: id });
    const b = await start({ cluster: { strategy: 'same-host' }, clusterId: id });
    await together(a, b);
    const other = clusterId();
    const c = await start({ cluster: { strategy: 'static', nodes: ['127.0.0.1:1'] }, clusterId: other });
    const nodesOf = [`127.0.0.1:${c.address?.port}`];
    const d = await start({ cluster: { strategy: 'static', nodes: nodesOf }, clusterId: other });
    await together(c, d);
    const path = join(home, 'hosts');
    writeFileSync(path, nodesOf.join('\n'));
    const e = await start({ cluster: { strategy: 'hosts-file', path }, clusterId: other, port: 0 });
    await together(c, d, e);
  });

  test('what it stands for is logged, without secrets', async () => {
    const { log, lines } = said();
    const options = { cluster: { strategy: 'gossip', interval: 500 } as const, clusterId: clusterId(), log };
    await start(options);
    expect(lines).toContainEqual(
      'cluster: gossip, as given; in full: topologies: {"gossip":{"strategy":{"strategy":"gossip","interval":500,"interfaces":["127.0.0.1"]},"overlay":"full-mesh"}}',
    );
    const store = said();
    const cluster = { strategy: 'redis', url: 'redis://me:hunter2@127.0.0.1:1' } as const;
    await connectionOf({ cluster }, { clusterId: 'c', log: store.log }, place({}));
    expect(store.lines.join()).toMatch(/redis, as given/);
    expect(store.lines.join()).not.toMatch(/hunter2/);
  });

  test('strategies for several machines listen where others reach them, under a secret, on one port', async () => {
    const secret = 'a secret of the cluster';
    const { log, lines } = said();
    const about = { clusterId: 'c', log };
    const cluster = complete.dns;
    expect(await connectionOf({ cluster, secret }, about, place({}))).toMatchObject({ host: '10.1.2.3', port: 4370 });
    expect(lines).toContainEqual(expect.stringMatching(/address: 10\.1\.2\.3/));
    expect(await connectionOf({ cluster, secret, host: '10.0.0.9', port: 1 }, about, place({}))).toMatchObject({
      ...{ host: '10.0.0.9', port: 1 },
    });
    expect(await connectionOf({ cluster }, about, place({}))).toMatchObject({ host: '127.0.0.1', port: 4370 });
    expect(lines).toContainEqual(expect.stringMatching(/without a secret this one stays on loopback/));
    expect(await connectionOf({ cluster: 'gossip', secret }, about, place({}))).toMatchObject({
      ...{ host: '127.0.0.1', port: 0 },
    });
    for (const store of ['etcd', 'redis'] as const) {
      // What others read there must be where they reach the node; each writes its own port.
      expect(await connectionOf({ cluster: store, secret }, about, place({}))).toMatchObject({
        ...{ host: '10.1.2.3', port: 0 },
      });
      expect(await connectionOf({ cluster: store }, about, place({}))).toMatchObject({ host: '127.0.0.1', port: 0 });
    }
    const strategies = [await strategyOf(cluster)];
    expect(await connectionOf({ discovery: strategies }, about, place({}))).toMatchObject({ port: 4370 });
  });
});

describe('wizard mode', () => {
  test('several topologies at once, each with its strategy, hooks, channels and transport', async () => {
    const id = clusterId();
    const bulk = { name: 'bulk', connections: 2 };
    const b = await start({ name: 'b', clusterId: id, port: 0 });
    const c = await start({ name: 'c', clusterId: id, transport: 'ws', port: 0 });
    const listed: number[] = [];
    const asked: string[] = [];
    const a = await start({
      ...{ name: 'a', clusterId: id },
      topologies: {
        rack: {
          strategy: staticList([`127.0.0.1:${b.address?.port}`, '127.0.0.1:1']),
          list: addresses => {
            listed.push(addresses.length);
            return addresses.filter(({ port }) => port !== 1);
          },
          channels: [bulk],
          overlay: 'full-mesh',
        },
        web: {
          strategy: { strategy: 'static', nodes: [`ws://127.0.0.1:${c.address?.port}`] },
          transport: 'ws',
          connect: (to, { topology, node }) => {
            asked.push(`${node} ${topology} ${to.protocol}`);
            return true;
          },
          channels: [{ ...bulk }],
        },
      },
    });
    // Over two transports: b and c have none in common, and see each other by a's membership only.
    await expect.poll(() => a.members().filter(member => member.reachable).length, { timeout: 10_000 }).toBe(3);
    expect(listed).toEqual([2]);
    expect(asked).toContain('a web ws');
    expect(a.address?.protocol).toBe('tcp');
    expect(a.channels.list().filter(({ name }) => name === 'bulk')).toMatchObject([bulk]);
    expect(a.channels.list().map(({ name }) => name)).toContain('gossip');
  });

  test('a topology advertises the address of its own transport', async () => {
    const id = clusterId();
    const directory = join(home, 'shared');
    const strategy = { strategy: 'same-host', directory } as const;
    const a = await start({ name: 'a', clusterId: id, topologies: { web: { strategy, transport: 'ws' } } });
    const b = await start({ name: 'b', clusterId: id, transport: 'ws', topologies: { web: { strategy } } });
    await together(a, b);
    expect(a.address?.protocol).toBe('tcp');
    expect(b.address?.protocol).toBe('ws');
  });

  test.each<[Topologies, RegExp]>([
    [7 as never, /'topologies' is 7; allowed: an object of topologies by name/],
    [{ one: 'gossip' } as never, /'topologies.one' is 'gossip'; allowed: an object/],
    [{ one: {} } as never, /'topologies.one.strategy' is undefined/],
    [{ one: { strategy: 'gosip' } } as never, /'topologies.one.strategy' is 'gosip' \(did you mean 'gossip'/],
    [{ one: { stratgy: 'gossip' } } as never, /topologies.one has no option 'stratgy' \(did you mean 'strategy'/],
    [{ one: { strategy: { strategy: 'dns' } } } as never, /'topologies.one.strategy.query' is undefined/],
    [{ one: { strategy: 'gossip', connect: true } } as never, /'topologies.one.connect' is true; allowed: a function/],
    [{ one: { strategy: 'gossip', list: [] } } as never, /'topologies.one.list' is an array; allowed: a function/],
    [{ one: { strategy: 'gossip', channels: 'x' } } as never, /'topologies.one.channels' is 'x'/],
    [{ one: { strategy: 'gossip', transport: 'udp' } } as never, /'topologies.one.transport' is 'udp'/],
    [
      { one: { strategy: 'gossip', overlay: 'tree' } } as never,
      /'topologies.one.overlay' is 'tree'; allowed: 'full-mesh'/,
    ],
    [{ one: { strategy: 'gossip', port: 1 } }, /'topologies.one.port' is 1; allowed: left out/],
    [{ one: { strategy: 'gossip', transport: 'ws', port: -1 } }, /'topologies.one.port' is -1/],
    [
      { one: { strategy: { strategy: 'dns', query: 'x.y' }, transport: 'ws' } },
      /'topologies.one.port' is undefined; allowed: the port of all nodes/,
    ],
    [
      {
        one: { strategy: 'gossip', channels: [{ name: 'bulk', connections: 2 }] },
        two: { strategy: 'same-host', channels: [{ name: 'bulk', connections: 3 }] },
      },
      /channel 'bulk' is declared differently by option 'topologies.one.channels' and by option 'topologies.two.channels'/,
    ],
    [
      { one: { strategy: 'gossip', channels: [{ name: 'data', connections: 2 }] } },
      /channel 'data' is declared differently by option 'channels' and by/,
    ],
    [
      {
        one: { strategy: 'gossip', transport: ws({ path: '/x' }) },
        two: { strategy: 'same-host', transport: ws({ path: '/y' }) },
      },
      /'topologies.two.transport' and 'topologies.one.transport' both speak 'ws'/,
    ],
    [{ one: { strategy: 'gossip', transport: tcp() } }, /and the node's own 'transport' both speak 'tcp'/],
  ])('%o is refused', async (topologies, message) => {
    await expect(start({ topologies })).rejects.toMatchObject({
      code: expect.stringMatching(/invalid-option|conflict/),
      message: expect.stringMatching(message),
    });
  });

  test.each<[StartOptions, RegExp]>([
    [{ cluster: true, topologies: {} }, /Give either 'cluster: true', .*, or 'topologies', not both/],
    [{ cluster: 'gossip', discovery: [gossip()] }, /Give either 'cluster' with a keyword, or 'discovery'/],
    [{ topologies: {}, discovery: [] }, /Give either 'topologies', or 'discovery'/],
  ])('%o: one way at a time', async (options, message) => {
    await expect(start(options)).rejects.toMatchObject({ message: expect.stringMatching(message) });
  });

  test('nothing is detected or added', async () => {
    const { log, lines } = said();
    const topologies = { one: { strategy: 'same-host' } } as const;
    const connection = await connectionOf({ topologies }, { clusterId: 'c', log }, inPod());
    expect(connection).toMatchObject({ host: '127.0.0.1', port: 0, topologies: [{ name: 'one' }] });
    expect(connection.secret).toBeUndefined();
    expect(lines).toEqual([]);
  });

  test.each<[StartOptions, RegExp | undefined]>([
    [
      { topologies: { pods: { strategy: { strategy: 'dns', query: 'nodes.example' } } } },
      /'dns' finds nodes of several machines.*127\.0\.0\.1.*'host'/,
    ],
    [{ topologies: { store: { strategy: 'redis' }, here: { strategy: 'same-host' } } }, /'redis' finds/],
    [{ discovery: [{ name: 'etcd', watch: async function* () {} }] }, /'etcd' finds/],
    [{ topologies: { pods: { strategy: { strategy: 'dns', query: 'nodes.example' } } }, host: '127.0.0.2' }, undefined],
    [{ topologies: { net: { strategy: 'gossip' } } }, undefined],
  ])('%j: says that others can not reach it without a host', async (options, warning) => {
    const { log, lines } = said();
    const connection = await connectionOf(options, { clusterId: 'c', log }, place({}));
    expect(connection.host).toBe(options.host ?? '127.0.0.1');
    expect(lines).toEqual(warning === undefined ? [] : [expect.stringMatching(warning)]);
    const inThread = said();
    await connectionOf(options, { clusterId: 'c', log: inThread.log, anyPort: true }, place({}));
    expect(inThread.lines).toEqual([]);
  });
});
