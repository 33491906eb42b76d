/** Attacks on what carries the frames: the upgrade to WebSocket and its frames, and the TLS handshake. */
import { Authority } from '../support/certificates.js';
import { type Attack, untilClosed, wait } from './attack.js';
import { RawSocket, requestHead, upgradeLines, wsHeader } from './raw-peer.js';

const FRAMES = /transport\.handshake\.failed (protocol|too-large)/;

/** A request that is answered with a status, and closed. */
function http(name: string, head: string | readonly string[], status: RegExp): Attack {
  return {
    name: `an HTTP client: ${name}`,
    on: ['ws'],
    run: async arena => {
      const socket = await new RawSocket(arena.port).opened();
      let answer = '';
      socket.socket.on('data', chunk => {
        answer += String(chunk).slice(0, 1_000);
      });
      for (const part of typeof head === 'string' ? [head] : head) {
        socket.writeRaw(Buffer.from(part));
        await wait(0);
      }
      await untilClosed(socket, name);
      if (!status.test(answer)) throw new Error(`${name} was answered with '${answer}'`);
    },
  };
}

/** Bytes behind the upgrade. */
function framed(name: string, bytes: Uint8Array, told: RegExp = FRAMES, rest: Partial<Attack> = {}): Attack {
  return {
    name: `a WebSocket: ${name}`,
    ...rest,
    on: ['ws'],
    told,
    run: async arena => {
      const socket = await arena.socket();
      socket.writeRaw(bytes);
      // The time for the handshake, and then for the closing handshake of WebSocket.
      await untilClosed(socket, name, rest.slow === true ? 10_000 : 5_000);
    },
  };
}

const piece = (first: number, content: string | Uint8Array): Buffer =>
  Buffer.concat([wsHeader(content.length, first), Buffer.from(content as string)]);
const repeated = (times: number, what: Buffer): Buffer => Buffer.alloc(times * what.length, what);
const noMore = /^$|^HTTP\/1\.1 4/;
const changed = (line: number, text: string): string[] => upgradeLines.map((given, at) => (at === line ? text : given));

const webSockets: readonly Attack[] = [
  http('no request to become a WebSocket', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 426/),
  http('another path', requestHead(changed(0, 'GET /../foundation HTTP/1.1')), /^HTTP\/1\.1 404/),
  http('a web page', requestHead(upgradeLines, 'Origin: https://evil.example'), /^HTTP\/1\.1 403/),
  http('a page from nowhere', requestHead(upgradeLines, 'Origin: null'), /^HTTP\/1\.1 403/),
  http('another version', requestHead(changed(4, 'Sec-WebSocket-Version: 99')), /^HTTP\/1\.1 4/),
  http('a key that is none', requestHead(changed(5, 'Sec-WebSocket-Key: x')), /^HTTP\/1\.1 400/),
  http('another method', requestHead(changed(0, 'POST /foundation HTTP/1.1')), /^HTTP\/1\.1 4/),
  http('a header of 8 MiB', requestHead(upgradeLines, `X-Long: ${'x'.repeat(8 * 1024 * 1024)}`), noMore),
  http(
    '100,000 headers',
    requestHead([...upgradeLines, ...Array.from({ length: 100_000 }, (_, n) => `X-${n}: 1`)]),
    noMore,
  ),
  http('a path of 1 MiB', requestHead(changed(0, `GET /${'x'.repeat(1024 * 1024)} HTTP/1.1`)), noMore),
  http('no HTTP', Buffer.alloc(100_000, 7).toString('latin1'), /^HTTP\/1\.1 400/),
  http(
    'two requests in one',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 4/,
  ),
  http(
    'a body without end',
    [
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n',
      ...Array.from({ length: 200 }, () => 'x'.repeat(65_536)),
    ],
    /^HTTP\/1\.1 426/,
  ),
  {
    name: 'an HTTP client: one byte of the request at a time',
    slow: true,
    on: ['ws'],
    run: async arena => {
      const socket = await new RawSocket(arena.port).opened();
      const head = Buffer.from(requestHead());
      for (let at = 0; at < 30 && !socket.closed; at++) {
        socket.writeRaw(head.subarray(at, at + 1));
        await wait(200);
      }
      if (!socket.closed) throw new Error('it was not closed');
    },
  },
  {
    name: 'HTTP clients: 1,000 requests that are begun',
    slow: true,
    on: ['ws'],
    run: async arena => {
      const sockets = await Promise.all(Array.from({ length: 1_000 }, () => new RawSocket(arena.port).opened()));
      for (const socket of sockets) socket.writeRaw(Buffer.from('GET /foundation HTTP/1.1\r\nX: '));
      const peer = await arena.peer();
      if (!(await peer.answers())) throw new Error('a node could not get in meanwhile');
      await peer.link.end();
      for (const socket of sockets) await untilClosed(socket, 'all');
    },
  },
  framed('a frame that is not masked', Buffer.from([0x82, 4, 1, 2, 3, 4])),
  framed('a text', piece(0x81, 'text')),
  framed('an empty frame', piece(0x82, '')),
  framed('reserved bits', piece(0xf2, 'four')),
  framed('a reserved opcode', piece(0x83, 'four')),
  framed('a reserved control opcode', piece(0x8b, 'four')),
  framed('a length of 2^64 − 1', Buffer.concat([Buffer.from([0x82, 0xff]), Buffer.alloc(8, 0xff), Buffer.alloc(4)])),
  framed('a length of 2^32', Buffer.concat([Buffer.from([0x82, 0xff, 0, 0, 0, 1]), Buffer.alloc(8)])),
  framed('a continuation of nothing', piece(0x80, 'four')),
  framed('a message within another', Buffer.concat([piece(0x02, 'four'), piece(0x82, 'four')])),
  framed('a ping in pieces', piece(0x09, 'four')),
  framed('a ping of 200 bytes', piece(0x89, 'x'.repeat(200))),
  framed('a close of one byte', piece(0x88, 'x')),
  framed('a close with a code that there is not', piece(0x88, Buffer.from([0, 1]))),
  framed('a close with bad UTF-8', piece(0x88, Buffer.from([3, 0xe8, 0xff, 0xfe]))),
  framed('a message in a million pieces', Buffer.concat([piece(0x02, 'x'), repeated(1_000_000, piece(0x00, 'x'))])),
  framed(
    'a message in a million empty pieces, without end',
    Buffer.concat([piece(0x02, ''), repeated(1_000_000, piece(0x00, ''))]),
    /transport\.handshake\.failed (protocol|too-large|timeout)/,
  ),
  framed('200,000 pings', repeated(200_000, piece(0x89, 'four')), /transport\.handshake\.failed timeout/, {
    slow: true,
  }),
  {
    name: 'a WebSocket: 200,000 pings of one that hangs up',
    on: ['ws'],
    run: async arena => {
      const socket = await arena.socket();
      socket.writeRaw(repeated(200_000, piece(0x89, 'four')));
      await new Promise(resolve => socket.socket.once('data', resolve));
      await socket.end();
      await wait(500);
    },
  },
  framed('HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')),
  framed('a frame that is never finished', wsHeader(500), /transport\.handshake\.failed timeout/, { slow: true }),
];

/** Bytes in place of a TLS handshake. */
function unsecured(name: string, bytes: Uint8Array, rest: Partial<Attack> = {}): Attack {
  return {
    ...rest,
    name: `in place of TLS: ${name}`,
    on: ['tls'],
    run: async arena => {
      const socket = await new RawSocket(arena.port).opened();
      socket.writeRaw(bytes);
      await untilClosed(socket, name);
    },
  };
}

/** A certificate that is not good enough. */
function certified(name: string, certificate: (arena: Parameters<Attack['run']>[0]) => object): Attack {
  return {
    name: `over TLS: ${name}`,
    on: ['tls'],
    told: /transport\.handshake\.failed auth-failed/,
    run: async arena => {
      const tls = certificate(arena) as NonNullable<typeof arena.carrier.tls>;
      const entered = await arena.peer({ carrier: { tls } }).then(
        () => true,
        () => false,
      );
      await wait(100);
      if (entered) throw new Error('it was let in');
    },
  };
}

const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
const authorityOf = (arena: Parameters<Attack['run']>[0]) => {
  if (arena.authority === undefined) throw new Error('no authority without TLS');
  return arena.authority;
};

function foreign(names: string, rest: Parameters<Authority['issue']>[1] = {}): object {
  const other = new Authority('another');
  try {
    return other.issue(names, rest);
  } finally {
    other.dispose();
  }
}

const tls: readonly Attack[] = [
  unsecured('zeros', Buffer.alloc(1_000)),
  unsecured(
    'a hello of ours, unencrypted',
    Buffer.concat([Buffer.from([0, 0, 1, 0x31]), Buffer.from('FDN1'), Buffer.alloc(301)]),
  ),
  unsecured('HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')),
  unsecured(
    'a record of 2^16 − 1 bytes',
    Buffer.concat([Buffer.from([0x16, 3, 1, 0xff, 0xff]), Buffer.alloc(65_535, 1)]),
  ),
  unsecured('the beginning of a handshake', hello, { slow: true }),
  unsecured('10 MB of records', Buffer.alloc(10_000_000, Buffer.from([0x16, 3, 3, 0, 1, 1]))),
  {
    name: 'in place of TLS: 1,000 handshakes that are begun',
    slow: true,
    on: ['tls'],
    run: async arena => {
      const sockets = await Promise.all(Array.from({ length: 1_000 }, () => new RawSocket(arena.port).opened()));
      for (const socket of sockets) socket.writeRaw(hello);
      const peer = await arena.peer();
      if (!(await peer.answers())) throw new Error('a node could not get in meanwhile');
      await peer.link.end();
      for (const socket of sockets) await untilClosed(socket, 'all');
    },
  },
  certified('no certificate', () => ({})),
  certified('a certificate that has expired', arena => authorityOf(arena).issue('DNS:stranger', { days: -1 })),
  certified("somebody else's certificate", arena => authorityOf(arena).issue('DNS:healthy2')),
  certified('a certificate for a role of that name', arena =>
    authorityOf(arena).issue('DNS:x,URI:foundation:role/stranger'),
  ),
  certified('a certificate of another authority', () => foreign('DNS:stranger')),
  certified('a certificate of another authority that names nobody', () => foreign('', { subject: '/' })),
];

/** Every attack that is of one carrier only. */
export const carrierAttacks: readonly Attack[] = [...webSockets, ...tls];
