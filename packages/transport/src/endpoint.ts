import { type Address, checkKeys, FoundationError, formatAddress, invalidOption } from '@foundation-ts/core';
import {
  type ChannelDeclaration,
  declarationOf,
  FALLBACK_CHANNEL,
  type ResolvedChannel,
  resolveChannel,
} from './channel.js';
import { DEFAULT_DIAL_TIMEOUT, MAX_CHANNELS } from './defaults.js';
import { Dialling, type DiallingHost } from './internal/dialling.js';
import { FailureLog } from './internal/failure-log.js';
import { idText, superseded } from './internal/opening.js';
import { Outgoing, type OutgoingHost } from './internal/outgoing.js';
import { Reception, type ReceptionHost } from './internal/reception.js';
import type { Session } from './internal/session.js';
import { resolveSettings, type Settings, stopped } from './internal/settings.js';
import type { PeerStreams } from './internal/streams.js';
import { decodeUnwritten, REPORT_BYTES } from './internal/unwritten.js';
import type { EndpointDialOptions, EndpointInit, LostOutcome, Peer, PeerIdentity } from './peer.js';
import type { Listener } from './transport.js';

/** Attempts that peers gave up, remembered in case their introductions are still under way. */
const MAX_WITHDRAWN = 1_024;

/**
 * A node's place on the network: listens, dials, proves who is who, and holds one session with each peer, made of all
 * its channels' connections.
 *
 * A session stands when all its connections do, and falls when one of them does; whoever wants it back dials again.
 * When two nodes dial each other at once, the session dialled by the node with the lower name is kept, and both dials
 * resolve to it. When a node dials an incarnation that already holds a session with it (one side has lost the link and the
 * other has not noticed), the new session replaces the old.
 */
export class Endpoint {
  readonly #init: EndpointInit;
  readonly #settings: Settings;
  readonly #reception: Reception;
  readonly #failures: FailureLog;
  readonly #peers = new Map<string, Session>();
  readonly #diallings = new Map<string, Dialling>();
  readonly #withdrawn = new Set<string>();
  /** Incarnations that will not come back, whose sessions still stand. */
  readonly #forgotten = new Map<string, number>();
  #listener: Listener | undefined;
  #listening = false;
  #closed: Promise<void> | undefined;

  /** @throws FoundationError `invalid-option` */
  constructor(init: EndpointInit) {
    this.#init = init;
    this.#settings = resolveSettings(init);
    this.#failures = new FailureLog(this.#settings);
    this.#reception = new Reception(this.#settings, this.#receptionHost());
  }

  /** The peers whose sessions stand, by node name. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
  }

  /** Where this node listens. */
  get address(): Address | undefined {
    return this.#listener?.address;
  }

  /** Every address at which this node listens; several with several transports. */
  get addresses(): readonly Address[] {
    const listener = this.#listener;
    return listener === undefined ? [] : (listener.addresses ?? [listener.address]);
  }

  /**
   * Starts to accept peers. Call `checkBind` first: without a secret only loopback is safe.
   * @param options.port - 0 picks a free one
   * @returns where it listens
   * @throws FoundationError `address-in-use`; `invalid-operation` when it listens already; `stopped`
   */
  async listen(options: { readonly host: string; readonly port: number }): Promise<Address> {
    checkKeys('listen', options, ['host', 'port']);
    if (this.#closed !== undefined) throw stopped();
    if (this.#listening) throw new FoundationError('invalid-operation', 'The endpoint listens already.');
    this.#listening = true;
    try {
      const listener = await this.#settings.transport.listen({
        ...options,
        maxFrameBytes: this.#settings.maxFrameBytes,
        accept: connection => this.#reception.accept(connection),
      });
      if (this.#closed !== undefined) {
        await listener.close();
        throw stopped();
      }
      this.#listener = listener;
      return listener.address;
    } catch (error) {
      this.#listening = false;
      throw error;
    }
  }

  /**
   * Opens a session with the node at `address`, or finds the one that stands.
   * @throws FoundationError `refused`, `timeout`, `aborted`, `noconnection`; `auth-failed`, `wrong-cluster`, `incompatible`;
   * `conflict` when the address is our own; `stopped`; or what either side's `admit` said
   */
  async dial(address: Address, options: EndpointDialOptions = {}): Promise<Peer> {
    checkKeys('dial', options, ['timeout', 'signal', 'onConnected']);
    const { timeout = DEFAULT_DIAL_TIMEOUT, signal, onConnected } = options;
    if (!(timeout > 0)) throw invalidOption('timeout', timeout, 'milliseconds over 0');
    if (this.#closed !== undefined) throw stopped();
    if (signal?.aborted === true) {
      throw new FoundationError('aborted', `Can't reach ${formatAddress(address)}: the caller aborted.`);
    }
    const key = formatAddress(address);
    const known = this.#diallings.get(key);
    if (known !== undefined) return known.wait(timeout, signal);
    const dialling = new Dialling(this.#settings, this.#diallingHost(key, onConnected), address);
    this.#diallings.set(key, dialling);
    const peer = dialling.wait(timeout, signal);
    dialling.attempt();
    return peer;
  }

  /** What this node declares now. */
  get channels(): readonly ChannelDeclaration[] {
    return this.#settings.channels.map(declarationOf);
  }

  /**
   * Declares a further channel, or another declaration for one that was closed. It comes into being with each peer that declares it too; until
   * then, and with others, its messages travel on `data`. What was sent before on `data` may be overtaken.
   * @throws FoundationError `invalid-option`; `already-started` when a channel of that name is open
   */
  openChannel(declaration: ChannelDeclaration): void {
    const { channels } = this.#settings;
    const resolved = resolveChannel(declaration);
    if (channels.some(({ name }) => name === resolved.name))
      throw new FoundationError('already-started', `The channel '${resolved.name}' is open already. Close it first.`);
    if (channels.length >= MAX_CHANNELS) throw invalidOption('channels', channels.length + 1, `1 to ${MAX_CHANNELS}`);
    this.#setChannels([...channels, resolved]);
  }

  /**
   * Closes a channel: what is queued on it is sent, later messages travel on `data`, and its connections end.
   * @returns whether it was open
   * @throws FoundationError `invalid-operation` for `control` and `data`
   */
  closeChannel(name: string): boolean {
    if (name === 'control' || name === FALLBACK_CHANNEL)
      throw new FoundationError('invalid-operation', `The channel '${name}' can't be closed: others depend on it.`);
    const { channels } = this.#settings;
    const left = channels.filter(channel => channel.name !== name);
    if (left.length === channels.length) return false;
    this.#setChannels(left);
    return true;
  }

  #setChannels(channels: readonly ResolvedChannel[]): void {
    this.#settings.channels = channels;
    for (const session of [...this.#peers.values()]) if (session.open) session.channels.announce();
  }

  /**
   * That incarnation of a node will not come back: what an acknowledged channel kept for it is given up, and told to `onUndelivered`. A newer
   * incarnation of the node has the same effect.
   */
  forget(name: string, incarnation: number): void {
    // While the session stands its acknowledgements still come.
    if (this.#peers.get(name)?.identity.incarnation === incarnation) this.#forgotten.set(name, incarnation);
    else this.#giveUp(this.#settings.streams.forget(name, incarnation));
  }

  /** Stops listening and dialling, and closes every session in order: what is queued is sent first. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const reason = stopped();
    for (const dialling of [...this.#diallings.values()]) dialling.reject(reason);
    this.#reception.close(reason);
    await Promise.all([this.#listener?.close(), ...[...this.#peers.values()].map(peer => peer.close())]);
    for (const peer of this.#settings.streams.clear()) this.#giveUp(peer);
  }

  #diallingHost(key: string, onConnected: (() => void) | undefined): DiallingHost {
    return {
      attempt: dialling => new Outgoing(this.#settings, this.#outgoingHost(dialling, onConnected), dialling.target),
      standing: name => this.#standing(name),
      done: () => {
        this.#diallings.delete(key);
      },
    };
  }

  #outgoingHost(dialling: Dialling, onConnected: (() => void) | undefined): OutgoingHost {
    const endpoint = this;
    return {
      ...this.#shared(),
      get address() {
        return endpoint.address;
      },
      connected: () => this.#call(() => onConnected?.()),
      identified: outgoing => this.#identified(outgoing),
      withdrawn: ids => this.#rememberWithdrawn(ids),
      stands: (_outgoing, session) => {
        this.#stand(session);
        dialling.resolve(session);
      },
      failed: (outgoing, error) => {
        dialling.reject(error);
        this.#reception.unpark(outgoing.name);
      },
      follows: outgoing => {
        dialling.follow(outgoing.name as string);
      },
      ready: () => {},
    };
  }

  #receptionHost(): ReceptionHost {
    const endpoint = this;
    return {
      ...this.#shared(),
      get address() {
        return endpoint.address;
      },
      check: identity => this.#check(identity),
      isWithdrawn: id => this.#withdrawn.has(id),
      rivals: identity => this.#rivals(identity),
      accepted: session => this.#stand(session),
      standing: id => [...this.#peers.values()].find(session => session.id === id && session.open),
      report: (host, error) => this.#failures.report(host, error),
    };
  }

  #shared(): Pick<OutgoingHost, 'admit' | 'message' | 'undelivered' | 'ended'> {
    return {
      admit: identity => {
        const error = this.#init.admit?.(identity);
        if (error !== undefined) throw error;
      },
      message: (session, channel, message) => this.#deliver(session, channel, message),
      undelivered: (session, channel, messages, more) =>
        this.#tell(session.identity, channel, 'not-delivered', messages, more),
      ended: (session, reason) => this.#ended(session, reason),
    };
  }

  #identified(outgoing: Outgoing): 'introduce' | 'follow' {
    const name = outgoing.name as string;
    const { incarnation } = outgoing;
    if (name === this.#settings.name) throw this.#nameConflict(incarnation);
    const standing = this.#peers.get(name);
    if (standing !== undefined && standing.identity.incarnation > incarnation)
      throw staleIncarnation(name, incarnation, 'conflict');
    if (standing?.open === true && standing.identity.incarnation === incarnation) return 'follow';
    if (this.#reception.isOpening(name, incarnation)) return 'follow';
    for (const { outgoing: other } of this.#diallings.values()) {
      if (other !== undefined && other !== outgoing && other.name === name && other.introduced) return 'follow';
    }
    return 'introduce';
  }

  #check(identity: PeerIdentity): void {
    const { name, incarnation } = identity;
    if (name === this.#settings.name) throw this.#nameConflict(incarnation);
    const standing = this.#peers.get(name);
    if (standing !== undefined && standing.identity.incarnation > incarnation)
      throw staleIncarnation(name, incarnation, 'noproc');
  }

  #nameConflict(incarnation: number): FoundationError {
    const { name } = this.#settings;
    const why =
      incarnation === this.#settings.incarnation
        ? 'the address leads back to this node'
        : 'another node of the cluster has the same name. Give each node its own';
    return new FoundationError('conflict', `Node '${name}' can't hold a session with '${name}': ${why}.`, {
      details: { self: incarnation === this.#settings.incarnation },
    });
  }

  #rivals(identity: PeerIdentity): readonly Outgoing[] {
    const address = identity.address === undefined ? undefined : formatAddress(identity.address);
    const rivals: Outgoing[] = [];
    for (const { outgoing } of this.#diallings.values()) {
      if (outgoing === undefined || outgoing.over) continue;
      const same =
        outgoing.name === undefined ? formatAddress(outgoing.target) === address : outgoing.name === identity.name;
      if (same) rivals.push(outgoing);
    }
    return rivals;
  }

  #rememberWithdrawn(ids: readonly Uint8Array[]): void {
    const texts = ids.map(idText);
    for (const id of texts) this.#withdrawn.add(id);
    for (const id of this.#withdrawn) {
      if (this.#withdrawn.size <= MAX_WITHDRAWN) break;
      this.#withdrawn.delete(id);
    }
    this.#reception.forget(texts);
  }

  #standing(name: string): Peer | undefined {
    const session = this.#peers.get(name);
    return session?.open === true ? session : undefined;
  }

  #stand(session: Session): void {
    const { name } = session.identity;
    this.#peers.get(name)?.replace(superseded(name));
    this.#peers.set(name, session);
    const { streams } = this.#settings;
    this.#giveUp(streams.superseded(name, session.identity.incarnation));
    // What was kept for a channel that one side has closed since, or has with fewer connections or a smaller window, finds no way any more.
    this.#giveUp(streams.stranded(session.identity, (...kept) => session.slots.some(slot => slot.continues(...kept))));
    session.rise();
    for (const peer of streams.excess(other => !this.#peers.has(other))) this.#giveUp(peer);
    this.#settings.telemetry.emit('transport.peer.opened', { count: 1 }, { peer: name, dialled: session.dialled });
    this.#reception.settled(session);
    this.#call(() => this.#init.onPeer(session));
    for (const dialling of [...this.#diallings.values()]) if (dialling.following === name) dialling.resolve(session);
    session.releaseHeld();
  }

  #deliver(session: Session, channel: string, message: unknown): void {
    try {
      this.#init.onMessage(session, channel, message);
    } catch (error) {
      this.#settings.log.error({ peer: session.identity.name, channel, error }, 'the handler of a message threw');
    }
  }

  #giveUp(peer: PeerStreams | undefined): void {
    if (peer === undefined) return;
    for (const { channel, outbound } of peer.streams.values()) {
      if (outbound === undefined) continue;
      for (const [outcome, unwritten] of [
        ['unknown-outcome', outbound.clearUnacknowledged()],
        ['not-delivered', outbound.clear()],
      ] as const) {
        const [messages, more] = decodeUnwritten(this.#settings.codec, unwritten, REPORT_BYTES);
        if (messages.length + more > 0) this.#tell(peer.identity, channel, outcome, messages, more);
      }
    }
  }

  #tell(
    identity: PeerIdentity,
    channel: string,
    outcome: LostOutcome,
    messages: readonly unknown[],
    more: number,
  ): void {
    this.#settings.telemetry.emit(
      'transport.messages.lost',
      { count: messages.length + more },
      { peer: identity.name, incarnation: identity.incarnation, channel, outcome },
    );
    this.#call(() => this.#init.onUndelivered?.(identity, channel, outcome, messages));
  }

  #ended(session: Session, reason: Error | undefined): void {
    if (!session.up) {
      this.#reception.ended(session);
      const { name } = session.identity;
      for (const dialling of [...this.#diallings.values()]) if (dialling.following === name) dialling.attempt();
      return;
    }
    const { name } = session.identity;
    if (this.#peers.get(name) === session) {
      this.#peers.delete(name);
      const gone = this.#forgotten.get(name);
      this.#forgotten.delete(name);
      if (gone !== undefined) this.forget(name, gone);
    }
    this.#call(() => this.#init.onPeerClosed(session, reason));
  }

  /** What a callback throws must not break the bookkeeping around it. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#settings.log.error({ error }, 'a callback of the endpoint threw');
    }
  }
}

/** `noproc` tells the older incarnation itself that it was replaced; `conflict` is for whoever dialled it. */
function staleIncarnation(name: string, incarnation: number, code: 'noproc' | 'conflict'): FoundationError {
  return new FoundationError(
    code,
    `Incarnation ${incarnation} of node '${name}' is older than the one that holds a session. Stop the older process.`,
  );
}
