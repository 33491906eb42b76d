import { gzipSync } from 'node:zlib';
import { Pid } from 'foundation-ts';
import { until } from '../support/until.js';
import type { Arena, Wire } from './arena.js';
import { type Attack, wait } from './attack.js';
import { carrierAttacks } from './carriers.js';
import { batchBody, codec, fragmentBody, frame, frameOf, type RawPeer, RawSocket } from './raw-peer.js';

const CLOSED = /transport\.(peer\.closed|handshake\.failed) (protocol|too-large)/;
const HANDSHAKE = /transport\.handshake\.failed protocol/;

/** Bytes of a stranger, who proves nothing. */
function raw(name: string, bytes: Uint8Array, told: RegExp = HANDSHAKE): Attack {
  return {
    name: `a stranger: ${name}`,
    // Lengths stand in front of frames there.
    on: ['tcp', 'tls'],
    told,
    run: async arena => {
      const socket = await arena.socket();
      socket.writeRaw(bytes);
      await until(
        () => socket.closed,
        () => `${name} to be closed`,
        5_000,
      );
    },
  };
}

/** What a peer sends that has proven itself, and then has to be closed. */
function closes(
  name: string,
  run: (peer: RawPeer, arena: Arena) => Promise<void> | void,
  told: RegExp = CLOSED,
): Attack {
  return {
    name,
    told,
    run: async arena => {
      const peer = await arena.peer();
      await run(peer, arena);
      await peer.ended();
    },
  };
}

/** What a peer sends that the victim bears; the peer is still answered afterwards, or was closed. */
function bears(
  name: string,
  run: (peer: RawPeer, arena: Arena) => Promise<void> | void,
  rest: Partial<Attack> = {},
): Attack {
  return {
    name,
    ...rest,
    run: async arena => {
      const peer = await arena.peer();
      await run(peer, arena);
      if (peer.open && !(await peer.answers(20_000)) && peer.open)
        throw new Error(`${name}: neither answered nor closed`);
      await peer.link.end();
      await wait(50);
    },
  };
}

/** One message in the bytes of its MessagePack. */
const sends =
  (...bodies: readonly Uint8Array[]) =>
  (peer: RawPeer): void =>
    peer.send(frame.batch, 0, batchBody(bodies));

const bytes = (...parts: readonly (number | string | Uint8Array)[]): Buffer =>
  Buffer.concat(parts.map(part => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part as Uint8Array))));
const text = (value: string): Buffer => bytes(0xa0 | value.length, Buffer.from(value));
/** `[cast, '$echo', 'note', payload]` with a payload in raw bytes. */
const casting = (payload: Uint8Array): Buffer => bytes(0x94, 1, text('$echo'), text('note'), payload);
const nested = (open: number, levels: number): Buffer => casting(bytes(Buffer.alloc(levels, open), 0xc0));

const record = (name: string, incarnation: number, rank: number, version = 1): unknown[] => [
  name,
  incarnation,
  rank,
  version,
  ['tcp', '127.0.0.1', 1],
  [],
  null,
  {},
  0,
];
/** Ranks of the statuses in gossip. */
const UP = 1;
const LEAVING = 2;
const DOWN = 3;
const REMOVED = 4;

function transcript(arena: Arena): Promise<{ hello: Buffer; proof: Buffer; replies: Buffer[] }> {
  return new Promise((resolve, reject) => {
    void (async () => {
      const sent: Buffer[] = [];
      const replies: Buffer[] = [];
      const write = RawSocket.prototype.write;
      RawSocket.prototype.write = function (this: RawSocket, given: Uint8Array) {
        sent.push(Buffer.from(given));
        write.call(this, given);
      };
      try {
        const peer = await arena.peer();
        await peer.link.end();
      } finally {
        RawSocket.prototype.write = write;
      }
      resolve({ hello: sent[0] as Buffer, proof: sent[1] as Buffer, replies });
    })().catch(reject);
  });
}

const unproven: readonly Attack[] = [
  raw('a length of 0', Buffer.from([0, 0, 0, 0])),
  raw('a negative length', Buffer.from([0x80, 0, 0, 1, 1, 2, 3]), /handshake\.failed too-large/),
  raw('a length of 2^32 − 1', Buffer.from([255, 255, 255, 255, 1, 2, 3]), /handshake\.failed too-large/),
  raw('a million tiny frames', Buffer.alloc(5_000_000, Buffer.from([0, 0, 0, 1, 7]))),
  raw('HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /handshake\.failed too-large/),
  raw('a frame that is never finished', Buffer.from([0, 0, 1, 0, 1, 2, 3]), /handshake\.failed timeout/),
  {
    name: 'a stranger: one byte a second',
    on: ['tcp', 'tls'],
    told: /handshake\.failed timeout/,
    run: async arena => {
      const socket = await arena.socket();
      const timer = setInterval(() => socket.writeRaw(Buffer.of(0)), 1_000);
      await until(
        () => socket.closed,
        () => 'the slow stranger to be closed',
        5_000,
      ).finally(() => clearInterval(timer));
    },
  },
  {
    name: 'a stranger: a replayed handshake',
    told: /handshake\.failed auth-failed/,
    run: async arena => {
      const { hello, proof } = await transcript(arena);
      const socket = await arena.socket();
      socket.onFrame(() => socket.write(proof));
      socket.write(hello);
      await until(
        () => socket.closed,
        () => 'the replay to be closed',
        5_000,
      );
    },
  },
  {
    name: 'a stranger: a reflected handshake',
    told: HANDSHAKE,
    run: async arena => {
      // What the victim says is sent back to it: on the same connection, and on a second one as a dialler's hello.
      const { hello } = await transcript(arena);
      const first = await arena.socket();
      const second = await arena.socket();
      first.onFrame(answer => {
        first.write(answer);
        second.write(answer);
      });
      second.onFrame(answer => second.write(answer));
      first.write(hello);
      await until(
        () => first.closed && second.closed,
        () => 'the reflections to be closed',
        5_000,
      );
    },
  },
  {
    name: 'a stranger: another cluster',
    told: /handshake\.failed wrong-cluster/,
    run: async arena => {
      const { hello } = await transcript(arena);
      const other = Buffer.from(hello);
      // Hello: magic, kind, version range, role, flags, nonce, incarnation, then the cluster's length and name.
      other.write('elsewhe', other.indexOf('hostile'));
      const socket = await arena.socket();
      socket.write(other);
      await until(
        () => socket.closed,
        () => 'the other cluster to be closed',
        5_000,
      );
    },
  },
  ...(
    [
      ['only newer', 2, 9],
      ['only older', 0, 0],
      ['an empty range', 9, 1],
    ] as const
  ).map(
    ([what, low, high]): Attack => ({
      name: `a stranger: a protocol range that is ${what}`,
      told: /handshake\.failed incompatible/,
      run: async arena => {
        const { hello } = await transcript(arena);
        const other = Buffer.from(hello);
        other[5] = low;
        other[6] = high;
        const socket = await arena.socket();
        const answers: Buffer[] = [];
        socket.onFrame(answer => answers.push(Buffer.from(answer)));
        socket.write(other);
        await until(
          () => socket.closed,
          () => 'the other version to be closed',
          5_000,
        );
        // Magic, the kind "reject", the reason "incompatible".
        if (answers[0]?.subarray(4).equals(Buffer.from([3, 2])) !== true) throw new Error('it was not told why');
      },
    }),
  ),
  {
    name: 'a stranger: a downgraded range in between (the proof covers both hellos)',
    told: /handshake\.failed auth-failed/,
    run: async arena => {
      const through = RawSocket.prototype.write;
      let first = true;
      RawSocket.prototype.write = function (this: RawSocket, given: Uint8Array) {
        const changed = Buffer.from(given);
        if (first) changed[5] = 0;
        first = false;
        through.call(this, changed);
      };
      try {
        await arena.peer().then(
          peer => {
            void peer.link.end();
            throw new Error('it was let in');
          },
          // The victim tells of it when the connection is gone.
          () => wait(100),
        );
      } finally {
        RawSocket.prototype.write = through;
      }
    },
  },
  {
    name: 'a stranger: another secret',
    told: /handshake\.failed auth-failed/,
    run: arena =>
      arena.peer({ secret: 'another secret, which is as long' }).then(
        () => {
          throw new Error('it was let in');
        },
        () => wait(100),
      ),
  },
  {
    name: 'a stranger: an incarnation of 2^53',
    told: HANDSHAKE,
    run: async arena => {
      const { hello } = await transcript(arena);
      const other = Buffer.from(hello);
      other.writeBigUInt64BE(2n ** 53n, 9 + 32);
      const socket = await arena.socket();
      socket.write(other);
      await until(
        () => socket.closed,
        () => 'the incarnation to be refused',
        5_000,
      );
    },
  },
  {
    name: 'strangers: 1,000 half-open connections',
    // Over TLS these are a thousand handshakes at once.
    lag: 3_000,
    told: /handshake\.failed timeout/,
    run: async arena => {
      const sockets = await Promise.all(Array.from({ length: 1_000 }, () => arena.socket()));
      const open = (): number => sockets.filter(({ closed }) => !closed).length;
      await until(
        () => open() <= 256,
        () => `all but 256 to be dropped at once, of which ${open()} are left`,
        1_500,
      );
      const peer = await arena.peer();
      if (!(await peer.answers())) throw new Error('a node could not get in meanwhile');
      await peer.link.end();
      await until(
        () => open() === 0,
        () => 'all to be closed',
        10_000,
      );
    },
  },
];

const frames: readonly Attack[] = [
  closes('an unknown type of frame', peer => peer.send(77, 0, Buffer.alloc(8))),
  closes('an unknown version of frame', peer => {
    const bad = frameOf(frame.batch, 0, peer.sequence, batchBody([casting(bytes(0xc0))]));
    bad[0] = 9;
    peer.link.write(bad);
  }),
  closes('a frame twice', peer => {
    const once = frameOf(frame.batch, 0, peer.sequence, batchBody([casting(bytes(0xc0))]));
    peer.link.write(once);
    peer.link.write(once);
  }),
  closes('frames out of order', peer => {
    peer.sequence++;
    peer.send(frame.batch, 0, batchBody([casting(bytes(0xc0))]));
  }),
  closes('a frame without a header', peer => peer.link.write(Buffer.of(1, 6))),
  closes('an empty batch', peer => peer.send(frame.batch, 0, batchBody([]))),
  closes('a batch that claims 2^32 − 1 messages', peer =>
    peer.send(frame.batch, 0, batchBody([casting(bytes(0xc0))], 0xffff_ffff)),
  ),
  closes('a batch that claims fewer messages than it holds', peer =>
    peer.send(frame.batch, 0, batchBody([casting(bytes(0xc0)), casting(bytes(0xc0))], 1)),
  ),
  bears('a peer that does not look at its credit', peer => {
    const body = batchBody([casting(bytes(0xc6, Buffer.from([0, 0, 0xfd, 0xe8]), Buffer.alloc(65_000)))]);
    for (let n = 0; n < 50 && peer.open; n++) peer.send(frame.batch, 0, body);
  }),
  closes('a second introduction', peer => peer.send(frame.introduce, 0, codec.encode([1, 2, 3]))),
  closes(
    'something after its farewell',
    peer => {
      peer.send(frame.goodbye, 0, Buffer.alloc(0));
      peer.send(frame.batch, 0, batchBody([casting(bytes(0xc0))]));
    },
    /./,
  ),
  closes('acknowledgements where nothing is acknowledged', peer => peer.send(10, 0, Buffer.alloc(8, 0xff))),
  closes('the start of a stream that there is not', peer => peer.send(12, 0, Buffer.alloc(8))),
  bears('credit without end', peer => {
    for (let n = 0; n < 1_000; n++) peer.send(frame.credit, 0, Buffer.alloc(4, 0xff));
  }),
  bears('a million tiny frames', async peer => {
    // Credit frames of no bytes: the smallest that are allowed.
    for (let n = 0; n < 1_000_000 && peer.open; n += 1_000) {
      const many: Buffer[] = [];
      for (let k = 0; k < 1_000; k++) many.push(frameOf(frame.credit, 0, peer.sequence++, Buffer.alloc(4)));
      peer.link.writeAll(many);
      await peer.room(0);
    }
  }),
  bears('a flood of pings from one that does not read', async peer => {
    peer.link.socket.pause();
    for (let n = 0; n < 200_000 && peer.open; n += 1_000) {
      const many: Buffer[] = [];
      for (let k = 0; k < 1_000; k++) many.push(frameOf(frame.ping, 0, peer.sequence++, Buffer.alloc(4)));
      peer.link.writeAll(many);
      await wait(1);
    }
    peer.link.socket.resume();
  }),
  bears('frames that are never finished', async (peer, arena) => {
    const others = await Promise.all(Array.from({ length: 20 }, (_, n) => arena.peer({ name: `never-${n}` })));
    for (const other of others) {
      other.link.writeRaw(Buffer.concat([other.link.header(65_535), Buffer.from([1, frame.batch, 0, 0])]));
    }
    await wait(300);
    if (!(await peer.answers())) throw new Error('not answered');
    for (const other of others) await other.link.end();
  }),
  closes('a fragment of no message', peer => peer.send(frame.fragment, 0, fragmentBody(5, 100, Buffer.alloc(10)))),
  closes('the same fragment twice', peer => {
    peer.send(frame.fragment, 1, fragmentBody(5, 100_000, Buffer.alloc(10)));
    peer.send(frame.fragment, 1, fragmentBody(5, 100_000, Buffer.alloc(10)));
  }),
  closes('overlapping fragments', peer => {
    peer.send(frame.fragment, 1, fragmentBody(5, 100, Buffer.alloc(60)));
    peer.send(frame.fragment, 2, fragmentBody(5, 100, Buffer.alloc(60)));
  }),
  closes('a last fragment too early', peer => peer.send(frame.fragment, 3, fragmentBody(5, 100, Buffer.alloc(60)))),
  closes('fragments of a message of 2^32 − 1 bytes', peer =>
    peer.send(frame.fragment, 1, fragmentBody(5, 0xffff_ffff, Buffer.alloc(60))),
  ),
  closes('empty fragments', peer => peer.send(frame.fragment, 1, fragmentBody(5, 100, Buffer.alloc(0)))),
  closes('a flood of messages that are begun', peer => {
    for (let n = 0; n < 1_000; n++) peer.send(frame.fragment, 1, fragmentBody(n, 60_000_000, Buffer.alloc(1)));
  }),
  closes('a compression bomb', peer => {
    // A gigabyte: members of gzip that follow one another are one.
    const packed = Buffer.concat(Array<Buffer>(16).fill(gzipSync(Buffer.alloc(64 * 1024 * 1024))));
    const body = Buffer.concat([Buffer.from([0, 0, 4, 0]), packed]);
    for (let at = 0; at < body.length; at += 60_000) {
      const last = at + 60_000 >= body.length;
      const flags = (at === 0 ? 1 | (1 << 2) : 0) | (last ? 2 : 0);
      peer.send(frame.fragment, flags, fragmentBody(9, body.length, body.subarray(at, at + 60_000)));
    }
  }),
  closes('a compression bomb of 60 million empty objects', peer => {
    const count = 60_000_000;
    const list = Buffer.alloc(5 + count, 0x80);
    list[0] = 0xdd;
    list.writeUInt32BE(count, 1);
    const message = casting(list);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(message.length);
    const body = Buffer.concat([length, gzipSync(message)]);
    for (let at = 0; at < body.length; at += 60_000) {
      const last = at + 60_000 >= body.length;
      const flags = (at === 0 ? 1 | (1 << 2) : 0) | (last ? 2 : 0);
      peer.send(frame.fragment, flags, fragmentBody(9, body.length, body.subarray(at, at + 60_000)));
    }
  }),
  closes('a compression bomb that announces 2^32 − 1 bytes', peer => {
    const body = Buffer.concat([Buffer.from([255, 255, 255, 255]), gzipSync(Buffer.alloc(1_000))]);
    peer.send(frame.fragment, 3 | (1 << 2), fragmentBody(9, body.length, body));
  }),
  closes('truncated compression', peer => {
    const packed = gzipSync(Buffer.from('hello hello hello'));
    const body = Buffer.concat([Buffer.from([0, 0, 0, 17]), packed.subarray(0, packed.length - 10)]);
    peer.send(frame.fragment, 3 | (1 << 2), fragmentBody(9, body.length, body));
  }),
  closes('compression within compression', peer => {
    const inner = gzipSync(gzipSync(Buffer.alloc(100)));
    const length = gzipSync(Buffer.alloc(100)).length;
    const body = Buffer.concat([Buffer.from([0, 0, 0, length]), inner]);
    peer.send(frame.fragment, 3 | (1 << 2), fragmentBody(9, body.length, body));
  }),
  closes('a compression that nobody knows', peer => {
    const body = Buffer.concat([Buffer.from([0, 0, 0, 17]), Buffer.alloc(40)]);
    peer.send(frame.fragment, 3 | (7 << 2), fragmentBody(9, body.length, body));
  }),
];

const values: readonly Attack[] = [
  closes('arrays nested 60,000 deep', sends(nested(0x91, 60_000))),
  closes('arrays nested 100,000 deep, in fragments', peer => {
    const body = nested(0x91, 100_000);
    peer.send(frame.fragment, 1, fragmentBody(3, body.length, body.subarray(0, 60_000)));
    peer.send(frame.fragment, 2, fragmentBody(3, body.length, body.subarray(60_000)));
  }),
  closes('maps nested 30,000 deep', sends(casting(bytes(Buffer.alloc(60_000, Buffer.from([0x81, 0xa0])), 0xc0)))),
  closes('an array that claims 2^32 − 1 elements', sends(casting(bytes(0xdd, Buffer.alloc(4, 0xff))))),
  closes('a map that claims 2^32 − 1 entries', sends(casting(bytes(0xdf, Buffer.alloc(4, 0xff))))),
  closes('an extension that claims 2^32 − 1 bytes', sends(casting(bytes(0xc9, Buffer.alloc(4, 0xff), 1)))),
  closes('binary that claims 2^32 − 1 bytes', sends(casting(bytes(0xc6, Buffer.alloc(4, 0xff))))),
  closes('a text that claims 2^32 − 1 bytes', sends(casting(bytes(0xdb, Buffer.alloc(4, 0xff))))),
  closes('an unknown extension', sends(casting(bytes(0xd4, 99, 0)))),
  closes("msgpackr's record extension", sends(casting(bytes(0xd4, 0x72, 0x40)))),
  closes('a byte that MessagePack does not have', sends(casting(bytes(0xc1)))),
  closes('bad UTF-8 as an operation', sends(bytes(0x94, 1, text('$echo'), bytes(0xa3, 0xff, 0xfe, 0xfd), 0xc0)), /./),
  closes('no message at all', sends(bytes(0xc0))),
  closes('a message of an unknown kind', sends(Buffer.from(codec.encode([99, 1, 2])))),
  closes("the key '__proto__'", sends(casting(bytes(0x81, text('__proto__'), 0x81, text('polluted'), 0xc3)))),
  closes(
    "the key '__proto__' in an object with keys of any text",
    sends(casting(bytes(0x93, 0xc1, 0xfc, 0x92, text('__proto__'), 0x81, text('polluted'), 0xc3))),
  ),
  bears("the keys 'constructor' and 'then'", async peer => {
    const polluted = bytes(0x81, text('polluted'), 0xc3);
    const payload = bytes(0x82, text('constructor'), polluted, text('then'), polluted);
    peer.send(frame.batch, 0, batchBody([casting(payload)]));
    // As an answer is awaited, a thenable would be called.
    await peer.batch([[2, 1, '$echo', 'echo', { then: 1, constructor: { prototype: 1 } }, 1_000]]);
    if (!(await peer.answers())) throw new Error('not answered');
    if (peer.successes !== 1) throw new Error('an object with such keys did not come back');
  }),
  bears(
    "the operations '__proto__', 'constructor', 'then', 'init', 'terminate', 'toString'",
    async (peer, { where }) => {
      const names = ['__proto__', 'constructor', 'then', 'init', 'terminate', 'toString', 'hasOwnProperty'];
      for (const name of names) {
        await peer.batch([
          [1, where.target, name, null],
          [2, 1, where.target, name, null, 100],
          [3, 2, where.target, name, null, 100],
          [6, 3, name, null, null],
          [1, name, 'set', 1],
          [2, 4, name, 'get', null, 100],
        ]);
      }
      if (!(await peer.answers())) throw new Error('not answered');
      if (peer.successes > 0) throw new Error(`${peer.successes} of them were carried out`);
    },
  ),
];

const commands: readonly Attack[] = [
  ...(['cast', 'call', 'offer'] as const).map((kind, at) =>
    closes(`a ${kind} to the supervisor of the node's own actors`, (peer, { where }) =>
      peer.batch([
        kind === 'cast'
          ? [1, where.system[0], 'retry', null]
          : [at + 1, 1, where.system[0], 'terminateChild', '$echo', 1_000],
      ]),
    ),
  ),
  closes('an exit signal to a system actor', (peer, { where }) =>
    peer.batch([[12, 1, where.system[0], 'kill', false]]),
  ),
  {
    name: "orders to a user's supervisor, well-formed and not",
    run: async arena => {
      const peer = await arena.peer();
      const { tree } = arena.where;
      const garbage: unknown[] = [
        null,
        0,
        '',
        'kept2',
        [],
        {},
        { id: 'x' },
        { start: {} },
        { start: { definition: {} } },
      ];
      garbage.push({ start: { definition: { program: {} } }, id: 'x', restart: 'permanent', shutdown: 1 });
      garbage.push(
        { start: { definition: { program: { init: 1 } }, argument: 1 } },
        new Pid('victim', 1, 1),
        new Map(),
        1n,
      );
      for (const op of [
        'startChild',
        'terminateChild',
        'restartChild',
        'deleteChild',
        'whichChildren',
        'retry',
        '$retry',
      ]) {
        for (const payload of garbage) {
          if (!peer.open) throw new Error('the victim closed');
          await peer.batch([
            [1, tree, op, payload],
            [2, 7, tree, op, payload, 500],
            [3, 8, tree, op, payload, 500],
          ]);
        }
      }
      if (!(await peer.answers())) throw new Error('not answered');
      const alive = await arena.victim.ask<{ tree: boolean }>('alive');
      if (!alive.tree) throw new Error('the supervisor of the user has ended');
      await peer.link.end();
    },
  },
  bears(
    '100,000 guessed pids',
    async peer => {
      for (let n = 0; n < 100_000 && peer.open; n += 500)
        await peer.batch(Array.from({ length: 500 }, (_, k) => [1, 1_000_000 + n + k, 'set', 1]));
    },
    { lag: 2_000 },
  ),
  {
    name: 'a million monitors',
    told: /peer\.closed protocol/,
    lag: 2_000,
    run: async arena => {
      const peer = await arena.peer();
      let n = 0;
      for (; n < 1_000_000 && peer.open; n += 500)
        await peer.batch(Array.from({ length: 500 }, (_, k) => [13, n + k, arena.where.target, n + k]));
      await peer.ended();
    },
  },
  {
    name: 'a million links',
    told: /peer\.closed protocol/,
    lag: 2_000,
    run: async arena => {
      const peer = await arena.peer();
      let n = 1;
      for (; n < 1_000_000 && peer.open; n += 500)
        await peer.batch(Array.from({ length: 500 }, (_, k) => [10, n + k, arena.where.target]));
      await peer.ended();
    },
  },
];

const cluster: readonly Attack[] = [
  {
    name: 'forged gossip that the healthy peer is down, removed, leaving, or newer',
    run: async arena => {
      const peer = await arena.peer();
      const { incarnation } = await arena.healthy.ask<{ incarnation: number }>('where');
      for (const rank of [DOWN, REMOVED, LEAVING, UP]) {
        await peer.batch([[34, [record('healthy', incarnation, rank, 1_000)]]]);
        await peer.batch([[34, [record('healthy', incarnation + 5_000, rank, 1_000)]]]);
        await peer.batch([[38, 'healthy', incarnation]]);
      }
      await wait(1_500);
      const members = await arena.victim.ask<string[]>('members');
      if (!members.includes('healthy up true')) throw new Error(`the victim believed it: ${members}`);
      await peer.link.end();
    },
  },
  {
    name: 'forged gossip that the victim itself is down, removed, leaving, or newer',
    told: /peer\.closed conflict/,
    run: async arena => {
      const { incarnation } = arena.where;
      for (const rank of [DOWN, REMOVED, LEAVING, UP]) {
        const peer = await arena.peer();
        await peer.batch([[34, [record('victim', rank === UP ? incarnation + 5_000 : incarnation, rank, 1_000)]]]);
        await peer.ended();
      }
      const members = await arena.victim.ask<string[]>('members');
      if (!members.includes('healthy up true')) throw new Error(`the victim has stopped: ${members}`);
    },
  },
  {
    name: 'a flood of gossip about a million invented members',
    lag: 3_000,
    heap: 96,
    run: async arena => {
      const peer = await arena.peer();
      for (let n = 0; n < 1_000_000 && peer.open; n += 1_000)
        await peer.batch([[34, Array.from({ length: 1_000 }, (_, k) => record(`invented-${n + k}`, 1_000, UP))]]);
      await peer.link.end();
    },
  },
  bears('incarnations and versions far in the future', async peer => {
    await peer.batch([[34, [record('future', Date.now() + 10 * 365 * 86_400_000, UP), record('f2', 2 ** 53, UP)]]]);
    await peer.batch([[34, [record('future', 5, UP, 2 ** 52)]]]);
  }),
  closes('gossip that is none', peer => peer.batch([[34, 'nonsense']])),
  closes('gossip of 50,000 records', peer => {
    const body = Buffer.from(codec.encode([34, Array.from({ length: 50_000 }, () => 0)]));
    peer.send(frame.fragment, 3, fragmentBody(1, body.length, body));
  }),
  bears('probes and suspicions of nobody', async peer => {
    for (let n = 0; n < 20_000; n += 500) {
      await peer.batch(Array.from({ length: 500 }, (_, k) => [32, `nobody-${n + k}`]));
      await peer.batch(Array.from({ length: 500 }, (_, k) => [38, `nobody-${n + k}`, 1]));
      await peer.batch(Array.from({ length: 500 }, (_, k) => [33, `nobody-${n + k}`, true]));
    }
  }),
  bears(
    "deltas with the receiver's own unseen dots",
    async (peer, arena) => {
      const { incarnation } = arena.where;
      for (const replica of [`victim#${incarnation}`, `victim@${incarnation}`, 'victim']) {
        const delta = [[replica], [[`of ${replica}`, 0, 0, 1_000_000, [[1, 2, 3], 0]]]];
        const envelope = ['stranger', peer.incarnation, incarnation];
        await peer.batch([[1, '$replica:registry', 'delta', [...envelope, 0, 1, delta, true]]]);
      }
      if (!(await peer.answers())) throw new Error('not answered');
      if (await arena.victim.ask<boolean>('knows', `of victim#${incarnation}`)) throw new Error('the victim took one');
    },
    { told: /log\.error/ },
  ),
  bears('deltas that are none', async (peer, { where }) => {
    const envelope = ['stranger', peer.incarnation, where.incarnation];
    const bad: unknown[] = [
      null,
      1,
      [],
      [[], 1],
      [['x'], [['k', 5]]],
      [['x'], [['k', -1]]],
      [['x'], [['k', 0, 9, 1, 1]]],
    ];
    for (const delta of bad) {
      for (const op of ['delta', 'ack', 'complete']) {
        await peer.batch([[1, '$replica:registry', op, [...envelope, 0, 1, delta, true]]]);
        await peer.batch([[1, '$replica:registry', op, delta]]);
      }
      for (const op of ['root', 'leaves', 'buckets']) await peer.batch([[2, 4, '$replica:registry', op, delta, 500]]);
      await peer.batch([[1, '$pubsub', 'deliver', delta]]);
    }
  }),
  bears(
    '200,000 invented writers of replicas',
    async (peer, { where }) => {
      for (let n = 0; n < 200_000 && peer.open; n += 500)
        await peer.batch(
          Array.from({ length: 500 }, (_, k) => [
            1,
            '$replica:registry',
            'delta',
            [`invented-${n + k}`, 1, where.incarnation, 0, 1, [[], []]],
          ]),
        );
    },
    { lag: 2_000, heap: 24 },
  ),
  bears(
    'a flood of 50,000 names, which go with the peer',
    async (peer, { where }) => {
      const replica = `stranger#${peer.incarnation}`;
      for (let n = 0; n < 50_000 && peer.open; n += 250) {
        const changes = Array.from({ length: 250 }, (_, k) => [`name-${n + k}`, 0, 0, n + k + 1, [[1, 2, 3], 0]]);
        const delta = [[replica], changes];
        const envelope = ['stranger', peer.incarnation, where.incarnation];
        await peer.batch([[1, '$replica:registry', 'delta', [...envelope, n, n + 250, delta]]]);
      }
    },
    { lag: 3_000, heap: 96 },
  ),
];

/** What peers try whose roles do not permit it; the victim lets them send messages only. */
export const forbidden: readonly Attack[] = [
  {
    name: 'forged spawns, exit signals, links, orders and names of one who may send messages only',
    told: /cluster\.not-permitted/,
    run: async arena => {
      const { target, tree, incarnation } = arena.where;
      const before = (await arena.victim.ask<{ processes: number }>('size')).processes;
      const peer = await arena.peer();
      const replica = `stranger#${peer.incarnation}`;
      const delta = [[replica], [['forged', 0, 0, 1, [[1, 2, 3], 0]]]];
      for (let round = 0; round < 200 && peer.open; round++) {
        await peer.batch([
          ...['target', 'unborn', 'echo', 'constructor', '__proto__'].map(name => [6, 1, name, 1, null]),
          [6, 1, 'target', 1, 'squatter'],
          ...[target, tree].flatMap(id => [
            [12, 7, id, 'kill', false],
            [12, 0, id, 'shutdown', false],
            [16, 7, id, 'kill', false, false, []],
            [16, 7, id, 'boom', true, false, [1]],
            [10, 7, id],
            [12, 7, id, 'boom', true],
            [12, 7, id, 'kill', true],
          ]),
          ...['startChild', 'terminateChild', 'restartChild', 'deleteChild', 'whichChildren'].flatMap(op => [
            [1, tree, op, 'kept'],
            [2, 2, tree, op, 'kept', 1_000],
            [2, 2, 'tree', op, 'kept', 1_000],
            [3, 2, tree, op, 'kept', 1_000],
          ]),
          [1, '$replica:registry', 'delta', ['stranger', peer.incarnation, incarnation, 0, 1, delta]],
          [7, target, new Error('forged')],
        ]);
      }
      if (!(await peer.answers())) throw new Error('what it may do was not answered');
      if (peer.successes > 0) throw new Error(`${peer.successes} things were permitted`);
      const alive = await arena.victim.ask<{ target: boolean; tree: boolean }>('alive');
      if (!alive.target || !alive.tree) throw new Error(`it has ended what it may not: ${JSON.stringify(alive)}`);
      const after = (await arena.victim.ask<{ processes: number }>('size')).processes;
      if (after !== before) throw new Error(`${before} actors have become ${after}`);
      if (await arena.victim.ask<boolean>('knows', 'forged')) throw new Error('the victim took its name');
      await arena.healthy.ask('spawn', 'victim');
      await peer.link.end();
    },
  },
];

/** Every hostile input of the port between nodes. */
const all: readonly Attack[] = [...unproven, ...frames, ...values, ...commands, ...cluster, ...carrierAttacks];

/** Those that are attacks on a victim that is reached in that way. */
export function attacksOn(wire: Wire): readonly Attack[] {
  return all.filter(({ on }) => on === undefined || on.includes(wire));
}
