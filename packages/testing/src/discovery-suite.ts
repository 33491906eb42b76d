import { type Address, formatAddress, silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import type { Advertised, DiscoveryContext, DiscoveryStrategy } from '@foundation-ts/discovery';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** What a strategy's author gives {@link discoverySuite}: a fresh world for each test, in which its nodes can meet. */
export interface DiscoveryWorld {
  /** The strategy for one more node of this world; may be the same object each time. */
  strategy(): DiscoveryStrategy;
  /** The cluster's secret; default: 32 bytes of the world's own. */
  readonly secret?: Uint8Array;
  /** For a strategy without `advertise`: what it must name. */
  readonly names?: readonly Address[];
  /** Makes look-ups fail from now on; where absent that is not tested. */
  breakLookups?(): void | Promise<void>;
  /** Milliseconds within which nodes must notice one another; default 5,000. */
  readonly within?: number;
  /** Removes what the world made. */
  dispose?(): void | Promise<void>;
}

const defaultWithin = 5_000;

/**
 * What every {@link DiscoveryStrategy} must do, as Vitest tests in real time.
 * @param name - how the strategy is called in the test report
 * @param setup - makes the world of one test
 */
export function discoverySuite(name: string, setup: () => DiscoveryWorld | Promise<DiscoveryWorld>): void {
  describe(`${name} keeps the discovery contract`, () => {
    let world: DiscoveryWorld;
    let nodes: SuiteNode[];
    const secret = systemRandom.bytes(32);

    const start = (nodeName: string, clusterId = 'suite'): SuiteNode => {
      const node = new SuiteNode(world, world.secret ?? secret, nodeName, clusterId, nodes.length + 1);
      nodes.push(node);
      return node;
    };

    beforeEach(async () => {
      nodes = [];
      world = await setup();
    });

    afterEach(async () => {
      for (const node of nodes) await node.stop();
      await world.dispose?.();
    });

    test('has a name for logs', () => {
      expect(world.strategy().name).toMatch(/^[a-z][a-z0-9-]*$/);
    });

    test('ends its watch when the node stops', async () => {
      const node = start('a');
      await node.stop();
      expect(node.ended).toBe(true);
      expect(node.error).toBeUndefined();
    });

    test('ends a watch whose node has stopped already', async () => {
      const stopped = new AbortController();
      stopped.abort();
      const ctx = contextOf(world.secret ?? secret, 'a', 'suite', stopped.signal, () => {});
      for await (const _ of world.strategy().watch(ctx)) break;
    });

    test('lets its reader leave the watch and watch again', async () => {
      const node = start('a');
      await node.advertise();
      const leaving = new AbortController();
      const ctx = contextOf(world.secret ?? secret, 'b', 'suite', leaving.signal, () => {});
      const strategy = world.strategy();
      const named = async (): Promise<number> => {
        for await (const value of strategy.watch(ctx)) if (value.length > 0) return value.length;
        return 0;
      };
      const giveUp = systemClock.setTimeout(() => leaving.abort(), world.within ?? defaultWithin);
      expect(await named()).toBeGreaterThan(0);
      expect(await named()).toBeGreaterThan(0);
      giveUp.cancel();
    });

    test('names the whole set in each value', async () => {
      if (world.names !== undefined) {
        const expected = world.names.map(formatAddress).sort();
        await start('a').eventually(values => same(values.at(-1), expected), `named are not ${expected.join(', ')}`);
        return;
      }
      const [a, b, c] = [start('a'), start('b'), start('c')];
      for (const node of [a, b, c]) await node.advertise();
      const watcher = start('watcher');
      const all = [a, b, c].map(node => node.text);
      await watcher.eventually(values => includesAll(values.at(-1), all));
      const late = start('d');
      await late.advertise();
      await watcher.eventually(values => includesAll(values.at(-1), [...all, late.text]));
      const first = watcher.values.findIndex(value => value.includes(late.text));
      expect(includesAll(watcher.values[first], all)).toBe(true);
    });

    test('repeats no address within a value', async () => {
      const node = start('a');
      await node.advertise();
      await node.eventually(values => (values.at(-1)?.length ?? 0) > 0);
      for (const value of node.values) expect(value).toEqual([...new Set(value)]);
    });

    test('lets two nodes find one another', async ({ skip }) => {
      if (world.names !== undefined) skip('the strategy does not advertise');
      const [a, b] = [start('a'), start('b')];
      await Promise.all([a.advertise(), b.advertise()]);
      await a.eventually(values => values.at(-1)?.includes(b.text) === true);
      await b.eventually(values => values.at(-1)?.includes(a.text) === true);
    });

    test('names a node no more once its advertisement is disposed of', async ({ skip }) => {
      if (world.names !== undefined) skip('the strategy does not advertise');
      const [a, b] = [start('a'), start('b')];
      await a.advertise();
      await b.advertise();
      await a.eventually(values => values.at(-1)?.includes(b.text) === true);
      await b.withdraw();
      await b.withdraw();
      await a.eventually(values => values.at(-1)?.includes(b.text) === false);
    });

    test('names a node again that is advertised again', async ({ skip }) => {
      if (world.names !== undefined) skip('the strategy does not advertise');
      const [a, b] = [start('a'), start('b')];
      await b.advertise();
      await a.eventually(values => values.at(-1)?.includes(b.text) === true);
      await b.withdraw();
      await a.eventually(values => values.at(-1)?.includes(b.text) === false);
      await b.advertise();
      await a.eventually(values => values.at(-1)?.includes(b.text) === true);
    });

    test('ignores nodes of other clusters', async ({ skip }) => {
      if (world.names !== undefined) skip('the strategy does not advertise');
      const [a, stranger, b] = [start('a'), start('b', 'elsewhere'), start('c')];
      await stranger.advertise();
      await b.advertise();
      await a.eventually(values => values.at(-1)?.includes(b.text) === true);
      for (const value of a.values) expect(value).not.toContain(stranger.text);
    });

    test('keeps its last value when a look-up fails, and reports the failure', async ({ skip }) => {
      if (world.breakLookups === undefined) skip('the world can not make look-ups fail');
      const [a, b] = [start('a'), start('b')];
      await b.advertise();
      await a.eventually(values => (values.at(-1)?.length ?? 0) > 0);
      const before = a.values.at(-1);
      await world.breakLookups?.();
      await a.eventually(() => a.failures.length > 0);
      expect(a.ended).toBe(false);
      expect(a.values.at(-1)).toEqual(before);
    });
  });
}

/** A node as far as discovery sees it: watches from its construction, and keeps all that it is told. */
class SuiteNode {
  readonly values: (readonly string[])[] = [];
  readonly failures: Error[] = [];
  readonly text: string;
  ended = false;
  error: unknown;
  readonly #self: Advertised;
  readonly #within: number;
  readonly #stopping = new AbortController();
  readonly #strategy: DiscoveryStrategy;
  readonly #ctx: DiscoveryContext;
  readonly #watching: Promise<void>;
  readonly #waiting = new Set<() => void>();
  #advertised: AsyncDisposable | undefined;

  constructor(world: DiscoveryWorld, secret: Uint8Array, name: string, clusterId: string, number: number) {
    const address = { protocol: 'tcp', host: '127.0.0.1', port: 40_000 + number };
    this.#self = { name, clusterId, incarnation: number, address };
    this.text = formatAddress(address);
    this.#within = world.within ?? defaultWithin;
    this.#strategy = world.strategy();
    this.#ctx = contextOf(secret, name, clusterId, this.#stopping.signal, error => {
      this.failures.push(error);
      this.#noticed();
    });
    this.#watching = this.#watch();
  }

  async advertise(): Promise<void> {
    this.#advertised = await this.#strategy.advertise?.(this.#self, this.#ctx);
  }

  async withdraw(): Promise<void> {
    await this.#advertised?.[Symbol.asyncDispose]();
  }

  async stop(): Promise<void> {
    await this.withdraw();
    this.#stopping.abort();
    await this.#limited(this.#watching, 'the watch did not end after the abort');
  }

  async eventually(
    condition: (values: readonly (readonly string[])[]) => boolean,
    what = `not met: ${condition.toString()}`,
  ): Promise<void> {
    const met = new Promise<void>(resolve => {
      const check = (): void => {
        if (!condition(this.values)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
    await this.#limited(met, what);
  }

  async #watch(): Promise<void> {
    try {
      for await (const value of this.#strategy.watch(this.#ctx)) {
        this.values.push(value.map(formatAddress).sort());
        this.#noticed();
      }
    } catch (error) {
      this.error = error;
    }
    this.ended = true;
    this.#noticed();
  }

  #noticed(): void {
    for (const check of [...this.#waiting]) check();
  }

  async #limited(promise: Promise<void>, what: string): Promise<void> {
    let giveUp = (_: Error): void => {};
    const late = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    const timer = systemClock.setTimeout(() => {
      const seen = JSON.stringify({
        values: this.values,
        failures: this.failures.map(String),
        error: String(this.error),
      });
      giveUp(new Error(`within ${this.#within} ms ${what}; node '${this.#self.name}' saw ${seen}`));
    }, this.#within);
    try {
      await Promise.race([promise, late]);
    } finally {
      timer.cancel();
    }
  }
}

function contextOf(
  secret: Uint8Array,
  name: string,
  clusterId: string,
  signal: AbortSignal,
  failed: (error: Error) => void,
): DiscoveryContext {
  return {
    self: { name, clusterId, address: undefined },
    secret,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    telemetry: new Telemetry(name),
    signal,
    failed,
  };
}

const includesAll = (value: readonly string[] | undefined, all: readonly string[]): boolean =>
  value !== undefined && all.every(one => value.includes(one));

const same = (value: readonly string[] | undefined, expected: readonly string[]): boolean =>
  value !== undefined && value.length === expected.length && includesAll(value, expected);
