import { createSocket, type Socket } from 'node:dgram';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { systemRandom, type TelemetryEvent } from '@foundation-ts/core';
import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GossipInit, gossip } from '../src/gossip.js';
import { DatagramCodec } from '../src/gossip-datagram.js';
import { advertisedNode, type TestContext, testContext, until, Watching } from './context.js';

const group = '239.255.45.89';
const secret = new Uint8Array(32).fill(7);
const freePort = (): number => 20_000 + Math.floor(Math.random() * 40_000);

discoverySuite('gossip by multicast', () => {
  const port = freePort();
  return { strategy: () => gossip({ port, interfaces: ['127.0.0.1'], broadcast: false }) };
});

discoverySuite('gossip by broadcast', () => {
  const port = freePort();
  return { strategy: () => gossip({ port, interfaces: ['lo'], multicastAddress: false }) };
});

discoverySuite('gossip over all interfaces, one strategy for all nodes', () => {
  const strategy = gossip({ port: freePort() });
  return { strategy: () => strategy };
});

describe('gossip', () => {
  let port: number;
  let contexts: TestContext[];
  let sockets: Socket[];
  let drops: Map<unknown, number>;

  const counted = (message: unknown): void => {
    const { measurements, metadata } = message as TelemetryEvent;
    drops.set(metadata.reason, (drops.get(metadata.reason) ?? 0) + (measurements.count as number));
  };

  const context = (name: string, init: Parameters<typeof testContext>[0] = {}): TestContext => {
    const ctx = testContext({ name, secret, ...init });
    contexts.push(ctx);
    return ctx;
  };

  const local = (init: GossipInit = {}): ReturnType<typeof gossip> =>
    gossip({ port, interfaces: ['127.0.0.1'], broadcast: false, interval: 100, ...init });

  /** Somebody on the network: hears all, says what he is told to. */
  const intruder = async (): Promise<{
    socket: Socket;
    heard: Buffer[];
    say: (bytes: Uint8Array) => Promise<void>;
  }> => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    sockets.push(socket);
    socket.bind(port);
    await once(socket, 'listening');
    socket.addMembership(group, '127.0.0.1');
    socket.setMulticastInterface('127.0.0.1');
    const heard: Buffer[] = [];
    socket.on('message', bytes => void heard.push(bytes));
    const say = (bytes: Uint8Array): Promise<void> =>
      new Promise((resolve, reject) => {
        socket.send(bytes, port, group, error => (error === null ? resolve() : reject(error)));
      });
    return { socket, heard, say };
  };

  beforeEach(() => {
    port = freePort();
    contexts = [];
    sockets = [];
    drops = new Map();
    subscribe('foundation:discovery.gossip.dropped', counted);
  });

  afterEach(async () => {
    unsubscribe('foundation:discovery.gossip.dropped', counted);
    for (const ctx of contexts) ctx.abort();
    for (const socket of sockets) socket.close();
  });

  test('names those who are there already in its first value, for which the start of a node waits', async () => {
    await local().advertise?.(advertisedNode('a', 1), context('a'));
    const [strategy, ctx] = [local(), context('b')];
    const watching = new Watching(strategy, ctx);
    await strategy.advertise?.(advertisedNode('b', 2), ctx);
    await until(() => watching.values.length > 0, 'the first value');
    expect(watching.values[0]).toEqual(['tcp://127.0.0.1:1', 'tcp://127.0.0.1:2']);
  });

  test('names itself alone when nobody answers', async () => {
    const [strategy, ctx] = [local(), context('a')];
    const watching = new Watching(strategy, ctx);
    await strategy.advertise?.(advertisedNode('a', 1), ctx);
    await until(() => watching.values.length > 0, 'the first value');
    expect(watching.values[0]).toEqual(['tcp://127.0.0.1:1']);
  });

  test('drops and counts forged, altered, bare, foreign and oversized datagrams, and logs each kind once', async () => {
    const ctx = context('a');
    const watching = new Watching(local(), ctx);
    await local().advertise?.(advertisedNode('b', 2), context('b'));
    await until(() => watching.last?.length === 1, 'the honest node');

    const { heard, say } = await intruder();
    const beat = {
      kind: 'beat' as const,
      node: advertisedNode('evil', 666),
      sequence: 1,
      sentAt: Date.now(),
      interval: 100,
    };
    const forged = new DatagramCodec('shop', new Uint8Array(32).fill(8), systemRandom).encode(beat);
    const bare = new DatagramCodec('shop', undefined, systemRandom).encode(beat);
    const foreign = new DatagramCodec('elsewhere', secret, systemRandom).encode(beat);
    await until(() => heard.length > 0, 'a datagram to alter');
    const altered = Buffer.from(heard[0] as Buffer);
    altered[altered.length - 1] = (altered.at(-1) as number) ^ 1;
    for (let round = 0; round < 20; round++) {
      for (const bytes of [forged, bare, altered, foreign, Buffer.alloc(1_500), Buffer.from('hello')]) await say(bytes);
    }
    await until(
      () => (drops.get('malformed') ?? 0) >= 20 && (drops.get('foreign-cluster') ?? 0) >= 20,
      'the drops counted',
    );
    expect(drops.get('unauthenticated')).toBeGreaterThanOrEqual(60);
    expect(drops.get('oversized')).toBeGreaterThanOrEqual(20);
    expect(watching.values).toEqual([['tcp://127.0.0.1:2']]);
    const logged = ctx.lines.filter(line => line.level === 'warn').map(line => line.fields.reason);
    expect(logged.sort()).toEqual(['malformed', 'oversized', 'unauthenticated']);
  });

  test('lets nobody bring back a node by recorded datagrams', async () => {
    const watching = new Watching(local(), context('a'));
    const { heard, say } = await intruder();
    const entry = (await local().advertise?.(advertisedNode('b', 2), context('b'))) as AsyncDisposable;
    await until(() => watching.last?.length === 1 && heard.length >= 3, 'the node');
    await entry[Symbol.asyncDispose]();
    await until(() => watching.last?.length === 0, 'its goodbye');
    const recorded = [...heard];
    const before = drops.get('replayed') ?? 0;
    for (const bytes of recorded) await say(bytes);
    await until(() => (drops.get('replayed') ?? 0) >= before + recorded.length, 'the replays counted');
    expect(watching.values).toEqual([['tcp://127.0.0.1:2'], []]);
  });

  test('goes on finding nodes through a flood', { timeout: 30_000 }, async () => {
    const ctx = context('a');
    const watching = new Watching(local({ interval: 400 }), ctx);
    await local({ interval: 400 }).advertise?.(advertisedNode('b', 2), context('b'));
    await until(() => watching.last?.length === 1, 'the first node');
    const { say, heard } = await intruder();
    const forger = new DatagramCodec('shop', new Uint8Array(32).fill(8), systemRandom);
    const beat = {
      kind: 'beat' as const,
      node: advertisedNode('evil', 666),
      sequence: 1,
      sentAt: Date.now(),
      interval: 100,
    };
    const before = process.memoryUsage().heapUsed;
    let latest = performance.now();
    let lag = 0;
    for (let round = 0; round < 200; round++) {
      await Promise.all(Array.from({ length: 100 }, () => say(forger.encode(beat))));
      lag = Math.max(lag, performance.now() - latest);
      latest = performance.now();
      if (round === 100) await local({ interval: 400 }).advertise?.(advertisedNode('c', 3), context('c'));
      heard.length = 0;
    }
    await until(() => watching.last?.length === 2, 'the second node');
    expect(watching.values).toEqual([['tcp://127.0.0.1:2'], ['tcp://127.0.0.1:2', 'tcp://127.0.0.1:3']]);
    await until(() => (drops.get('unauthenticated') ?? 0) > 1_000, 'the flood counted');
    expect(ctx.lines.filter(line => line.level === 'warn')).toHaveLength(1);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100_000_000);
    expect(lag).toBeLessThan(2_000);
  });

  test('forgets a node that fell silent without a goodbye', async () => {
    const watching = new Watching(local(), context('a'));
    const { say } = await intruder();
    const codec = new DatagramCodec('shop', secret, systemRandom);
    const node = advertisedNode('b', 2);
    await until(() => sockets.length > 0, 'the intruder');
    await say(codec.encode({ kind: 'beat', node, sequence: 1, sentAt: Date.now(), interval: 100 }));
    await until(() => watching.last?.length === 1, 'the node');
    await until(() => watching.last?.length === 0, 'its end');
  });

  test.each([{}, { interfaces: ['127.0.0.1', '192.0.2.2'] }, { interfaces: ['no-such-interface'] }])(
    'refuses to work without a secret beyond loopback: %j',
    async init => {
      const ctx = context('a', { secret: undefined });
      const refused = { code: 'insecure', message: expect.stringContaining('secret') };
      await expect(gossip({ port, ...init }).advertise?.(advertisedNode('a', 1), ctx)).rejects.toMatchObject(refused);
      const watching = new Watching(gossip({ port, ...init }), ctx);
      await watching.ended;
      expect(watching.error).toMatchObject(refused);
    },
  );

  test('refuses a secret under 128 bits', async () => {
    const ctx = context('a', { secret: new Uint8Array(15) });
    await expect(local().advertise?.(advertisedNode('a', 1), ctx)).rejects.toMatchObject({ code: 'insecure' });
  });

  test.each(['127.0.0.1', 'lo'])('works without a secret on %s alone', async name => {
    const watching = new Watching(local({ interfaces: [name] }), context('a', { secret: undefined }));
    await local({ interfaces: [name] }).advertise?.(advertisedNode('b', 2), context('b', { secret: undefined }));
    await until(() => watching.last?.length === 1, 'the other node');
  });

  test('does not let nodes with different secrets see one another', async () => {
    const [one, two] = [context('a'), context('b', { secret: new Uint8Array(32).fill(9) })];
    const watching = [new Watching(local(), one), new Watching(local(), two)];
    await local().advertise?.(advertisedNode('c', 3), one);
    await local().advertise?.(advertisedNode('d', 4), two);
    await until(() => watching.every(each => each.values.length > 0), 'a value each');
    await until(() => (drops.get('unauthenticated') ?? 0) > 10, 'the drops');
    expect(watching.map(each => each.values)).toEqual([[['tcp://127.0.0.1:3']], [['tcp://127.0.0.1:4']]]);
  });

  test('reports a port that is taken, keeps trying, and works once it is free', { timeout: 30_000 }, async () => {
    const holder = createSocket({ type: 'udp4' });
    holder.bind(port);
    await once(holder, 'listening');
    const ctx = context('a');
    const watching = new Watching(local(), ctx);
    await local().advertise?.(advertisedNode('b', 2), ctx);
    await until(() => ctx.failures.length > 0, 'the failure');
    expect(ctx.failures[0]).toMatchObject({
      code: 'noconnection',
      message: expect.stringContaining(`UDP port ${port}`),
    });
    holder.close();
    await local().advertise?.(advertisedNode('c', 3), context('c'));
    await until(() => watching.last?.includes('tcp://127.0.0.1:3') === true, 'the other node', 15_000);
  });

  test('refuses a node that does not fit a datagram, and a second advertisement of one node', async () => {
    const strategy = local();
    const ctx = context('a');
    const long = advertisedNode('ü'.repeat(800), 1);
    await expect(strategy.advertise?.(long, ctx)).rejects.toMatchObject({ code: 'too-large' });
    await strategy.advertise?.(advertisedNode('a', 1), ctx);
    await expect(strategy.advertise?.(advertisedNode('a', 1), ctx)).rejects.toMatchObject({
      code: 'invalid-operation',
    });
  });

  test('says goodbye when the node stops without disposing of its advertisement', async () => {
    const watching = new Watching(local(), context('a'));
    const ctx = context('b');
    await local({ interval: 60_000 }).advertise?.(advertisedNode('b', 2), ctx);
    await until(() => watching.last?.length === 1, 'the node');
    ctx.abort();
    await until(() => watching.last?.length === 0, 'its goodbye');
  });

  test('finds a hundred nodes of one machine that start at once', { timeout: 30_000 }, async () => {
    const nodes = Array.from({ length: 100 }, (_, index) => advertisedNode(`node-${index}`, 1_000 + index));
    const watchings = nodes
      .slice(0, 3)
      .map(node => new Watching(local({ interval: 500 }), context(`watch-${node.name}`)));
    await Promise.all(nodes.map(node => local({ interval: 500 }).advertise?.(node, context(node.name))));
    for (const watching of watchings) await until(() => watching.last?.length === 100, 'all nodes', 20_000);
  });

  test.each([
    { port: 0 },
    { port: 65_536 },
    { multicastAddress: '10.0.0.1' },
    { multicastAddress: 'group' },
    { multicastAddress: false, broadcast: false },
    { broadcast: 'yes' },
    { interfaces: [] },
    { interfaces: 'lo' },
    { interval: 5 },
    { maxEntries: 0 },
    { multicastTtl: 256 },
    { ports: 1 },
  ])('refuses %j at construction', init => {
    expect(() => gossip(init as never)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  test('never logs or reports the secret', async () => {
    const text = 'a very secret secret of the shop';
    const ctx = context('a', { secret: new TextEncoder().encode(text) });
    new Watching(local(), ctx);
    const { say } = await intruder();
    for (let round = 0; round < 3; round++) await say(Buffer.from('FGSP'));
    await until(() => ctx.lines.length > 0, 'a log line');
    expect(JSON.stringify(ctx.lines)).not.toContain('very secret');
  });
});
