import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Address } from '@foundation-ts/core';
import { transportSuite } from '@foundation-ts/testing/transport-suite';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ConnectionEvents, Listener } from '../src/index.js';
import { tcp } from '../src/tcp/index.js';
import { type WsInit, ws } from '../src/ws/index.js';

transportSuite('ws', { transport: () => ws() });

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

/** A listener that records what its connections report. */
async function listen(init: WsInit = {}) {
  const frames: string[] = [];
  const reasons: (Error | undefined)[] = [];
  let accepted = 0;
  const listener: Listener = await ws(init).listen({
    host: '127.0.0.1',
    port: 0,
    maxFrameBytes: 1_000,
    accept: connection => {
      accepted++;
      closers.push(() => connection.close(new Error('test over')));
      return {
        frame: bytes => frames.push(Buffer.from(bytes).toString()),
        drain: () => {},
        close: reason => reasons.push(reason),
      };
    },
  });
  closers.push(() => listener.close());
  return { address: listener.address, frames, reasons, accepted: () => accepted };
}

function dial(init: WsInit, to: Address) {
  const events: ConnectionEvents = { frame: () => {}, drain: () => {}, close: () => {} };
  return ws(init).dial(to, { timeout: 5_000, maxFrameBytes: 1_000, open: () => events });
}

async function browser(address: Address, path: string, origin?: string): Promise<WebSocket | number> {
  const socket = new WebSocket(`ws://127.0.0.1:${address.port}${path}`, origin === undefined ? {} : { origin });
  closers.push(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    socket.once('error', reject);
  });
}

describe('ws', () => {
  test('meets only those who use the same path', async () => {
    const server = await listen({ path: '/cluster/7' });
    await dial({ path: '/cluster/7' }, server.address);
    await expect(dial({}, server.address)).rejects.toMatchObject({
      code: 'noconnection',
      message: expect.stringMatching(
        /answered the request for '\/foundation' with 404 Not Found, not with a WebSocket/,
      ),
    });
  });

  test('lets no page of a browser in, unless its origin is allowed', async () => {
    const server = await listen({ origins: ['https://app.example'] });
    expect(await browser(server.address, '/foundation', 'https://evil.example')).toBe(403);
    expect(await browser(server.address, '/foundation', 'null')).toBe(403);
    expect(await browser(server.address, '/foundation', 'https://app.example')).toBeInstanceOf(WebSocket);
    expect(server.accepted()).toBe(1);
  });

  test('answers other requests with 426', async () => {
    const { address } = await listen();
    const status = await new Promise(resolve => {
      request({ port: address.port, path: '/foundation' }, response => {
        response.resume();
        resolve(response.statusCode);
      }).end();
    });
    expect(status).toBe(426);
  });

  test.each<[string, (socket: WebSocket) => void, string]>([
    ['a text', socket => socket.send('text'), 'protocol'],
    ['an empty message', socket => socket.send(new Uint8Array(0)), 'protocol'],
    ['a message over the limit', socket => socket.send(new Uint8Array(1_001)), 'too-large'],
    [
      'a message over the limit in pieces',
      socket => {
        for (let piece = 0; piece < 11; piece++) socket.send(new Uint8Array(100), { fin: piece === 10 });
      },
      'too-large',
    ],
  ])('closes who sends %s, with a typed reason', async (_, send, code) => {
    const server = await listen();
    const socket = (await browser(server.address, '/foundation')) as WebSocket;
    socket.on('error', () => {});
    socket.send(Buffer.from('first'));
    send(socket);
    await until(() => server.reasons.length === 1, 'it was closed');
    expect(server.reasons[0]).toMatchObject({ code });
    expect(server.frames).toEqual(['first']);
    await until(() => socket.readyState === WebSocket.CLOSED, 'the other side saw it');
  });

  test('answers a ping, and does not collect answers for who reads none', async () => {
    const server = await listen();
    const socket = (await browser(server.address, '/foundation')) as WebSocket;
    socket.ping('are you there?');
    const [answer] = (await once(socket, 'pong')) as [Buffer];
    expect(answer.toString()).toBe('are you there?');
    let pongs = 0;
    let last = '';
    socket.on('pong', answered => {
      pongs++;
      last = answered.toString();
    });
    socket.pause();
    const payload = Buffer.alloc(125);
    const rounds = 200;
    for (let round = 0; round < rounds; round++) {
      for (let ping = 0; ping < 1_000; ping++) socket.ping(payload);
      await until(() => socket.bufferedAmount < 1_000_000, 'the pings are on their way');
    }
    socket.send(Buffer.from('after'));
    await until(() => server.frames.length === 1, 'the server has read them all');
    socket.resume();
    await until(() => {
      if (socket.bufferedAmount === 0) socket.ping('the last');
      return last === 'the last';
    }, 'the answer to the last ping, behind all others');
    // What the system's buffers took, and no more.
    expect(pongs).toBeLessThan(rounds * 1_000);
  });

  test('answers one ping of those that come in a turn', async () => {
    const server = await listen();
    const socket = (await browser(server.address, '/foundation')) as WebSocket;
    let pongs = 0;
    socket.on('pong', () => pongs++);
    // A masked ping of no bytes is six bytes long.
    const raw = (socket as unknown as { _socket: Socket })._socket;
    raw.write(Buffer.alloc(6 * 10_000, Buffer.from([0x89, 0x80, 0, 0, 0, 0])));
    socket.send(Buffer.from('after'));
    await until(() => server.frames.length === 1, 'the server has read them all');
    await until(() => pongs > 0, 'an answer');
    expect(pongs).toBeLessThan(1_000);
  });

  test.each<[string, string | Buffer]>([
    ['nothing', ''],
    ['half a request', 'GET /foundation HTTP/1.1\r\nHost: x\r\n'],
    ['no HTTP', Buffer.from('16030100f8010000f40303', 'hex')],
    ['a header without end', `GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}`],
  ])('closes who connects and sends %s', async (_, bytes) => {
    const server = await listen();
    const socket = connect(server.address.port, '127.0.0.1');
    closers.push(() => socket.destroy());
    let closed = false;
    socket.on('error', () => {});
    socket.on('close', () => {
      closed = true;
    });
    socket.resume();
    socket.write(bytes);
    await until(() => closed, 'it was closed');
    expect(server.accepted()).toBe(0);
  });

  test('says that a node of another transport is not one of this', async () => {
    const listener = await tcp().listen({
      host: '127.0.0.1',
      port: 0,
      maxFrameBytes: 1_000,
      accept: () => ({ frame: () => {}, drain: () => {}, close: () => {} }),
    });
    closers.push(() => listener.close());
    await expect(dial({}, listener.address)).rejects.toMatchObject({
      code: 'noconnection',
      message: expect.stringMatching(/the WebSocket could not be opened/),
    });
  });

  test.each<[WsInit, RegExp]>([
    [{ path: 'foundation' }, /path/],
    [{ path: '/a?b' }, /path/],
    [{ origins: 'x' as unknown as string[] }, /origins/],
    [{ linger: -1 }, /linger/],
    [{ compress: true } as WsInit, /compress/],
  ])('rejects %j', (init, message) => {
    expect(() => ws(init)).toThrow(message);
  });
});
