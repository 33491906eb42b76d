import { randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { ClusterNode, type MembershipEvent } from '@foundation-ts/cluster';
import { type Address, seededRandom, silentLog } from '@foundation-ts/core';
import { type DiscoveryContext, type DiscoveryStrategy, Latest } from '@foundation-ts/discovery';
import { SimulatedClock } from '@foundation-ts/testing';
import { MemoryNetwork, memory } from '@foundation-ts/transport/memory';
import { type FoundationNode, startNode } from 'foundation-ts';
import { afterEach, describe, expect, test } from 'vitest';
import { until } from '../support/until.js';

const PORT = 4370;
const at = (host: string): Address => ({ protocol: 'memory', host, port: PORT });

/** Names what it is told, for all nodes that use it. */
class Source {
  readonly #watching = new Set<Latest<readonly Address[]>>();
  #set: readonly Address[];

  constructor(set: readonly Address[]) {
    this.#set = set;
  }

  strategy(): DiscoveryStrategy {
    const watching = this.#watching;
    const set = () => this.#set;
    return {
      name: 'source',
      async *watch(ctx: DiscoveryContext) {
        const latest = new Latest<readonly Address[]>(ctx.signal);
        watching.add(latest);
        latest.push(set());
        try {
          yield* latest;
        } finally {
          watching.delete(latest);
        }
      },
    };
  }

  tell(set: readonly Address[]): void {
    this.#set = set;
    for (const latest of this.#watching) latest.push(set);
  }
}

/** Nodes in simulated time on one network, which may be of several clusters. */
class Simulation {
  readonly clock: SimulatedClock = new SimulatedClock();
  readonly network: MemoryNetwork;
  readonly random;
  readonly nodes: ClusterNode[] = [];
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.random = seededRandom(seed);
    this.network = new MemoryNetwork({
      clock: this.clock,
      random: seededRandom(seed + 1),
      faults: { delay: 1, jitter: 50 },
    });
  }

  async start(host: string, discovery: DiscoveryStrategy, clusterId = 'one', delay = 0): Promise<ClusterNode> {
    if (delay > 0) await new Promise<void>(resolve => this.clock.setTimeout(resolve, delay));
    const node = await ClusterNode.start({
      ...{ name: host, clusterId, host, port: PORT },
      transport: memory({ network: this.network, host }),
      discovery: [discovery],
      clock: this.clock,
      random: seededRandom(this.#seed * 1_000 + Number(host.replace(/\D/g, ''))),
      incarnation: this.clock.wallTime() + 1,
      log: silentLog,
    });
    this.nodes.push(node);
    return node;
  }

  async finish<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await this.until(() => settled, 'a promise');
    return promise;
  }

  until(condition: () => boolean, what: string, within = 60_000): Promise<void> {
    return this.clock.advanceUntil(condition, { within, what: `${what} (seed ${this.#seed})` });
  }

  /** Whether each node of a cluster sees the others of it, and nobody else. */
  together(nodes: readonly ClusterNode[]): boolean {
    const names = nodes.map(node => node.name).sort();
    return nodes.every(
      node =>
        node
          .visible()
          .map(member => member.name)
          .join() === names.join(),
    );
  }
}

const seeds = Array.from({ length: 12 }, (_, index) => index + 1);
const hosts = (count: number): string[] => Array.from({ length: count }, (_, index) => `h${index}`);

describe('22: discovery returns nothing, or half', () => {
  test.each(seeds)('nobody is disconnected, and what breaks meanwhile is connected again (seed %i)', async seed => {
    const simulation = new Simulation(seed);
    const all = hosts(6);
    const source = new Source(all.map(at));
    await simulation.finish(Promise.all(all.map(host => simulation.start(host, source.strategy()))));
    await simulation.until(() => simulation.together(simulation.nodes), 'one cluster');
    const events: string[] = [];
    for (const node of simulation.nodes) {
      node.onMembership(({ type, member }: MembershipEvent) => events.push(`${node.name}: ${type} ${member.name}`));
    }
    for (let round = 0; round < 20; round++) {
      source.tell(simulation.random.next() < 0.5 ? [] : all.filter(() => simulation.random.next() < 0.5).map(at));
      await simulation.clock.advance(5_000);
    }
    expect(events).toEqual([]);
    source.tell([]);
    simulation.network.reset('h0', 'h1');
    await simulation.until(
      () => events.filter(event => event.includes(': reachable')).length === 2,
      'each other again',
    );
    expect(simulation.together(simulation.nodes)).toBe(true);
    expect(events.some(event => /down|left/.test(event))).toBe(false);
  });
});

describe('24: N nodes cold-start at once', () => {
  test.each(seeds)('one cluster, though each knows a few of the others only (seed %i)', async seed => {
    const simulation = new Simulation(seed);
    const all = hosts(12);
    const starting = all.map((host, index) => {
      // The next one, so that all hang together, and two by chance.
      const known = [
        all[(index + 1) % all.length] as string,
        ...[1, 2].map(() => all[Math.floor(simulation.random.next() * all.length)] as string),
      ];
      const delay = Math.floor(simulation.random.next() * 200);
      return simulation.start(host, new Source(known.map(at)).strategy(), 'one', delay);
    });
    await simulation.finish(Promise.all(starting));
    const began = simulation.clock.now();
    await simulation.until(() => simulation.together(simulation.nodes), 'one cluster');
    expect(simulation.clock.now() - began).toBeLessThan(10_000);
  });

  test.each(seeds)('two clusters that discovery mixes up never merge (seed %i)', async seed => {
    const simulation = new Simulation(seed);
    const all = hosts(10);
    const mixed = new Source(all.map(at));
    const one: ClusterNode[] = [];
    const two: ClusterNode[] = [];
    const starting = all.map(async (host, index) => {
      const even = index % 2 === 0;
      const node = await simulation.start(host, mixed.strategy(), even ? 'one' : 'two', index * 7);
      (even ? one : two).push(node);
    });
    await simulation.finish(Promise.all(starting));
    await simulation.until(() => simulation.together(one) && simulation.together(two), 'two clusters');
    for (let second = 0; second < 60; second++) {
      await simulation.clock.advance(1_000);
      for (const node of simulation.nodes) expect(node.members()).toHaveLength(5);
    }
    expect(simulation.together(one) && simulation.together(two)).toBe(true);
  });
});

/** Stands before a node, and can be cut. */
class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(target: number) {
    this.#server = createServer(from => {
      const to = connect(target, '127.0.0.1');
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as { port: number }).port;
  }

  /** All connections break at once. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise(resolve => this.#server.close(resolve));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}

describe('23: discovery unchanged, TCP lost', () => {
  const nodes: FoundationNode[] = [];
  const proxies: CuttingProxy[] = [];
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(node => node.stop()));
    await Promise.all(proxies.splice(0).map(proxy => proxy.close()));
  });

  /** Each knows where the other listens, and dials it through a proxy of its own, whoever names that address. */
  const pair = async () => {
    const clusterId = `cut-${randomBytes(4).toString('hex')}`;
    const ports = { a: await freePort(), b: await freePort() };
    const start = async (name: 'a' | 'b', other: 'a' | 'b'): Promise<FoundationNode> => {
      const proxy = new CuttingProxy(ports[other]);
      proxies.push(proxy);
      const port = await proxy.listen();
      const node = await startNode({
        ...{ name, clusterId, port: ports[name], log: 'silent', handleSignals: false },
        topologies: {
          pair: {
            strategy: { strategy: 'static', nodes: [`127.0.0.1:${ports[other]}`] },
            connect: address => ({ ...address, port }),
          },
        },
      });
      nodes.push(node);
      return node;
    };
    const [a, b] = await Promise.all([start('a', 'b'), start('b', 'a')]);
    const together = (): boolean => [a, b].every(node => node.members().filter(each => each.reachable).length === 2);
    await until(together, () => 'a and b to see each other');
    const cut = (): void => {
      for (const proxy of proxies) proxy.cut();
    };
    return { a, b, together, cut };
  };

  test('is connected again, each time', async () => {
    const { a, b, cut, together } = await pair();
    const events: string[] = [];
    for (const node of [a, b]) node.cluster.onMembership(({ type }) => events.push(`${node.name}: ${type}`));
    for (let round = 1; round <= 5; round++) {
      cut();
      await until(
        () => ['a', 'b'].every(name => events.filter(event => event === `${name}: unreachable`).length === round),
        () => `the loss, ${events.join()}`,
      );
      await until(together, () => `a and b to see each other again, ${events.join()}`);
    }
    expect(events.some(event => /down|left/.test(event))).toBe(false);
  });

  test('a draining node sees its peers, and does not come back', async () => {
    const { a, b, cut } = await pair();
    let drained = (): void => {};
    a.cluster.onLeave(() => new Promise(resolve => (drained = resolve)));
    const left = a.stop({ timeout: 30_000 });
    await until(
      () => b.members().some(({ name, status }) => name === 'a' && status === 'leaving'),
      () => 'b to hear it',
    );
    const dialled: string[] = [];
    for (const node of [a, b]) node.cluster.onMembership(({ type, member }) => dialled.push(`${type} ${member.name}`));
    await expect(a.connect({ protocol: 'tcp', host: '127.0.0.1', port: b.address?.port as number })).rejects.toThrow(
      /leaving/,
    );
    drained();
    await left;
    await until(
      () => b.members().length === 1,
      () => 'b to be alone',
    );
    cut();
    expect(dialled).not.toContain('up a');
    expect(b.members().map(({ name }) => name)).toEqual(['b']);
  });
});
