import { randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import type { DiscoveryContext, DiscoveryStrategy } from '@foundation-ts/discovery';
import { SimulatedClock } from '@foundation-ts/testing';
import { type FoundationNode, startNode } from 'foundation-ts';
import { afterEach, expect, test, vi } from 'vitest';
import { connectNodes, disconnectNodes, fromLibcluster, listNodes, rancher } from '../src/index.js';

const nodes: FoundationNode[] = [];
const unsubscribes: (() => void)[] = [];

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(node => node.stop()));
  for (const stop of unsubscribes.splice(0)) stop();
});

async function start(
  name: string,
  clusterId: string,
  options: Parameters<typeof startNode>[0],
): Promise<FoundationNode> {
  const node = await startNode({ ...options, name, clusterId, log: 'silent', handleSignals: false });
  nodes.push(node);
  return node;
}

/** libcluster's telemetry of one node, as it comes. */
function telemetryOf(node: string): Record<string, unknown>[] {
  const seen: Record<string, unknown>[] = [];
  for (const event of ['connect_node.ok', 'connect_node.error', 'disconnect_node.ok', 'disconnect_node.error']) {
    const listener = (message: unknown): void => {
      const { node: of, measurements, metadata } = message as Record<string, unknown> & { metadata: object };
      if (of === node) seen.push({ event, measurements, ...metadata });
    };
    subscribe(`foundation:libcluster.${event}`, listener);
    unsubscribes.push(() => unsubscribe(`foundation:libcluster.${event}`, listener));
  }
  return seen;
}

const eventually = <T>(check: () => T): Promise<T> => vi.waitFor(check, { timeout: 10_000, interval: 5 });
const unique = (): string => `libcluster-${randomBytes(6).toString('hex')}`;
const local = { local: { strategy: 'Cluster.Strategy.LocalEpmd' } };
const quiet = { env: {}, report: () => {} };

test('startNode(fromLibcluster(topologies)) is the switch, and libcluster’s telemetry is emitted', async () => {
  const clusterId = unique();
  const a = await start('a', clusterId, fromLibcluster(local, quiet));
  const seen = telemetryOf('b');
  const b = await start('b', clusterId, fromLibcluster(local, quiet));
  await eventually(() => expect(listNodes(b)).toEqual(['a']));
  await eventually(() => expect(listNodes(a)).toEqual(['b']));
  await eventually(() => expect(seen.length).toBeGreaterThan(0));
  expect(seen[0]).toMatchObject({ event: 'connect_node.ok', node: 'a', topology: 'local' });
  expect((seen[0] as { measurements: { duration: number } }).measurements.duration).toBeGreaterThanOrEqual(0);
});

test('connect may say no, and its answer is the reason in the telemetry', async () => {
  const clusterId = unique();
  await start('a', clusterId, fromLibcluster(local, quiet));
  const seen = telemetryOf('b');
  const asked: string[] = [];
  const connect = (node: string) => {
    asked.push(node);
    return 'ignored' as const;
  };
  await start('b', clusterId, {
    ...fromLibcluster({ local: { ...local.local, connect } }, quiet),
    joinTimeout: 0,
  });
  await eventually(() => expect(asked.length).toBeGreaterThan(0));
  await eventually(() =>
    expect(seen).toContainEqual(
      expect.objectContaining({ event: 'connect_node.error', topology: 'local', reason: 'not_part_of_network' }),
    ),
  );
});

test('disconnect is told of a node that its strategy names no more, and list_nodes of those that need no dial', async () => {
  let connected = ['app@10.9.9.9'];
  const listed = vi.fn(() => connected);
  const gone: string[] = [];
  let push: () => void = () => {};
  const own: DiscoveryStrategy = {
    name: 'own',
    async *watch({ signal, self }) {
      const never = { protocol: 'tcp', host: '127.0.0.1', port: 2 };
      yield [
        { protocol: 'tcp', host: '127.0.0.1', port: 1 },
        never,
        ...(self.address === undefined ? [] : [self.address]),
      ];
      await new Promise<void>(resolve => {
        push = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      if (!signal.aborted) yield [];
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  };
  const seen = telemetryOf('a');
  const topology = {
    strategy: 'Mine',
    list_nodes: listed,
    disconnect: (node: string) => {
      gone.push(node);
      return true;
    },
  };
  const a = await start('a', unique(), {
    ...fromLibcluster({ mine: topology }, { ...quiet, strategies: { Mine: own } }),
    joinTimeout: 0,
  });
  await eventually(() =>
    expect(seen).toContainEqual(
      expect.objectContaining({ event: 'connect_node.error', node: '127.0.0.1:1', reason: 'unreachable' }),
    ),
  );
  expect(listed).toHaveBeenCalled();
  connected = ['127.0.0.1:1', `127.0.0.1:${a.address?.port}`];
  push();
  await eventually(() => expect(gone).toEqual(['127.0.0.1:1']));
  await eventually(() =>
    expect(seen).toContainEqual(
      expect.objectContaining({ event: 'disconnect_node.ok', node: '127.0.0.1:1', topology: 'mine' }),
    ),
  );
});

test('disconnect is told also of a node that is gone since its strategy failed', async () => {
  const sets = [['b', 'c'], ['c']];
  const own: DiscoveryStrategy = {
    name: 'own',
    async *watch() {
      yield (sets.shift() ?? []).map(host => ({ protocol: 'tcp', host, port: 1 }));
      if (sets.length > 0) throw new Error('failed');
    },
  };
  const gone: string[] = [];
  const disconnect = (node: string) => gone.push(node) > 0;
  const { topologies } = fromLibcluster(
    { mine: { strategy: 'Mine', disconnect } },
    { ...quiet, strategies: { Mine: own } },
  );
  const ctx = contextFor(systemClock, new AbortController().signal, []);
  const run = async () => {
    for await (const _ of topologies.mine?.strategy.watch(ctx) ?? []);
  };
  await expect(run()).rejects.toThrow('failed');
  await run();
  expect(gone).toEqual(['b:1']);
});

test('hooks and telemetry name the nodes as the configuration does', async () => {
  const seen = telemetryOf('a@127.0.0.1');
  const asked: string[] = [];
  const connect = (node: string) => asked.push(node) > 0;
  const epmd = { strategy: 'Cluster.Strategy.Epmd', config: { hosts: ['a@127.0.0.1', 'b@127.0.0.1'] }, connect };
  const ports = { 'b@127.0.0.1': 1 };
  const { port: _, ...options } = fromLibcluster({ epmd }, { ...quiet, ports });
  await start('a@127.0.0.1', unique(), { ...options, port: 0, joinTimeout: 0 });
  const expected = { event: 'connect_node.error', node: 'b@127.0.0.1', reason: 'unreachable' };
  await eventually(() => expect(seen).toContainEqual(expect.objectContaining(expected)));
  expect(asked).toContain('b@127.0.0.1');
});

test('connectNodes and disconnectNodes do by hand what a strategy does', async () => {
  const clusterId = unique();
  const secret = 'a secret of more than sixteen bytes';
  const a = await start('a@127.0.0.1', clusterId, { port: 0, secret, discovery: [] });
  const b = await start('b@127.0.0.1', clusterId, { port: 0, secret, discovery: [] });
  const seen = telemetryOf('b@127.0.0.1');
  const port = a.address?.port ?? 0;
  expect(await connectNodes(b, 'hand', ['a@127.0.0.1', 'b@127.0.0.1'], { port })).toEqual({ ok: true });
  expect(await connectNodes(b, 'hand', ['a@127.0.0.1'])).toEqual({ ok: true });
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatchObject({ event: 'connect_node.ok', node: 'a@127.0.0.1', topology: 'hand' });
  const failed = await connectNodes(b, 'hand', ['x@127.0.0.1'], { port: 1 });
  expect(failed).toEqual({ error: [['x@127.0.0.1', expect.stringContaining('127.0.0.1')]] });
  expect(await disconnectNodes(b, 'hand', ['a@127.0.0.1', 'nobody'])).toEqual({ ok: true });
  expect(seen.map(({ event }) => event)).toEqual(['connect_node.ok', 'connect_node.error', 'disconnect_node.ok']);
});

test('a strategy that there is not is an error; the rest is reported', () => {
  expect(() => fromLibcluster({ t: { strategy: 'Cluster.Strategy.Gosip' } }, quiet)).toThrow(
    "Topology 't': there is no strategy 'Cluster.Strategy.Gosip' here. Did you mean 'Cluster.Strategy.Gossip'?",
  );
  const found: string[] = [];
  fromLibcluster(
    { e: { strategy: 'Cluster.Strategy.Epmd', config: { hosts: ['a@10.0.0.1'], timeout: 1 } } },
    { env: {}, report: ({ key, kind }) => found.push(`${key} ${kind}`) },
  );
  expect(found).toEqual(['timeout ignored', 'hosts changed', 'host changed']);
});

/** What a strategy is watched with, in a test. */
function contextFor(clock: Clock, signal: AbortSignal, failures: string[]): DiscoveryContext {
  return {
    self: { name: 'a', clusterId: 'c', address: undefined },
    ...{ secret: undefined, clock, random: systemRandom, log: silentLog },
    ...{ telemetry: new Telemetry('a'), signal },
    failed: error => void failures.push(error.message),
  };
}

test('rancher gives an answer that trickles in a limited time', async () => {
  const server = createServer((_request, response) => void response.writeHead(200).write('{'));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const asked = new Promise<void>(resolve => server.once('request', () => resolve()));
  const { port } = server.address() as AddressInfo;
  const [clock, stop, failures] = [new SimulatedClock(), new AbortController(), [] as string[]];
  const watch = rancher({ url: `http://127.0.0.1:${port}` }).watch(contextFor(clock, stop.signal, failures));
  const ended = watch[Symbol.asyncIterator]().next();
  try {
    await asked;
    await clock.advance(5_000);
    await eventually(() => expect(failures[0]).toContain('no whole answer within 5000 ms'));
  } finally {
    stop.abort();
    await ended;
    server.closeAllConnections();
    server.close();
  }
});

test('rancher names the first address of each container, and keeps them while the service fails', async () => {
  let answer: [status: number, body: string] = [200, JSON.stringify({ containers: [{ ips: ['10.42.0.1', 'x'] }, {}] })];
  const server = createServer((request, response) => {
    expect(request.url).toBe('/latest/self/service');
    response.writeHead(answer[0]).end(answer[1]);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const strategy = rancher({ url: `http://127.0.0.1:${port}`, pollInterval: 5, port: 4370 });
  const stop = new AbortController();
  const failures: string[] = [];
  const values: string[][] = [];
  const ended = (async () => {
    const ctx = contextFor(systemClock, stop.signal, failures);
    for await (const value of strategy.watch(ctx)) values.push(value.map(({ host }) => host));
  })();
  try {
    await eventually(() => expect(values).toEqual([['10.42.0.1']]));
    answer = [500, ''];
    await eventually(() => expect(failures[0]).toContain('answered 500'));
    answer = [200, 'no JSON'];
    await eventually(() => expect(failures.at(-1)).toContain('no JSON'));
    expect(values).toHaveLength(1);
    answer = [200, '{"containers":[]}'];
    await eventually(() => expect(values).toEqual([['10.42.0.1'], []]));
  } finally {
    stop.abort();
    await ended;
    server.closeAllConnections();
    server.close();
  }
  expect(() => rancher({ url: 'ftp://x' })).toThrow('url');
  expect(() => rancher({ pollInterval: 0 })).toThrow('pollInterval');
});
