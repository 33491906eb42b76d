import type { Address, Clock, FoundationError, Log, Random, Telemetry } from '@foundation-ts/core';
import type { ChannelDeclaration, ChannelStats } from './channel.js';
import type { Codec } from './codec.js';
import type { Transport } from './transport.js';

/** What a peer's certificate, issued by a trusted authority, says of it. */
export interface PeerCertificate {
  /** What it may be called. */
  readonly names: readonly string[];
  /** Its roles: those of the URIs `foundation:role/<role>`. */
  readonly roles: readonly string[];
}

/** Who a peer is: with TLS its name is certified, with a secret it is known to be one of those who have that. */
export interface PeerIdentity {
  readonly name: string;
  readonly incarnation: number;
  readonly clusterId: string;
  /** Where the peer can be dialled; undefined when it does not listen. */
  readonly address: Address | undefined;
  /** What the peer says of itself: plain data (roles, version, …). */
  readonly metadata: unknown;
  /** What it has proven with mutual TLS; undefined without. Of a session that stands it is what was shown when that was opened. */
  readonly certificate: PeerCertificate | undefined;
  /** Whether it is in this very process, as the nodes of worker threads are: then it needs no certificate. */
  readonly local: boolean;
}

/**
 * What became of a message: `sent` is queued and goes out as soon as it can; `full` (the sender should slow down), `dropped` (the channel's
 * policy gave it up) and `closed` mean that it certainly was not sent.
 */
export type SendResult = 'sent' | 'full' | 'dropped' | 'closed';

/** What is certain of a message that was lost: nobody handled it, or nobody knows. */
export type LostOutcome = 'not-delivered' | 'unknown-outcome';

/** A node that we hold a session with: all its connections stand. */
export interface Peer {
  readonly identity: PeerIdentity;
  /** False from the moment the session begins to close. */
  readonly open: boolean;
  /** Whether this node dialled the session that stands. */
  readonly dialled: boolean;
  /**
   * Encodes `message` now and sends it with everything else of this turn. Messages of one channel and partition arrive in
   * order; a channel that the peer does not have is replaced by `data`. Binary values of 16 KiB and more are not copied here but
   * when they are written: as with a local send, do not write to them afterwards.
   * @param partition - keeps its messages in order among themselves only, so that others can overtake a large one
   * @param onDropped - called when the channel's policy gives the message up later (`drop-oldest`, `monotonic`)
   * @throws FoundationError `not-sendable`, or `too-large` for either side's limit
   */
  send(channel: string, message: unknown, partition?: string | number, onDropped?: () => void): SendResult;
  /** The channel on which {@link send} last was to send: the one it was given, unless `EndpointInit.route` chose another. */
  readonly routed: string;
  /** Whether a message of another partition that is sent now may arrive before some that were sent on that channel. */
  overtakes(channel: string): boolean;
  /**
   * Sends `message`, which is to be short, on every connection on which something sent on one of these channels may be under way, behind all
   * of that: whatever its partition, whatever the channel's policy gives up. No policy and no bound of its queue holds the message itself up.
   * @param channels - undefined for all
   * @returns how many copies are to arrive; undefined when so much waits already that it could not be sent on each
   */
  fence(channels: readonly string[] | undefined, message: unknown): number | undefined;
  /** A number by which both sides tell this session from others between them. */
  readonly tag: number;
  /** Bytes of messages that wait to be written on a channel. */
  queued(channel: string): number;
  stats(): readonly ChannelStats[];
  /**
   * Sends what is queued, then closes; with a reason it closes at once. Resolves when closed.
   * Messages that had not been written are dropped, and counted in the telemetry event `transport.peer.closed`.
   */
  close(reason?: Error): Promise<void>;
}

/** Bounds of an endpoint; every field has a default. */
export interface EndpointLimits {
  /** Longest message either way, bytes; default the codec's. */
  readonly messageBytes?: number;
  /** Longest frame that is accepted, bytes; default 16 MiB. Frames are as long as {@link fragmentBytes} needs, never longer. */
  readonly frameBytes?: number;
  /** Longer messages are cut into pieces of this size, bytes; default 64 KiB. The smaller of the two sides' holds. */
  readonly fragmentBytes?: number;
  /** What one connection writes in one turn of the event loop, bytes; default 256 KiB. */
  readonly turnBytes?: number;
  /** Memory per peer for messages that have arrived in part, bytes; default 256 MiB. */
  readonly reassemblyBytes?: number;
  /** How long an incoming connection may take to prove itself, milliseconds; default 2,000. A dialler waits twice as long. */
  readonly handshakeTimeout?: number;
  /** How long a session may take from its first proof until all connections stand, milliseconds; default 5,000. */
  readonly sessionTimeout?: number;
  /** Incoming connections without proof; one more drops the oldest. Default 256. */
  readonly pendingConnections?: number;
  /** How long an orderly close waits for what is queued, milliseconds; default 5,000. */
  readonly linger?: number;
}

/** Options of an `Endpoint`. */
export interface EndpointInit {
  readonly self: {
    readonly name: string;
    readonly incarnation: number;
    readonly clusterId: string;
    /** Plain data that peers receive after proof; at most 32 KiB encoded. */
    readonly metadata?: unknown;
    /** Where others can dial this node, if not where it listens (behind a proxy, in a container). */
    readonly address?: Address;
  };
  readonly transport: Transport;
  readonly codec: Codec;
  /**
   * What all nodes of the cluster know, at least 16 bytes; without it nobody proves anything. Of several, this node proves the first
   * and accepts all: so a secret is changed without a moment in which nodes don't accept each other.
   */
  readonly secret?: Uint8Array | readonly Uint8Array[] | undefined;
  /** Default `control`, `data`, `gossip`, `events` and `telemetry`. Messages for a channel that a peer lacks travel on `data`. */
  readonly channels?: readonly ChannelDeclaration[];
  /**
   * Chooses another channel for a message that is to travel on `channel`, by what it is and how long it is encoded. Messages that change their
   * channel lose their order with those that do not. Default: none does.
   */
  route?(channel: string, message: unknown, bytes: number): string;
  /** Whether a message is to be taken, within bounds, although the queue of a channel that rejects then is full. Default: none is. */
  essential?(message: unknown): boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly limits?: EndpointLimits;
  /** Asked about each peer after its proof; an error refuses it, and its dial rejects with that code and message. */
  admit?(identity: PeerIdentity): FoundationError | undefined;
  /** A session stands: every connection of it. */
  onPeer(peer: Peer): void;
  /** In order per channel and partition. */
  onMessage(peer: Peer, channel: string, message: unknown): void;
  /**
   * Messages that `send` took and that are given up: with the session (`not-delivered`: they were never written) or, on an acknowledged
   * channel, with the peer's incarnation. Comes before `onPeerClosed`. Large amounts are told in part; `transport.messages.lost` counts all.
   */
  onUndelivered?(peer: PeerIdentity, channel: string, outcome: LostOutcome, messages: readonly unknown[]): void;
  /** Exactly once for each `onPeer`; `reason` is undefined after an orderly close. */
  onPeerClosed(peer: Peer, reason: Error | undefined): void;
}

/** Options of `Endpoint.dial`. */
export interface EndpointDialOptions {
  /** Milliseconds; default 5,000. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** Called when somebody answers there, before it is clear who. Not called where a dial to the same address is under way already. */
  readonly onConnected?: () => void;
}
