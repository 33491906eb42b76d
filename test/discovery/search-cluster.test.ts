import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { KeywordOptions, StrategyKeyword } from 'foundation-ts';
import { describe, test } from 'vitest';
import { Bind, bindMissing } from '../support/bind.js';
import { debianMissing } from '../support/debian.js';
import { apiCertificate, KubernetesApi } from '../support/kubernetes-api.js';
import { freePort, ServerProcess } from '../support/server-process.js';

const run = promisify(execFile);
const long = process.env['DISCOVERY_LONG'] === '1';
const root = fileURLToPath(new URL('../..', import.meta.url));
/** Nodes bind 127.0.0.2 and so on, which elsewhere need to be set up first. */
const manyLoopbacks = process.platform === 'linux' ? undefined : 'only Linux has all of 127.0.0.0/8';
const addresses = Array.from({ length: 6 }, (_, index) => `127.0.0.${index + 2}`);

/** A whole run of the example; it ends with 0 only if every answer was right, through a kill, a join and a leave. */
async function search(discovery: string | KeywordOptions): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'foundation-search-'));
  const given = typeof discovery === 'string' ? discovery : JSON.stringify(discovery);
  const env = { ...process.env, XDG_RUNTIME_DIR: home, XDG_CONFIG_HOME: home };
  // A copy: files must not change during a run.
  const corpus = join(home, 'corpus');
  cpSync(join(root, long ? 'docs' : 'docs/decisions'), corpus, { recursive: true });
  const program = ['--import', 'tsx', '-C', '@foundation-ts/source', 'examples/search-cluster/src/main.ts'];
  try {
    await run(
      process.execPath,
      [...program, corpus, '--shards', '6', '--measure', long ? '2000' : '200', '--discovery', given],
      {
        ...{ cwd: root, env, timeout: 150_000, killSignal: 'SIGTERM' },
      },
    );
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
    throw new Error(`--discovery ${given} failed:\n${stdout}\n${stderr}`, { cause: error });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** A world in which a keyword finds the nodes of a run, and what must not be missing for it. */
interface World {
  readonly missing: string | undefined;
  readonly run: () => Promise<void>;
}

async function withBind(
  lines: (address: string, index: number) => readonly string[],
  discovery: (servers: readonly string[]) => KeywordOptions,
): Promise<void> {
  const bind = await Bind.start();
  try {
    bind.update(...addresses.flatMap(lines));
    await search(discovery(bind.servers));
  } finally {
    await bind.dispose();
  }
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'foundation-search-server-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const inService = { service: 'nodes', namespace: 'default', clusterDomain: 'shop.test' };
const noBind = manyLoopbacks ?? bindMissing();
const worlds: Readonly<Record<StrategyKeyword, World>> = {
  'same-host': { missing: undefined, run: () => search('same-host') },
  gossip: { missing: undefined, run: () => search('gossip') },
  mdns: { missing: undefined, run: () => search('mdns') },
  static: { missing: undefined, run: () => search('static') },
  'hosts-file': { missing: undefined, run: () => search('hosts-file') },
  dns: {
    missing: noBind,
    run: async () => {
      const port = await freePort();
      await withBind(
        address => [`update add nodes.shop.test 1 A ${address}`],
        servers => ({ strategy: 'dns', query: 'nodes.shop.test', port, servers }),
      );
    },
  },
  'dns-srv': {
    missing: noBind,
    run: () =>
      withBind(
        (address, index) => [
          `update add node-${index}.shop.test 1 A ${address}`,
          `update add _foundation._tcp.shop.test 1 SRV 0 0 4370 node-${index}.shop.test.`,
        ],
        servers => ({ strategy: 'dns-srv', query: '_foundation._tcp.shop.test', servers }),
      ),
  },
  kubernetes: {
    missing: manyLoopbacks,
    run: () =>
      inFolder(async folder => {
        await using api = await new KubernetesApi(apiCertificate(join(folder, 'tls'))).start();
        for (const [index, ip] of addresses.entries()) api.setPod(`search-${index}`, { ip });
        const { url, serviceAccount } = api;
        const port = await freePort();
        await search({ strategy: 'kubernetes', appName: 'shop', api: url, serviceAccount, port });
      }),
  },
  'kubernetes-dns': {
    missing: noBind,
    run: async () => {
      const port = await freePort();
      await withBind(
        address => [`update add nodes.default.svc.shop.test 1 A ${address}`],
        servers => ({ strategy: 'kubernetes-dns', ...inService, port, servers }),
      );
    },
  },
  // On the port of 'dns-srv', and so in its lane: three lanes, three places behind it.
  'kubernetes-dns-srv': {
    missing: noBind,
    run: () =>
      withBind(
        (address, index) => [
          `update add pod-${index}.nodes.default.svc.shop.test 1 A ${address}`,
          `update add _foundation._tcp.nodes.default.svc.shop.test 1 SRV 0 0 4370 pod-${index}.nodes.default.svc.shop.test.`,
        ],
        servers => ({ strategy: 'kubernetes-dns-srv', ...inService, servers }),
      ),
  },
  etcd: {
    missing: debianMissing({ etcd: 'etcd-server' }),
    run: () =>
      inFolder(async folder => {
        const port = await freePort();
        const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${await freePort()}`];
        await using server = new ServerProcess(
          'etcd',
          [
            ...['--data-dir', folder, '--listen-client-urls', client, '--advertise-client-urls', client],
            ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
            ...['--initial-cluster', `default=${peer}`],
          ],
          port,
        );
        await server.start();
        await search({ strategy: 'etcd', hosts: `127.0.0.1:${port}` });
      }),
  },
  redis: {
    missing: debianMissing({ 'redis-server': 'redis-server' }),
    run: () =>
      inFolder(async folder => {
        const port = await freePort();
        const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
        await using server = new ServerProcess('redis-server', args, port);
        await server.start();
        await search({ strategy: 'redis', url: `redis://127.0.0.1:${port}` });
      }),
  },
};

// A run mostly waits, so some share the processors; with too many of them programs take long to start.
const lanes = Array.from({ length: 3 }, () => Promise.resolve());

describe.concurrent('the search cluster finds itself', () => {
  for (const [index, [keyword, { missing, run: runWorld }]] of Object.entries(worlds).entries()) {
    if (missing !== undefined) console.warn(`the search cluster with ${keyword} is skipped: ${missing}`);
    test.skipIf(missing !== undefined)(`by ${keyword}`, { timeout: 400_000 }, async () => {
      const lane = index % lanes.length;
      const mine = (lanes[lane] as Promise<void>).then(runWorld);
      lanes[lane] = mine.catch(() => {});
      await mine;
    });
  }
});
