import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Connection, ConnectionEvents, Transport } from '../src/index.js';
import { tcp } from '../src/tcp/index.js';
import { ws } from '../src/ws/index.js';
import { frame } from './ws-frames.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map(close => close()));
});

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 3_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within 3 s: ${what}`);
    await new Promise(resolve => setImmediate(resolve));
  }
}

class End implements ConnectionEvents {
  readonly connection: Connection;
  readonly closes: (Error | undefined)[] = [];
  onFrame: () => void = () => {};
  constructor(connection: Connection) {
    this.connection = connection;
    closers.push(() => void connection.close(new Error('test over')));
  }
  frame(): void {
    this.onFrame();
  }
  drain(): void {}
  close(reason: Error | undefined): void {
    this.closes.push(reason);
  }
}

const UPGRADE = [
  'GET /foundation HTTP/1.1',
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

interface Speaker {
  readonly transport: Transport;
  readonly begin: (socket: Socket) => Promise<unknown>;
  readonly frame: (bytes: number) => Uint8Array;
}

const speakers: readonly [string, Speaker][] = [
  [
    'tcp',
    {
      transport: tcp({ linger: 60_000 }),
      begin: async () => {},
      frame: bytes => {
        const framed = Buffer.alloc(4 + bytes);
        framed.writeUInt32BE(bytes);
        return framed;
      },
    },
  ],
  [
    'ws',
    {
      transport: ws({ linger: 60_000 }),
      begin: async socket => {
        socket.write(UPGRADE);
        await once(socket, 'data');
      },
      frame: bytes => frame({ payload: Buffer.alloc(bytes), key: Uint8Array.of(0, 0, 0, 0) }),
    },
  ],
];

/** A listener of ours, and bare sockets that are connected to it, each with our end. */
async function connections({ transport, begin }: Speaker, count: number): Promise<[Socket, End][]> {
  const ends: End[] = [];
  const listener = await transport.listen({
    host: '127.0.0.1',
    port: 0,
    maxFrameBytes: 1 << 20,
    accept: connection => {
      const end = new End(connection);
      ends.push(end);
      return end;
    },
  });
  closers.push(() => listener.close());
  const pairs: [Socket, End][] = [];
  for (let index = 0; index < count; index++) {
    const socket = connect(listener.address.port, '127.0.0.1');
    socket.on('error', () => {});
    closers.push(() => socket.destroy());
    await once(socket, 'connect');
    await begin(socket);
    await until(() => ends.length > index, 'accepted');
    socket.resume();
    pairs.push([socket, ends[index] as End]);
  }
  return pairs;
}

test.each(speakers)('%s: a connection that the other side is ending can be closed at once', async (_name, speaker) => {
  const pairs = await connections(speaker, 2);
  const [[ending, end], [speaking, other]] = pairs as [[Socket, End], [Socket, End]];
  // Read in the same turn, behind the end of the other socket: its own end is on its way then.
  other.onFrame = () => void end.connection.close(new Error('enough'));
  ending.end(() => speaking.write(speaker.frame(5)));
  await until(() => end.closes.length === 1, 'the connection is over');
});

test.each(speakers)(
  '%s: an orderly close reads all that a paused connection has left unread',
  async (_name, speaker) => {
    const [[socket, end]] = (await connections(speaker, 1)) as [[Socket, End]];
    end.connection.pause();
    const framed = speaker.frame(200_000);
    for (let index = 0; index < 30; index++) socket.write(framed);
    await new Promise(resolve => setImmediate(resolve));
    void end.connection.close();
    if (_name === 'ws') socket.end(frame({ payload: Buffer.alloc(0), opcode: 8, key: Uint8Array.of(0, 0, 0, 0) }));
    await until(() => end.closes.length === 1, 'the connection is over');
    expect(end.closes).toEqual([undefined]);
  },
);
