import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAddress } from '@foundation-ts/core';
import { redis } from '@foundation-ts/discovery/redis';
import { describe, expect, test } from 'vitest';
import { debianMissing } from '../support/debian.js';
import { freePort, ServerProcess } from '../support/server-process.js';
import { storeSuite } from '../support/store-suite.js';
import { until } from '../support/until.js';
import { Watching } from '../support/watching.js';

const missing = debianMissing({ 'redis-server': 'redis-server', 'redis-cli': 'redis-tools' });
if (missing !== undefined) console.warn(`redis's tests are skipped: ${missing}`);
const run = promisify(execFile);
const password = 'a-password';

let port = 0;
/** redis's own client. */
const cli = async (...args: string[]): Promise<string> => {
  const env = { ...process.env, REDISCLI_AUTH: password };
  return (await run('redis-cli', ['-p', String(port), ...args], { env })).stdout.trim();
};

describe.skipIf(missing !== undefined)('on a real redis', () => {
  storeSuite(
    'redis',
    async () => {
      port = await freePort();
      const folder = mkdtempSync(join(tmpdir(), 'redis-'));
      const args = [
        '--port',
        String(port),
        '--bind',
        '127.0.0.1',
        '--dir',
        folder,
        '--save',
        '',
        '--requirepass',
        password,
      ];
      return {
        server: new ServerProcess('redis-server', args, port),
        init: (prefix, ttl) => ({ url: `redis://:${password}@127.0.0.1:${port}`, prefix, ttl, pollInterval: 300 }),
        strategy: init => redis(init),
        keys: async prefix => {
          const names = (await cli('keys', `${prefix}*`)).split('\n').filter(line => line !== '');
          return (await Promise.all(names.map(key => cli('zrange', key, '0', '-1')))).filter(line => line !== '');
        },
        spoil: async place => {
          await cli('del', place);
          const later = String(Date.now() + 60_000);
          for (const rubbish of ['x'.repeat(5_000), '[{"address":7}]', '{"address":"nowhere"}']) {
            await cli('zadd', place, later, rubbish);
          }
          await cli('zadd', place, '+inf', 'rubbish for ever');
        },
        dispose: async () => rmSync(folder, { recursive: true, force: true }),
      };
    },
    ({ watch, place }) => {
      test('keeps a sorted set by expiry, as redis-cli shows', async () => {
        const watching = watch();
        await watching.advertise(parseAddress('127.0.0.1:1'));
        const [member, score] = (await cli('zrange', place(), '0', '-1', 'withscores')).split('\n');
        expect(member).toBe('{"name":"n0","incarnation":1,"address":"tcp://127.0.0.1:1"}');
        expect(Number(score) - Date.now()).toBeLessThanOrEqual(1_000);
        expect(Number(await cli('pttl', place()))).toBeGreaterThan(60_000);
        await watching.withdraw();
        expect(await cli('exists', place())).toBe('0');
      });

      test('goes on when its connections are killed', async () => {
        const watching = watch(60_000);
        await watching.advertise(parseAddress('127.0.0.1:1'));
        await until(
          () => watching.values.at(-1)?.length === 1,
          () => 'the node',
        );
        await cli('client', 'kill', 'type', 'normal');
        await cli('client', 'kill', 'type', 'pubsub');
        const other = watch(60_000);
        await other.advertise(parseAddress('127.0.0.1:2'));
        await until(
          () => watching.values.at(-1)?.length === 2,
          () => `both, saw ${JSON.stringify(watching.values)}`,
        );
        expect(watching.values).not.toContainEqual([]);
      });

      test('tells a wrong password without telling the password', async () => {
        await using watching = new Watching(redis({ url: `redis://:wrong-one@127.0.0.1:${port}` }));
        await until(
          () => watching.failures.length > 0,
          () => 'a failure',
        );
        expect(watching.failures[0]?.message).toMatch(
          /Redis discovery at 127\.0\.0\.1:\d+ failed: .*(WRONGPASS|NOAUTH)/,
        );
        for (const { message, stack } of watching.failures) expect(`${message} ${stack}`).not.toContain('wrong-one');
      });
    },
  );
});
