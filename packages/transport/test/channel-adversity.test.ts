import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type FoundationError, seededRandom } from '@foundation-ts/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ChannelDeclaration,
  type Connection,
  createCodec,
  type LostOutcome,
  type SendResult,
} from '../src/index.js';
import type { FrameSink } from '../src/internal/frame-sink.js';
import { Outbound, type OutboundInit } from '../src/internal/outbound.js';
import { memory } from '../src/memory/index.js';
import { type Node, World } from './world.js';

const base: readonly ChannelDeclaration[] = [{ name: 'control' }, { name: 'data' }];

function received(node: Node, channel: string): unknown[] {
  return node.messages.filter(([, on]) => on === channel).map(([, , message]) => message);
}

function outbound(over: Partial<OutboundInit> = {}): Outbound {
  let sequence = 0;
  const sink: FrameSink = {
    nextSequence: () => sequence++,
    write: () => true,
    gathers: false,
    writePieces: () => true,
  };
  return new Outbound({
    sink,
    queueBytes: 64 * 1024 * 1024,
    queueMessages: Number.POSITIVE_INFINITY,
    whenFull: 'reject',
    monotonic: false,
    acknowledged: false,
    compression: undefined,
    credit: 256 * 1024,
    fragmentBytes: 64 * 1024,
    turnBytes: 256 * 1024,
    ...over,
  });
}

/** Node has them; the library that is declared here does not. */
function resizable(bytes: number, most: number): ArrayBuffer & { resize(bytes: number): void } {
  const make = ArrayBuffer as unknown as new (
    bytes: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer & { resize(bytes: number): void };
  return new make(bytes, { maxByteLength: most });
}

function collect(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

describe('what was sent', () => {
  test('is not held by the queue of a channel that drops', async () => {
    const codec = createCodec();
    const out = outbound({ whenFull: 'drop-oldest', credit: 64 * 1024 * 1024 });
    const weak: WeakRef<ArrayBuffer>[] = [];
    for (let index = 0; index < 20; index++) {
      const bytes = new Uint8Array(100_000);
      weak.push(new WeakRef(bytes.buffer));
      out.push(codec.encodeParts([index, bytes]), index);
    }
    while (out.flush());
    for (let index = 0; index < 200; index++) codec.encodeParts(index);
    expect(out.queuedMessages).toBe(0);
    await new Promise(resolve => setImmediate(resolve));
    collect();
    expect(weak.filter(ref => ref.deref() !== undefined).length).toBeLessThan(2);
  });
});

test('a partition that always has something to send takes no memory for what was sent', () => {
  const codec = createCodec();
  const out = outbound({ fragmentBytes: 1024, turnBytes: 1 });
  const message = 'x'.repeat(1_500);
  const round = (): void => {
    out.push(codec.encodeParts(message), 1);
    for (let written = -1; written !== out.bytesSent && out.queuedMessages > 1; ) {
      written = out.bytesSent;
      out.flush();
    }
    out.grant(10_000);
  };
  const used = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  out.push(codec.encodeParts(message), 1);
  for (let index = 0; index < 20_000; index++) round();
  const before = used();
  for (let index = 0; index < 200_000; index++) round();
  expect(out.messagesSent).toBe(220_000);
  // A place in an array for each would take 1.6 MB.
  expect(used() - before).toBeLessThan(1_200_000);
});

describe('what waits when its session ends', () => {
  const narrow: ChannelDeclaration = { name: 'extra', window: 4096 };

  async function lose(over: Parameters<World['node']>[1], send: (node: Node) => () => void): Promise<[Node, number]> {
    const world = new World(1, { delay: 10 });
    let told = 0;
    const onUndelivered = (_peer: unknown, _channel: string, _outcome: LostOutcome, messages: readonly unknown[]) => {
      told += messages.length;
    };
    const a = await world.node('a', { ...over, onUndelivered });
    const b = await world.node('b', over);
    await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(100);
    a.peer('b').send('extra', 'x'.repeat(20_000));
    const change = send(a);
    await world.clock.advance(1);
    change();
    world.network.reset('a', 'b');
    await world.clock.advance(50);
    expect(a.endpoint.peers.size).toBe(0);
    await world.settled(a.endpoint.dial(b.address));
    expect(a.events).toEqual(['up b', 'down b', 'up b']);
    return [a, told];
  }

  test.each(['reject', 'drop-oldest'] as const)('may have changed its size (%s)', async whenFull => {
    const [, told] = await lose({ channels: [...base, { ...narrow, whenFull }] }, a => {
      const buffer = resizable(20_000, 40_000);
      a.peer('b').send('extra', new Uint8Array(buffer));
      a.peer('b').send('extra', 'last');
      return () => buffer.resize(40_000);
    });
    expect(told).toBe(2);
  });

  test.each(['best-effort', 'acknowledged'] as const)(
    'is told of although it was compressed (%s)',
    async reliability => {
      const compression = { algorithm: 'gzip', above: 1_000 } as const;
      const random = seededRandom(1);
      const world = new World(1, { delay: 10 });
      const told: (readonly [LostOutcome, unknown])[] = [];
      const channels = [...base, { ...narrow, compression, reliability }];
      const a = await world.node('a', {
        channels,
        onUndelivered: (_peer, _channel, outcome, messages) =>
          told.push(...messages.map(each => [outcome, each] as const)),
      });
      const b = await world.node('b', { channels });
      const peer = await world.settled(a.endpoint.dial(b.address));
      await world.clock.advance(100);
      const sent = [0, 1, 2, 3].map(() => Buffer.from(random.bytes(5_000)).toString('hex'));
      for (const message of sent) expect(peer.send('extra', message)).toBe('sent');
      await world.clock.advance(1);
      world.network.crash('b');
      await world.clock.advance(50);
      a.endpoint.forget('b', 1);
      expect(told).toEqual(sent.map(message => ['not-delivered', message]));
    },
  );

  test('may be what its extension does not take back', async () => {
    class Once {}
    const extension = {
      type: 40,
      class: Once,
      encode: () => 1,
      decode: () => {
        throw new Error('not here');
      },
    };
    const codec = createCodec({ extensions: [extension] });
    const [, told] = await lose({ codec, channels: [...base, narrow] }, a => {
      a.peer('b').send('extra', new Once());
      a.peer('b').send('extra', [new Once(), 'x'.repeat(10_000)]);
      return () => {};
    });
    expect(told).toBe(1);
  });
});

describe('a channel that drops', () => {
  test('ends the session with an error that says so when a binary value that waits was transferred', async () => {
    const world = new World(1, { delay: 10 });
    const [a] = await world.pair({
      channels: [...base, { name: 'extra', window: 4096, whenFull: 'drop-oldest' }],
    });
    for (let index = 0; index < 6; index++) a.peer('b').send('extra', 'x'.repeat(20_000), index);
    await world.clock.advance(1);
    const bytes = new Uint8Array(20_000);
    a.peer('b').send('extra', bytes);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    await world.clock.advance(1_000);
    expect((a.closed[0]?.[1] as FoundationError | undefined)?.code).toBe('invalid-operation');
  });

  test('keeps the message that is being sent while somebody hears of the one that it drops, and sends again', async () => {
    const world = new World(1, { delay: 10 });
    const [a, b] = await world.pair({
      channels: [...base, { name: 'extra', window: 4096, queueMessages: 2, whenFull: 'drop-oldest' }],
    });
    const peer = a.peer('b');
    for (let index = 0; index < 4; index++) {
      peer.send('extra', [index, 'x'.repeat(3_000)], undefined, () => peer.send('data', ['again', index]));
    }
    await world.clock.advance(1_000);
    expect(received(b, 'extra').map(message => (message as unknown[])[0])).toEqual([2, 3]);
    expect(received(b, 'data')).toEqual([
      ['again', 0],
      ['again', 1],
    ]);
  });

  test('bounds what newer messages of its partitions take too', () => {
    const codec = createCodec();
    for (const whenFull of ['reject', 'drop-newest', 'drop-oldest'] as const) {
      const out = outbound({ monotonic: true, whenFull, queueBytes: 100_000, credit: 4096 });
      const push = (size: number, key: number): SendResult => out.push(codec.encodeParts('x'.repeat(size)), key);
      for (let key = 0; key < 50; key++) push(100, key);
      const results = new Set<SendResult>();
      for (let key = 0; key < 50; key++) results.add(push(50_000, key));
      expect([whenFull, out.queuedBytes <= 100_000]).toEqual([whenFull, true]);
    }
  });
});

describe('an acknowledged channel', () => {
  const orders: readonly ChannelDeclaration[] = [...base, { name: 'orders', reliability: 'acknowledged' }];

  test.each([
    ['in part', 16_384],
    ['whole', 262_144],
  ])('sends again what was sent %s, not what its memory holds by then', async (_how, window) => {
    const world = new World(1, { delay: 10 });
    const [a, b] = await world.pair({
      channels: [...base, { name: 'orders', reliability: 'acknowledged', window }],
    });
    const bytes = new Uint8Array(100_000).fill(1);
    a.peer('b').send('orders', bytes);
    await world.clock.advance(1);
    void b.peer('a').close(new Error('cut'));
    bytes.fill(2);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    await world.clock.advance(50);
    await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(1_000);
    expect(
      received(b, 'orders').map(message => Buffer.compare(message as Uint8Array, new Uint8Array(100_000).fill(1))),
    ).toEqual([0]);
    expect(a.closed.length).toBe(1);
  });

  test('that is not there when the nodes meet again gives up what it kept, and begins anew later', async () => {
    const world = new World(1, { delay: 10 });
    const lost: [LostOutcome, readonly unknown[]][] = [];
    const a = await world.node('a', {
      channels: orders,
      onUndelivered: (_peer, _channel, outcome, messages) => lost.push([outcome, messages]),
    });
    const b = await world.node('b', { channels: orders });
    await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(100);
    a.peer('b').send('orders', 1);
    await world.clock.advance(100);
    a.peer('b').send('orders', 2);
    await world.clock.advance(1);
    void b.peer('a').close(new Error('cut'));
    b.endpoint.closeChannel('orders');
    await world.clock.advance(50);
    await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(100);
    expect([received(b, 'orders'), lost]).toEqual([[1], [['unknown-outcome', [2]]]]);
    b.endpoint.openChannel({ name: 'orders', reliability: 'acknowledged' });
    await world.clock.advance(3_000);
    a.peer('b').send('orders', 3);
    await world.clock.advance(100);
    expect([received(b, 'orders'), a.closed.length]).toEqual([[1, 3], 1]);
  });
});

describe('an acknowledged channel that is opened otherwise while the nodes are apart', () => {
  const before: ChannelDeclaration = { name: 'orders', reliability: 'acknowledged', connections: 2 };

  test.each<[string, Partial<ChannelDeclaration>, number]>([
    ['as it was', {}, 40],
    ['with fewer connections', { connections: 1 }, 20],
    ['with a smaller window', { window: 4096 }, 0],
    ['without acknowledgements', { reliability: 'best-effort' }, 0],
  ])('%s: sends what it can, gives up the rest, and goes on', async (_how, over, sure) => {
    const world = new World(1, { delay: 10 });
    const lost: unknown[] = [];
    const channels = [...base, before];
    const a = await world.node('a', { channels, onUndelivered: (_peer, _on, _what, some) => lost.push(...some) });
    const b = await world.node('b', { channels });
    await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(100);
    const number = (message: unknown): number => (message as [number])[0];
    for (let index = 0; index < 40; index++) a.peer('b').send('orders', [index, 'x'.repeat(5_000)], index % 2);
    await world.clock.advance(1);
    void b.peer('a').close(new Error('cut'));
    b.endpoint.closeChannel('orders');
    b.endpoint.openChannel({ ...before, ...over });
    await world.clock.advance(50);
    await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(5_000);
    const arrived = received(b, 'orders').map(number);
    expect(arrived.length).toBe(sure);
    expect([...arrived, ...lost.map(number)].sort((left, right) => left - right)).toEqual(
      Array.from({ length: 40 }, (_, index) => index),
    );
    for (let index = 40; index < 50; index++) a.peer('b').send('orders', [index, 'x'.repeat(5_000)], index % 2);
    await world.clock.advance(5_000);
    expect(new Set(received(b, 'orders').map(number).slice(arrived.length)).size).toBe(10);
    expect([
      a.closed.length,
      a
        .peer('b')
        .stats()
        .every(({ unacknowledged }) => unacknowledged === 0),
    ]).toEqual([1, true]);
  });
});

test('a fence comes behind what was sent on a channel while that was closed', async () => {
  const world = new World(1, { delay: 5 });
  const [a] = await world.pair({ channels: [...base, { name: 'extra' }] });
  a.endpoint.closeChannel('extra');
  await world.clock.advance(200);
  a.peer('b').send('extra', 'on data');
  a.endpoint.openChannel({ name: 'extra' });
  await world.clock.advance(2_000);
  expect(a.peer('b').fence(['extra'], 'fence')).toBe(2);
});

describe('the same channel closed and opened again and again', () => {
  const step = fc.record({
    side: fc.constantFrom('a', 'b'),
    what: fc.constantFrom('close', 'send', 'reopen', 'reopen'),
    connections: fc.integer({ min: 1, max: 3 }),
    reliability: fc.constantFrom('best-effort' as const, 'acknowledged' as const),
    window: fc.constantFrom(4_096, 100_000),
    wait: fc.integer({ min: 0, max: 25 }),
  });

  test('both sides come to the same, and each message arrives once, whoever does what when', async () => {
    let runs = 0;
    let renewed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 10_000 }), async (steps, seed) => {
        const world = new World(seed, { delay: 2, jitter: 4 });
        const [a, b] = await world.pair({ channels: base });
        const nodes = { a, b };
        const sent = { a: [] as number[], b: [] as number[] };
        for (const [number, { side, what, wait, ...options }] of steps.entries()) {
          const { endpoint } = nodes[side];
          const message = [number, 'x'.repeat(number % 3 === 0 ? 20_000 : 10)];
          if (what !== 'send') endpoint.closeChannel('x');
          if (what === 'reopen') endpoint.openChannel({ name: 'x', ...options });
          const peer = endpoint.peers.get(side === 'a' ? 'b' : 'a');
          if (what === 'send' && peer?.send('x', message, number % 4) === 'sent') sent[side].push(number);
          await world.clock.advance(wait);
        }
        await world.clock.advance(10_000);
        runs++;
        // When one side opens the channel otherwise while the request of the other to join it is under way, the session is renewed.
        if (!a.endpoint.peers.has('b')) {
          renewed++;
          await world.settled(a.endpoint.dial(b.address));
          await world.clock.advance(10_000);
        }
        for (const [side, other] of [
          ['a', b],
          ['b', a],
        ] as const) {
          const got = other.messages.map(([, , message]) => (message as [number])[0]).sort((x, y) => x - y);
          if (a.closed.length === 0) expect(got).toEqual(sent[side]);
          expect([new Set(got).size, got.every(number => sent[side].includes(number))]).toEqual([got.length, true]);
        }
        const stats = (node: Node, of: string) =>
          node
            .peer(of)
            .stats()
            .map(({ channel, index }) => `${channel}${index}`)
            .sort();
        expect(stats(a, 'b')).toEqual(stats(b, 'a'));
        expect(world.network.stats().connections).toBe(2 * stats(a, 'b').length);
      }),
      { numRuns: 200 },
    );
    expect(renewed).toBeLessThan(runs / 8);
  });
});

test('a connection that is lost while its channel is being opened costs that attempt, and nothing else', async () => {
  const world = new World(1, { delay: 5 });
  const inner = memory({ network: world.network, host: 'a' });
  const joined: Connection[] = [];
  let late = 0;
  const a = await world.node('a', {
    channels: base,
    transport: {
      protocol: inner.protocol,
      local: true,
      listen: options => inner.listen(options),
      dial: async (address, options) => {
        const wait = late;
        if (late > 0) late = 0;
        if (wait > 0) await new Promise<void>(resolve => world.clock.setTimeout(resolve, wait));
        const connection = await inner.dial(address, options);
        joined.push(connection);
        return connection;
      },
    },
  });
  const b = await world.node('b', { channels: base });
  await world.settled(a.endpoint.dial(b.address));
  await world.clock.advance(100);
  joined.length = 0;
  // The first of the two connections comes later than the second, which is lost meanwhile.
  late = 60;
  for (const { endpoint } of [a, b]) endpoint.openChannel({ name: 'extra', connections: 2 });
  await world.clock.advance(55);
  expect(joined.length).toBe(1);
  void joined[0]?.close(new Error('lost'));
  await world.clock.advance(5_000);
  expect([a.closed, b.closed]).toEqual([[], []]);
  for (const [node, of] of [
    [a, 'b'],
    [b, 'a'],
  ] as const)
    expect(
      node
        .peer(of)
        .stats()
        .map(({ channel }) => channel),
    ).toEqual(['control', 'data', 'extra', 'extra']);
  expect(world.network.stats().connections).toBe(8);
});

test('two nodes that both send on acknowledged channels of every kind lose, repeat and mix up nothing, wherever the connection breaks', async () => {
  const kinds: readonly ChannelDeclaration[] = [
    ...base,
    { name: 'plain', reliability: 'acknowledged', window: 8_192 },
    { name: 'wide', reliability: 'acknowledged', connections: 3 },
    { name: 'oldest', reliability: 'acknowledged', whenFull: 'drop-oldest', queueBytes: 60_000, window: 8_192 },
    { name: 'newest', reliability: 'acknowledged', monotonic: true, window: 8_192 },
    { name: 'small', reliability: 'acknowledged', compression: { algorithm: 'gzip', above: 2_000 }, window: 16_384 },
  ];
  const names = kinds.slice(2).map(({ name }) => name);
  let again = 0;
  let duplicates = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async seed => {
      const world = new World(seed, { delay: 1, jitter: 3, bandwidth: 5_000_000 });
      const random = seededRandom(seed);
      const lost: unknown[] = [];
      const onUndelivered = (_peer: unknown, channel: string, _how: LostOutcome, some: readonly unknown[]) => {
        if (channel !== 'data') lost.push(...some);
      };
      const a = await world.node('a', { channels: kinds, limits: { fragmentBytes: 4_096 }, onUndelivered });
      const b = await world.node('b', { channels: kinds, limits: { fragmentBytes: 4_096 }, onUndelivered });
      const meet = async (): Promise<void> => {
        const [from, to] = random.next() < 0.5 ? [a, b] : [b, a];
        while (a.endpoint.peers.get('b')?.open !== true || b.endpoint.peers.get('a')?.open !== true) {
          await world.settled(from.endpoint.dial(to.address)).catch(() => {});
          await world.clock.advance(10);
        }
      };
      await meet();
      const sent = new Map<string, number[]>();
      const dropped = new Set<string>();
      for (let number = 0; number < 200; number++) {
        const [from, to] = random.next() < 0.5 ? [a, b] : [b, a];
        const name = names[Math.floor(random.next() * names.length)] as string;
        const partition = Math.floor(random.next() * 3);
        const size = random.next() < 0.2 ? random.next() * 60_000 : random.next() * 300;
        const body = random.next() < 0.5 ? new Uint8Array(size).fill(number) : 'z'.repeat(size);
        const key = `${from.name} ${name} ${partition}`;
        const note = () => dropped.add(`${key} ${number}`);
        const result = from.endpoint.peers.get(to.name)?.send(name, [number, partition, body], partition, note);
        if (result === 'sent') sent.set(key, [...(sent.get(key) ?? []), number]);
        if (random.next() < 0.4) await world.clock.advance(random.next() * 10);
        const fate = random.next();
        if (fate < 0.03) world.network.reset('a', 'b');
        else if (fate < 0.06) void a.endpoint.peers.get('b')?.close(new Error('cut'));
        else if (fate < 0.09) void b.endpoint.peers.get('a')?.close(new Error('cut'));
        else if (fate < 0.1) void a.endpoint.peers.get('b')?.close();
        if (fate < 0.1) await world.clock.advance(random.next() * 12);
        if (fate < 0.1) await meet();
      }
      // Compression takes real time.
      const idle = (node: Node, of: string): boolean => {
        const peer = node.endpoint.peers.get(of);
        const stats = peer?.open === true ? peer.stats() : undefined;
        return stats?.every(({ queuedMessages, unacknowledged }) => queuedMessages + unacknowledged === 0) === true;
      };
      for (const end = performance.now() + 5_000; performance.now() < end; ) {
        await new Promise(resolve => setImmediate(resolve));
        await meet();
        await world.clock.advance(100);
        if (idle(a, 'b') && idle(b, 'a')) break;
      }
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        for (const name of names) {
          for (let partition = 0; partition < 3; partition++) {
            const key = `${from.name} ${name} ${partition}`;
            const got = received(to, name)
              .map(message => message as [number, number, string | Uint8Array])
              .filter(([, of]) => of === partition);
            const wanted = (sent.get(key) ?? []).filter(number => !dropped.has(`${key} ${number}`));
            expect([key, got.map(([number]) => number)]).toEqual([key, wanted]);
            for (const [number, , body] of got)
              expect(typeof body === 'string' || body.every(byte => byte === (number & 0xff))).toBe(true);
          }
        }
        for (const each of from.peer(to.name).stats()) {
          expect([each.channel, each.queuedBytes, each.queuedMessages, each.unacknowledged]).toEqual([
            each.channel,
            0,
            0,
            0,
          ]);
          again += each.retransmitted;
          duplicates += each.duplicates;
        }
      }
      expect(lost).toEqual([]);
    }),
    { numRuns: 25 },
  );
  expect(again + duplicates).toBeGreaterThan(0);
});

test('a peer that sends and does not read gets a bounded number of acknowledgements and credits', async () => {
  const world = new World(1);
  const inner = memory({ network: world.network, host: 'b' });
  const dialled: Connection[] = [];
  const channels: readonly ChannelDeclaration[] = [
    ...base,
    { name: 'orders', reliability: 'acknowledged', window: 2 ** 30, queueBytes: 2 ** 30 },
  ];
  const a = await world.node('a', { channels });
  const b = await world.node('b', {
    channels,
    transport: {
      protocol: inner.protocol,
      local: true,
      listen: options => inner.listen(options),
      dial: async (address, options) => {
        const connection = await inner.dial(address, options);
        dialled.push(connection);
        return connection;
      },
    },
  });
  const peer = await world.settled(b.endpoint.dial(a.address));
  await world.clock.advance(10);
  for (const connection of dialled) connection.pause();
  const before = world.network.stats().frames;
  const turns = 40_000;
  for (let turn = 0; turn < turns; turn++) {
    peer.send('orders', turn);
    for (let wait = 0; wait < 6; wait++) await undefined;
    if (turn % 500 === 0) await new Promise(resolve => setImmediate(resolve));
  }
  await world.clock.advance(10);
  expect(received(a, 'orders').length).toBe(turns);
  // What it says until the connection takes no more: 256 KiB in frames of 16 bytes.
  expect(world.network.stats().frames - before).toBeLessThan(turns + 17_000);
  for (const connection of dialled) connection.resume();
  await world.clock.advance(100);
  expect(peer.stats().find(({ channel }) => channel === 'orders')?.unacknowledged).toBe(0);
});

test('a session that is closed while a channel of it is, ends in order and at once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async seed => {
      const world = new World(seed, { delay: 1, jitter: 6 });
      const [a, b] = await world.pair({ channels: [...base, { name: 'extra', connections: 2 }] });
      a.endpoint.closeChannel('extra');
      await world.clock.advance(seededRandom(seed).next() * 20);
      void a.peer('b').close();
      await world.clock.advance(200);
      expect([a.closed, b.closed].map(closed => closed.map(([, reason]) => reason))).toEqual([
        [undefined],
        [undefined],
      ]);
    }),
    { numRuns: 300 },
  );
});

test('as many connections as there may be bring no warning of listeners', async () => {
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning.name);
  process.on('warning', onWarning);
  const world = new World(1, { delay: 1 });
  const [a, b] = await world.pair({ channels: [...base, { name: 'wide', connections: 16 }] });
  for (const { endpoint } of [a, b]) endpoint.openChannel({ name: 'wider', connections: 16 });
  await world.clock.advance(100);
  await new Promise(resolve => setImmediate(resolve));
  process.off('warning', onWarning);
  expect([a.peer('b').stats().length, warnings]).toEqual([34, []]);
});
