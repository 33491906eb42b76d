import { timingSafeEqual } from 'node:crypto';
import { FoundationError, type Timer } from '@foundation-ts/core';
import { SIMULTANEOUS_DIAL_GRACE } from '../defaults.js';
import type { PeerIdentity } from '../peer.js';
import type { Connection } from '../transport.js';
import { belongsTo, joiningProof } from './belonging.js';
import { FRAME_BIND, FRAME_BOUND, FRAME_INTRODUCE, FRAME_JOIN, FRAME_REFUSE } from './frames.js';
import {
  decodeBinding,
  decodeIntroduction,
  decodeJoining,
  decodeRefusal,
  encodeIntroduction,
  type Introduction,
} from './introduction.js';
import { Link, type LinkOwner } from './link.js';
import { identify, idText, introduce, isBindingProof, isSuperseded, openSession, superseded } from './opening.js';
import type { Outgoing, OutgoingHost } from './outgoing.js';
import type { Session } from './session.js';
import { handshakeInit, type Settings } from './settings.js';

/** What a {@link Reception} asks of the endpoint. */
export interface ReceptionHost extends Pick<OutgoingHost, 'address' | 'message' | 'undelivered' | 'ended'> {
  /** @throws FoundationError when this node does not want the peer */
  admit(identity: PeerIdentity): void;
  /** @throws FoundationError when the identity contradicts a session that stands */
  check(identity: PeerIdentity): void;
  /** Whether the peer has given up the attempt of that id. */
  isWithdrawn(id: string): boolean;
  /** Our own attempts that reach, or may reach, the same node. */
  rivals(identity: PeerIdentity): readonly Outgoing[];
  accepted(session: Session): void;
  /** The session of that id that stands. */
  standing(id: string): Session | undefined;
  /** An incoming connection failed before it belonged to a session. */
  report(host: string, error: FoundationError): void;
}

interface Parked {
  readonly link: Link;
  readonly said: Introduction;
  readonly identity: PeerIdentity;
  timer: Timer;
}

/** Takes incoming connections: proves them, opens sessions for those who ask, adds connections to those sessions. */
export class Reception implements LinkOwner {
  readonly #settings: Settings;
  readonly #host: ReceptionHost;
  /** Links that have not found their place, oldest first. */
  readonly #unplaced = new Set<Link>();
  /** Sessions whose connections do not all stand yet, by id. */
  readonly #opening = new Map<string, { readonly session: Session; readonly timer: Timer }>();
  /** Introductions that wait for what becomes of our own dial to the same node. */
  readonly #parked = new Map<string, Parked>();

  constructor(settings: Settings, host: ReceptionHost) {
    this.#settings = settings;
    this.#host = host;
  }

  accept(connection: Connection): Link {
    const { limits } = this.#settings;
    if (this.#unplaced.size >= limits.pendingConnections) {
      const [oldest] = this.#unplaced;
      oldest?.fail(new FoundationError('timeout', 'Too many connections without proof: the oldest was dropped.'));
    }
    const link = new Link({
      connection,
      handshake: handshakeInit(this.#settings, 'listener'),
      clock: this.#settings.clock,
      timeout: limits.handshakeTimeout,
      codec: this.#settings.controlCodec,
      owner: this,
    });
    this.#unplaced.add(link);
    return link;
  }

  /** Whether a session that this incarnation opened is coming up. */
  isOpening(name: string, incarnation: number): boolean {
    for (const { session } of this.#opening.values()) {
      if (session.identity.name === name && session.identity.incarnation === incarnation) return true;
    }
    return false;
  }

  /** Attempts of a peer that it has given up itself. */
  forget(ids: readonly string[]): void {
    for (const id of ids) {
      const parked = this.#parked.get(id);
      if (parked !== undefined) this.#dismiss(id, parked);
    }
  }

  /** Our own attempt has ended without a session: who waited for that is taken now. */
  unpark(name: string | undefined): void {
    for (const [id, parked] of [...this.#parked]) {
      if (name !== undefined && parked.identity.name !== name) continue;
      if (this.#rivalsOf(parked.identity).length === 0) this.#takeParked(id, parked);
    }
  }

  /** A session with that node stands: nobody else of that name is needed. */
  settled(session: Session): void {
    const opening = this.#opening.get(session.id);
    opening?.timer.cancel();
    this.#opening.delete(session.id);
    const { name } = session.identity;
    for (const [id, parked] of [...this.#parked]) if (parked.identity.name === name) this.#dismiss(id, parked);
  }

  /** A session ended before it stood. */
  ended(session: Session): void {
    this.#opening.get(session.id)?.timer.cancel();
    this.#opening.delete(session.id);
  }

  close(reason: FoundationError): void {
    for (const link of [...this.#unplaced]) link.fail(reason);
    for (const [id, { link, timer }] of [...this.#parked]) {
      timer.cancel();
      this.#parked.delete(id);
      link.refuse(reason);
    }
    for (const { session } of [...this.#opening.values()]) session.end(reason);
  }

  proven(): void {}

  control(link: Link, type: number, body: unknown): void {
    switch (type) {
      case FRAME_INTRODUCE:
        this.#onIntroduction(link, decodeIntroduction(body));
        break;
      case FRAME_BIND:
        this.#onBinding(link, body);
        break;
      case FRAME_JOIN:
        this.#onJoining(link, body);
        break;
      case FRAME_REFUSE:
        // The dialler does not want us; it reports that to its own caller.
        decodeRefusal(body);
        link.finish();
        break;
      default:
        throw new FoundationError('protocol', 'The peer sent something else than an introduction.');
    }
  }

  data(): void {
    throw new FoundationError('protocol', 'The peer sent messages before it opened a session.');
  }

  drained(): void {}

  closed(link: Link, reason: Error | undefined): void {
    this.#unplaced.delete(link);
    for (const [id, parked] of this.#parked) {
      if (parked.link !== link) continue;
      parked.timer.cancel();
      this.#parked.delete(id);
    }
    if (reason instanceof FoundationError && isNews(reason)) this.#host.report(link.remoteHost, reason);
  }

  #onIntroduction(link: Link, said: Introduction): void {
    // One that waits has said all that it may.
    if (!this.#unplaced.has(link)) throw new FoundationError('protocol', 'The peer introduced itself twice.');
    const identity = identify(link, said, undefined);
    if (this.#host.isWithdrawn(idText(said.id))) link.refuse(superseded(identity.name));
    else if (!this.#isWelcome(link, identity)) return;
    else if (this.#rivalsOf(identity).length > 0) this.#park(link, said, identity);
    else this.#open(link, said, identity);
  }

  #isWelcome(link: Link, identity: PeerIdentity): boolean {
    try {
      this.#host.check(identity);
      this.#host.admit(identity);
      return true;
    } catch (error) {
      if (!(error instanceof FoundationError)) throw error;
      link.refuse(error);
      return false;
    }
  }

  /** Our own attempts that come before this node's: those of the node with the lower name. */
  #rivalsOf(identity: PeerIdentity): readonly Outgoing[] {
    return this.#settings.name < identity.name ? this.#host.rivals(identity) : [];
  }

  #park(link: Link, said: Introduction, identity: PeerIdentity): void {
    const id = idText(said.id);
    const timer = this.#settings.clock.setTimeout(() => this.#onGrace(id), SIMULTANEOUS_DIAL_GRACE, { unref: true });
    this.#unplaced.delete(link);
    link.settle(this);
    this.#parked.set(id, { link, said, identity, timer });
  }

  /** Our own dial takes long. If it has not even reached the other node, that node's is taken. */
  #onGrace(id: string): void {
    const parked = this.#parked.get(id);
    if (parked === undefined) return;
    if (this.#rivalsOf(parked.identity).some(rival => rival.introduced)) {
      parked.timer = this.#settings.clock.setTimeout(() => this.#onGrace(id), SIMULTANEOUS_DIAL_GRACE, { unref: true });
    } else {
      this.#takeParked(id, parked);
    }
  }

  #takeParked(id: string, parked: Parked): void {
    parked.timer.cancel();
    this.#parked.delete(id);
    if (this.#isWelcome(parked.link, parked.identity)) this.#open(parked.link, parked.said, parked.identity);
  }

  #dismiss(id: string, parked: Parked): void {
    parked.timer.cancel();
    this.#parked.delete(id);
    parked.link.refuse(superseded(parked.identity.name));
  }

  #open(link: Link, said: Introduction, identity: PeerIdentity): void {
    // Our own attempts give way (we have the higher name, or they have not got far), and the other side hears which.
    const withdrawn: Uint8Array[] = [];
    for (const rival of this.#host.rivals(identity)) {
      if (rival.name === undefined) continue;
      if (rival.introduced) withdrawn.push(rival.id);
      rival.withdraw(superseded(identity.name));
    }
    for (const { session } of [...this.#opening.values()]) {
      if (session.identity.name === identity.name) session.end(superseded(identity.name));
    }
    let session: Session;
    try {
      session = openSession(
        this.#settings,
        link,
        identity,
        said,
        { channels: this.#settings.channels, target: undefined },
        {
          ready: ready => this.#host.accepted(ready),
          message: (peer, channel, message) => this.#host.message(peer, channel, message),
          undelivered: (peer, channel, messages, more) => this.#host.undelivered(peer, channel, messages, more),
          ended: (peer, reason) => this.#host.ended(peer, reason),
        },
      );
    } catch (error) {
      if (!(error instanceof FoundationError)) throw error;
      link.refuse(error);
      return;
    }
    const { sessionTimeout } = this.#settings.limits;
    const timer = this.#settings.clock.setTimeout(
      () =>
        session.end(
          new FoundationError(
            'timeout',
            `Node '${identity.name}' did not complete its session within ${sessionTimeout} ms.`,
          ),
        ),
      sessionTimeout,
      { unref: true },
    );
    this.#opening.set(session.id, { session, timer });
    this.#unplaced.delete(link);
    session.slots[0]?.bind(link);
    const answer = introduce(this.#settings, this.#host.address, said.id, withdrawn);
    link.sendControl(FRAME_INTRODUCE, encodeIntroduction(answer));
  }

  #onBinding(link: Link, body: unknown): void {
    const { id, slot, proof } = decodeBinding(body);
    const session = this.#opening.get(idText(id))?.session;
    const place = session?.slots[slot];
    if (session === undefined || place === undefined || place.bound || !belongsTo(session, link)) {
      link.refuse(new FoundationError('noconnection', 'There is no such session to join, or it has gone.'));
      return;
    }
    if (!isBindingProof(session, link.peer, slot, proof)) {
      throw new FoundationError('auth-failed', 'A connection claimed a session that it does not belong to.');
    }
    this.#unplaced.delete(link);
    place.bind(link);
    link.sendControl(FRAME_BOUND);
  }

  /** A connection of a channel that was opened after the session. */
  #onJoining(link: Link, body: unknown): void {
    const { id, channel, index, proof } = decodeJoining(body);
    const session = this.#host.standing(idText(id));
    if (session === undefined || !belongsTo(session, link)) {
      link.refuse(new FoundationError('noconnection', 'There is no such session to join, or it has gone.'));
      return;
    }
    if (!timingSafeEqual(joiningProof(session, link.peer, channel, index), proof)) {
      throw new FoundationError('auth-failed', 'A connection claimed a session that it does not belong to.');
    }
    const place = session.channels.place(channel, index);
    if (place === undefined) {
      link.refuse(new FoundationError('noconnection', `The channel '${channel}' is not open here.`));
      return;
    }
    this.#unplaced.delete(link);
    place.bind(link);
    link.sendControl(FRAME_BOUND);
    session.channels.joined(place);
  }
}

/** Who hangs up without a word (a port scanner, a health check) is no news, nor is a dial that another one overtook. */
function isNews(reason: FoundationError): boolean {
  return reason.code !== 'noconnection' && reason.code !== 'stopped' && !isSuperseded(reason);
}
