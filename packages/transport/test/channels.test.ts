import { type FoundationError, invalidOption } from '@foundation-ts/core';
import { describe, expect, test } from 'vitest';
import { connectionIndex, resolveChannels } from '../src/channel.js';
import { createCodec, type Peer } from '../src/index.js';
import { Inbound } from '../src/internal/inbound.js';
import { type Node, World } from './world.js';

const MIB = 1024 * 1024;

function filled(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let index = 0; index < size; index++) bytes[index] = (index * 7 + seed) & 0xff;
  return bytes;
}

/** The code of the first session's end at a node. */
function codeOf(node: Node): string | undefined {
  return (node.closed[0]?.[1] as FoundationError | undefined)?.code;
}

/** What a node received on a channel. */
function received(node: Node, channel: string): unknown[] {
  return node.messages.filter(([, on]) => on === channel).map(([, , message]) => message);
}

describe('messages of any size', () => {
  test.each([0, 1, 65_000, 65_500, 65_536, 65_537, 131_072, 131_073, 3 * MIB + 5])(
    'arrive whole: %i bytes',
    async size => {
      const world = new World();
      const [a, b] = await world.pair();
      const text = 'é'.repeat(size >> 1);
      a.peer('b').send('data', filled(size, 1));
      a.peer('b').send('data', { text, list: [filled(size, 2), new Float64Array(size >> 3).fill(1.5)] });
      await world.clock.advance(100);
      const [first, second] = received(b, 'data') as [Uint8Array, { text: string; list: [Uint8Array, Float64Array] }];
      // Not `toStrictEqual`, which takes a minute for a few megabytes.
      expect(Buffer.compare(first, filled(size, 1))).toBe(0);
      expect(second.text === text).toBe(true);
      expect(Buffer.compare(second.list[0], filled(size, 2))).toBe(0);
      expect(second.list[1].length).toBe(size >> 3);
      expect(second.list[1].every(number => number === 1.5)).toBe(true);
    },
  );

  test('arrive whole with the smallest window, in small fragments', async () => {
    const world = new World(4, { delay: 1, jitter: 3, loss: 0.01 });
    const [a, b] = await world.pair({
      channels: [{ name: 'data', window: 4096, connections: 3 }],
      limits: { fragmentBytes: 1024 },
    });
    const sent = Array.from({ length: 60 }, (_, index) => filled(index * index * 13, index));
    for (const [index, message] of sent.entries()) a.peer('b').send('data', [index % 5, message], index % 5);
    await world.clock.advance(300_000);
    const got = received(b, 'data') as [number, Uint8Array][];
    expect(got.length).toBe(60);
    for (let partition = 0; partition < 5; partition++) {
      const wanted = sent.filter((_, index) => index % 5 === partition);
      const ours = got.filter(([of]) => of === partition).map(([, message]) => message);
      expect(ours.length).toBe(wanted.length);
      expect(ours.every((message, index) => Buffer.compare(message, wanted[index] as Uint8Array) === 0)).toBe(true);
    }
  });

  test('that are small are a snapshot of the moment of sending', async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const message = { count: 1, bytes: new Uint8Array([1]) };
    a.peer('b').send('data', message);
    message.count = 2;
    message.bytes[0] = 2;
    await world.clock.advance(1);
    expect(received(b, 'data')).toEqual([{ count: 1, bytes: new Uint8Array([1]) }]);
  });

  test('whose binary value is transferred before it is written end the session with an error that says so', async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const bytes = new Uint8Array(MIB);
    a.peer('b').send('data', bytes);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    await world.clock.advance(10);
    expect(codeOf(a)).toBe('invalid-operation');
    expect(b.messages).toEqual([]);
  });
});

describe('order', () => {
  test('holds among large and small messages of one partition', async () => {
    const world = new World(1, { delay: 1 });
    const [a, b] = await world.pair();
    const sizes = [10, 200_000, 10, 10, 400_000, 70_000, 10, 65_000, 65_600, 1];
    for (const [index, size] of sizes.entries()) a.peer('b').send('data', [index, filled(size, index)]);
    await world.clock.advance(1_000);
    expect((received(b, 'data') as [number, Uint8Array][]).map(([index, bytes]) => [index, bytes.length])).toEqual(
      sizes.map((size, index) => [index, size]),
    );
  });

  test('a small message passes a large one of another partition', async () => {
    const world = new World(1, { delay: 1, bandwidth: 10 * MIB });
    const [a, b] = await world.pair();
    a.peer('b').send('data', 'before', 'bulk');
    a.peer('b').send('data', filled(4 * MIB, 1), 'bulk');
    a.peer('b').send('data', 'after', 'bulk');
    a.peer('b').send('data', 'ping', 'other');
    await world.clock.advance(5_000);
    expect(received(b, 'data').map(message => (typeof message === 'string' ? message : 'large'))).toEqual([
      'before',
      'ping',
      'large',
      'after',
    ]);
  });

  test('large messages of several partitions share the connection', async () => {
    const world = new World(1, { delay: 1, bandwidth: 10 * MIB });
    const [a, b] = await world.pair();
    const at: number[] = [];
    b.onMessage = () => at.push(world.clock.now());
    const start = world.clock.now();
    a.peer('b').send('data', filled(8 * MIB, 1), 'long');
    a.peer('b').send('data', filled(MIB, 2), 'short');
    await world.clock.advance(5_000);
    expect(received(b, 'data').map(message => (message as Uint8Array).length)).toEqual([MIB, 8 * MIB]);
    expect((at[0] as number) - start).toBeLessThan(300);
  });

  test('holds per partition over parallel connections', async () => {
    const world = new World(9, { delay: 1, jitter: 30 });
    const [a, b] = await world.pair({ channels: [{ name: 'data', connections: 4 }] });
    for (let index = 0; index < 400; index++) a.peer('b').send('data', [index % 10, index], `key ${index % 10}`);
    await world.clock.advance(1_000);
    const got = received(b, 'data') as [number, number][];
    expect(got.length).toBe(400);
    for (let key = 0; key < 10; key++) {
      const numbers = got.filter(([of]) => of === key).map(([, index]) => index);
      expect(numbers).toEqual(numbers.toSorted((left, right) => left - right));
    }
    expect(
      new Set(
        a
          .peer('b')
          .stats()
          .filter(({ messagesSent }) => messagesSent > 0)
          .map(({ index }) => index),
      ).size,
    ).toBeGreaterThan(1);
  });

  test('a partition always takes the same connection, and partitions spread', () => {
    const used = new Set<number>();
    for (let key = 0; key < 100; key++) {
      expect(connectionIndex(key, 4)).toBe(connectionIndex(key, 4));
      used.add(connectionIndex(key, 4)).add(connectionIndex(`k${key}`, 4));
    }
    expect(used).toEqual(new Set([0, 1, 2, 3]));
  });
});

describe('credit', () => {
  test('bounds what is under way to a receiver', async () => {
    const world = new World(1, { delay: 100 });
    const [a] = await world.pair();
    await world.clock.advance(2_000);
    const before = world.network.stats().bytes;
    for (let index = 0; index < 40; index++) a.peer('b').send('data', filled(MIB, index));
    await world.clock.advance(90);
    const written = world.network.stats().bytes - before;
    expect(written).toBeGreaterThan(128 * 1024);
    expect(written).toBeLessThanOrEqual(256 * 1024);
    expect(a.peer('b').queued('data')).toBeGreaterThan(39 * MIB);
  });

  test('comes back, so that everything arrives', async () => {
    const world = new World(1, { delay: 5 });
    const [a, b] = await world.pair();
    for (let index = 0; index < 4; index++) a.peer('b').send('data', filled(2 * MIB, index));
    for (let index = 0; index < 5_000; index++) a.peer('b').send('gossip', 'x'.repeat(index % 400));
    await world.clock.advance(2_000);
    expect([received(b, 'data').length, received(b, 'gossip').length]).toEqual([4, 5_000]);
    expect([a.peer('b').queued('data'), a.peer('b').queued('gossip')]).toEqual([0, 0]);
  });

  test('a sender that exceeds it is a protocol error', () => {
    const inbound = new Inbound({ codec: createCodec(), window: 4096, messageBytes: MIB, budget: { left: MIB } });
    inbound.received(4000);
    expect(() => inbound.received(97)).toThrow('credit');
  });

  test('one bulk stream does not delay a ping on another channel', async () => {
    const bandwidth = 125 * 1000 * 1000;
    const world = new World(1, { delay: 0.1, bandwidth });
    const [a, b] = await world.pair();
    b.onMessage = (peer, channel, message) => {
      if (channel === 'control') peer.send('control', message);
    };
    for (let index = 0; index < 8; index++) a.peer('b').send('data', new Uint8Array(8 * MIB), index);
    await world.clock.advance(5);
    const times: number[] = [];
    for (let ping = 0; ping < 20; ping++) {
      const start = world.clock.now();
      let back = false;
      a.onMessage = () => {
        back = true;
      };
      a.peer('b').send('control', ping);
      await world.clock.advanceUntil(() => back, { within: 1_000 });
      times.push(world.clock.now() - start);
    }
    expect(a.peer('b').queued('data')).toBeGreaterThan(8 * MIB);
    expect(Math.max(...times)).toBeLessThan(1);
  });
});

describe('a bounded queue', () => {
  test('refuses what does not fit, and takes again when there is room', async () => {
    const world = new World(1, { delay: 10 });
    const [a, b] = await world.pair({ channels: [{ name: 'data', queueBytes: 100_000 }, { name: 'control' }] });
    const peer = a.peer('b');
    const results: string[] = [];
    for (let index = 0; index < 20; index++) results.push(peer.send('data', new Uint8Array(10_000)));
    expect(results.filter(result => result === 'sent').length).toBe(9);
    expect(peer.stats().find(({ channel }) => channel === 'data')?.refused).toBe(11);
    expect(peer.send('control', 1)).toBe('sent');
    await world.clock.advance(500);
    expect(peer.send('data', 'again')).toBe('sent');
    await world.clock.advance(500);
    expect(received(b, 'data').length).toBe(10);
  });

  test('takes a single message that is larger than the bound', async () => {
    const world = new World();
    const [a, b] = await world.pair({ channels: [{ name: 'data', queueBytes: 1_000 }] });
    expect(a.peer('b').send('data', new Uint8Array(50_000))).toBe('sent');
    expect(a.peer('b').send('data', 'x')).toBe('full');
    await world.clock.advance(100);
    expect(received(b, 'data').length).toBe(1);
  });

  test('counts what a lost session had not written', async () => {
    const world = new World(1, { delay: 10 });
    const [a] = await world.pair();
    const { subscribe, unsubscribe } = await import('node:diagnostics_channel');
    const seen: unknown[] = [];
    const on = (event: unknown): void => {
      if ((event as { node: string }).node === 'a') seen.push((event as { measurements: unknown }).measurements);
    };
    subscribe('foundation:transport.peer.closed', on);
    for (let index = 0; index < 4; index++) a.peer('b').send('data', new Uint8Array(MIB));
    void a.peer('b').close(new Error('enough'));
    unsubscribe('foundation:transport.peer.closed', on);
    expect(seen).toEqual([{ droppedMessages: 4, droppedBytes: expect.any(Number), uncertainBytes: 0 }]);
    expect((seen[0] as { droppedBytes: number }).droppedBytes).toBeGreaterThan(4 * MIB);
  });
});

describe('what one turn sends', () => {
  test('goes out as one frame a channel', async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const before = world.network.stats().frames;
    for (let index = 0; index < 500; index++) a.peer('b').send('data', index);
    await world.clock.advance(1);
    expect(world.network.stats().frames - before).toBe(1);
    expect(received(b, 'data')).toEqual(Array.from({ length: 500 }, (_, index) => index));
  });

  test('is counted', async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const of = (peer: Peer) => peer.stats().find(({ channel }) => channel === 'data');
    a.peer('b').send('data', 'x');
    a.peer('b').send('data', new Uint8Array(100_000));
    await world.clock.advance(10);
    expect(of(a.peer('b'))).toMatchObject({ messagesSent: 2, queuedBytes: 0, queuedMessages: 0, refused: 0 });
    expect(of(b.peer('a'))).toMatchObject({ messagesReceived: 2, bytesReceived: of(a.peer('b'))?.bytesSent });
  });

  test('starts with the channels of higher priority', async () => {
    const world = new World();
    const [a, b] = await world.pair({
      channels: [{ name: 'data' }, { name: 'low', priority: -1 }, { name: 'high', priority: 5 }],
    });
    for (const channel of ['low', 'data', 'high']) a.peer('b').send(channel, channel);
    await world.clock.advance(1);
    expect(b.messages.map(([, channel]) => channel)).toEqual(['high', 'data', 'low']);
  });
});

describe('declarations', () => {
  test.each([
    ['no channel', []],
    ['the same name twice', [{ name: 'a' }, { name: 'a' }]],
    ['no name', [{ name: '' }]],
    ['no connection', [{ name: 'a', connections: 0 }]],
    ['too small a window', [{ name: 'a', window: 10 }]],
    ['a wrong key', [{ name: 'a', priorty: 1 }]],
  ])('with %s are refused', (_, declarations) => {
    const { code } = invalidOption('x', 1, 'y');
    expect(() => resolveChannels(declarations)).toThrow(
      expect.toSatisfy(error => (error as FoundationError).code === code),
    );
  });
});
