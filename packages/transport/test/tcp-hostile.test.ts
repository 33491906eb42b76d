import { connect, type Socket } from 'node:net';
import { type Address, silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import { afterEach, describe, expect, test } from 'vitest';
import { createCodec, Endpoint, type Peer } from '../src/index.js';
import { SpareMemory } from '../src/internal/spare-memory.js';
import { FrameReader } from '../src/tcp/frame-reader.js';
import { tcp } from '../src/tcp/index.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map(close => close()));
});

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within 10 s: ${what}`);
    await new Promise(resolve => setImmediate(resolve));
  }
}

interface Served {
  readonly endpoint: Endpoint;
  readonly peers: Peer[];
  readonly messages: unknown[];
  readonly closed: (Error | undefined)[];
}

function node(name: string, limits = {}): Served {
  const served: Served = { peers: [], messages: [], closed: [] } as unknown as Served;
  const endpoint = new Endpoint({
    self: { name, incarnation: 1, clusterId: 'test' },
    transport: tcp(),
    codec: createCodec(),
    secret: new Uint8Array(32).fill(3),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    telemetry: new Telemetry(name),
    limits,
    onPeer: peer => served.peers.push(peer),
    onMessage: (_peer, _channel, message) => served.messages.push(message),
    onPeerClosed: (_peer, reason) => served.closed.push(reason),
  });
  closers.push(() => endpoint.close());
  return Object.assign(served, { endpoint });
}

async function stranger(address: Address): Promise<{ socket: Socket; closed: () => boolean }> {
  const socket = connect(address.port, address.host);
  let closed = false;
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  socket.resume();
  closers.push(() => socket.destroy());
  await until(() => socket.readyState === 'open', 'connected');
  return { socket, closed: () => closed };
}

describe('an endpoint over tcp', () => {
  test('holds sessions, carries large and small, and closes in order', async () => {
    const a = node('a');
    const b = node('b');
    const address = await b.endpoint.listen({ host: '127.0.0.1', port: 0 });
    const peer = await a.endpoint.dial(address);
    for (let index = 0; index < 1_000; index++) peer.send('data', index);
    for (let index = 0; index < 10; index++) peer.send('data', new Uint8Array(1_000_000).fill(index));
    await a.endpoint.close();
    await until(() => b.closed.length === 1, 'b heard of the close');
    expect(b.messages.length).toBe(1_010);
    const large = b.messages.slice(1_000) as Uint8Array[];
    expect(large.every((bytes, index) => bytes.length === 1_000_000 && bytes.every(byte => byte === index))).toBe(true);
    expect([a.closed, b.closed]).toEqual([[undefined], [undefined]]);
  });

  test('settles dials from both sides on one session', async () => {
    const a = node('a');
    const b = node('b');
    const [toA, toB] = [
      await a.endpoint.listen({ host: '127.0.0.1', port: 0 }),
      await b.endpoint.listen({ host: '127.0.0.1', port: 0 }),
    ];
    const [left, right] = await Promise.all([a.endpoint.dial(toB), b.endpoint.dial(toA)]);
    await until(() => a.peers.length === 1 && b.peers.length === 1, 'a peer each');
    expect([left.open, right.open, left.dialled]).toEqual([true, true, !right.dialled]);
    left.send('data', 1);
    right.send('data', 2);
    await until(() => a.messages.length === 1 && b.messages.length === 1, 'messages both ways');
    expect([a.closed, b.closed]).toEqual([[], []]);
  });

  test.each<[string, Buffer]>([
    ['a length of 0', Buffer.from([0, 0, 0, 0])],
    ['a negative length', Buffer.from([0x80, 0, 0, 1])],
    ['a length of 2^32-1', Buffer.from([255, 255, 255, 255])],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a TLS hello', Buffer.from('16030100f8010000f40303', 'hex')],
    ['a million tiny frames', Buffer.alloc(5_000_000, Buffer.from([0, 0, 0, 1, 7]))],
    ['a frame that is never finished', Buffer.from([0, 0, 1, 0, 1, 2, 3])],
  ])('closes who sends %s, and others notice nothing', async (_, bytes) => {
    const a = node('a');
    const b = node('b', { handshakeTimeout: 200 });
    const address = await b.endpoint.listen({ host: '127.0.0.1', port: 0 });
    const peer = await a.endpoint.dial(address);
    const { socket, closed } = await stranger(address);
    socket.write(bytes);
    await until(closed, 'the stranger was closed');
    peer.send('data', 'fine');
    await until(() => b.messages.length === 1, 'a message');
    expect(b.closed).toEqual([]);
  });

  test('stays bounded under 1,000 half-open connections, and lets a node in meanwhile', async () => {
    const b = node('b', { pendingConnections: 50, handshakeTimeout: 1_000 });
    const address = await b.endpoint.listen({ host: '127.0.0.1', port: 0 });
    const strangers = await Promise.all(Array.from({ length: 1_000 }, () => stranger(address)));
    await until(() => strangers.filter(each => !each.closed()).length <= 50, 'all but 50 were dropped');
    const a = node('a');
    await a.endpoint.dial(address);
    await until(() => strangers.every(each => each.closed()), 'the rest was dropped in time');
    expect(b.peers.length).toBe(1);
  });
});

describe('strangers who were refused and do not hang up', () => {
  test('count among those without proof, and are cut off soon', async () => {
    const b = node('b', { pendingConnections: 50 });
    const address = await b.endpoint.listen({ host: '127.0.0.1', port: 0 });
    const hello = Buffer.concat([Buffer.from([0, 0, 1, 49]), Buffer.from('FDN1'), Buffer.alloc(301)]);
    let told = 0;
    let gone = 0;
    for (let n = 0; n < 300; n++) {
      const socket = connect({ port: address.port, host: address.host, allowHalfOpen: true });
      socket.on('error', () => {});
      socket.on('data', () => told++);
      socket.on('close', () => gone++);
      socket.write(hello);
      closers.push(() => socket.destroy());
    }
    await until(() => gone >= 250, 'all but 50 were dropped');
    await node('a').endpoint.dial(address);
    await until(() => gone === 300, 'the rest was cut off');
    expect(told).toBeGreaterThan(0);
    expect(b.peers.length).toBe(1);
  }, 4_000);
});

describe('a frame reader', () => {
  function read(
    stream: Buffer,
    cuts: (position: number) => number,
    limit = 1_000_000,
    reused = false,
  ): { frames: Buffer[]; codes: string[] } {
    const frames: Buffer[] = [];
    const codes: string[] = [];
    let asked = 0;
    let placed = Buffer.alloc(0);
    const reader = new FrameReader(limit, reused ? new SpareMemory() : undefined, {
      // Kept as it is: nobody may write it again.
      frame: bytes => frames.push(bytes as Buffer),
      lend: () => false,
      // Every second long frame has a place of its own.
      place: (head, bytes) => {
        if (asked++ % 2 > 0) return undefined;
        placed = Buffer.concat([head], bytes);
        return placed.subarray(head.length);
      },
      placed: () => frames.push(placed),
      invalid: error => codes.push(error.code),
    });
    for (let position = 0; position < stream.length; ) {
      const next = Math.min(stream.length, position + cuts(position));
      const chunk = Buffer.from(stream.subarray(position, next));
      reader.push(chunk);
      if (reused) chunk.fill(0xee);
      position = next;
    }
    return { frames, codes };
  }

  const frames = [1, 2, 300, 70_000, 5, 140_000, 1].map((size, index) => Buffer.alloc(size, index + 1));
  const stream = Buffer.concat(
    frames.flatMap(frame => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      return [length, frame];
    }),
  );

  test.each([1, 2, 3, 5, 7, 4_096, 65_536, 1_000_000])('finds the same frames in chunks of %i bytes', size => {
    expect(read(stream, () => size)).toEqual({ frames, codes: [] });
    expect(read(stream, () => size, 1_000_000, true)).toEqual({ frames, codes: [] });
  });

  test('reads a long frame byte by byte in linear time', () => {
    const long = Buffer.alloc(4 + 2_000_000, 7);
    long.writeUInt32BE(2_000_000);
    const start = performance.now();
    expect(read(long, () => 1, 4_000_000).frames.length).toBe(1);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test('reports a wrong length once, and reads nothing after it', () => {
    const bad = Buffer.concat([stream.subarray(0, 5), Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 9])]);
    expect(read(bad, () => 3)).toEqual({ frames: [frames[0]], codes: ['protocol'] });
    expect(read(stream, () => 65_536, 1_000).codes).toEqual(['too-large']);
  });
});
