import {
  type FoundationError,
  seededRandom,
  silentLog,
  systemClock,
  systemRandom,
  Telemetry,
} from '@foundation-ts/core';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type ChannelDeclaration, createCodec, Endpoint, type LostOutcome, type Peer } from '../src/index.js';
import { Retained } from '../src/internal/retained.js';
import { tcp } from '../src/tcp/index.js';
import { type Node, World } from './world.js';

const channels: readonly ChannelDeclaration[] = [
  { name: 'control' },
  { name: 'data' },
  { name: 'orders', reliability: 'acknowledged', connections: 2 },
];

function orders(node: Node): unknown[] {
  return node.messages.filter(([, channel]) => channel === 'orders').map(([, , message]) => message);
}

/** Dials again whenever the session is gone, as a cluster does. */
async function sendWithFaults(seed: number, count: number): Promise<[sent: number[], got: number[], again: number]> {
  const world = new World(seed, { delay: 2, jitter: 3 });
  const a = await world.node('a', { channels });
  const b = await world.node('b', { channels });
  const random = seededRandom(seed);
  await world.settled(a.endpoint.dial(b.address));
  const sent: number[] = [];
  for (let number = 0; number < count; number++) {
    const peer = a.endpoint.peers.get('b') ?? (await world.settled(a.endpoint.dial(b.address)));
    const size = random.next() < 0.1 ? 150_000 : 20;
    if (peer.send('orders', [number, new Uint8Array(size)], number % 3) === 'sent') sent.push(number);
    if (random.next() < 0.3) await world.clock.advance(random.next() * 6);
    if (random.next() < 0.08) world.network.reset('a', 'b');
  }
  await world.clock.advance(100);
  const last = a.endpoint.peers.get('b') ?? (await world.settled(a.endpoint.dial(b.address)));
  await world.clock.advance(60_000);
  const stats = last.stats().filter(({ channel }) => channel === 'orders');
  expect(stats.every(({ queuedMessages, unacknowledged }) => queuedMessages + unacknowledged === 0)).toBe(true);
  return [
    sent,
    (orders(b) as [number, Uint8Array][]).map(([number]) => number),
    stats.reduce((sum, { retransmitted }) => sum + retransmitted, 0),
  ];
}

describe('an acknowledged channel', () => {
  test('delivers each message once and in order although the connection is cut again and again', async () => {
    let again = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async seed => {
        const [sent, got, retransmitted] = await sendWithFaults(seed, 120);
        again += retransmitted;
        expect(sent.length).toBeGreaterThan(100);
        for (let key = 0; key < 3; key++) {
          expect(got.filter(number => number % 3 === key)).toEqual(sent.filter(number => number % 3 === key));
        }
      }),
      { numRuns: 25 },
    );
    expect(again).toBeGreaterThan(0);
  });

  test('keeps what was queued and written for the next session of the same incarnation', async () => {
    const world = new World(1, { delay: 10 });
    const [a, b] = await world.pair({ channels });
    for (let number = 0; number < 10; number++) a.peer('b').send('orders', number);
    await world.clock.advance(5);
    a.peer('b').send('orders', 'late');
    world.network.reset('a', 'b');
    await world.clock.advance(50);
    expect(a.endpoint.peers.size).toBe(0);
    await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(100);
    expect(orders(b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 'late']);
  });

  test('does not repeat what arrived and whose acknowledgement was lost', async () => {
    const world = new World(1, { delay: 10 });
    const [a, b] = await world.pair({ channels });
    a.peer('b').send('orders', 'once');
    await world.clock.advanceUntil(() => orders(b).length === 1, { within: 100 });
    world.network.reset('a', 'b');
    await world.clock.advance(50);
    const peer = await world.settled(a.endpoint.dial(b.address));
    peer.send('orders', 'next');
    await world.clock.advance(100);
    expect(orders(b)).toEqual(['once', 'next']);
  });

  test('reports what a new incarnation will not get: written as unknown, queued as not delivered', async () => {
    const world = new World(1, { delay: 10 });
    const lost: [string, LostOutcome, readonly unknown[]][] = [];
    const small: readonly ChannelDeclaration[] = [
      { name: 'data' },
      { name: 'orders', reliability: 'acknowledged', window: 4096 },
    ];
    const a = await world.node('a', {
      channels: small,
      onUndelivered: (_peer, channel, outcome, messages) => lost.push([channel, outcome, messages]),
    });
    const b = await world.node('b', { channels: small });
    const peer = await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(100);
    for (let number = 0; number < 10; number++) peer.send('orders', [number, 'x'.repeat(1_000)]);
    await world.clock.advance(1);
    world.network.crash('b');
    await world.clock.advance(100);
    expect(lost).toEqual([]);
    const reborn = await world.node('b', { channels: small, self: { incarnation: 2 } });
    await world.settled(a.endpoint.dial(reborn.address));
    const numbers = (outcome: LostOutcome): number[] =>
      lost
        .filter(([channel, of]) => channel === 'orders' && of === outcome)
        .flatMap(([, , messages]) => (messages as [number, string][]).map(([number]) => number));
    expect(numbers('unknown-outcome').length).toBeGreaterThan(0);
    expect([...numbers('unknown-outcome'), ...numbers('not-delivered')]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await world.clock.advance(1_000);
    expect(reborn.messages).toEqual([]);
  });

  test('is full when what was not acknowledged fills its queue, and takes again later', async () => {
    const world = new World(1, { delay: 10 });
    const [a, b] = await world.pair({
      channels: [{ name: 'data' }, { name: 'orders', reliability: 'acknowledged', queueBytes: 10_000 }],
    });
    for (let number = 0; number < 9; number++) expect(a.peer('b').send('orders', 'x'.repeat(1_000))).toBe('sent');
    await world.clock.advance(5);
    expect(a.peer('b').queued('orders')).toBe(0);
    expect(a.peer('b').send('orders', 'x'.repeat(1_000))).toBe('full');
    await world.clock.advance(50);
    expect(a.peer('b').send('orders', 'x'.repeat(1_000))).toBe('sent');
    await world.clock.advance(50);
    expect(orders(b).length).toBe(10);
  });

  test('is an ordinary one where only one side declares it', async () => {
    const world = new World();
    const a = await world.node('a', { channels });
    const b = await world.node('b', { channels: [{ name: 'data' }, { name: 'orders' }] });
    const peer = await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(10);
    peer.send('orders', 1);
    await world.clock.advance(10);
    expect(orders(b)).toEqual([1]);
    expect(peer.stats().filter(({ channel }) => channel === 'orders').length).toBe(1);
  });

  test('gives up on command, the incarnation that is named', async () => {
    const world = new World(1, { delay: 10 });
    const lost: [LostOutcome, readonly unknown[]][] = [];
    const a = await world.node('a', {
      channels,
      onUndelivered: (_peer, _channel, outcome, messages) => lost.push([outcome, messages]),
    });
    const b = await world.node('b', { channels });
    const peer = await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(100);
    peer.send('orders', 'gone');
    await world.clock.advance(1);
    world.network.crash('b');
    await world.clock.advance(100);
    a.endpoint.forget('b', 7);
    expect(lost).toEqual([]);
    a.endpoint.forget('b', 1);
    expect(lost).toEqual([['unknown-outcome', ['gone']]]);
  });
});

describe('what is kept', () => {
  const unit = (count: number) => ({ count, bytes: count * 10, frame: new Uint8Array(1), message: undefined });

  test('is let go of with its acknowledgement', () => {
    const retained = new Retained();
    for (const count of [3, 1, 2]) retained.add(unit(count));
    retained.acknowledge(3);
    expect([retained.messages, retained.bytes, retained.again]).toEqual([3, 30, undefined]);
    // In the middle of a frame: the frame stays.
    retained.acknowledge(5);
    expect([retained.messages, retained.bytes]).toEqual([1, 20]);
    expect(retained.restart(5)).toBe(5);
    expect(retained.again?.count).toBe(2);
    retained.wroteAgain();
    expect([retained.again, retained.retransmitted]).toEqual([undefined, 2]);
  });

  test.each([7, 2])('refuses an acknowledgement out of range: %i', received => {
    const retained = new Retained();
    retained.add(unit(6));
    retained.acknowledge(3);
    expect(() => retained.acknowledge(received)).toThrow(
      expect.toSatisfy(error => (error as FoundationError).code === 'protocol'),
    );
  });
});

describe('over TCP', () => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    await Promise.all(closers.splice(0).map(close => close()));
  });

  test('an acknowledged channel loses and repeats nothing when its connections are cut', async () => {
    const got: number[] = [];
    const make = (name: string, onMessage: (message: unknown) => void): Endpoint => {
      const endpoint = new Endpoint({
        self: { name, incarnation: 1, clusterId: 'test' },
        transport: tcp(),
        codec: createCodec(),
        secret: new Uint8Array(32).fill(3),
        clock: systemClock,
        random: systemRandom,
        log: silentLog,
        telemetry: new Telemetry(name),
        channels,
        onPeer: () => {},
        onMessage: (_peer, _channel, message) => onMessage(message),
        onPeerClosed: () => {},
      });
      closers.push(() => endpoint.close());
      return endpoint;
    };
    const a = make('a', () => {});
    const b = make('b', message => got.push((message as [number])[0]));
    const address = await b.listen({ host: '127.0.0.1', port: 0 });
    const sent: number[] = [];
    const progress = async (before: number): Promise<void> => {
      const end = performance.now() + 10_000;
      while (got.length <= before) {
        if (performance.now() > end) throw new Error('not within 10 s');
        if (a.peers.get('b')?.open !== true) await a.dial(address);
        await new Promise(resolve => setImmediate(resolve));
      }
    };
    for (let round = 0; round < 8; round++) {
      const peer: Peer = a.peers.get('b') ?? (await a.dial(address));
      for (let index = 0; index < 200; index++) {
        const number = round * 200 + index;
        if (peer.send('orders', [number, new Uint8Array(index % 50 === 0 ? 100_000 : 10)], 'k') === 'sent')
          sent.push(number);
      }
      const before = got.length;
      await progress(before);
      void (round % 2 === 0 ? peer : (b.peers.get('a') ?? peer)).close(new Error('cut'));
    }
    while (got.length < sent.length) await progress(got.length);
    expect(got).toEqual(sent);
  });
});

test('a member that is given up while its session stands is given up with the session', async () => {
  const world = new World(1, { delay: 10 });
  const lost: [LostOutcome, readonly unknown[]][] = [];
  const a = await world.node('a', {
    channels,
    onUndelivered: (_peer, _channel, outcome, messages) => lost.push([outcome, messages]),
  });
  const b = await world.node('b', { channels });
  const peer = await world.settled(a.endpoint.dial(b.address));
  await world.clock.advance(100);
  peer.send('orders', 1);
  await world.clock.advance(1);
  a.endpoint.forget('b', 1);
  await world.clock.advance(100);
  expect([peer.open, lost, b.messages.length]).toEqual([true, [], 1]);
  peer.send('orders', 2);
  await world.clock.advance(1);
  world.network.crash('b');
  await world.clock.advance(100);
  expect(lost).toEqual([['unknown-outcome', [2]]]);
});
