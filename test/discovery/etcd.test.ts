import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAddress } from '@foundation-ts/core';
import { etcd } from '@foundation-ts/discovery/etcd';
import { describe, expect, test } from 'vitest';
import { debianMissing } from '../support/debian.js';
import { freePort, ServerProcess } from '../support/server-process.js';
import { storeSuite } from '../support/store-suite.js';
import { until } from '../support/until.js';

const missing = debianMissing({ etcd: 'etcd-server', etcdctl: 'etcd-client' });
if (missing !== undefined) console.warn(`etcd's tests are skipped: ${missing}`);
const run = promisify(execFile);

let port = 0;
/** etcd's own client. */
const etcdctl = async (...args: string[]): Promise<string> => {
  const env = { ...process.env, ETCDCTL_API: '3' };
  return (await run('etcdctl', ['--endpoints', `127.0.0.1:${port}`, ...args], { env })).stdout.trim();
};

/** As etcdctl writes it; a number of JSON would be rounded. */
const leaseOf = async (key: string): Promise<string> => {
  const lease = /"lease":(\d+)/.exec(await etcdctl('get', key, '-w', 'json'))?.[1] ?? '0';
  return BigInt(lease).toString(16).padStart(16, '0');
};

describe.skipIf(missing !== undefined)('on a real etcd', () => {
  storeSuite(
    'etcd',
    async () => {
      port = await freePort();
      const folder = mkdtempSync(join(tmpdir(), 'etcd-'));
      const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${await freePort()}`];
      const args = [
        ...['--data-dir', folder, '--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`],
      ];
      return {
        server: new ServerProcess('etcd', args, port),
        init: (prefix, ttl) => ({ hosts: `127.0.0.1:${port}`, prefix, ttl, pollInterval: 300 }),
        strategy: init => etcd(init),
        keys: async prefix => (await etcdctl('get', '--prefix', prefix)).split('\n').filter(line => line !== ''),
        spoil: async place => {
          await etcdctl('del', '--prefix', place);
          await etcdctl('put', `${place}rubbish`, 'x'.repeat(5_000));
          await etcdctl('put', `${place}list`, '[{"address":7}]');
          await etcdctl('put', `${place}bare`, '{"address":"nowhere"}');
        },
        dispose: async () => rmSync(folder, { recursive: true, force: true }),
      };
    },
    ({ store, watch, place }) => {
      test('writes under <prefix>/<clusterId>/<name>, as etcdctl shows', async () => {
        const watching = watch();
        await watching.advertise(parseAddress('127.0.0.1:1'));
        const [key, value] = (await etcdctl('get', '--prefix', place())).split('\n');
        expect(key).toBe(`${place()}n0`);
        expect(value).toBe('{"name":"n0","incarnation":1,"address":"tcp://127.0.0.1:1"}');
        const lease = await leaseOf(`${place()}n0`);
        expect(await etcdctl('lease', 'list')).toContain(lease);
        await watching.withdraw();
        expect(await etcdctl('lease', 'list')).not.toContain(lease);
      });

      test('asks for another lease when somebody revoked its own', async () => {
        const watching = watch(60_000);
        await watching.advertise(parseAddress('127.0.0.1:1'));
        const lease = await leaseOf(`${place()}n0`);
        await etcdctl('lease', 'revoke', lease);
        await until(
          () => watching.values.length > 1 && watching.last === 'tcp://127.0.0.1:1',
          () => `the node to go and come, saw ${JSON.stringify(watching.values)}`,
        );
        expect(await leaseOf(`${place()}n0`)).not.toBe(lease);
      });

      test('reads anew what was changed and compacted while it could not watch', async () => {
        const [one, two] = [watch(60_000), watch(60_000)];
        await one.advertise(parseAddress('127.0.0.1:1'));
        await two.advertise(parseAddress('127.0.0.1:2'));
        await until(
          () => one.values.at(-1)?.length === 2,
          () => 'both',
        );
        await store().server.kill();
        await store().server.start();
        await etcdctl('put', `${place()}late`, '{"address":"tcp://127.0.0.1:9"}');
        for (let turn = 0; turn < 20; turn++) await etcdctl('put', 'else', String(turn));
        const { header } = JSON.parse(await etcdctl('get', 'else', '-w', 'json')) as { header: { revision: number } };
        await etcdctl('compact', String(header.revision));
        await until(
          () => one.last === 'tcp://127.0.0.1:1 tcp://127.0.0.1:2 tcp://127.0.0.1:9',
          () => `all three, saw ${JSON.stringify(one.values)}`,
        );
      });
    },
  );
});
