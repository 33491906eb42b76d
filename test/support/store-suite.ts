import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Address, parseAddress } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import { startNode } from 'foundation-ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freePort, type ServerProcess } from './server-process.js';
import { until } from './until.js';
import { Watching } from './watching.js';

/** A strategy on a store with its real server. */
export interface StoreWorld {
  readonly server: ServerProcess;
  /** Plain data for the strategy's factory. @param prefix - one that no other test uses */
  init(prefix: string, ttl: number): Readonly<Record<string, unknown>>;
  strategy(init: Readonly<Record<string, unknown>>): DiscoveryStrategy;
  /** The keys in the store that begin so, with what stands in them. */
  keys(prefix: string): Promise<readonly string[]>;
  /** Writes rubbish where nodes stand, beside them. @param place - `<prefix>/<clusterId>/` */
  spoil(place: string): Promise<void>;
  dispose(): Promise<void>;
}

/** The present test, for tests of one's own. */
export interface StoreTest {
  readonly store: () => StoreWorld;
  /** One more node. */
  readonly watch: (ttl?: number) => Watching;
  /** Where its nodes stand in the store: `<prefix>/<clusterId>/`. */
  readonly place: () => string;
}

const program = fileURLToPath(new URL('../discovery/programs/advertised.ts', import.meta.url));
const flags = ['--import', 'tsx', '-C', '@foundation-ts/source'];

/** What holds of every strategy on a store, tried on the real one. Its own tests are in `more`. */
export function storeSuite(
  name: 'etcd' | 'redis',
  setup: () => Promise<StoreWorld>,
  more: (test: StoreTest) => void,
): void {
  let store: StoreWorld;
  let tests = 0;

  beforeAll(async () => {
    store = await setup();
    await store.server.start();
  });

  afterAll(async () => {
    await store.server[Symbol.asyncDispose]();
    await store.dispose();
  });

  discoverySuite(name, () => {
    const init = store.init(`suite-${++tests}`, 2_000);
    return {
      strategy: () => store.strategy(init),
      breakLookups: () => store.server.kill(),
      dispose: async () => {
        if (!store.server.running) await store.server.start();
      },
    };
  });

  describe(name, () => {
    let init: Readonly<Record<string, unknown>>;
    let prefix: string;
    let watches: Watching[];
    let children: ChildProcess[];

    const watch = (ttl?: number): Watching => {
      const given = ttl === undefined ? init : store.init(prefix, ttl);
      const watching = new Watching(store.strategy(given), { name: `n${watches.length}` });
      watches.push(watching);
      return watching;
    };

    const sees = (watching: Watching, expected: string, within = 10_000): Promise<number> =>
      until(
        () => watching.last === expected,
        () => `'${expected}'; saw ${JSON.stringify(watching.values)}, ${watching.failures.map(String).join('; ')}`,
        within,
      );

    /** Another process, advertised. */
    const start = async (nodeName: string, address: string): Promise<ChildProcess> => {
      const child = spawn(process.execPath, [...flags, program, name, JSON.stringify(init), nodeName, address], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      children.push(child);
      await once(child.stdout as NodeJS.ReadableStream, 'data');
      return child;
    };

    beforeEach(() => {
      prefix = `test-${++tests}`;
      init = store.init(prefix, 1_000);
      watches = [];
      children = [];
    });

    afterEach(async () => {
      for (const child of children) child.kill('SIGKILL');
      if (!store.server.running) await store.server.start();
      store.server.signal('SIGCONT');
      for (const watching of watches) await watching[Symbol.asyncDispose]();
    });

    test('names nobody where nobody is', async () => {
      const watching = watch();
      await sees(watching, '');
      expect(watching.values).toEqual([[]]);
      expect(watching.failures).toEqual([]);
    });

    test('names a process as long as it lives: until it ends, or its time has run out after it was killed', async () => {
      const watching = watch();
      const ending = await start('ending', 'tcp://127.0.0.1:1');
      await start('killed', 'tcp://127.0.0.1:2').then(child => sees(watching, both).then(() => child.kill('SIGKILL')));
      const killedAt = performance.now();
      await sees(watching, 'tcp://127.0.0.1:1');
      // its time is one second; the server looks at leases when it likes
      expect(performance.now() - killedAt).toBeLessThan(4_000);
      // kept alive over many times its time
      expect(watching.values.at(-1)).toHaveLength(1);
      ending.stdin?.end();
      const endedAt = performance.now();
      await sees(watching, '');
      expect(performance.now() - endedAt).toBeLessThan(900);
      if (ending.exitCode === null) await once(ending, 'exit');
      expect(ending.exitCode).toBe(0);
      expect(await store.keys(prefix)).toEqual([]);
    });

    test('keeps what it knows while the server is down, and is found again once it is up', async () => {
      const [one, two] = [watch(), watch()];
      await one.advertise(address(1));
      await two.advertise(address(2));
      await sees(one, both);
      await store.server.kill();
      await until(
        () => one.failures.length > 1 && two.failures.length > 0,
        () => 'the failures',
      );
      expect(one.last).toBe(both);
      expect(one.failures[0]?.message).toMatch(
        new RegExp(`^${name} discovery at .*127\\.0\\.0\\.1:\\d+ failed: `, 'i'),
      );
      await store.server.start();
      const three = watch();
      await three.advertise(address(3));
      await sees(one, `${both} tcp://127.0.0.1:3`);
      await sees(three, `${both} tcp://127.0.0.1:3`);
      await two.withdraw();
      await sees(one, 'tcp://127.0.0.1:1 tcp://127.0.0.1:3');
    });

    test('is advertised once the server comes up, when it was down at the start', async () => {
      await store.server.kill();
      const watching = watch();
      await watching.advertise(address(1));
      expect(watching.values).toEqual([]);
      await store.server.start();
      await sees(watching, 'tcp://127.0.0.1:1');
    });

    test('ends in time while the server says nothing', async () => {
      const watching = watch();
      await watching.advertise(address(1));
      await sees(watching, 'tcp://127.0.0.1:1');
      store.server.signal('SIGSTOP');
      const start = performance.now();
      await watching[Symbol.asyncDispose]();
      expect(performance.now() - start).toBeLessThan(3_500);
    });

    test('puts a node back that somebody took away', async () => {
      const watching = watch(3_000);
      await watching.advertise(address(1));
      await sees(watching, 'tcp://127.0.0.1:1');
      const before = watching.values.length;
      await store.spoil(`${prefix}/shop/`);
      await until(
        () => watching.values.length > before + 1,
        () => `the node to go and come, saw ${JSON.stringify(watching.values)}`,
      );
      expect(watching.last).toBe('tcp://127.0.0.1:1');
    });

    test('ignores what is no node, and says so once', async () => {
      const watching = watch(3_000);
      await sees(watching, '');
      await store.spoil(`${prefix}/shop/`);
      await watching.advertise(address(1));
      await sees(watching, 'tcp://127.0.0.1:1');
      const told = watching.lines.filter(line => line.includes('malformed'));
      expect(told).toHaveLength(1);
      expect(told[0]?.length).toBeLessThan(500);
    });

    test('lets two nodes form a cluster', { timeout: 30_000 }, async () => {
      const secret = 'a secret of at least sixteen bytes';
      const join = async (nodeName: string) => {
        const [port, discovery] = [await freePort(), [store.strategy(store.init(prefix, 5_000))]];
        const given = { name: nodeName, clusterId: prefix, port, secret, discovery };
        return await startNode({ ...given, handleSignals: false, log: 'silent' });
      };
      await using one = await join('one');
      await using two = await join('two');
      for (const node of [one, two]) {
        await until(
          () => node.members().filter(member => member.status === 'up').length === 2,
          () => `two members at ${node.name}`,
        );
      }
    });

    more({ store: () => store, watch, place: () => `${prefix}/shop/` });
  });
}

const address = (port: number): Address => parseAddress(`127.0.0.1:${port}`);
const both = 'tcp://127.0.0.1:1 tcp://127.0.0.1:2';
