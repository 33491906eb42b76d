import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Address, FoundationError } from '@foundation-ts/core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Connection, ConnectionEvents } from '../src/index.js';
import { ReusedReads } from '../src/internal/reused-reads.js';
import { ws } from '../src/ws/index.js';
import { CLOSE, frame, PING, pieces } from './ws-frames.js';

const MAX_FRAME = 4 * 1024 * 1024;
const KEY = Uint8Array.of(1, 2, 3, 4);
const SIZES = [1, 125, 126, 127, 1_000, 65_535, 65_536, 65_537, 300_000, 2_000_000, 3];
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(closers.splice(0).map(close => close()));
});

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within 10 s: ${what}`);
    await new Promise(resolve => setImmediate(resolve));
  }
}

function bytesOf(length: number, number = 0): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + number * 7 + length) & 0xff));
}

const same = (got: readonly Uint8Array[], sent: readonly Uint8Array[]): boolean =>
  got.length === sent.length && got.every((bytes, index) => Buffer.compare(bytes, sent[index] as Uint8Array) === 0);

/** One end of ours: keeps what it is told. */
class End implements ConnectionEvents {
  readonly frames: Uint8Array[] = [];
  readonly closes: (Error | undefined)[] = [];
  readonly connection: Connection;
  constructor(connection: Connection) {
    this.connection = connection;
    closers.push(() => connection.close(new Error('test over')));
  }
  frame(bytes: Uint8Array): void {
    this.frames.push(bytes);
  }
  drain(): void {}
  close(reason: Error | undefined): void {
    this.closes.push(reason);
  }
}

/** A listener of ours. */
async function listen(linger = 5_000) {
  const ends: End[] = [];
  const listener = await ws({ linger }).listen({
    host: '127.0.0.1',
    port: 0,
    maxFrameBytes: MAX_FRAME,
    accept: connection => {
      const end = new End(connection);
      ends.push(end);
      return end;
    },
  });
  closers.push(() => listener.close());
  return { address: listener.address, ends };
}

async function dial(to: Address, linger = 5_000): Promise<End> {
  let end: End | undefined;
  await ws({ linger }).dial(to, {
    timeout: 5_000,
    maxFrameBytes: MAX_FRAME,
    open: connection => {
      end = new End(connection);
      return end;
    },
  });
  return end as End;
}

/** A client by `ws`, and our end of it. */
async function theirClient(): Promise<[WebSocket, End]> {
  const { address, ends } = await listen();
  const socket = new WebSocket(`ws://127.0.0.1:${address.port}/foundation`);
  closers.push(() => socket.terminate());
  await once(socket, 'open');
  await until(() => ends.length === 1, 'accepted');
  return [socket, ends[0] as End];
}

/** A server by `ws`, and our end of a connection to it. */
async function theirServer(): Promise<[WebSocket, End]> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: MAX_FRAME });
  closers.push(() => server.close());
  await once(server, 'listening');
  const connected = once(server, 'connection');
  const end = await dial({ protocol: 'ws', host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const [socket] = (await connected) as [WebSocket];
  closers.push(() => socket.terminate());
  return [socket, end];
}

/** A server that answers the request to become a WebSocket, sends `behind` in the same packet, and speaks bytes. */
async function rawServer(behind: Uint8Array = new Uint8Array(0)): Promise<[Socket, End]> {
  const { createHash } = await import('node:crypto');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  closers.push(() => server.close());
  await once(server, 'listening');
  const answered = new Promise<Socket>(resolve => {
    server.on('connection', socket => {
      closers.push(() => socket.destroy());
      socket.on('error', () => {});
      socket.once('data', request => {
        const key = /Sec-WebSocket-Key: (\S+)/i.exec(String(request))?.[1];
        const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
        const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
        const answer = `${lines.join('\r\n')}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
        socket.write(Buffer.concat([Buffer.from(answer), behind]));
        resolve(socket);
      });
    });
  });
  const end = await dial({ protocol: 'ws', host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  return [await answered, end];
}

/** A client that sends `behind` in the same packet as the request, and speaks bytes; resolves when it was answered. */
async function rawClient(behind: Uint8Array = new Uint8Array(0), linger?: number): Promise<[Socket, End]> {
  const { address, ends } = await listen(linger);
  const socket = connect(address.port, '127.0.0.1');
  closers.push(() => socket.destroy());
  socket.on('error', () => {});
  const lines = ['GET /foundation HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket'];
  const rest = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''];
  socket.write(Buffer.concat([Buffer.from([...lines, ...rest].join('\r\n')), behind]));
  await once(socket, 'data');
  await until(() => ends.length === 1, 'accepted');
  return [socket, ends[0] as End];
}

/** Everything a socket gets from now on. */
function collect(socket: Socket): () => Buffer {
  const chunks: Buffer[] = [];
  socket.on('data', chunk => chunks.push(chunk as Buffer));
  return () => Buffer.concat(chunks);
}

const sides: readonly [string, () => Promise<[WebSocket, End]>][] = [
  ['a client of another implementation', theirClient],
  ['a server of another implementation', theirServer],
];

describe.each(sides)('with %s', (_, open) => {
  test('messages of all sizes go both ways', async () => {
    const [socket, end] = await open();
    const got: Buffer[] = [];
    socket.on('message', data => got.push(data as Buffer));
    const sent = SIZES.map(bytesOf);
    for (const bytes of sent) {
      socket.send(bytes);
      end.connection.send(bytes.subarray(0));
    }
    for (const bytes of sent) end.connection.sendPieces?.(bytes.subarray(0, 5), bytes.subarray(5));
    await until(() => same(end.frames, sent) && same(got, [...sent, ...sent]), 'all messages, as they were sent');
    expect(sent.every((bytes, index) => bytes.equals(bytesOf(SIZES[index] as number, index)))).toBe(true);
  });

  test('messages in pieces are put together, with pings between them', async () => {
    const [socket, end] = await open();
    const sent = bytesOf(300_000);
    let pongs = 0;
    socket.on('pong', () => pongs++);
    for (let at = 0; at < sent.length; at += 7_001) {
      socket.send(sent.subarray(at, at + 7_001), { fin: at + 7_001 >= sent.length });
      if (at % 3 === 0) socket.ping('there?');
    }
    await until(() => same(end.frames, [sent]) && pongs > 0, 'the message and a pong');
  });

  test('answers the last ping, whatever it is sending itself', async () => {
    const [socket, end] = await open();
    const pongs: string[] = [];
    socket.on('pong', data => pongs.push(String(data)));
    for (let index = 0; index < 100; index++) {
      socket.ping(`ping ${index}`);
      end.connection.send(bytesOf(50_000));
    }
    await until(() => pongs.at(-1) === 'ping 99', 'a pong for the last ping');
  });

  test('a close of ours in order is answered, behind what was sent', async () => {
    const [socket, end] = await open();
    let bytes = 0;
    socket.on('message', data => {
      bytes += (data as Buffer).length;
    });
    const closed = once(socket, 'close');
    for (let index = 0; index < 20; index++) end.connection.send(bytesOf(100_000));
    await end.connection.close();
    expect((await closed)[0]).toBe(1000);
    expect([bytes, end.closes]).toEqual([2_000_000, [undefined]]);
  });

  test('a close of theirs in order is answered, behind what they sent', async () => {
    const [socket, end] = await open();
    const closed = once(socket, 'close');
    for (let index = 0; index < 20; index++) socket.send(bytesOf(100_000));
    socket.close(1000, 'done');
    expect((await closed)[0]).toBe(1000);
    await until(() => end.closes.length === 1, 'closed');
    expect([end.frames.length, end.closes]).toEqual([20, [undefined]]);
  });

  test.each([[1001], [1011], [4000], [undefined]])(
    'a close of theirs with code %s is a loss, and is answered',
    async code => {
      const [socket, end] = await open();
      const closed = once(socket, 'close');
      socket.close(code);
      expect((await closed)[0]).toBe(code ?? 1005);
      await until(() => end.closes.length === 1, 'closed');
      expect(end.closes[0]).toMatchObject({
        code: 'noconnection',
        message: expect.stringContaining(String(code ?? 1005)),
      });
    },
  );

  test('both may close at once', async () => {
    const [socket, end] = await open();
    const closed = once(socket, 'close');
    socket.close(1000);
    await Promise.all([closed, end.connection.close()]);
    expect(end.closes).toEqual([undefined]);
  });

  test('an end without the closing handshake is a loss', async () => {
    for (const cut of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const [socket, end] = await open();
      (socket as unknown as { _socket: Socket })._socket[cut]();
      await until(() => end.closes.length === 1, 'closed');
      expect(end.closes[0]).toMatchObject({ code: 'noconnection' });
    }
  });

  test('each side may hold the other one up', async () => {
    const [socket, end] = await open();
    end.connection.pause();
    const sent = Array.from({ length: 100 }, (_, index) => bytesOf(100_000, index));
    for (const bytes of sent) socket.send(bytes);
    for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve));
    expect(end.frames).toEqual([]);
    expect(socket.bufferedAmount).toBeGreaterThan(0);
    end.connection.resume();
    await until(() => same(end.frames, sent), 'all messages');
  });

  test('the closing handshake also comes to one who is paused meanwhile', async () => {
    const [socket, end] = await open();
    end.connection.pause();
    socket.send(bytesOf(10));
    socket.close(1000);
    for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve));
    expect([end.frames.length, end.closes.length]).toEqual([0, 0]);
    end.connection.resume();
    await until(() => end.closes.length === 1, 'closed');
    expect([end.frames.length, end.closes]).toEqual([1, [undefined]]);
  });
});

describe('a socket that has become a WebSocket', () => {
  test.each([false, true])(
    'is taken over on both sides, and keeps its reads where Node does not let it (%s)',
    async keeps => {
      const adopt = vi.spyOn(ReusedReads.prototype, 'adopt');
      if (keeps) adopt.mockReturnValue(undefined);
      const { address, ends } = await listen();
      const near = await dial(address);
      await until(() => ends.length === 1, 'accepted');
      const far = ends[0] as End;
      expect(adopt.mock.results.map(({ value }) => value === undefined)).toEqual([keeps, keeps]);
      const sent = SIZES.map(bytesOf);
      for (const bytes of sent) {
        near.connection.send(bytes.subarray(0));
        far.connection.send(bytes.subarray(0));
      }
      await until(() => same(near.frames, sent) && same(far.frames, sent), 'all messages');
      await near.connection.close();
      await until(() => far.closes.length === 1, 'closed');
      expect([near.closes, far.closes]).toEqual([[undefined], [undefined]]);
    },
  );

  test.each([false, true])('has what came with the upgrade, whole and first (keeps its reads: %s)', async keeps => {
    if (keeps) vi.spyOn(ReusedReads.prototype, 'adopt').mockReturnValue(undefined);
    const sent = [bytesOf(10), bytesOf(3_000), bytesOf(20)];
    const plain = Buffer.concat(sent.map(payload => frame({ payload })));
    const masked = Buffer.concat(sent.map(payload => frame({ payload, key: KEY })));
    const cut = 2_000;
    const [server, near] = await rawServer(plain.subarray(0, cut));
    const [client, far] = await rawClient(masked.subarray(0, cut));
    await until(() => near.frames.length === 1 && far.frames.length === 1, 'the first message');
    server.write(plain.subarray(cut));
    client.write(masked.subarray(cut));
    await until(() => same(near.frames, sent) && same(far.frames, sent), 'the rest');
  });

  test('may be closed by what came with the upgrade', async () => {
    const code = Buffer.from([3, 0xe8]);
    const [, near] = await rawServer(frame({ payload: code, opcode: CLOSE }));
    const [, far] = await rawClient(frame({ payload: code, opcode: CLOSE, key: KEY }));
    await until(() => near.closes.length === 1 && far.closes.length === 1, 'closed');
    expect([near.closes, far.closes]).toEqual([[undefined], [undefined]]);
  });

  test('is closed when the other side masks though it may not, or does not though it must', async () => {
    const payload = bytesOf(10);
    const [server, near] = await rawServer();
    server.write(frame({ payload, key: KEY }));
    const [client, far] = await rawClient();
    client.write(frame({ payload }));
    await until(() => near.closes.length === 1 && far.closes.length === 1, 'closed');
    for (const { closes, frames } of [near, far]) {
      expect([frames, (closes[0] as FoundationError).code]).toEqual([[], 'protocol']);
    }
  });

  test('answers a close once, and nothing that comes behind it', async () => {
    const close = frame({ payload: Buffer.from([3, 0xe8]), opcode: CLOSE, key: KEY });
    const [client, end] = await rawClient();
    const answers = collect(client);
    client.write(
      Buffer.concat([
        close,
        close,
        frame({ payload: bytesOf(5), key: KEY }),
        frame({ payload: bytesOf(5), opcode: PING, key: KEY }),
      ]),
    );
    await once(client, 'end');
    expect(answers()).toEqual(frame({ payload: Buffer.from([3, 0xe8]), opcode: CLOSE }));
    await until(() => end.closes.length === 1, 'closed');
    expect([end.frames, end.closes]).toEqual([[], [undefined]]);
  });

  test('still hears the other half of the closing handshake behind what is dropped', async () => {
    const [client, end] = await rawClient();
    const closed = end.connection.close();
    await once(client, 'data');
    const late = pieces(
      bytesOf(200_000),
      [1, 50_000, 70_001],
      () => frame({ payload: bytesOf(3), opcode: PING, key: KEY }),
      () => KEY,
    );
    client.write(Buffer.concat([late, frame({ payload: Buffer.from([3, 0xe8]), opcode: CLOSE, key: KEY })]));
    await closed;
    expect([end.frames, end.closes]).toEqual([[], [undefined]]);
  });

  test.each([false, true])(
    'is given up by one who closes, when nobody answers in time (answered: %s)',
    async answered => {
      const [client, end] = await rawClient(undefined, 50);
      // Never ends its half.
      (client as unknown as { allowHalfOpen: boolean }).allowHalfOpen = true;
      if (answered) client.write(frame({ payload: Buffer.from([3, 0xe8]), opcode: CLOSE, key: KEY }));
      else void end.connection.close();
      await until(() => end.closes.length === 1, 'given up');
      expect(end.closes).toEqual([undefined]);
    },
  );
});
