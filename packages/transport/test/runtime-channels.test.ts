import { type FoundationError, silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type ChannelDeclaration, createCodec, Endpoint } from '../src/index.js';
import { tcp } from '../src/tcp/index.js';
import { type Node, World } from './world.js';

const base: readonly ChannelDeclaration[] = [{ name: 'control' }, { name: 'data' }];

function names(node: Node, of: string): string[] {
  return node
    .peer(of)
    .stats()
    .map(({ channel, index }) => `${channel}${index}`);
}

function got(node: Node): [string, unknown][] {
  return node.messages.map(([, channel, message]) => [channel, message]);
}

describe('a channel opened at run time', () => {
  test.each(['a', 'b'])('comes into being when both sides have it, whoever is the last: %s', async last => {
    const world = new World(1, { delay: 1 });
    const [a, b] = await world.pair({ channels: base });
    const [first, second] = last === 'a' ? [b, a] : [a, b];
    first.endpoint.openChannel({ name: 'extra', connections: 2 });
    a.peer('b').send('extra', 'early');
    await world.clock.advance(50);
    expect(names(a, 'b')).toEqual(['control0', 'data0']);
    second.endpoint.openChannel({ name: 'extra', connections: 3 });
    await world.clock.advance(50);
    for (const [node, of] of [
      [a, 'b'],
      [b, 'a'],
    ] as const)
      expect(names(node, of)).toEqual(['control0', 'data0', 'extra0', 'extra1']);
    a.peer('b').send('extra', 'late');
    b.peer('a').send('extra', 'answer');
    await world.clock.advance(50);
    expect([got(b), got(a)]).toEqual([
      [
        ['data', 'early'],
        ['extra', 'late'],
      ],
      [['extra', 'answer']],
    ]);
    expect([a.closed, b.closed]).toEqual([[], []]);
  });

  test('is there in the next session from the beginning', async () => {
    const world = new World(1, { delay: 1 });
    const [a, b] = await world.pair({ channels: base });
    for (const { endpoint } of [a, b]) endpoint.openChannel({ name: 'extra' });
    world.network.reset('a', 'b');
    await world.clock.advance(50);
    await world.settled(b.endpoint.dial(a.address));
    await world.clock.advance(50);
    expect(names(a, 'b').sort()).toEqual(['control0', 'data0', 'extra0']);
  });

  test('opened while the session comes up is not forgotten', async () => {
    const world = new World(1, { delay: 5 });
    const a = await world.node('a', { channels: base });
    const b = await world.node('b', { channels: base });
    const dial = a.endpoint.dial(b.address);
    await world.clock.advance(22);
    a.endpoint.openChannel({ name: 'extra' });
    await world.clock.advance(12);
    b.endpoint.openChannel({ name: 'extra' });
    await world.settled(dial);
    await world.clock.advance(200);
    expect([names(a, 'b'), names(b, 'a')]).toEqual([
      ['control0', 'data0', 'extra0'],
      ['control0', 'data0', 'extra0'],
    ]);
  });
});

describe('a channel closed at run time', () => {
  test('sends what is queued, and later messages travel on data', async () => {
    const world = new World(1, { delay: 5 });
    const [a, b] = await world.pair({ channels: [...base, { name: 'extra' }] });
    await world.clock.advance(100);
    a.peer('b').send('extra', new Uint8Array(1_000_000));
    b.peer('a').send('extra', new Uint8Array(900_000));
    expect(a.endpoint.closeChannel('extra')).toBe(true);
    a.peer('b').send('extra', 'later');
    await world.clock.advance(1_000);
    expect(got(b).map(([channel, message]) => [channel, (message as string | Uint8Array).length])).toEqual([
      ['data', 5],
      ['extra', 1_000_000],
    ]);
    expect(got(a).map(([channel, message]) => [channel, (message as Uint8Array).length])).toEqual([['extra', 900_000]]);
    expect([names(a, 'b'), names(b, 'a')]).toEqual([
      ['control0', 'data0'],
      ['control0', 'data0'],
    ]);
    expect([a.closed, b.closed, world.network.stats().connections]).toEqual([[], [], 4]);
  });

  test('can be opened again with another declaration; acknowledged ones count on', async () => {
    const world = new World(1, { delay: 5 });
    const extra = { name: 'extra', reliability: 'acknowledged' } as const;
    const [a, b] = await world.pair({ channels: [...base, extra] });
    await world.clock.advance(100);
    a.peer('b').send('extra', 1);
    a.endpoint.closeChannel('extra');
    await world.clock.advance(200);
    a.endpoint.openChannel({ ...extra, connections: 2, whenFull: 'drop-oldest' });
    await world.clock.advance(200);
    expect(names(a, 'b')).toEqual(['control0', 'data0', 'extra0']);
    a.peer('b').send('extra', 2);
    await world.clock.advance(100);
    world.network.reset('a', 'b');
    await world.clock.advance(50);
    const peer = await world.settled(a.endpoint.dial(b.address));
    peer.send('extra', 3);
    await world.clock.advance(100);
    expect(got(b)).toEqual([
      ['extra', 1],
      ['extra', 2],
      ['extra', 3],
    ]);
  });

  test('that carries the session itself renews the session', async () => {
    const world = new World(1, { delay: 5 });
    const [a, b] = await world.pair({ channels: [{ name: 'first' }, ...base] });
    a.endpoint.closeChannel('first');
    await world.clock.advance(500);
    expect(a.closed.map(([, reason]) => reason)).toEqual([undefined]);
    await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(50);
    expect(names(a, 'b')).toEqual(['control0', 'data0']);
  });

  test.each(['control', 'data'])('can not be %s', async name => {
    const world = new World();
    const [a] = await world.pair();
    expect(() => a.endpoint.closeChannel(name)).toThrow("can't be closed");
    expect(a.endpoint.closeChannel('nothing')).toBe(false);
    expect(() => a.endpoint.openChannel({ name })).toThrow(
      expect.toSatisfy(error => (error as FoundationError).code === 'already-started'),
    );
  });
});

test('whatever is opened and closed when, both sides come to the same, and each message arrives once', async () => {
  const step = fc.record({
    side: fc.constantFrom('a', 'b'),
    what: fc.constantFrom('open', 'close', 'send', 'cut'),
    name: fc.constantFrom('x', 'y'),
    connections: fc.integer({ min: 1, max: 3 }),
    reliability: fc.constantFrom('best-effort' as const, 'acknowledged' as const),
    wait: fc.integer({ min: 0, max: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.integer({ min: 1, max: 10_000 }), async (steps, seed) => {
      const world = new World(seed, { delay: 2, jitter: 4 });
      const [a, b] = await world.pair({ channels: base });
      const nodes = { a, b };
      const sent = { a: [] as number[], b: [] as number[] };
      let cuts = 0;
      for (const [number, { side, what, name, connections, reliability, wait }] of steps.entries()) {
        const { endpoint } = nodes[side];
        const other = side === 'a' ? 'b' : 'a';
        if (what === 'open' && !endpoint.channels.some(channel => channel.name === name))
          endpoint.openChannel({ name, connections, reliability });
        if (what === 'close') endpoint.closeChannel(name);
        if (what === 'send' && endpoint.peers.get(other)?.send(name, number, number % 4) === 'sent')
          sent[side].push(number);
        if (what === 'cut') {
          cuts++;
          world.network.reset('a', 'b');
          await world.clock.advance(30);
          await world.settled(a.endpoint.dial(b.address));
        }
        await world.clock.advance(wait);
      }
      await world.clock.advance(5_000);
      expect(names(a, 'b').sort()).toEqual(names(b, 'a').sort());
      const common = (endpoint: Endpoint) => endpoint.channels.map(({ name }) => name);
      const both = common(a.endpoint).filter(name => common(b.endpoint).includes(name));
      expect([...new Set(names(a, 'b').map(name => name.slice(0, -1)))].sort()).toEqual(both.sort());
      for (const [side, other] of [
        ['a', b],
        ['b', a],
      ] as const) {
        const numbers = other.messages.map(([, , message]) => message as number).sort((left, right) => left - right);
        expect(new Set(numbers).size).toBe(numbers.length);
        if (cuts === 0) expect(numbers).toEqual(sent[side]);
      }
      expect(a.closed.length).toBe(cuts);
    }),
    { numRuns: 60 },
  );
});

describe('over TCP', () => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    await Promise.all(closers.splice(0).map(close => close()));
  });

  test('a channel is opened, used and closed', async () => {
    const seen: string[] = [];
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
        onPeer: () => {},
        onMessage: (_peer, channel, message) => seen.push(`${channel} ${message}`),
        onPeerClosed: (_peer, reason) => seen.push(`closed ${reason?.message}`),
      });
      closers.push(() => endpoint.close());
      return endpoint;
    };
    const until = async (condition: () => boolean): Promise<void> => {
      const end = performance.now() + 10_000;
      while (!condition() && performance.now() < end) await new Promise(resolve => setImmediate(resolve));
      expect(condition()).toBe(true);
    };
    const [a, b] = [make('a'), make('b')];
    const peer = await a.dial(await b.listen({ host: '127.0.0.1', port: 0 }));
    for (const endpoint of [a, b]) endpoint.openChannel({ name: 'extra', connections: 2 });
    await until(() => peer.stats().some(({ channel }) => channel === 'extra'));
    peer.send('extra', 1);
    b.closeChannel('extra');
    await until(() => !peer.stats().some(({ channel }) => channel === 'extra'));
    peer.send('extra', 2);
    await until(() => seen.length === 2);
    expect(seen).toEqual(['extra 1', 'data 2']);
  });
});
