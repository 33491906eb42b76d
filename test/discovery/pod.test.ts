import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { apiCertificate, KubernetesApi } from '../support/kubernetes-api.js';
import { freePort } from '../support/server-process.js';
import { until } from '../support/until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** A pod has the service account's files where no test may put them: they are mounted there, for its process alone. */
const mount = 'mount -t tmpfs tmpfs /run && mkdir -p "$PLACE" && mount --bind "$ACCOUNT" "$PLACE" && exec "$@"';
const place = '/run/secrets/kubernetes.io/serviceaccount';

function podsMissing(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has mount namespaces, and all of 127.0.0.0/8';
  const { status, stderr } = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/run'], {
    encoding: 'utf8',
  });
  return status === 0 ? undefined : `no mount namespace can be made: ${stderr ?? 'unshare is missing'}`.trim();
}

const missing = podsMissing();
if (missing !== undefined) console.warn(`cluster: true in a pod is skipped: ${missing}`);

interface Said {
  readonly address: { readonly host: string; readonly port: number };
  readonly visible: readonly string[];
}

/** A process in the surroundings of a pod, whose address is one of loopback. */
class Pod {
  readonly #process: ChildProcess;
  #output = '';
  log = '';

  constructor(api: KubernetesApi, name: string, ip: string, env: NodeJS.ProcessEnv) {
    const program = ['--import', 'tsx', '-C', '@foundation-ts/source', 'test/discovery/programs/pod.ts'];
    this.#process = spawn('unshare', ['-m', 'sh', '-c', mount, 'sh', process.execPath, ...program], {
      cwd: root,
      env: {
        ...process.env,
        ...{ ACCOUNT: api.serviceAccount, PLACE: place },
        ...{ KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: `${api.port}`, POD_IP: ip },
        ...{ FOUNDATION_NAME: name, FOUNDATION_CLUSTER_ID: '@acme/shop' },
        ...env,
      },
    });
    this.#process.stdout?.on('data', data => {
      this.#output += data;
    });
    this.#process.stderr?.on('data', data => {
      this.log += data;
    });
  }

  get said(): Said | undefined {
    const line = this.#output.split('\n').at(-2);
    return line === undefined ? undefined : (JSON.parse(line) as Said);
  }

  end(): Promise<unknown> {
    const ended = new Promise(resolve => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    return ended;
  }
}

describe.skipIf(missing !== undefined)('cluster: true in a pod', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pod-'));
  const tls = apiCertificate(join(folder, 'tls'));
  let api: KubernetesApi;
  let home: string;
  let env: NodeJS.ProcessEnv;
  let pods: Pod[];

  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    api = await new KubernetesApi(tls).start();
    home = mkdtempSync(join(tmpdir(), 'pod-home-'));
    env = {
      ...{ FOUNDATION_PORT: `${await freePort()}`, FOUNDATION_SECRET: 'at least sixteen random bytes' },
      ...{ XDG_RUNTIME_DIR: home, XDG_CONFIG_HOME: home },
    };
    pods = [];
  });
  afterEach(async () => {
    await Promise.all(pods.map(pod => pod.end()));
    await api[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });

  /** Each with a home of its own: not the same host. */
  const start = (name: string, ip: string, more: NodeJS.ProcessEnv = {}): Pod => {
    const own = mkdtempSync(join(home, 'own-'));
    const pod = new Pod(api, name, ip, { ...env, XDG_RUNTIME_DIR: own, XDG_CONFIG_HOME: own, ...more });
    pods.push(pod);
    return pod;
  };
  const logs = (): string => pods.map(pod => pod.log).join('\n---\n');
  const together = (...all: Pod[]): Promise<number> =>
    until(() => all.every(pod => pod.said?.visible.length === all.length), logs, 30_000);

  test('finds the pods labelled with its name, as they come, and keeps them whatever the API says', async () => {
    api.setPod('shop-0', { ip: '127.0.0.2' });
    api.setPod('shop-1', { ip: '127.0.0.3', ready: false });
    api.setPod('other', { ip: '127.0.0.9', labels: { app: 'other' } });
    const [a, b] = [start('a', '127.0.0.2'), start('b', '127.0.0.3')];
    await together(a, b);
    expect(a.said?.address).toMatchObject({ host: '127.0.0.2', port: Number(env.FOUNDATION_PORT) });
    expect(a.log).toMatch(/Kubernetes: yes, .*pods labelled app=shop \(the cluster id\) are watched/);
    expect(a.log).toMatch(/address: 127\.0\.0\.2 \(POD_IP\)/);
    api.setPod('shop-2', { ip: '127.0.0.4' });
    const c = start('c', '127.0.0.4');
    await together(a, b, c);
    api.deletePod('shop-0');
    api.deletePod('shop-1');
    const lists = api.requests.length;
    api.end('cut');
    await until(() => api.requests.length > lists, logs);
    expect(c.said?.visible).toEqual(['a', 'b', 'c']);
  });

  test('that may not ask the API says which right is missing, and asks the DNS of the service instead', async () => {
    api.forbid('list');
    const pod = start('a', '127.0.0.2', { FOUNDATION_SERVICE: 'shop-nodes' });
    await until(() => /pods are found by the DNS of the service 'shop-nodes'/.test(pod.log), logs, 30_000);
    expect(pod.log).toMatch(/403 to list pods in namespace 'shop'/);
    expect(pod.log).toMatch(/resources: \['pods'\], verbs: \['list', 'watch'\]/);
    await until(() => pod.said?.visible.length === 1, logs);
    expect(api.requests).toHaveLength(1);
  });

  test('without a service to ask it goes on asking the API, and says what else would do', async () => {
    api.forbid('list');
    api.setPod('shop-0', { ip: '127.0.0.2' });
    api.setPod('shop-1', { ip: '127.0.0.3' });
    const [a, b] = [start('a', '127.0.0.2'), start('b', '127.0.0.3')];
    await until(() => pods.every(pod => /headless service in FOUNDATION_SERVICE/.test(pod.log)), logs, 30_000);
    api.allow();
    await together(a, b);
  });

  test('without a secret it stays on loopback, and says what to run', async () => {
    const pod = start('a', '127.0.0.2', { FOUNDATION_SECRET: undefined });
    await until(() => pod.said !== undefined, logs, 30_000);
    expect(pod.said?.address.host).toBe('127.0.0.1');
    expect(pod.log).toMatch(/loopback only, .*kubectl create secret generic shop-cluster/);
    expect(api.requests).toEqual([]);
  });
});
