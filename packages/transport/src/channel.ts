import { checkKeys, invalidOption } from '@foundation-ts/core';
import { DEFAULT_QUEUE_BYTES, DEFAULT_WINDOW, MAX_CHANNELS, MAX_CONNECTIONS, MAX_NAME_BYTES } from './defaults.js';
import { ALGORITHM_GZIP, ALGORITHM_ZSTD, OWN_ALGORITHMS } from './internal/compression.js';
import type { RoundTrips } from './internal/round-trip.js';

/** What a channel does with a message for which its queue has no room. */
export type WhenFull = 'reject' | 'drop-newest' | 'drop-oldest';

/** How large messages of a channel are made smaller. */
export interface ChannelCompression {
  /** `'zstd'` where Node has it on both sides, else gzip. */
  readonly algorithm: 'gzip' | 'zstd';
  /** Only messages that are longer than this, bytes. */
  readonly above: number;
}

/** A named lane between two nodes, with sockets of its own. */
export interface ChannelDeclaration {
  readonly name: string;
  /** Parallel connections; a message's partition chooses one, and order holds per partition. Default 1. */
  readonly connections?: number;
  /** Of several channels with something to send in the same turn the higher goes first. Default 0. */
  readonly priority?: number;
  /** Bytes that may wait on each connection before it is full; default 64 MiB. With `'acknowledged'` what was not acknowledged counts too. */
  readonly queueBytes?: number;
  /** Messages that may wait on each connection before it is full; default: any number. */
  readonly queueMessages?: number;
  /**
   * `'reject'` (default): the sender is told. `'drop-newest'`: the message is given up and counted. `'drop-oldest'`: what
   * has waited longest is given up and counted. `control` and `data` reject: signals between actors travel there.
   */
  readonly whenFull?: WhenFull;
  /** A message takes the place of one of the same partition that still waits: only the newest counts. Default false; not for `control` and `data`. */
  readonly monotonic?: boolean;
  /** Default `'none'`. */
  readonly compression?: 'none' | ChannelCompression;
  /**
   * `'best-effort'` (default): what is under way when a connection is lost, is lost. `'acknowledged'`: it is sent again when the same
   * two nodes meet again, and handled once. It takes effect where both sides declare it.
   */
  readonly reliability?: 'best-effort' | 'acknowledged';
  /**
   * Bytes that a sender may have under way to us on each connection. Default: begins with 256 KiB and follows the link between 64 KiB and
   * 16 MiB; a number fixes it. `control` is fixed always.
   */
  readonly window?: number;
}

/** A {@link ChannelDeclaration} with every field. */
export interface ResolvedChannel {
  readonly name: string;
  readonly connections: number;
  readonly priority: number;
  readonly queueBytes: number;
  readonly queueMessages: number;
  readonly whenFull: WhenFull;
  readonly monotonic: boolean;
  readonly compression: ChannelCompression | undefined;
  readonly acknowledged: boolean;
  readonly window: number;
  /** The window follows the link. */
  readonly adaptive: boolean;
}

/** What one connection of a channel has done. */
export interface ChannelStats {
  readonly channel: string;
  /** Which of the channel's connections, from 0. */
  readonly index: number;
  readonly messagesSent: number;
  /** Including frame headers. */
  readonly bytesSent: number;
  readonly messagesReceived: number;
  readonly bytesReceived: number;
  /** Bytes of messages that wait to be written. */
  readonly queuedBytes: number;
  readonly queuedMessages: number;
  /** Messages refused because the queue was full. */
  readonly refused: number;
  /** Messages given up by the channel's policy: the queue was full, or a newer one took their place. */
  readonly dropped: number;
  /** Messages written and not acknowledged, on an acknowledged channel. */
  readonly unacknowledged: number;
  /** Messages written once more after a connection was lost. */
  readonly retransmitted: number;
  /** Messages that arrived once more, and were left alone. */
  readonly duplicates: number;
  /** Messages that could not be encoded, or were too large; counted at the first connection. */
  readonly errors: number;
  /** Bytes that the other side lets us send now. */
  readonly credit: number;
  /** How much of what the other side ever let us have under way is in use, 0 to 1. At 1 the channel waits for the other side. */
  readonly utilisation: number;
  /** Bytes that we let the other side have under way. */
  readonly window: number;
  readonly roundTrips: RoundTrips;
}

/** The channel that messages for a channel which a peer does not have travel on. */
export const FALLBACK_CHANNEL = 'data';

/** What a node declares if it says nothing. */
export const DEFAULT_CHANNELS: readonly ChannelDeclaration[] = [
  { name: 'control', priority: 10 },
  { name: 'data' },
  { name: 'gossip', priority: 5 },
  { name: 'events' },
  { name: 'telemetry', priority: -5 },
];

const MIN_WINDOW = 4 * 1024;
const MAX_WINDOW = 0x4000_0000;
const KEYS = [
  'name',
  'connections',
  'priority',
  'queueBytes',
  'queueMessages',
  'whenFull',
  'monotonic',
  'compression',
  'reliability',
  'window',
] as const satisfies readonly (keyof ChannelDeclaration)[];
const POLICIES: readonly WhenFull[] = ['reject', 'drop-newest', 'drop-oldest'];
/** Channels on which signals between actors and what keeps the cluster together travel: nothing of that may be given up. */
const LOSSLESS: ReadonlySet<string> = new Set(['control', FALLBACK_CHANNEL]);

/** @throws FoundationError `invalid-option` */
export function resolveChannels(declarations: readonly ChannelDeclaration[]): readonly ResolvedChannel[] {
  if (declarations.length === 0 || declarations.length > MAX_CHANNELS) {
    throw invalidOption('channels', declarations.length, `1 to ${MAX_CHANNELS} channels`);
  }
  const names = new Set<string>();
  return declarations.map(declaration => {
    const resolved = resolveChannel(declaration);
    if (names.has(resolved.name)) throw invalidOption('channels', resolved.name, 'each name once');
    names.add(resolved.name);
    return resolved;
  });
}

/** @throws FoundationError `invalid-option` */
export function resolveChannel(declaration: ChannelDeclaration): ResolvedChannel {
  const name: unknown = declaration?.name;
  if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw invalidOption('channels.name', name, `a text of 1 to ${MAX_NAME_BYTES} bytes`);
  }
  checkKeys(`Channel '${name}'`, declaration, KEYS);
  const { connections = 1, priority = 0, queueBytes = DEFAULT_QUEUE_BYTES, window = DEFAULT_WINDOW } = declaration;
  const { queueMessages = Number.POSITIVE_INFINITY, whenFull = 'reject', monotonic = false } = declaration;
  const { reliability = 'best-effort' } = declaration;
  const check = (good: boolean, option: keyof ChannelDeclaration, allowed: string): void => {
    if (!good) throw invalidOption(`channels.${name}.${option}`, declaration[option], allowed);
  };
  check(
    Number.isInteger(connections) && connections >= 1 && connections <= MAX_CONNECTIONS,
    'connections',
    `an integer from 1 to ${MAX_CONNECTIONS}`,
  );
  check(Number.isFinite(priority), 'priority', 'a number');
  check(typeof queueBytes === 'number' && queueBytes >= 0, 'queueBytes', 'bytes, from 0');
  check(typeof queueMessages === 'number' && queueMessages >= 1, 'queueMessages', 'a number from 1');
  check(POLICIES.includes(whenFull), 'whenFull', "'reject', 'drop-newest' or 'drop-oldest'");
  check(typeof monotonic === 'boolean', 'monotonic', 'true or false');
  check(
    reliability === 'best-effort' || reliability === 'acknowledged',
    'reliability',
    "'best-effort' or 'acknowledged'",
  );
  check(
    Number.isInteger(window) && window >= MIN_WINDOW && window <= MAX_WINDOW,
    'window',
    `bytes, from ${MIN_WINDOW} to 1 GiB`,
  );
  if (LOSSLESS.has(name)) {
    check(whenFull === 'reject', 'whenFull', `'reject': signals between actors travel on '${name}'`);
    check(!monotonic, 'monotonic', `false: signals between actors travel on '${name}'`);
  }
  return {
    name,
    connections,
    priority,
    queueBytes,
    queueMessages,
    whenFull,
    monotonic,
    compression: resolveCompression(name, declaration.compression),
    acknowledged: reliability === 'acknowledged',
    window,
    adaptive: declaration.window === undefined && name !== 'control',
  };
}

/** The declaration that a resolved channel comes from, with every field. */
export function declarationOf({
  acknowledged,
  adaptive,
  compression,
  window,
  ...rest
}: ResolvedChannel): ChannelDeclaration {
  return {
    ...rest,
    compression: compression ?? 'none',
    reliability: acknowledged ? 'acknowledged' : 'best-effort',
    ...(adaptive ? {} : { window }),
  };
}

function resolveCompression(
  name: string,
  given: ChannelDeclaration['compression'] = 'none',
): ChannelCompression | undefined {
  if (given === 'none') return undefined;
  const option = `channels.${name}.compression`;
  if (typeof given !== 'object' || given === null) {
    throw invalidOption(option, given, "'none' or { algorithm: 'gzip' | 'zstd', above: bytes }");
  }
  checkKeys(`compression of channel '${name}'`, given, ['algorithm', 'above']);
  const { algorithm, above } = given;
  if (algorithm !== 'gzip' && algorithm !== 'zstd')
    throw invalidOption(`${option}.algorithm`, algorithm, "'gzip' or 'zstd'");
  if (!(typeof above === 'number' && above >= 0)) throw invalidOption(`${option}.above`, above, 'bytes, from 0');
  return { algorithm, above };
}

/** What of a channel the other side needs to know; `flags` holds {@link OFFER_ACKNOWLEDGED}. */
export type ChannelOffer = readonly [name: string, connections: number, window: number, flags: number];

export const OFFER_ACKNOWLEDGED = 1;

export function offerOf({ name, connections, window, acknowledged }: ResolvedChannel): ChannelOffer {
  return [name, connections, window, acknowledged ? OFFER_ACKNOWLEDGED : 0];
}

/** A channel that both sides have. */
export interface AgreedChannel {
  readonly channel: ResolvedChannel;
  readonly connections: number;
  /** The credit that the other side grants. */
  readonly peerWindow: number;
  readonly acknowledged: boolean;
  /** What we compress with: what we want, if the other side can undo it. */
  readonly compression: ChannelCompression | undefined;
}

/**
 * What two declarations of a channel come to: the lower number of connections, each receiver's window, acknowledgements if both want
 * them, and for each sender its own queue, policy, priority, and compression as far as the other side understands it.
 * @param inflates - what the other side can inflate
 */
export function agreeChannel(channel: ResolvedChannel, offer: ChannelOffer, inflates: number): AgreedChannel {
  return {
    channel,
    connections: Math.min(channel.connections, offer[1]),
    peerWindow: offer[2],
    acknowledged: channel.acknowledged && (offer[3] & OFFER_ACKNOWLEDGED) !== 0,
    compression: agreeCompression(channel.compression, inflates),
  };
}

function agreeCompression(wanted: ChannelCompression | undefined, inflates: number): ChannelCompression | undefined {
  if (wanted === undefined) return undefined;
  const usable = inflates & OWN_ALGORITHMS;
  const { above } = wanted;
  if (wanted.algorithm === 'zstd' && (usable & ALGORITHM_ZSTD) !== 0) return wanted;
  return (usable & ALGORITHM_GZIP) === 0 ? undefined : { algorithm: 'gzip', above };
}

/**
 * The channels that two nodes have in common, in an order that both compute alike.
 * @param ownDialled - whether this node dialled; the dialler's order counts
 */
export function agreeChannels(
  own: readonly ResolvedChannel[],
  theirs: readonly ChannelOffer[],
  inflates: number,
  ownDialled: boolean,
): readonly AgreedChannel[] {
  const agreed: AgreedChannel[] = [];
  const add = (channel: ResolvedChannel | undefined, offer: ChannelOffer | undefined): void => {
    if (channel !== undefined && offer !== undefined) agreed.push(agreeChannel(channel, offer, inflates));
  };
  if (ownDialled)
    for (const channel of own)
      add(
        channel,
        theirs.find(([name]) => name === channel.name),
      );
  else
    for (const offer of theirs)
      add(
        own.find(({ name }) => name === offer[0]),
        offer,
      );
  return agreed;
}

/** Which of `count` connections carries a partition: the same for the same key. */
export function connectionIndex(partition: string | number | undefined, count: number): number {
  if (count === 1 || partition === undefined) return 0;
  if (typeof partition === 'number') return mix(partition | 0) % count;
  let hash = 0x811c_9dc5;
  for (let index = 0; index < partition.length; index++)
    hash = Math.imul(hash ^ partition.charCodeAt(index), 0x0100_0193);
  return mix(hash) % count;
}

function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
