import { type ChildProcess, spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TelemetryEvent } from '@foundation-ts/core';
import { type KubernetesInit, kubernetes } from '@foundation-ts/discovery/kubernetes';
import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import { startNode } from 'foundation-ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { debianMissing } from '../support/debian.js';
import { apiCertificate, KubernetesApi, kubeconfig } from '../support/kubernetes-api.js';
import { until } from '../support/until.js';
import { Watching } from '../support/watching.js';

const noKubectl = debianMissing({ kubectl: 'kubernetes-client' });
if (noKubectl !== undefined) console.warn(`kubectl's own tests are skipped: ${noKubectl}`);

const folder = mkdtempSync(join(tmpdir(), 'kubernetes-'));
const tls = apiCertificate(join(folder, 'tls'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const startApi = (): Promise<KubernetesApi> => new KubernetesApi(tls).start();

discoverySuite('kubernetes', async () => {
  const api = await startApi();
  api.setPod('web-0', { ip: '10.0.0.1' });
  api.setPod('web-1', { ip: '10.0.0.2', ready: false });
  const { serviceAccount, url } = api;
  return {
    strategy: () => kubernetes({ appName: 'shop', api: url, serviceAccount }),
    names: [
      { protocol: 'tcp', host: '10.0.0.1', port: 4370 },
      { protocol: 'tcp', host: '10.0.0.2', port: 4370 },
    ],
    breakLookups: () => api.stop(),
    dispose: () => api[Symbol.asyncDispose](),
  };
});

describe('kubernetes', () => {
  let api: KubernetesApi;
  let watches: Watching[];

  const watch = (init: KubernetesInit = {}, self?: ConstructorParameters<typeof Watching>[1]): Watching => {
    const given: KubernetesInit = { appName: 'shop', api: api.url, serviceAccount: api.serviceAccount, ...init };
    const watching = new Watching(kubernetes(given), self);
    watches.push(watching);
    return watching;
  };

  const sees = (watching: Watching, expected: string, within = 8_000): Promise<number> =>
    until(
      () => watching.last === expected,
      () => `'${expected}'; saw ${JSON.stringify(watching.values)}, ${watching.failures.map(String).join('; ')}`,
      within,
    );

  const asked = (verb: string): number => api.requests.filter(request => request.verb === verb).length;

  /** Until a watch runs (after `earlier` ones), so that a change reaches it and not the list. */
  const watched = (earlier = 0): Promise<number> =>
    until(
      () => api.watching > 0 && asked('watch') > earlier,
      () => `watch ${earlier + 1}`,
    );

  beforeEach(async () => {
    watches = [];
    api = await startApi();
    api.setPod('web-0', { ip: '10.0.0.1' });
  });

  afterEach(async () => {
    for (const watching of watches) {
      await watching[Symbol.asyncDispose]();
      const told = [...watching.failures.map(error => `${error.message} ${error.stack}`), ...watching.lines].join('\n');
      expect(told, 'a token was told').not.toMatch(/token-[a-z0-9]{5}/);
    }
    await until(
      () => api.watching === 0,
      () => 'the connections to be closed',
    );
    await api[Symbol.asyncDispose]();
  });

  test('lists, then follows what comes, changes and goes', async () => {
    const watching = watch();
    await sees(watching, 'tcp://10.0.0.1:4370');
    await watched();
    api.setPod('web-1', { ip: '10.0.0.2' });
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.2:4370');
    api.setPod('web-1', { ip: '10.0.0.3' });
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.3:4370');
    api.deletePod('web-0');
    await sees(watching, 'tcp://10.0.0.3:4370');
    expect([asked('list'), asked('watch')]).toEqual([1, 1]);
    expect(watching.failures).toEqual([]);
  });

  test('names only pods that run, have an IP and are not being deleted', async () => {
    api.setPod('pending', { phase: 'Pending' });
    api.setPod('job', { ip: '10.0.0.4', phase: 'Succeeded' });
    api.setPod('broken', { ip: '10.0.0.5', phase: 'Failed' });
    api.setPod('leaving', { ip: '10.0.0.6', terminating: true });
    api.setPod('other', { ip: '10.0.0.7', labels: { app: 'another' } });
    api.setPod('elsewhere', { ip: '10.0.0.8', namespace: 'lab' });
    api.setPod('starting', { ip: '10.0.0.9', phase: 'Pending', ready: false });
    await sees(watch(), 'tcp://10.0.0.1:4370 tcp://10.0.0.9:4370');
    await sees(watch({ namespace: '*' }), 'tcp://10.0.0.1:4370 tcp://10.0.0.8:4370 tcp://10.0.0.9:4370');
    await sees(watch({ selector: 'app!=shop' }), 'tcp://10.0.0.7:4370');
  });

  test('follows the readiness of pods where it is asked to', async () => {
    const watching = watch({ ready: 'ready' });
    await sees(watching, 'tcp://10.0.0.1:4370');
    await watched();
    api.setPod('web-0', { ip: '10.0.0.1', ready: false });
    await sees(watching, '');
    api.setPod('web-0', { ip: '10.0.0.1', ready: true });
    await sees(watching, 'tcp://10.0.0.1:4370');
    api.setPod('web-0', { ip: '10.0.0.1', labels: { app: 'quarantine' } });
    await sees(watching, '');
  });

  test('takes a fixed port, a named one, or that of the node itself', async () => {
    api.setPod('web-0', { ip: '10.0.0.1', ports: { http: 80, cluster: 5_000 } });
    api.setPod('web-1', { ip: '10.0.0.2', ports: { http: 80 } });
    await sees(watch({ port: 7_000 }), 'tcp://10.0.0.1:7000 tcp://10.0.0.2:7000');
    const named = watch({ portName: 'cluster' });
    await sees(named, 'tcp://10.0.0.1:5000');
    expect(named.lines.join()).toContain('unusable');
    const address = { protocol: 'ws', host: '10.0.0.1', port: 9_000 };
    await sees(watch({}, { address }), 'ws://10.0.0.1:9000 ws://10.0.0.2:9000');
  });

  test('names pods by DNS, and those of a StatefulSet by their host names', async () => {
    api.setPod('web-0', { ip: '10.0.0.1', hostname: 'web-0', subdomain: 'web' });
    api.setPod('web-1', { ip: 'fd00::1' });
    await sees(
      watch({ mode: 'pod-dns' }),
      'tcp://10-0-0-1.shop.pod.cluster.local:4370 tcp://fd00--1.shop.pod.cluster.local:4370',
    );
    await sees(watch({ mode: 'hostname' }), 'tcp://web-0.web.shop.svc.cluster.local:4370');
    await sees(
      watch({ mode: 'hostname', service: 'nodes', clusterDomain: 'k8s.example' }),
      'tcp://web-0.nodes.shop.svc.k8s.example:4370',
    );
  });

  test('names one address of a pod that has two, of its own IP version', async () => {
    api.setPod('web-0', { ips: ['10.0.0.1', 'fd00::1'] });
    await sees(watch(), 'tcp://10.0.0.1:4370');
    await sees(watch({}, { address: { protocol: 'tcp', host: 'fd00::2', port: 4_370 } }), 'tcp://[fd00::1]:4370');
    await sees(watch({ family: 6 }), 'tcp://[fd00::1]:4370');
  });

  test('reads endpoint slices: one pod in two slices is one node', async () => {
    api.setSlice(
      'shop-a',
      [
        { ip: '10.0.0.1', pod: 'web-0' },
        { ip: '10.0.0.2', ready: false, pod: 'web-1' },
      ],
      {
        ports: { cluster: 5_000 },
      },
    );
    api.setSlice('shop-b', [{ ip: 'fd00::1', pod: 'web-0' }], { ports: { cluster: 5_000 }, addressType: 'IPv6' });
    api.setSlice('other', [{ ip: '10.0.0.9' }], { service: 'other' });
    const any = watch({ resource: 'endpoint-slices', portName: 'cluster' });
    await sees(any, 'tcp://10.0.0.1:5000 tcp://10.0.0.2:5000');
    const ready = watch({ resource: 'endpoint-slices', service: 'shop', ready: 'ready' });
    await sees(ready, 'tcp://10.0.0.1:4370');
    await watched(1);
    api.setSlice('shop-a', [
      { ip: '10.0.0.1', terminating: true, pod: 'web-0' },
      { ip: '10.0.0.2', pod: 'web-1' },
    ]);
    api.deleteSlice('shop-b');
    await sees(ready, 'tcp://10.0.0.2:4370');
    const path = { hostname: 'web-1', ip: '10.0.0.2', pod: 'web-1' };
    api.setSlice('shop-a', [path]);
    await sees(
      watch({ resource: 'endpoint-slices', mode: 'hostname' }),
      'tcp://web-1.shop.shop.svc.cluster.local:4370',
    );
  });

  test('reads a long list page by page, and begins again when its pages expire', async () => {
    for (let index = 0; index < 600; index++) api.setPod(`p${index}`, { ip: `10.1.${index >> 8}.${index & 255}` });
    api.expirePages(1);
    const watching = watch();
    await until(
      () => watching.values.at(-1)?.length === 601,
      () => 'all pods',
    );
    expect(watching.values).toHaveLength(1);
    // one page, one that is gone; then all three
    expect(asked('list')).toBe(5);
    expect(watching.failures).toEqual([]);
  });

  test('keeps no more than it may, and says so', async () => {
    for (let index = 0; index < 600; index++) api.setPod(`p${index}`, { ip: `10.1.${index >> 8}.${index & 255}` });
    const watching = watch({ maxEntries: 300 });
    await until(
      () => watching.values.at(-1)?.length === 300,
      () => 'the first 300',
    );
    expect(watching.lines.join()).toContain('table-full');
  });

  test('resumes a cut or ended stream where a bookmark left off', async () => {
    const watching = watch();
    await watched();
    api.bookmark();
    api.end('in-order');
    await watched(1);
    expect(api.requests.at(-1)?.query.get('resourceVersion')).toBe('1101');
    api.setPod('web-1', { ip: '10.0.0.2' });
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.2:4370');
    api.end('cut');
    await watched(2);
    expect(api.requests.at(-1)?.query.get('resourceVersion')).toBe('1102');
    api.deletePod('web-1');
    await sees(watching, 'tcp://10.0.0.1:4370');
    expect(asked('list')).toBe(1);
    expect(watching.failures).toEqual([]);
  });

  test.each(['an answer', 'an event'] as const)('lists anew when its version is gone, told by %s', async told => {
    const watching = watch();
    await watched();
    if (told === 'an answer') {
      api.compact();
      api.end('cut');
    } else {
      api.end('gone');
    }
    await watched(1);
    api.setPod('web-1', { ip: '10.0.0.2' });
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.2:4370');
    expect(asked('list')).toBe(2);
    expect(watching.failures).toEqual([]);
  });

  test('misses nothing that changed while it could not watch', async () => {
    const watching = watch();
    await watched();
    api.compact();
    api.setPod('web-1', { ip: '10.0.0.2' });
    api.deletePod('web-0');
    api.compact();
    api.end('cut');
    await sees(watching, 'tcp://10.0.0.2:4370');
  });

  test('goes on with the fresh token when the old one is refused', async () => {
    const watching = watch();
    await watched();
    api.rotateToken();
    api.end('cut');
    await watched(1);
    api.rotateToken({ lay: false });
    api.end('cut');
    await until(
      () => watching.failures.length > 0,
      () => 'the refusal',
    );
    expect(watching.failures[0]?.message).toMatch(/401 .*Unauthorized.* token of the service account is expired/);
    expect(watching.last).toBe('tcp://10.0.0.1:4370');
    api.layToken();
    api.setPod('web-1', { ip: '10.0.0.2' });
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.2:4370');
  });

  test.each(['list', 'watch'] as const)('names the rights that are missing when it may not %s', async verb => {
    api.forbid(verb);
    const watching = watch();
    await until(
      () => watching.failures.length > 0,
      () => '403',
    );
    const { message, code } = watching.failures[0] as Error & { readonly code: string };
    expect(code).toBe('auth-failed');
    expect(message).toContain(`Kubernetes answered 403 to ${verb} pods in namespace 'shop': pods is forbidden: User`);
    expect(message).toContain("Role with the rule { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] }");
    api.allow();
    api.setPod('web-1', { ip: '10.0.0.2' });
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.2:4370');
  });

  test('does not repeat what the API says word for word: short, in one line, without the token', async () => {
    const message = `you are ${api.token}\n\u001b[2Jerror ${'x'.repeat(1_000)}`;
    api.answerNext(500, {}, JSON.stringify({ kind: 'Status', message }));
    const watching = watch();
    await sees(watching, 'tcp://10.0.0.1:4370');
    const told = watching.failures[0]?.message ?? '';
    expect(told).toMatch(/^Kubernetes answered 500 to list pods in namespace 'shop': you are <token> \[2Jerror x+…\.$/);
    expect(told.length).toBeLessThan(400);
  });

  test('says that it needs a ClusterRole for all namespaces, and the group of slices', async () => {
    api.forbid('list', 'endpointslices');
    const watching = watch({ resource: 'endpoint-slices', namespace: '*' });
    await until(
      () => watching.failures.length > 0,
      () => '403',
    );
    expect(watching.failures[0]?.message).toMatch(/ClusterRoleBinding.* apiGroups: \['discovery\.k8s\.io'\]/);
  });

  test('keeps what it knows while the API is down, and catches up', async () => {
    const watching = watch();
    await watched();
    await api.stop();
    api.setPod('web-1', { ip: '10.0.0.2' });
    await until(
      () => watching.failures.length > 1,
      () => 'two failures',
    );
    expect(watching.values).toEqual([['tcp://10.0.0.1:4370']]);
    expect(watching.failures[0]?.message).toMatch(/could not watch pods in namespace 'shop' .*ECONNREFUSED/);
    await api.start();
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.2:4370');
  });

  test('waits as long as the API asks', async () => {
    api.answerNext(429, { 'retry-after': '2' });
    const start = performance.now();
    const watching = watch();
    await sees(watching, 'tcp://10.0.0.1:4370');
    expect(performance.now() - start).toBeGreaterThan(1_900);
    expect(watching.failures).toHaveLength(1);
  });

  test.each([
    ['not JSON', '{"type":"ADDED",'],
    ['no object', '[]'],
    ['an unknown type', '{"type":"EXPLODED","object":{"metadata":{"name":"x","namespace":"shop"}}}'],
    ['a nameless object', '{"type":"ADDED","object":{"metadata":{}}}'],
    ['a bookmark of nothing', '{"type":"BOOKMARK"}'],
    ['no text', '\u0000\ud800'],
    ['five million bytes', `"${'x'.repeat(5_000_000)}"`],
  ])('ignores an event that is %s, counts it, and lists anew once the stream has ended', async (_what, line) => {
    const dropped: unknown[] = [];
    const counted = (message: unknown): void => {
      const { measurements, metadata } = message as TelemetryEvent;
      dropped.push([measurements.count, metadata.reason]);
    };
    subscribe('foundation:discovery.kubernetes.dropped', counted);
    const watching = watch();
    await watched();
    api.say(line);
    api.setPod('web-1', { ip: '10.0.0.2' });
    await sees(watching, 'tcp://10.0.0.1:4370 tcp://10.0.0.2:4370');
    unsubscribe('foundation:discovery.kubernetes.dropped', counted);
    expect(dropped).toEqual([[1, 'malformed']]);
    expect(watching.lines.filter(text => text.includes('malformed'))).toHaveLength(1);
    expect(asked('list')).toBe(1);
    api.end('in-order');
    await watched(1);
    expect(asked('list')).toBe(2);
    expect(watching.failures).toEqual([]);
  });

  test.each([
    ['a page of a proxy', '<html>'],
    ['something else', '{"kind":"Status"}'],
    ['more than it reads', 'x'.repeat(34_000_000)],
  ])('takes %s in place of a list for a failure', async (_what, body) => {
    api.answerNext(200, {}, body);
    const watching = watch();
    await sees(watching, 'tcp://10.0.0.1:4370');
    expect(watching.failures).toHaveLength(1);
    expect(watching.failures[0]?.message.length).toBeLessThan(500);
  });

  test('does not talk to an API whose certificate another authority signed', async () => {
    await using impostor = await new KubernetesApi(apiCertificate(join(folder, 'impostor'))).start();
    const watching = watch({ api: impostor.url });
    await until(
      () => watching.failures.length > 0,
      () => 'a failure',
    );
    expect(watching.failures[0]?.message).toMatch(/certificate must be signed by the service account's ca\.crt/);
    expect(impostor.requests).toEqual([]);
    expect(watching.values).toEqual([]);
  });

  test('tells where the API and the service account are missing', async () => {
    const strange = watch({ serviceAccount: join(folder, 'nowhere') });
    const { KUBERNETES_SERVICE_HOST: before } = process.env;
    delete process.env.KUBERNETES_SERVICE_HOST;
    const outside = new Watching(kubernetes({ appName: 'shop' }));
    watches.push(outside);
    await until(
      () => strange.failures.length > 0 && outside.failures.length > 0,
      () => 'the failures',
    );
    if (before !== undefined) process.env.KUBERNETES_SERVICE_HOST = before;
    expect(strange.failures[0]?.message).toMatch(/can't read '.*nowhere.*'; run in a pod with a service account/);
    expect(outside.failures[0]?.message).toMatch(/KUBERNETES_SERVICE_HOST is not set, so this is no pod/);
  });

  test('finds the API as a pod does, and through a proxy on this machine without a token', async () => {
    process.env.KUBERNETES_SERVICE_HOST = '127.0.0.1';
    process.env.KUBERNETES_SERVICE_PORT = String(api.port);
    const inside = new Watching(kubernetes({ appName: 'shop', serviceAccount: api.serviceAccount }));
    watches.push(inside);
    await sees(inside, 'tcp://10.0.0.1:4370');
    delete process.env.KUBERNETES_SERVICE_HOST;
    delete process.env.KUBERNETES_SERVICE_PORT;
    await using proxy = await new KubernetesApi().start();
    proxy.setPod('web-0', { ip: '10.0.0.2' });
    const proxied = new Watching(kubernetes({ appName: 'shop', api: proxy.url, namespace: 'shop' }));
    await sees(proxied, 'tcp://10.0.0.2:4370');
    await proxied[Symbol.asyncDispose]();
  });

  test('lets two nodes form a cluster, and find a third', { timeout: 30_000 }, async () => {
    const [port, clusterId] = [20_000 + Math.floor(Math.random() * 20_000), `k8s-${process.pid}`];
    const secret = 'a secret of at least sixteen bytes';
    const start = (host: string) => {
      const strategy = kubernetes({ appName: 'shop', api: api.url, serviceAccount: api.serviceAccount });
      const discovery = [strategy];
      return startNode({ name: host, clusterId, host, port, secret, discovery, handleSignals: false, log: 'silent' });
    };
    api.setPod('web-0', { ip: '127.0.0.1' });
    api.setPod('web-1', { ip: '127.0.0.2', ready: false });
    await using one = await start('127.0.0.1');
    await using two = await start('127.0.0.2');
    const formed = (node: typeof one, count: number) =>
      until(
        () => node.members().filter(member => member.status === 'up').length === count,
        () => `${count} members at ${node.name}`,
      );
    await Promise.all([formed(one, 2), formed(two, 2)]);
    api.setPod('web-2', { ip: '127.0.0.3' });
    await using three = await start('127.0.0.3');
    await Promise.all([formed(one, 3), formed(three, 3)]);
    // who is no longer named stays
    api.deletePod('web-2');
    const watching = watch({}, { address: { protocol: 'tcp', host: '127.0.0.1', port } });
    await sees(watching, `tcp://127.0.0.1:${port} tcp://127.0.0.2:${port}`);
    await api.stop();
    expect(one.members().filter(member => member.reachable && member.status === 'up')).toHaveLength(3);
  });
});

describe.skipIf(noKubectl !== undefined)('the stub, to kubectl', () => {
  let api: KubernetesApi;
  let env: NodeJS.ProcessEnv;
  const children: ChildProcess[] = [];

  const kubectl = (...args: string[]): Promise<{ readonly code: number | null; readonly text: string }> => {
    const child = spawn('kubectl', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => {
        text += data.toString();
      });
    }
    return new Promise(resolve => child.on('close', code => resolve({ code, text })));
  };

  beforeAll(async () => {
    api = await startApi();
    env = kubeconfig(api, join(folder, 'kubectl'));
    api.setPod('web-0', { ip: '10.0.0.1' });
    api.setPod('web-1', { ip: '10.0.0.2' });
    api.setPod('other', { ip: '10.0.0.3', labels: { app: 'other' } });
    api.setSlice('shop-x', [{ ip: '10.0.0.1' }]);
  });

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await api[Symbol.asyncDispose]();
  });

  test('answers get', async () => {
    const pods = await kubectl('get', 'pods', '-l', 'app=shop');
    expect(pods.text).toMatch(/^NAME.*\nweb-0 .*\nweb-1 .*\n$/);
    const ips = await kubectl('get', 'pods', '-o', 'jsonpath={.items[*].status.podIP}');
    expect(ips).toEqual({ code: 0, text: '10.0.0.1 10.0.0.2 10.0.0.3' });
    const slices = await kubectl('get', 'endpointslices', '-o', 'jsonpath={.items[*].endpoints[*].addresses}');
    expect(slices).toEqual({ code: 0, text: '["10.0.0.1"]' });
    const one = await kubectl('get', 'pod', 'web-1', '-o', 'jsonpath={.status.phase}');
    expect(one).toEqual({ code: 0, text: 'Running' });
    expect((await kubectl('get', 'pod', 'web-9')).text).toContain('Error from server (NotFound)');
  });

  test('answers get -w', async () => {
    const running = kubectl('get', 'pods', '-w', '-o', 'jsonpath={.metadata.name} {.status.podIP}{"\\n"}');
    await until(
      () => api.watching > 0,
      () => "kubectl's watch",
    );
    api.setPod('web-2', { ip: '10.0.0.4' });
    api.bookmark();
    api.deletePod('web-2');
    api.end('in-order');
    const { text } = await running;
    expect(text.split('\n').filter(line => line.startsWith('web-2'))).toEqual(['web-2 10.0.0.4', 'web-2 10.0.0.4']);
  });

  test('refuses who may not list, and who has an old token', async () => {
    api.forbid('list');
    const forbidden = await kubectl('get', 'pods');
    expect(forbidden.text).toContain('Error from server (Forbidden): pods is forbidden: User');
    expect(forbidden.code).toBe(1);
    api.allow();
    api.rotateToken({ lay: false });
    const denied = await kubectl('get', 'pods');
    expect(denied.code).toBe(1);
    expect(denied.text).toMatch(/Unauthorized|must be logged in|provide credentials/);
    api.layToken();
    expect((await kubectl('get', 'pods')).code).toBe(0);
  });

  test('is watched by the strategy through kubectl proxy', async () => {
    const proxy = spawn('kubectl', ['proxy', '--port=0'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(proxy);
    const [line] = (await once(proxy.stdout, 'data')) as [Buffer];
    const address = /127\.0\.0\.1:\d+/.exec(line.toString())?.[0];
    const strategy = kubernetes({ appName: 'proxied', namespace: 'shop', api: `http://${address}` });
    await using watching = new Watching(strategy);
    await until(
      () => api.watching > 0,
      () => `a watch: ${watching.failures.map(String).join()}`,
    );
    api.setPod('web-9', { ip: '10.0.0.9', labels: { app: 'proxied' } });
    await until(
      () => watching.last === 'tcp://10.0.0.9:4370',
      () => `the pod, saw ${JSON.stringify(watching.values)}`,
    );
    api.deletePod('web-9');
    await until(
      () => watching.last === '',
      () => `its end, saw ${JSON.stringify(watching.values)}`,
    );
    expect(watching.failures).toEqual([]);
  });

  test('reads the manifests of the guide, which grant what the strategy needs and no more', async () => {
    const guide = readFileSync(new URL('../../docs/guide/kubernetes.md', import.meta.url), 'utf8');
    const blocks = [...guide.matchAll(/^```yaml\n(.*?)^```/gms)].map(match => match[1] as string);
    const kinds: string[] = [];
    for (const [index, block] of blocks.entries()) {
      const file = join(folder, `manifest-${index}.yaml`);
      writeFileSync(file, block);
      // the server's schemas are not there to validate against: the client's types are
      const args = ['create', '--dry-run=client', '--validate=false', '-o', 'json', '-f', file];
      const { code, text } = await kubectl(...args);
      expect({ code, text: code === 0 ? '' : text }).toEqual({ code: 0, text: '' });
      // one after the other, or as one list: versions differ
      const printed = text.split(/(?<=^\})\n/m).filter(json => json.trim() !== '');
      const manifests = printed.map(json => JSON.parse(json) as Manifest);
      for (const manifest of manifests.flatMap(one => (one.kind === 'List' ? (one.items ?? []) : [one]))) {
        kinds.push(manifest.kind);
        if (manifest.kind === 'Role')
          expect(rightsOf(manifest)).toMatch(/^(pods|endpointslices\.discovery\.k8s\.io): list,watch$/);
        if (manifest.spec?.template !== undefined) checkPods(manifest);
      }
    }
    const first = ['ServiceAccount', 'Role', 'RoleBinding', 'Secret', 'Deployment', 'PodDisruptionBudget'];
    expect(kinds).toEqual([...first, 'Service', 'StatefulSet', 'Role']);
  });
});

interface Manifest {
  readonly kind: string;
  readonly items?: readonly Manifest[];
  readonly rules?: readonly { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  readonly spec?: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly { readonly env: readonly { name: string; valueFrom: object }[] }[];
      };
    };
  };
}

function rightsOf({ rules = [] }: Manifest): string {
  return rules
    .map(({ apiGroups, resources, verbs }) => {
      const group = apiGroups.join() === '' ? '' : `.${apiGroups}`;
      return `${resources}${group}: ${verbs}`;
    })
    .join('; ');
}

/** The pods have the label that the guide's program selects, and the environment that it counts on. */
function checkPods({ spec }: Manifest): void {
  const template = spec?.template;
  expect(template?.metadata.labels).toEqual({ app: 'shop' });
  expect(spec?.selector.matchLabels).toEqual({ app: 'shop' });
  expect(template?.spec.terminationGracePeriodSeconds).toBeGreaterThan(10);
  const env = Object.fromEntries(
    template?.spec.containers[0]?.env.map(({ name, valueFrom }) => [name, valueFrom]) ?? [],
  );
  expect(env).toMatchObject({
    FOUNDATION_NAME: { fieldRef: { fieldPath: 'metadata.name' } },
    FOUNDATION_HOST: { fieldRef: { fieldPath: 'status.podIP' } },
    FOUNDATION_SECRET: { secretKeyRef: { name: 'shop-cluster', key: 'secret' } },
  });
}
