import { checkKeys, invalidOption } from '@foundation-ts/core';
import { DEFAULT_QUEUE_BYTES, DEFAULT_WINDOW, MAX_CHANNELS, MAX_CONNECTIONS, MAX_NAME_BYTES } from './defaults.js';

/** A named lane between two nodes, with sockets of its own. */
export interface ChannelDeclaration {
  readonly name: string;
  /** Parallel connections; a message's partition chooses one, and order holds per partition. Default 1. */
  readonly connections?: number;
  /** Of several channels with something to send in the same turn the higher goes first. Default 0. */
  readonly priority?: number;
  /** Bytes that may wait on each connection before `send` says `'full'`; default 64 MiB. */
  readonly queueBytes?: number;
  /** Bytes that a sender may have under way to us on each connection; default 256 KiB. Fixed in this version. */
  readonly window?: number;
}

/** A {@link ChannelDeclaration} with every field. */
export interface ResolvedChannel {
  readonly name: string;
  readonly connections: number;
  readonly priority: number;
  readonly queueBytes: number;
  readonly window: number;
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
  /** Bytes that the other side lets us send now. */
  readonly credit: number;
}

/** The channel that messages for a channel which a peer does not have travel on. */
export const FALLBACK_CHANNEL = 'data';

/** What a node declares if it says nothing. */
export const DEFAULT_CHANNELS: readonly ChannelDeclaration[] = [
  { name: 'control', priority: 10 },
  { name: 'data' },
  { name: 'gossip', priority: 5 },
];

const MIN_WINDOW = 4 * 1024;
const KEYS = ['name', 'connections', 'priority', 'queueBytes', 'window'] as const;

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

function resolveChannel(declaration: ChannelDeclaration): ResolvedChannel {
  const { name } = declaration;
  if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw invalidOption('channels.name', name, `a text of 1 to ${MAX_NAME_BYTES} bytes`);
  }
  checkKeys(`Channel '${name}'`, declaration, KEYS);
  const { connections = 1, priority = 0, queueBytes = DEFAULT_QUEUE_BYTES, window = DEFAULT_WINDOW } = declaration;
  if (!Number.isInteger(connections) || connections < 1 || connections > MAX_CONNECTIONS) {
    throw invalidOption(`channels.${name}.connections`, connections, `an integer from 1 to ${MAX_CONNECTIONS}`);
  }
  if (!Number.isFinite(priority)) throw invalidOption(`channels.${name}.priority`, priority, 'a number');
  if (!(queueBytes >= 0)) throw invalidOption(`channels.${name}.queueBytes`, queueBytes, 'bytes, from 0');
  if (!Number.isInteger(window) || window < MIN_WINDOW || window > 0x4000_0000) {
    throw invalidOption(`channels.${name}.window`, window, `bytes, from ${MIN_WINDOW} to 1 GiB`);
  }
  return { name, connections, priority, queueBytes, window };
}

/** What of a channel the other side needs to know: name, connections, window. */
export type ChannelOffer = readonly [name: string, connections: number, window: number];

/** A channel that both sides have. */
export interface AgreedChannel {
  readonly channel: ResolvedChannel;
  readonly connections: number;
  /** The credit that the other side grants. */
  readonly peerWindow: number;
}

/**
 * The channels that two nodes have in common, in an order that both compute alike; each with the lower number of connections.
 * @param ownDialled - whether this node dialled; the dialler's order counts
 */
export function agreeChannels(
  own: readonly ResolvedChannel[],
  theirs: readonly ChannelOffer[],
  ownDialled: boolean,
): readonly AgreedChannel[] {
  const agreed: AgreedChannel[] = [];
  const add = (channel: ResolvedChannel | undefined, offer: ChannelOffer | undefined): void => {
    if (channel === undefined || offer === undefined) return;
    agreed.push({ channel, connections: Math.min(channel.connections, offer[1]), peerWindow: offer[2] });
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
