import { gzipSync } from 'node:zlib';
import { type Random, seededRandom } from '@foundation-ts/core';
import { Pid } from 'foundation-ts';
import { type Arena, MUTANTS } from './arena.js';
import { batchBody, codec, fragmentBody, frame, frameOf, type RawPeer } from './raw-peer.js';

/** What was sent, and what became of it. */
export interface Mutated {
  readonly frames: number;
  readonly sessions: number;
  /** Sessions that the victim closed; the others came to the end of their share. */
  readonly closed: number;
}

export interface MutationInit {
  readonly seed: number;
  /** Mutated frames in all. */
  readonly frames: number;
  /** Only this session of the run, to look at it again. */
  readonly only?: number;
  readonly progress?: (frames: number) => void;
}

const SIDE_BY_SIDE = 8;
/** Refusals of one name before another is taken. */
const REFUSALS = 3;
/** Mutated frames between two questions whether the victim still answers. */
const GROUP = 4;
/** Frames after which a session that is not closed makes room for the next. */
const SHARE = 300;

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.next() * from.length)] as T;
const upTo = (random: Random, n: number): number => Math.floor(random.next() * n);

/** A message of each kind that nodes exchange, as an honest peer would send it. */
function messagesOf(arena: Arena, peer: RawPeer, random: Random): unknown[] {
  const { where } = arena;
  const id = upTo(random, 1_000);
  const me = [peer.name, peer.incarnation, where.incarnation];
  // Seldom about itself, or with an address: a node that a mutation has called gone is let in no more under that name.
  const own = upTo(random, 32) === 0;
  const address = own ? ['tcp', '127.0.0.1', 1] : null;
  const life = own ? me.slice(0, 2) : ['bystander', 1_000];
  const record = [...life, 1, id, address, ['role'], 'zone', { k: [1, 'x'] }, 0];
  const delta = [[`${peer.name}#${peer.incarnation}`], [[`name-${id}`, 0, 0, id + 1, [[1, 2, 3], 0]]]];
  const pid = new Pid(peer.name, peer.incarnation, id);
  return [
    [1, '$echo', 'note', { n: id, list: [1, 2.5, 'three', null, true], map: new Map([['k', 1n]]), at: new Date(id) }],
    [1, where.target, 'set', id],
    [
      2,
      id,
      '$echo',
      'echo',
      { pid, error: new Error('an error'), set: new Set([1, 'two']), typed: new Float64Array(4) },
      1_000,
    ],
    [2, id, where.tree, 'whichChildren', null, 1_000],
    [3, id, where.target, 'set', 5, 1_000],
    [4, id, 'a reply'],
    [5, id, new Error('a failure')],
    [6, id, 'unborn', { some: 'argument' }, null],
    [10, id, where.target],
    [11, id, where.target],
    [12, id, where.target, 'normal', true],
    [13, id, where.target, id],
    [14, id, where.target, id],
    [15, id, 0, id, { shutdown: 'why' }],
    [30],
    [31],
    [32, 'healthy'],
    [33, 'healthy', true],
    [34, [record]],
    [35, [2, id, id]],
    [36, [[peer.name, peer.incarnation, 1, 1, id]]],
    [37, ['healthy', 'victim']],
    [38, 'healthy', 1],
    [1, '$replica:registry', 'delta', [...me, id, id + 1, delta, true]],
    [1, '$replica:registry', 'ack', [...me, 0, id]],
    [1, '$replica:registry', 'complete', [...me, id]],
    [2, id, '$replica:registry', 'root', [peer.name, peer.incarnation, 1, 2], 1_000],
    [2, id, '$replica:registry', 'leaves', [1, 2, 3], 1_000],
    [2, id, '$replica:registry', 'buckets', [1, 2, 3], 1_000],
    [1, '$pubsub', 'deliver', { topic: 'news', message: 'some' }],
  ];
}

const strange: readonly unknown[] = [
  null,
  undefined,
  -1,
  0,
  0.5,
  2 ** 31,
  2 ** 53,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  1n,
  '',
  '__proto__',
  'constructor',
  'x'.repeat(5_000),
  [],
  [[[[]]]],
  {},
  { then: 1, constructor: { prototype: 2 } },
  new Map([[{}, []]]),
  new Uint8Array(3),
  true,
];

/** Another value in one place, one element more or less: bytes that are well-formed, and say something else. */
function distort(value: unknown, random: Random): unknown {
  if (random.next() < 0.25) return pick(random, strange);
  if (Array.isArray(value) && value.length > 0) {
    const at = upTo(random, value.length);
    const copy = [...value];
    const how = random.next();
    if (how < 0.1) copy.splice(at, 1);
    else if (how < 0.2) copy.splice(at, 0, pick(random, strange));
    else copy[at] = distort(copy[at], random);
    return copy;
  }
  if (typeof value === 'number') return random.next() < 0.5 ? value + upTo(random, 5) - 2 : pick(random, strange);
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const keys = Object.keys(value);
    const key = keys.length === 0 ? 'x' : pick(random, keys);
    return { ...value, [key]: distort((value as Record<string, unknown>)[key], random) };
  }
  return pick(random, strange);
}

/** Its kind stays: what has no kind is closed at the first look. What it carries is distorted more often than its outer form. */
function distortedMessage([kind, ...rest]: readonly unknown[], random: Random): unknown[] {
  const deep = rest.flatMap((part, index) => (typeof part === 'object' && part !== null ? [index] : []));
  if (deep.length > 0 && random.next() < 0.9) {
    const at = pick(random, deep);
    rest[at] = distort(rest[at], random);
    return [kind, ...rest];
  }
  return [kind, ...listOf(distort(rest, random))];
}

const carries = (message: unknown): boolean =>
  (message as unknown[]).some(part => typeof part === 'object' && part !== null);

/** One of them, more often one that carries something. */
function carrier(messages: readonly unknown[], random: Random): unknown[] {
  const from = random.next() < 0.8 ? messages.filter(carries) : messages;
  return pick(random, from) as unknown[];
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

/** A frame, or the frames of one message, as an honest peer would send them, or with one message that is distorted. */
function framesOf(messages: readonly unknown[], random: Random, distorted: boolean): Frame[] {
  const some = Array.from({ length: 1 + upTo(random, 3) }, () => codec.encode(pick(random, messages)));
  if (distorted) {
    some[0] = codec.encode(distortedMessage(carrier(messages, random), random));
    return [{ type: frame.batch, flags: 0, body: batchBody(some) }];
  }
  const kind = upTo(random, 20);
  if (kind === 0) return [{ type: frame.credit, flags: 0, body: Buffer.from([0, 0, 1, 0]) }];
  if (kind === 1) return [{ type: frame.ping, flags: 0, body: Buffer.from([0, 0, 0, 1]) }];
  if (kind <= 3) {
    const whole = codec.encode([1, '$echo', 'note', { big: 'x'.repeat(2_000) }]);
    const packed = kind === 2 ? whole : Buffer.concat([lengthOf(whole), gzipSync(whole)]);
    const half = packed.length >> 1;
    const flags = kind === 2 ? 0 : 1 << 2;
    return [
      { type: frame.fragment, flags: 1 | flags, body: fragmentBody(9, packed.length, packed.subarray(0, half)) },
      { type: frame.fragment, flags: 2, body: fragmentBody(9, packed.length, packed.subarray(half)) },
    ];
  }
  return [{ type: frame.batch, flags: 0, body: batchBody(some) }];
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
}

/** Bytes that mean much in MessagePack and in headers. */
const telling = [0, 1, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xc1, 0xc7, 0xc9, 0xd4, 0xdb, 0xdd, 0xdf, 0xfe, 0xff];

/** One mutation of the bytes after the header's sequence number, or anywhere. */
function mutate(bytes: Buffer, random: Random, others: readonly Buffer[]): Buffer {
  const from = random.next() < 0.8 ? Math.min(8, bytes.length - 1) : 0;
  const at = from + upTo(random, bytes.length - from);
  const other = others.length === 0 ? bytes : pick(random, others);
  switch (upTo(random, 8)) {
    case 0:
    case 1: {
      for (let flips = 1 + upTo(random, 4); flips > 0; flips--) {
        const place = from + upTo(random, bytes.length - from);
        bytes[place] = (bytes[place] as number) ^ (1 << upTo(random, 8));
      }
      return bytes;
    }
    case 2:
      bytes[at] = pick(random, telling);
      return bytes;
    case 3:
      return bytes.subarray(0, Math.max(1, at));
    case 4:
      return Buffer.concat([bytes, Buffer.from(random.bytes(1 + upTo(random, 16)))]);
    case 5:
      return Buffer.concat([bytes.subarray(0, at), other.subarray(Math.min(other.length, at))]);
    case 6:
      // A part of it twice.
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(from, at - upTo(random, 12)))]);
    default:
      // A part of it gone.
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + upTo(random, 6)))]);
  }
}

/** Sends mutated frames until the victim closes. @returns how many */
async function runSession(arena: Arena, peer: RawPeer, random: Random): Promise<number> {
  const recent: Buffer[] = [];
  let frames = 0;
  const { socket } = peer.link;
  while (peer.open && frames < SHARE) {
    const messages = messagesOf(arena, peer, random);
    // Mostly as one write, as honest peers send what belongs to a turn.
    if (random.next() < 0.75) socket.cork();
    for (let n = 0; n < GROUP && peer.open; n++) {
      const distorted = random.next() < 0.75;
      const sent = framesOf(messages, random, distorted);
      const victim = distorted ? -1 : upTo(random, sent.length);
      const order = sent.map((each, index) => {
        const bytes = frameOf(each.type, each.flags, peer.sequence++, each.body);
        if (index !== victim) return bytes;
        const sequence = Buffer.from(bytes.subarray(4, 8));
        const mutated = mutate(bytes, random, recent);
        // Most get past the first look, so that what lies deeper is reached.
        if (mutated.length >= 8 && random.next() < 0.9) sequence.copy(mutated, 4);
        return mutated;
      });
      recent.push(...order);
      if (recent.length > 8) recent.splice(0, recent.length - 8);
      if (random.next() < 0.02) order.push(order[0] as Buffer);
      if (random.next() < 0.02) order.reverse();
      for (const bytes of order) {
        // What never was a frame of that length: the reader takes the next for a part of it.
        if (random.next() < 0.01) peer.link.writeRaw(bytes);
        else peer.link.write(bytes);
        peer.credit -= bytes.length;
      }
      frames++;
    }
    socket.uncork();
    // A cut or lengthened stream leaves the victim waiting within a frame; that is found out here, too.
    if (!(await peer.answers(1_500))) break;
  }
  return frames;
}

/** Another name after each so many refusals: a mutation may have told of an incarnation far in the future. */
function mutant(slot: number, refused: number): string {
  const generation = Math.floor(refused / REFUSALS);
  return `mutant-${(slot + SIDE_BY_SIDE * generation) % MUTANTS}`;
}

/** Authenticated sessions whose frames are mutated; the same seed sends the same frames. */
export async function runMutations(arena: Arena, init: MutationInit): Promise<Mutated> {
  let frames = 0;
  let sessions = 0;
  let closed = 0;
  const lane = async (slot: number): Promise<void> => {
    // The same again after a close, as a node that has lost its connection: until a mutation has said that it is gone.
    let incarnation = arena.incarnation();
    let refused = 0;
    while (frames < init.frames) {
      const number = init.only ?? sessions;
      sessions++;
      const random = seededRandom(init.seed * 1_000_003 + number);
      let peer: RawPeer;
      try {
        peer = await arena.peer({ name: mutant(slot, refused), incarnation });
      } catch (error) {
        if (!arena.victim.alive)
          throw new Error(`the victim died in session ${number} or before: ${arena.victim.output}`);
        incarnation = arena.incarnation();
        refused++;
        // An older session of the slot may still be on its way out.
        if (sessions > init.frames * 2) throw error;
        continue;
      }
      const sent = await runSession(arena, peer, random);
      frames += sent;
      init.progress?.(frames);
      if (!peer.open) closed++;
      await peer.link.end();
      if (init.only !== undefined) return;
    }
  };
  const lanes = init.only === undefined ? SIDE_BY_SIDE : 1;
  await Promise.all(Array.from({ length: lanes }, (_, slot) => lane(slot)));
  return { frames, sessions, closed };
}
