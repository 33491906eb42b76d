import { gzipSync } from 'node:zlib';
import { type FoundationError, silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { agreeChannels, offerOf, resolveChannels } from '../src/channel.js';
import { type ChannelDeclaration, createCodec, Endpoint } from '../src/index.js';
import { deflate, inflate, OWN_ALGORITHMS } from '../src/internal/compression.js';
import { InOrder } from '../src/internal/in-order.js';
import { tcp } from '../src/tcp/index.js';
import { type Node, World } from './world.js';

const MIB = 1024 * 1024;

function received(node: Node, channel: string): unknown[] {
  return node.messages.filter(([, on]) => on === channel).map(([, , message]) => message);
}

/** Lets the thread pool and the simulation go on until something holds. */
async function until(world: World, condition: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error('not within 10 s');
    await new Promise(resolve => setImmediate(resolve));
    await world.clock.advance(1);
  }
}

function statsOf(node: Node, of: string, channel: string) {
  const stats = node
    .peer(of)
    .stats()
    .find(each => each.channel === channel);
  if (stats === undefined) throw new Error(`no channel ${channel}`);
  return stats;
}

async function one(declaration: Partial<ChannelDeclaration>, delay = 10): Promise<[World, Node, Node]> {
  const world = new World(1, { delay });
  const [a, b] = await world.pair({ channels: [{ name: 'data' }, { name: 'extra', ...declaration }] });
  return [world, a, b];
}

describe('declarations', () => {
  test.each([
    ['whenFull', { whenFull: 'block' }],
    ['queueMessages', { queueMessages: 0 }],
    ['queueBytes', { queueBytes: 'many' }],
    ['monotonic', { monotonic: 'yes' }],
    ['reliability', { reliability: 'exactly-once' }],
    ['compression', { compression: 'gzip' }],
    ['compression.algorithm', { compression: { algorithm: 'brotli', above: 1 } }],
    ['compression.above', { compression: { algorithm: 'gzip', above: -1 } }],
    ['priority', { priority: 'high' }],
    ['window', { window: 2 ** 31 }],
    ['connections', { connections: 17 }],
  ])('name the option that is wrong: %s', (option, wrong) => {
    expect(() => resolveChannels([{ name: 'x', ...wrong } as ChannelDeclaration])).toThrow(`'channels.x.${option}'`);
  });

  test.each([
    ['control', { whenFull: 'drop-oldest' }],
    ['data', { whenFull: 'drop-newest' }],
    ['data', { monotonic: true }],
  ] as const)('of %s may not give up messages', (name, wrong) => {
    expect(() => resolveChannels([{ name, ...wrong }])).toThrow('signals between actors');
  });

  test('that differ come to what both can do, the same on both sides', () => {
    const declaration = fc.record(
      {
        connections: fc.integer({ min: 1, max: 16 }),
        window: fc.integer({ min: 4096, max: MIB }),
        reliability: fc.constantFrom('best-effort', 'acknowledged'),
        compression: fc.constantFrom('none', { algorithm: 'gzip', above: 10 }, { algorithm: 'zstd', above: 20 }),
      },
      { requiredKeys: [] },
    );
    const declarations = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), declaration), {
      selector: ([name]) => name,
      minLength: 1,
    });
    fc.assert(
      fc.property(declarations, declarations, fc.integer({ min: 1, max: 3 }), (left, right, inflates) => {
        const resolve = (given: typeof left) =>
          resolveChannels(given.map(([name, rest]) => ({ name, ...rest }) as ChannelDeclaration));
        const [ours, theirs] = [resolve(left), resolve(right)];
        const one = agreeChannels(ours, theirs.map(offerOf), inflates, true);
        const other = agreeChannels(theirs, ours.map(offerOf), OWN_ALGORITHMS, false);
        const shape = (agreed: typeof one) =>
          agreed.map(({ channel, connections, acknowledged }) => [channel.name, connections, acknowledged]);
        expect(shape(one)).toEqual(shape(other));
        for (const { channel, connections, peerWindow, acknowledged, compression } of one) {
          const peer = theirs.find(({ name }) => name === channel.name);
          expect(connections).toBe(Math.min(channel.connections, peer?.connections ?? 0));
          expect(peerWindow).toBe(peer?.window);
          expect(acknowledged).toBe(channel.acknowledged && peer?.acknowledged === true);
          if (compression !== undefined) {
            expect(compression.above).toBe(channel.compression?.above);
            expect(compression.algorithm === 'zstd' ? inflates & OWN_ALGORITHMS & 2 : inflates & 1).toBeGreaterThan(0);
          }
        }
      }),
    );
  });
});

describe('a full queue', () => {
  // What is under way fills the window; the rest waits.
  const small = { window: 4096, queueMessages: 10 } as const;
  const text = (index: number) => [index, 'x'.repeat(1_000)];

  async function fill(declaration: Partial<ChannelDeclaration>): Promise<[string[], number[], number]> {
    const [world, a, b] = await one({ ...small, ...declaration });
    const results: string[] = [];
    for (let index = 0; index < 30; index++) results.push(a.peer('b').send('extra', text(index)));
    const { dropped } = statsOf(a, 'b', 'extra');
    await world.clock.advance(5_000);
    return [results, received(b, 'extra').map(message => (message as [number])[0]), dropped];
  }

  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

  test('counts messages, and refuses with the default policy', async () => {
    const [results, got, dropped] = await fill({});
    expect(results).toEqual([...numbers(0, 10).map(() => 'sent'), ...numbers(0, 20).map(() => 'full')]);
    expect([got, dropped]).toEqual([numbers(0, 10), 0]);
  });

  test('gives up the newest', async () => {
    const [results, got, dropped] = await fill({ whenFull: 'drop-newest' });
    expect(results.slice(10)).toEqual(numbers(0, 20).map(() => 'dropped'));
    expect([got, dropped]).toEqual([numbers(0, 10), 20]);
  });

  test('gives up the oldest, and tells who sent it', async () => {
    const [world, a, b] = await one({ ...small, whenFull: 'drop-oldest' });
    const told: number[] = [];
    for (let index = 0; index < 30; index++) {
      expect(a.peer('b').send('extra', text(index), undefined, () => told.push(index))).toBe('sent');
    }
    await world.clock.advance(5_000);
    expect(received(b, 'extra').map(message => (message as [number])[0])).toEqual(numbers(20, 30));
    expect([told, statsOf(a, 'b', 'extra').dropped]).toEqual([numbers(0, 20), 20]);
  });

  test('keeps the order of each partition under every policy, whatever is given up', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('reject', 'drop-newest', 'drop-oldest'),
        fc.boolean(),
        fc.boolean(),
        fc.array(
          fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 9_000 }), fc.integer({ min: 0, max: 20 })),
        ),
        async (whenFull, monotonic, acknowledged, steps) => {
          const [world, a, b] = await one({
            whenFull: whenFull as 'reject',
            monotonic,
            reliability: acknowledged ? 'acknowledged' : 'best-effort',
            window: 4096,
            queueBytes: 30_000,
          });
          let taken = 0;
          let latest = '';
          for (const [index, [key, size, wait]] of steps.entries()) {
            const result = a.peer('b').send('extra', [key, index, 'x'.repeat(size)], key);
            latest = result;
            if (result === 'sent') taken++;
            if (wait > 0) await world.clock.advance(wait);
          }
          await world.clock.advance(20_000);
          const got = received(b, 'extra') as [number, number, string][];
          for (const [key, index, filling] of got) expect(filling.length).toBe(steps[index]?.[1] ?? key);
          for (let key = 0; key < 4; key++) {
            const ours = got.filter(([of]) => of === key).map(([, index]) => index);
            expect(ours).toEqual(ours.toSorted((left, right) => left - right));
            const last = steps.findLastIndex(([of]) => of === key);
            // The newest of a key arrives if it was taken.
            if (monotonic && latest === 'sent' && last >= 0 && last === steps.length - 1)
              expect(ours.at(-1)).toBe(last);
          }
          const { dropped, queuedMessages } = statsOf(a, 'b', 'extra');
          expect(queuedMessages).toBe(0);
          if (whenFull === 'reject') expect(got.length).toBe(taken - dropped);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a monotonic channel', () => {
  test('sends only the newest of each partition that waits', async () => {
    const [world, a, b] = await one({ window: 4096, monotonic: true });
    a.peer('b').send('extra', ['first', 'x'.repeat(10_000)], 'bulk');
    await world.clock.advance(1);
    const told: number[] = [];
    for (let index = 0; index < 100; index++)
      a.peer('b').send('extra', [index % 4, index], index % 4, () => told.push(index));
    await world.clock.advance(1_000);
    const got = received(b, 'extra').filter(message => (message as unknown[])[0] !== 'first') as [number, number][];
    expect(got.toSorted(([left], [right]) => left - right)).toEqual([
      [0, 96],
      [1, 97],
      [2, 98],
      [3, 99],
    ]);
    expect(told).toEqual(Array.from({ length: 96 }, (_, index) => index));
    expect(statsOf(a, 'b', 'extra').dropped).toBe(96);
  });
});

describe('compression', () => {
  const text = (length: number, seed: number) => `${seed} `.repeat(Math.ceil(length / 2)).slice(0, length);

  test.each(['gzip', 'zstd'] as const)(
    '%s makes large messages smaller, and nothing changes places',
    async algorithm => {
      const [world, a, b] = await one({ compression: { algorithm, above: 1_000 } }, 1);
      const sizes = [10, 200_000, 20, 3_000, 500_000, 999, 1_001, 40_000, 5, 2_000_000, 7];
      for (const [index, size] of sizes.entries()) a.peer('b').send('extra', text(size, index));
      await until(world, () => received(b, 'extra').length === sizes.length);
      expect(received(b, 'extra').every((message, index) => message === text(sizes[index] as number, index))).toBe(
        true,
      );
      expect(statsOf(a, 'b', 'extra').bytesSent).toBeLessThan(300_000);
      expect(statsOf(a, 'b', 'extra').queuedBytes).toBe(0);
    },
  );

  test('leaves alone what does not get smaller', async () => {
    const [world, a, b] = await one({ compression: { algorithm: 'gzip', above: 100 } }, 1);
    const noise = world.clock && new Uint8Array(100_000).map((_, index) => Math.imul(index + 1, 0x9e37_79b1) >>> 24);
    a.peer('b').send('extra', noise);
    await until(world, () => received(b, 'extra').length === 1);
    expect(Buffer.compare(received(b, 'extra')[0] as Uint8Array, noise)).toBe(0);
  });

  test('lets messages of other partitions pass', async () => {
    const [world, a, b] = await one({ compression: { algorithm: 'gzip', above: 1_000 } }, 1);
    a.peer('b').send('extra', text(4 * MIB, 1), 'bulk');
    a.peer('b').send('extra', 'after', 'bulk');
    a.peer('b').send('extra', 'ping', 'other');
    await until(world, () => received(b, 'extra').length === 3);
    expect(received(b, 'extra').map(message => String(message).slice(0, 5))).toEqual(['ping', text(5, 1), 'after']);
  });

  test('goes together with acknowledgements over a connection that is cut', async () => {
    const [world, a, b] = await one({ compression: { algorithm: 'gzip', above: 1_000 }, reliability: 'acknowledged' });
    for (let index = 0; index < 20; index++) a.peer('b').send('extra', text(100_000, index));
    await until(world, () => received(b, 'extra').length > 3);
    world.network.reset('a', 'b');
    await world.clock.advance(50);
    await world.settled(a.endpoint.dial(b.address));
    await until(world, () => received(b, 'extra').length === 20);
    expect(received(b, 'extra')).toEqual(Array.from({ length: 20 }, (_, index) => text(100_000, index)));
  });

  test.each([1_000, 1_000_000])('stops a bomb of %i bytes at the length that it announced', async length => {
    const bomb = gzipSync(new Uint8Array(length * 20));
    const result = await new Promise(resolve => inflate(1, bomb, length, resolve));
    expect((result as FoundationError).code).toBe('protocol');
  });

  test('gives back what it was given, in the announced length only', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80_000 }), async bytes => {
        const input = Buffer.concat([bytes, new Uint8Array(500)]);
        const small = await new Promise<Uint8Array | undefined>(resolve => deflate(1, input, resolve));
        if (small === undefined) return;
        const back = await new Promise(resolve => inflate(1, small, input.length, resolve));
        expect(Buffer.compare(back as Uint8Array, input)).toBe(0);
        const wrong = await new Promise(resolve => inflate(1, small, input.length + 1, resolve));
        expect((wrong as FoundationError).code).toBe('protocol');
      }),
      { numRuns: 50 },
    );
  });

  test('refuses a message that claims more than a message or the memory of a peer may be', () => {
    const events = { message: () => {}, decoded: () => {}, caughtUp: () => {}, failed: () => {} };
    const claim = Buffer.from([0, 16, 0, 0, 1, 2, 3]);
    expect(() => new InOrder({ left: 1e9 }, 1_000, events).addCompressed(claim, 1)).toThrow('at most 1000');
    expect(() => new InOrder({ left: 1_000 }, 1e9, events).addCompressed(claim, 1)).toThrow('memory');
    expect(() => new InOrder({ left: 1e9 }, 1e9, events).addCompressed(Buffer.from([0, 0, 0, 9, 1]), 1)).toThrow(
      'inflated',
    );
    expect(() => new InOrder({ left: 1e9 }, 1e9, events).addCompressed(Buffer.from([0, 0, 0, 9, 1]), 3)).toThrow(
      'algorithm',
    );
  });
});

describe('over TCP', () => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    await Promise.all(closers.splice(0).map(close => close()));
  });

  test('every option together keeps the order', async () => {
    const got: unknown[] = [];
    const make = (name: string): Endpoint => {
      const endpoint = new Endpoint({
        self: { name, incarnation: 1, clusterId: 'test' },
        transport: tcp(),
        codec: createCodec(),
        secret: new Uint8Array(32).fill(3),
        clock: systemClock,
        random: systemRandom,
        log: silentLog,
        telemetry: new Telemetry(name),
        channels: [
          { name: 'data' },
          {
            name: 'extra',
            connections: 3,
            priority: 2,
            whenFull: 'drop-oldest',
            compression: { algorithm: 'zstd', above: 5_000 },
            reliability: 'acknowledged',
          },
        ],
        onPeer: () => {},
        onMessage: (_peer, _channel, message) => got.push(message),
        onPeerClosed: () => {},
      });
      closers.push(() => endpoint.close());
      return endpoint;
    };
    const [a, b] = [make('a'), make('b')];
    const peer = await a.dial(await b.listen({ host: '127.0.0.1', port: 0 }));
    for (let index = 0; index < 500; index++) {
      peer.send('extra', [index % 5, index, 'y'.repeat(index % 7 === 0 ? 90_000 : 10)], index % 5);
    }
    const end = performance.now() + 10_000;
    while (got.length < 500 && performance.now() < end) await new Promise(resolve => setImmediate(resolve));
    expect(got.length).toBe(500);
    for (let key = 0; key < 5; key++) {
      const ours = (got as [number, number][]).filter(([of]) => of === key).map(([, index]) => index);
      expect(ours).toEqual(ours.toSorted((left, right) => left - right));
    }
  });
});
