import { FoundationError, seededRandom, silentLog } from '@foundation-ts/core';
import { describe, expect, test } from 'vitest';
import { type Connection, HELLO_BYTES, type Peer, type PeerIdentity } from '../src/index.js';
import { memory } from '../src/memory/index.js';
import { Node, type Over, PORT, World } from './world.js';

describe('a session', () => {
  test('stands on both sides with the identity of the other', async () => {
    const world = new World();
    const [a, b] = await world.pair();
    expect(a.peer('b').identity).toEqual({
      name: 'b',
      incarnation: 1,
      clusterId: 'test',
      address: b.address,
      metadata: { role: 'b' },
      certificate: undefined,
      local: true,
    } satisfies PeerIdentity);
    expect(b.peer('a').identity.address).toEqual(a.address);
    expect([a.peer('b').dialled, b.peer('a').dialled, a.peer('b').open]).toEqual([true, false, true]);
    expect(world.network.stats().connections).toBe(10);
  });

  test('carries messages of every channel both ways, in order', async () => {
    const world = new World(1, { delay: 5, jitter: 20, loss: 0.1 });
    const [a, b] = await world.pair();
    for (let index = 0; index < 300; index++) {
      for (const channel of ['control', 'data', 'gossip', 'events', 'telemetry']) {
        expect(a.peer('b').send(channel, [channel, index])).toBe('sent');
        b.peer('a').send(channel, { channel, index });
      }
    }
    await world.clock.advance(5_000);
    for (const channel of ['control', 'data', 'gossip', 'events', 'telemetry']) {
      const got = b.messages.filter(([, on]) => on === channel).map(([, , message]) => message);
      expect(got).toEqual(Array.from({ length: 300 }, (_, index) => [channel, index]));
      expect(a.messages.filter(([, on]) => on === channel).length).toBe(300);
    }
  });

  test('sends a channel that the peer lacks over data', async () => {
    const world = new World();
    const a = await world.node('a', { channels: [{ name: 'bulk' }, { name: 'data' }] });
    const b = await world.node('b');
    const peer = await world.settled(a.endpoint.dial(b.address));
    peer.send('bulk', 1);
    peer.send('nonsense', 2);
    await world.clock.advance(10);
    expect(b.messages).toEqual([
      ['a', 'data', 1],
      ['a', 'data', 2],
    ]);
  });

  test('of nodes without a common channel is refused', async () => {
    const world = new World();
    const a = await world.node('a', { channels: [{ name: 'x' }] });
    const b = await world.node('b', { channels: [{ name: 'y' }] });
    expect((await world.failure(a.endpoint.dial(b.address))).code).toBe('incompatible');
  });

  test('throws what cannot be sent at the sender, and stays open', async () => {
    const world = new World();
    const [a, b] = await world.pair({ limits: { messageBytes: 100_000 } });
    const peer = a.peer('b');
    expect(() => peer.send('data', { fn: () => 1 })).toThrow('payload.fn');
    expect(() => peer.send('data', 'x'.repeat(100_001))).toThrow(
      expect.toSatisfy(error => (error as FoundationError).code === 'too-large'),
    );
    peer.send('data', 'fine');
    await world.clock.advance(10);
    expect(b.messages).toEqual([['a', 'data', 'fine']]);
  });

  test('holds to the smaller of both limits for a message', async () => {
    const world = new World();
    const a = await world.node('a');
    const b = await world.node('b', { limits: { messageBytes: 10_000 } });
    const peer = await world.settled(a.endpoint.dial(b.address));
    expect(() => peer.send('data', 'x'.repeat(20_000))).toThrow(/agreed with node 'b'/);
    expect(peer.open).toBe(true);
  });

  test('closed in order delivers everything first, and reports no reason on either side', async () => {
    const world = new World(1, { delay: 3, jitter: 10 });
    const [a, b] = await world.pair();
    for (let index = 0; index < 50; index++) {
      a.peer('b').send('data', new Uint8Array(50_000).fill(index));
      a.peer('b').send('gossip', index);
    }
    const peer = a.peer('b');
    const closing = peer.close();
    expect([peer.open, peer.send('data', 1)]).toEqual([false, 'closed']);
    await world.settled(closing);
    await world.clock.advance(1_000);
    expect(b.messages.length).toBe(100);
    expect([a.closed[0]?.[1], b.closed[0]?.[1]]).toEqual([undefined, undefined]);
    expect([a.closed.length, b.closed.length, a.endpoint.peers.size]).toEqual([1, 1, 0]);
    expect(world.network.stats().connections).toBe(0);
  });

  test('closed by both sides at once ends once on each', async () => {
    const world = new World(1, { delay: 3 });
    const [a, b] = await world.pair();
    await world.settled(Promise.all([a.peer('b').close(), b.peer('a').close()]));
    await world.clock.advance(100);
    expect([a.closed.map(([, reason]) => reason), b.closed.map(([, reason]) => reason)]).toEqual([
      [undefined],
      [undefined],
    ]);
  });

  test('closed with a reason ends at once, with an error on the other side', async () => {
    const world = new World(1, { delay: 3 });
    const [a, b] = await world.pair();
    const reason = new Error('enough');
    void a.peer('b').close(reason);
    await world.clock.advance(100);
    expect(a.closed.map(([, why]) => why)).toEqual([reason]);
    expect(b.closed.map(([, why]) => (why as FoundationError).code)).toEqual(['noconnection']);
  });

  test('falls on both sides when any of its connections does', async () => {
    const world = new World(3, { delay: 1 });
    const [a, b] = await world.pair();
    world.network.setFaults('a', 'b', { delay: 1, cutProbability: 1 });
    a.peer('b').send('gossip', 'x');
    await world.clock.advance(100);
    expect([a.events, b.events]).toEqual([
      ['up b', 'down b'],
      ['up a', 'down a'],
    ]);
    expect(world.network.stats().connections).toBe(0);
  });

  test('falls when the other process dies', async () => {
    const world = new World();
    const [a, b] = await world.pair();
    world.network.crash('b');
    await world.clock.advance(100);
    expect(a.events).toEqual(['up b', 'down b']);
    expect(b.events).toEqual(['up a']);
    expect((await world.failure(a.endpoint.dial(b.address))).code).toBe('refused');
  });

  test('survives a partition that is shorter than the patience above it', async () => {
    const world = new World(1, { delay: 1 });
    const [a, b] = await world.pair();
    world.network.partition('a', 'b');
    a.peer('b').send('data', 'held');
    await world.clock.advance(30_000);
    expect(b.messages).toEqual([]);
    world.network.heal();
    await world.clock.advance(10);
    expect(b.messages).toEqual([['a', 'data', 'held']]);
    expect(a.events).toEqual(['up b']);
  });

  test.each(['duplicate', 'reorder'] as const)('closes when the transport breaks its promise: %s', async fault => {
    const world = new World(2, { delay: 1 });
    const [a, b] = await world.pair();
    world.network.setFaults('a', 'b', { delay: 1, [fault]: 1 });
    for (let index = 0; index < 3; index++) {
      a.peer('b').send('data', index);
      a.peer('b').send('data', new Uint8Array(200_000));
    }
    await world.clock.advance(1_000);
    expect((b.closed[0]?.[1] as FoundationError | undefined)?.code).toBe('protocol');
    const got = b.messages.filter(([, , message]) => typeof message === 'number').map(([, , message]) => message);
    expect(got).toEqual([0, 1, 2].slice(0, got.length));
  });

  test('a handler that throws is logged and stops nothing', async () => {
    const errors: string[] = [];
    const world = new World();
    const [a, b] = await world.pair({ log: { ...silentLog, error: (_fields, text) => errors.push(text) } });
    b.onMessage = () => {
      throw new Error('handler');
    };
    a.peer('b').send('data', 1);
    a.peer('b').send('data', 2);
    await world.clock.advance(10);
    expect(b.messages.length).toBe(2);
    expect(errors.length).toBe(2);
    expect(a.peer('b').open).toBe(true);
  });
});

describe('a dial', () => {
  test.each([
    ['another secret', { secret: new Uint8Array(32).fill(2) }, 'auth-failed'],
    ['no secret', { secret: undefined }, 'auth-failed'],
    ['another cluster', { self: { clusterId: 'other' } }, 'wrong-cluster'],
  ] as const)(
    'with %s is refused on both sides, and logged once at the one that was dialled',
    async (_, over, code) => {
      const world = new World();
      const a = await world.node('a', over as Over);
      const b = await world.node('b');
      for (let attempt = 0; attempt < 3; attempt++)
        expect((await world.failure(a.endpoint.dial(b.address))).code).toBe(code);
      await world.clock.advance(1_000);
      expect([a.events, b.events]).toEqual([[], []]);
      expect(b.warnings.length).toBe(1);
      expect(a.warnings.length).toBe(0);
      await world.clock.advance(61_000);
      await world.failure(a.endpoint.dial(b.address));
      expect(b.warnings.length).toBe(2);
    },
  );

  test('of nodes without secrets works', async () => {
    const world = new World();
    const [a] = await world.pair({ secret: undefined });
    expect(a.peer('b').open).toBe(true);
  });

  test('to oneself is a conflict', async () => {
    const world = new World();
    const a = await world.node('a');
    expect((await world.failure(a.endpoint.dial(a.address))).code).toBe('conflict');
    expect(a.events).toEqual([]);
  });

  test('to another node of the same name is a conflict', async () => {
    const world = new World();
    const a = await world.node('a');
    const twin = await world.node('a', { host: 'elsewhere', self: { incarnation: 9 } });
    expect((await world.failure(a.endpoint.dial(twin.address))).code).toBe('conflict');
  });

  test('is refused with the words of the other side', async () => {
    const world = new World();
    const refusal = new FoundationError('conflict', 'The name is taken by another incarnation.', { retryable: false });
    const a = await world.node('a');
    const b = await world.node('b', { admit: identity => (identity.name === 'a' ? refusal : undefined) });
    const error = await world.failure(a.endpoint.dial(b.address));
    expect([error.code, error.message, error.retryable]).toEqual(['conflict', refusal.message, false]);
    expect([a.events, b.events]).toEqual([[], []]);
    // The dialler may refuse too.
    expect((await world.failure(b.endpoint.dial(a.address))).message).toBe(refusal.message);
    await world.clock.advance(10_000);
    expect(world.network.stats().connections).toBe(0);
  });

  test('where nothing listens is refused, where nobody answers times out', async () => {
    const world = new World(1, { delay: 1 });
    const a = await world.node('a');
    expect((await world.failure(a.endpoint.dial({ protocol: 'memory', host: 'b', port: 1 }))).code).toBe('refused');
    world.network.crash('b', { silent: true });
    const error = await world.failure(a.endpoint.dial({ protocol: 'memory', host: 'b', port: PORT }, { timeout: 300 }));
    expect(error.code).toBe('timeout');
    expect(error.message).toContain('memory://b:4370');
  });

  test('to someone who listens but says nothing ends after twice the handshake limit', async () => {
    const world = new World();
    const a = await world.node('a');
    await memory({ network: world.network, host: 'mute' }).listen({
      host: 'mute',
      port: PORT,
      maxFrameBytes: 1000,
      accept: () => ({ frame: () => {}, drain: () => {}, close: () => {} }),
    });
    const start = world.clock.now();
    const error = await world.failure(a.endpoint.dial({ protocol: 'memory', host: 'mute', port: PORT }));
    expect([error.code, world.clock.now() - start]).toEqual(['timeout', 4_000]);
  });

  test('that is too slow for the dialler alone is told as such on the other side too, not as a broken protocol', async () => {
    const world = new World(1, { delay: 300 });
    const a = await world.node('a');
    const b = await world.node('b', { limits: { handshakeTimeout: 9_000 } });
    const dialling = a.endpoint.dial(b.address);
    dialling.catch(() => {});
    await world.clock.advance(1_300);
    // What is left to come is b's proof, for which b holds the handshake for over.
    world.network.setFaults('b', 'a', { delay: 10_000 });
    expect((await world.failure(dialling)).code).toBe('timeout');
    await world.clock.advance(10_000);
    expect(b.warnings).toEqual([expect.stringContaining('found the handshake too slow')]);
  });

  test('aborts', async () => {
    const world = new World(1, { delay: 50 });
    const a = await world.node('a');
    const b = await world.node('b');
    const controller = new AbortController();
    const dialling = a.endpoint.dial(b.address, { signal: controller.signal });
    const failure = world.failure(dialling);
    await world.clock.advance(120);
    controller.abort();
    expect((await failure).code).toBe('aborted');
    await world.clock.advance(10_000);
    expect([a.events, b.events, world.network.stats().connections]).toEqual([[], [], 0]);
  });

  test('called twice opens one session, and one who gives up takes nothing from the other', async () => {
    const world = new World(1, { delay: 50 });
    const a = await world.node('a');
    const b = await world.node('b');
    const hasty = world.failure(a.endpoint.dial(b.address, { timeout: 100 }));
    const peer = await world.settled(a.endpoint.dial(b.address));
    expect((await hasty).code).toBe('timeout');
    expect(peer).toBe(a.peer('b'));
    expect(a.events).toEqual(['up b']);
  });

  test('to a peer that stands resolves to it', async () => {
    const world = new World();
    const [a, b] = await world.pair();
    expect(await world.settled(a.endpoint.dial(b.address))).toBe(a.peer('b'));
    expect(await world.settled(b.endpoint.dial(a.address))).toBe(b.peer('a'));
    expect([a.events, b.events]).toEqual([['up b'], ['up a']]);
  });

  test('after close is stopped, and close rejects what is under way', async () => {
    const world = new World(1, { delay: 20 });
    const a = await world.node('a');
    const b = await world.node('b');
    const dialling = world.failure(a.endpoint.dial(b.address));
    await world.clock.advance(50);
    await world.settled(a.endpoint.close());
    expect((await dialling).code).toBe('stopped');
    expect((await world.failure(a.endpoint.dial(b.address))).code).toBe('stopped');
    await world.clock.advance(10_000);
    expect([a.events, b.events, world.network.stats().connections]).toEqual([[], [], 0]);
  });
});

describe('two nodes that dial each other at once', () => {
  const seeds = Array.from({ length: 100 }, (_, index) => index + 1);

  test.each(seeds)('settle on one session (seed %i)', async seed => {
    const random = seededRandom(seed);
    const world = new World(seed, { delay: random.next() * 10, jitter: random.next() * 30, loss: random.next() * 0.2 });
    const a = await world.node('a');
    const b = await world.node('b');
    // Now at the same moment, now a little apart, from both sides.
    const gap = random.next() < 0.3 ? 0 : random.next() * 150;
    const first = random.next() < 0.5 ? a : b;
    const second = first === a ? b : a;
    const one = first.endpoint.dial(second.address);
    await world.clock.advance(gap);
    const two = second.endpoint.dial(first.address);
    const [left, right] = await world.settled(Promise.all([one, two]));
    await world.clock.advance(10_000);
    expect([a.events, b.events]).toEqual([['up b'], ['up a']]);
    expect(left).toBe(first.peer(second.name));
    expect(right).toBe(second.peer(first.name));
    expect([left.open, right.open]).toEqual([true, true]);
    expect(left.dialled).not.toBe(right.dialled);
    expect(world.network.stats().connections).toBe(10);
    a.peer('b').send('data', 'to b');
    b.peer('a').send('data', 'to a');
    await world.clock.advance(5_000);
    expect([a.messages, b.messages]).toEqual([[['b', 'data', 'to a']], [['a', 'data', 'to b']]]);
  });

  test('keep the session that the lower name dialled', async () => {
    const world = new World(1, { delay: 10 });
    const a = await world.node('a');
    const b = await world.node('b');
    await world.settled(Promise.all([b.endpoint.dial(a.address), a.endpoint.dial(b.address)]));
    expect([a.peer('b').dialled, b.peer('a').dialled]).toEqual([true, false]);
  });

  test('settle though only the higher name can reach the lower', async () => {
    const world = new World(1, { delay: 5 });
    const a = await world.node('a', { self: { address: { protocol: 'memory', host: 'a', port: PORT } } });
    const b = await world.node('b', { self: { address: { protocol: 'memory', host: 'hole', port: PORT } } });
    world.network.crash('hole', { silent: true });
    const lower = a.endpoint.dial({ protocol: 'memory', host: 'hole', port: PORT });
    const higher = b.endpoint.dial(a.address);
    await world.settled(higher);
    expect(b.peer('a').dialled).toBe(true);
    await world.failure(lower);
    expect(a.events).toEqual(['up b']);
  });
});

describe('a session that only one side has lost', () => {
  test('is replaced when that side dials again', async () => {
    const world = new World(1, { delay: 2 });
    const [a, b] = await world.pair();
    const old = b.peer('a');
    // Nothing of a's close reaches b.
    world.network.partition('a', 'b');
    void a.peer('b').close(new Error('lost'));
    world.network.crash('a', { silent: true });
    world.network.heal();
    const again = new Node(world, 'a');
    await again.listen();
    await world.settled(again.endpoint.dial(b.address));
    await world.clock.advance(100);
    expect(b.events).toEqual(['up a', 'down a', 'up a']);
    expect(b.peer('a')).not.toBe(old);
    expect(old.open).toBe(false);
    again.peer('b').send('data', 'hello');
    await world.clock.advance(10);
    expect(b.messages).toEqual([['a', 'data', 'hello']]);
  });

  test('by a new incarnation is replaced too, and the old incarnation is refused from then on', async () => {
    const world = new World(1, { delay: 2 });
    const [, b] = await world.pair();
    world.network.crash('a', { silent: true });
    const next = await world.node('a', { self: { incarnation: 2 } });
    await world.settled(next.endpoint.dial(b.address));
    await world.clock.advance(100);
    expect(b.events).toEqual(['up a', 'down a', 'up a']);
    const stale = await world.node('a', { host: 'old', self: { incarnation: 1 } });
    expect((await world.failure(stale.endpoint.dial(b.address))).code).toBe('noproc');
    expect(b.peer('a').identity.incarnation).toBe(2);
  });
});

describe('strangers', () => {
  test('who send wrong bytes are closed, and nobody else notices', async () => {
    const world = new World();
    const [a, b] = await world.pair();
    for (const bytes of [Buffer.from('GET / HTTP/1.1'), new Uint8Array(HELLO_BYTES), new Uint8Array(100_000)]) {
      const stranger = await world.stranger(b);
      stranger.connection.send(bytes);
      await world.clock.advance(3_000);
      expect(stranger.closed()).toBe(true);
    }
    a.peer('b').send('data', 'still here');
    await world.clock.advance(10);
    expect(b.messages).toEqual([['a', 'data', 'still here']]);
    expect([a.events, b.events]).toEqual([['up b'], ['up a']]);
  });

  test('who say nothing, or a byte a second, are closed after two seconds', async () => {
    const world = new World();
    const b = await world.node('b');
    const mute = await world.stranger(b);
    await world.clock.advance(1_900);
    expect(mute.closed()).toBe(false);
    await world.clock.advance(200);
    expect(mute.closed()).toBe(true);
  });

  test('by the thousand stay bounded, and do not keep a node out', async () => {
    const world = new World();
    const b = await world.node('b', { limits: { pendingConnections: 100 } });
    const strangers = await Promise.all(Array.from({ length: 1_000 }, () => world.stranger(b)));
    await world.clock.advance(1);
    expect(strangers.filter(stranger => !stranger.closed()).length).toBe(100);
    const a = await world.node('a');
    await world.settled(a.endpoint.dial(b.address), 1_000);
    expect(b.events).toEqual(['up a']);
    await world.clock.advance(3_000);
    expect(strangers.every(stranger => stranger.closed())).toBe(true);
  });
});

describe('a peer that is proven, but hostile', () => {
  /** Lets a node with the secret send raw frames on its first connection once the session stands. */
  async function hostile(
    send: (frame: (type: number, flags: number, body: readonly number[]) => void) => void,
  ): Promise<Node> {
    const world = new World();
    const b = await world.node('b', { channels: [{ name: 'data' }] });
    const inner = memory({ network: world.network, host: 'a' });
    let connection: Connection | undefined;
    let sequence = 0;
    const a = new Node(world, 'a', {
      channels: [{ name: 'data' }],
      transport: {
        ...inner,
        protocol: 'memory',
        listen: options => inner.listen(options),
        dial: (to, options) =>
          inner.dial(to, {
            ...options,
            open: opened => {
              connection = opened;
              return options.open({
                remote: opened.remote,
                pause: () => opened.pause(),
                resume: () => opened.resume(),
                close: reason => opened.close(reason),
                send: frame => {
                  // Frames after the handshake begin with the version, and are numbered from 0.
                  if (frame[0] === 1) sequence++;
                  return opened.send(frame);
                },
              });
            },
          }),
      },
    });
    await world.settled(a.endpoint.dial(b.address));
    await world.clock.advance(10);
    expect(b.events).toEqual(['up a']);
    send((type, flags, body) => {
      connection?.send(Uint8Array.from([1, type, flags, 0, 0, 0, 0, sequence++, ...body]));
    });
    await world.clock.advance(100);
    return b;
  }
  const BATCH = 6;
  const FRAGMENT = 7;

  test.each<[string, string, (frame: (type: number, flags: number, body: readonly number[]) => void) => void]>([
    ['an unknown type', 'protocol', frame => frame(99, 0, [])],
    ['a second introduction', 'protocol', frame => frame(1, 0, [0xc0])],
    ['a second READY', 'protocol', frame => frame(4, 0, [])],
    ['an empty batch', 'protocol', frame => frame(BATCH, 0, [])],
    ['a batch that claims 2^32-1 messages', 'protocol', frame => frame(BATCH, 0, [0xdd, 255, 255, 255, 255, 1])],
    [
      'a batch with __proto__',
      'protocol',
      frame => frame(BATCH, 0, [0xdd, 0, 0, 0, 1, 0x81, 0xa9, ...Buffer.from('__proto__'), 0x80]),
    ],
    ['a fragment of no message', 'protocol', frame => frame(FRAGMENT, 0, [0, 0, 0, 1, 0, 0, 0, 9, 1])],
    ['an empty fragment', 'protocol', frame => frame(FRAGMENT, 1, [0, 0, 0, 1, 0, 0, 0, 9])],
    ['a message of 2^32-1', 'too-large', frame => frame(FRAGMENT, 1, [0, 0, 0, 1, 255, 255, 255, 255, 1])],
    ['overlapping fragments', 'protocol', frame => frame(FRAGMENT, 1, [0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3])],
    ['an end before the end', 'protocol', frame => frame(FRAGMENT, 3, [0, 0, 0, 1, 0, 0, 0, 9, 1])],
    [
      'the same message begun twice',
      'protocol',
      frame => {
        frame(FRAGMENT, 1, [0, 0, 0, 1, 0, 0, 0, 9, 1]);
        frame(FRAGMENT, 1, [0, 0, 0, 1, 0, 0, 0, 9, 1]);
      },
    ],
    [
      'a flood of begun messages',
      'protocol',
      frame => {
        for (let id = 0; id < 100; id++) frame(FRAGMENT, 1, [0, 0, 0, id, 0, 0, 0, 9, 1]);
      },
    ],
  ])('is closed for %s', async (_, code, send) => {
    const b = await hostile(send);
    expect(b.events).toEqual(['up a', 'down a']);
    expect((b.closed[0]?.[1] as FoundationError | undefined)?.code).toBe(code);
    expect(b.messages).toEqual([]);
  });
});

describe('many sessions', () => {
  const seeds = Array.from({ length: 30 }, (_, index) => index + 1);

  test.each(seeds)('under cuts, partitions, closes and redials keep books and order (seed %i)', async seed => {
    const world = new World(seed, { delay: 2, jitter: 10, loss: 0.05, cutProbability: 0.001 });
    const random = seededRandom(seed);
    const pick = (): Node => nodes[Math.floor(random.next() * nodes.length)] as Node;
    const nodes = await Promise.all(['a', 'b', 'c', 'd'].map(name => world.node(name)));
    const sent = new Map<Peer, { readonly session: number; count: number }>();
    const received = new Map<string, number[]>();
    for (const node of nodes) {
      node.onMessage = (_peer, _channel, message) => {
        const [from, session, number] = message as [string, number, number];
        const key = `${from} to ${node.name}, session ${session}`;
        received.set(key, [...(received.get(key) ?? []), number]);
      };
    }
    const sendSome = (from: Node, to: Node): void => {
      const peer = from.endpoint.peers.get(to.name);
      if (peer === undefined) return;
      const state = sent.get(peer) ?? { session: sent.size, count: 0 };
      sent.set(peer, state);
      for (let index = 0; index < 5; index++) {
        const bytes = new Uint8Array(random.next() ** 4 * 200_000);
        if (peer.send('data', [from.name, state.session, state.count, bytes]) === 'sent') state.count++;
      }
    };
    for (let step = 0; step < 150; step++) {
      const [from, to, dice] = [pick(), pick(), random.next()];
      if (from === to) continue;
      if (dice < 0.4) from.endpoint.dial(to.address, { timeout: 3_000 }).catch(() => {});
      else if (dice < 0.8) sendSome(from, to);
      else if (dice < 0.85) world.network.reset(from.host, to.host);
      else if (dice < 0.9) world.network.partition(from.host, to.host, { oneWay: random.next() < 0.5 });
      else if (dice < 0.95) world.network.heal();
      else void from.endpoint.peers.get(to.name)?.close(random.next() < 0.5 ? new Error('enough') : undefined);
      await world.clock.advance(random.next() * 60);
    }
    world.network.heal();
    world.network.setDefaultFaults({ delay: 1 });
    await world.clock.advance(20_000);

    // Each session delivered a beginning of what was sent on it: nothing twice, nothing out of order, no hole.
    for (const [key, numbers] of received) expect(numbers, key).toEqual(numbers.map((_, index) => index));
    for (const node of nodes) {
      for (const other of nodes) {
        const seen = node.events.filter(event => event.endsWith(` ${other.name}`)).map(event => event.split(' ')[0]);
        expect(seen).toEqual(seen.map((_, index) => (index % 2 === 0 ? 'up' : 'down')));
        expect(node.endpoint.peers.has(other.name)).toBe(seen.length % 2 === 1);
        expect(node.endpoint.peers.has(other.name)).toBe(other.endpoint.peers.has(node.name));
      }
      for (const [, reason] of node.closed) expect((reason as FoundationError | undefined)?.code).not.toBe('protocol');
    }

    // Whatever happened, all can find each other again, and nothing is left over.
    const dials = nodes.flatMap(node =>
      nodes.filter(other => other !== node).map(other => node.endpoint.dial(other.address)),
    );
    await world.settled(Promise.all(dials));
    await world.clock.advance(1_000);
    expect(nodes.map(node => node.endpoint.peers.size)).toEqual([3, 3, 3, 3]);
    expect(world.network.stats().connections).toBe(6 * 10);
  });
});
