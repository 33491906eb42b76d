import { FoundationError, type Timer } from '@foundation-ts/core';
import { type ChannelStats, connectionIndex } from '../channel.js';
import type { EncodedParts } from '../codec.js';
import { WINDOW_SHARE } from '../defaults.js';
import type { Peer, PeerIdentity, SendResult } from '../peer.js';
import type { ChannelConnection } from './channel-connection.js';
import type { ReassemblyBudget } from './inbound.js';
import { microtask } from './microtask.js';
import type { WindowShare } from './receive-window.js';
import { LeastRoundTrip } from './round-trip.js';
import { SessionChannels, type SessionChannelsInit } from './session-channels.js';
import type { Settings } from './settings.js';
import { decodeUnwritten, REPORT_BYTES } from './unwritten.js';

/** What an endpoint hears of its sessions. */
export interface SessionEvents {
  /** The dialler said that every connection is bound. */
  ready(session: Session): void;
  message(session: Session, channel: string, message: unknown): void;
  /** Messages that were queued and will not be written; `more` of them could not be told. */
  undelivered(session: Session, channel: string, messages: readonly unknown[], more: number): void;
  /** Once. */
  ended(session: Session, reason: Error | undefined): void;
}

export interface SessionInit extends SessionChannelsInit {
  readonly identity: PeerIdentity;
  readonly dialled: boolean;
  /** Names the session on both sides. */
  readonly id: string;
  /** From the handshake of the first connection; further ones prove that they belong to it. */
  readonly key: Uint8Array;
  readonly messageBytes: number;
  readonly events: SessionEvents;
}

/** All connections with one incarnation of a node, from the first proof to the last close. */
export class Session implements Peer {
  readonly identity: PeerIdentity;
  readonly dialled: boolean;
  readonly id: string;
  readonly key: Uint8Array;
  readonly channels: SessionChannels;
  readonly budget: ReassemblyBudget;
  readonly windowShare: WindowShare = { left: WINDOW_SHARE };
  readonly roundTrip = new LeastRoundTrip();
  readonly tag: number;
  routed = '';
  readonly #settings: Settings;
  readonly #events: SessionEvents;
  readonly #messageBytes: number;
  #state: 'binding' | 'up' | 'closing' | 'closed' = 'binding';
  #rose = false;
  #scheduled = false;
  /** This side closes: the farewells are ours to begin. */
  #initiated = false;
  #saidGoodbye = false;
  #linger: Timer | undefined;
  #closed: Promise<void> | undefined;
  #resolveClosed: (() => void) | undefined;

  constructor(init: SessionInit) {
    this.identity = init.identity;
    this.dialled = init.dialled;
    this.id = init.id;
    this.tag = Number.parseInt(init.id.slice(0, 8), 16);
    this.key = init.key;
    this.#settings = init.settings;
    this.#events = init.events;
    this.#messageBytes = Math.min(init.messageBytes, init.settings.limits.messageBytes);
    this.budget = { left: init.settings.limits.reassemblyBytes };
    this.channels = new SessionChannels(this, init);
  }

  /** One for each connection of each channel; those of the beginning in the order that both sides know. */
  get slots(): readonly ChannelConnection[] {
    return this.channels.slots;
  }

  get open(): boolean {
    return this.#state === 'up';
  }

  /** Whether it ever stood. */
  get up(): boolean {
    return this.#rose;
  }

  /** Whether every connection stands. */
  get bound(): boolean {
    return this.slots.every(slot => slot.bound);
  }

  get over(): boolean {
    return this.#state === 'closed';
  }

  send(channel: string, message: unknown, partition?: string | number, onDropped?: () => void): SendResult {
    if (this.#state !== 'up') return 'closed';
    const parts = this.#encode(channel, message);
    const { route, essential } = this.#settings;
    const routed = route === undefined ? channel : route(channel, message, parts.bytes);
    const connections = this.channels.of(routed);
    const connection = (
      connections.length === 1 ? connections[0] : connections[connectionIndex(partition, connections.length)]
    ) as ChannelConnection;
    let result = connection.push(parts, partition, onDropped);
    if (result === 'full' && essential?.(message) === true && connection.outbound.pushBeyond(parts, partition))
      result = 'sent';
    // Whoever has heard of a message that was dropped may have sent meanwhile.
    this.routed = routed;
    if (!this.#scheduled && result === 'sent') {
      this.#scheduled = true;
      microtask(this.#flush);
    }
    return result;
  }

  overtakes(channel: string): boolean {
    const connections = this.channels.of(channel);
    return connections.length > 1 || connections[0]?.outbound.overtakes !== false;
  }

  fence(channels: readonly string[] | undefined, message: unknown): number | undefined {
    if (this.#state !== 'up') return 0;
    const carriers = this.channels.carriers(channels);
    const parts = this.#settings.codec.encodeParts(message);
    this.schedule();
    return carriers.every(connection => connection.outbound.pushFence(parts)) ? carriers.length : undefined;
  }

  /** @throws FoundationError `not-sendable`, `too-large` */
  #encode(channel: string, message: unknown): EncodedParts {
    try {
      const parts = this.#settings.codec.encodeParts(message);
      if (parts.bytes > this.#messageBytes) throw tooLarge(parts.bytes, this.#messageBytes, this.identity.name);
      return parts;
    } catch (error) {
      const [connection] = this.channels.of(channel);
      if (connection !== undefined) connection.errors++;
      throw error;
    }
  }

  queued(channel: string): number {
    let bytes = 0;
    for (const connection of this.channels.of(channel)) bytes += connection.outbound.queuedBytes;
    return bytes;
  }

  stats(): readonly ChannelStats[] {
    return this.slots.map(slot => slot.stats());
  }

  close(reason?: Error): Promise<void> {
    if (this.#state === 'closed') return this.#closed ?? Promise.resolve();
    this.#closed ??= new Promise(resolve => {
      this.#resolveClosed = resolve;
    });
    if (reason !== undefined || this.#state === 'binding') {
      this.end(reason ?? new FoundationError('stopped', 'The session was closed before it stood.'));
    } else if (this.#state === 'up') {
      this.#beginClosing();
      this.#initiated = true;
      this.#flush();
    }
    return this.#closed;
  }

  /** Every connection stands: messages may flow. */
  rise(): void {
    if (this.#state !== 'binding') return;
    this.#state = 'up';
    this.#rose = true;
    this.channels.rise();
  }

  /** Another session with the same node stands now. */
  replace(reason: Error): void {
    this.end(this.#state === 'closing' ? undefined : reason);
  }

  /** Handles what came before {@link rise}. */
  releaseHeld(): void {
    for (const slot of this.slots) slot.release();
  }

  /** Some of what is queued may be writable now. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    microtask(this.#flush);
  }

  deliver(channel: string, message: unknown): void {
    if (this.#state === 'closed') return;
    this.#events.message(this, channel, message);
  }

  ready(): void {
    this.#events.ready(this);
  }

  /** The other side sends nothing more on one connection: it is closing, and takes nothing more either. */
  farewell(slot: ChannelConnection): void {
    if (this.#state === 'up') {
      this.#beginClosing();
      for (const each of this.slots) each.drop();
    }
    // The others answer when their own farewell comes: what was sent before it is still to be received.
    slot.sayGoodbye();
  }

  /** A connection has closed. */
  lost(slot: ChannelConnection, reason: Error | undefined): void {
    if (this.#state === 'closed') return;
    // A connection of a channel that was closed has ended; the session goes on, unless it is closing and waited for that.
    const apart = this.channels.lost(slot);
    const orderly = apart || (reason === undefined && (slot.farewell || this.#saidGoodbye));
    if (!orderly) {
      const why = 'The other side closed the connection without a farewell: it has crashed, or was stopped.';
      this.end(reason ?? new FoundationError('noconnection', why));
    } else if (this.#state === 'closing' && this.slots.every(each => each.ended)) {
      this.end(undefined);
    }
  }

  /** The session is over: whatever connection still stands is closed. */
  end(reason: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#linger?.cancel();
    this.channels.end(reason);
    if (this.#rose) this.#report(reason);
    this.#events.ended(this, reason);
    this.#resolveClosed?.();
    this.#closed ??= Promise.resolve();
  }

  #beginClosing(): void {
    this.#state = 'closing';
    this.#linger = this.#settings.clock.setTimeout(
      () =>
        this.end(
          new FoundationError('timeout', `Node '${this.identity.name}' did not take what was sent before the close.`),
        ),
      this.#settings.limits.linger,
      { unref: true },
    );
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#state === 'closed') return;
    let more = false;
    try {
      for (const slot of this.channels.byPriority) if (slot.flush()) more = true;
    } catch (error) {
      // A message that was begun can't be completed any more; nothing else can travel behind half of it.
      this.end(error as Error);
      return;
    }
    if (more) {
      this.#scheduled = true;
      setImmediate(this.#flush);
    }
    if (this.#initiated && !this.#saidGoodbye && this.slots.every(slot => slot.outbound.idle)) {
      this.#saidGoodbye = true;
      for (const slot of this.slots) slot.sayGoodbye();
    }
  };

  #report(reason: Error | undefined): void {
    const { codec, telemetry } = this.#settings;
    let messages = 0;
    let bytes = 0;
    let uncertainBytes = 0;
    let budget = REPORT_BYTES;
    for (const slot of this.slots) {
      const queued = slot.acknowledged ? 0 : slot.outbound.queuedBytes;
      if (!slot.acknowledged) uncertainBytes += slot.outbound.mostCredit - slot.outbound.credit;
      const unwritten = slot.unwritten();
      if (unwritten.length === 0) continue;
      bytes += queued;
      const [told, more] = decodeUnwritten(codec, unwritten, budget);
      budget = Math.max(0, budget - queued);
      messages += told.length + more;
      this.#events.undelivered(this, slot.channel, told, more);
    }
    telemetry.emit(
      'transport.peer.closed',
      { droppedMessages: messages, droppedBytes: bytes, uncertainBytes },
      {
        peer: this.identity.name,
        incarnation: this.identity.incarnation,
        code: reason instanceof FoundationError ? reason.code : undefined,
        reason: reason?.message,
      },
    );
  }
}

function tooLarge(bytes: number, limit: number, name: string): FoundationError {
  return new FoundationError(
    'too-large',
    `A message of ${bytes} bytes is over the limit of ${limit} agreed with node '${name}'. Send it in pieces, or raise the limit on both nodes.`,
    { details: { bytes, limit } },
  );
}
