import { setMaxListeners } from 'node:events';
import { type Address, FoundationError, formatAddress, type Timer } from '@foundation-ts/core';
import type { ResolvedChannel } from '../channel.js';
import { DIALLER_PATIENCE } from '../defaults.js';
import type { PeerIdentity } from '../peer.js';
import { belongsTo } from './belonging.js';
import { FRAME_BIND, FRAME_BOUND, FRAME_INTRODUCE, FRAME_READY, FRAME_REFUSE } from './frames.js';
import { DIAL_ID_BYTES, decodeIntroduction, decodeRefusal, encodeBinding, encodeIntroduction } from './introduction.js';
import { Link, type LinkOwner } from './link.js';
import { bindingProof, identify, idText, introduce, isSuperseded, openSession } from './opening.js';
import type { Session, SessionEvents } from './session.js';
import { handshakeInit, type Settings } from './settings.js';

/** Those who wait for an attempt have their own time limits, and cancel it when the last has gone. */
const UNTIL_CANCELLED = 2 ** 30;

/** Decides for an {@link Outgoing}, and hears what became of it. */
export interface OutgoingHost extends SessionEvents {
  readonly address: Address | undefined;
  /** Somebody answers. */
  connected(): void;
  /** What to do now that we know who answers: go on, or wait for another session with the same node. @throws FoundationError */
  identified(outgoing: Outgoing): 'introduce' | 'follow';
  /** @throws FoundationError when this node does not want the peer */
  admit(identity: PeerIdentity): void;
  /** Attempts that the peer has given up: their introductions, if they still come, are void. */
  withdrawn(ids: readonly Uint8Array[]): void;
  stands(outgoing: Outgoing, session: Session): void;
  failed(outgoing: Outgoing, error: Error): void;
  /** Another session with the same node takes its place. */
  follows(outgoing: Outgoing): void;
}

/** One attempt to open a session with whoever listens at an address. */
export class Outgoing implements LinkOwner {
  readonly target: Address;
  readonly id: Uint8Array;
  readonly #settings: Settings;
  readonly #host: OutgoingHost;
  readonly #abort = new AbortController();
  #link: Link | undefined;
  #session: Session | undefined;
  #timer: Timer | undefined;
  #over = false;
  /** What it said of this node's channels. */
  #channels: readonly ResolvedChannel[] = [];
  /** Known from the proof on. */
  name: string | undefined;
  incarnation = 0;
  /** Whether the peer has been asked for a session. */
  introduced = false;

  constructor(settings: Settings, host: OutgoingHost, target: Address) {
    this.#settings = settings;
    this.#host = host;
    this.target = target;
    this.id = settings.random.bytes(DIAL_ID_BYTES);
    // Each connection of each channel listens.
    setMaxListeners(0, this.#abort.signal);
  }

  get session(): Session | undefined {
    return this.#session;
  }

  get over(): boolean {
    return this.#over;
  }

  start(): void {
    this.#connect(this, UNTIL_CANCELLED).catch((error: Error) => this.#fail(error));
  }

  /** Gives up; nothing is reported. */
  cancel(reason: Error): void {
    if (this.#over) return;
    this.#end();
    this.#link?.fail(reason);
    this.#session?.end(reason);
  }

  /** Gives up in favour of another session with the same node. */
  withdraw(reason: Error): void {
    if (this.#over) return;
    this.cancel(reason);
    this.#host.follows(this);
  }

  proven(link: Link): void {
    this.name = link.peer.name;
    this.incarnation = link.peer.incarnation;
    if (this.#host.identified(this) === 'follow') {
      this.#end();
      link.finish();
      this.#host.follows(this);
      return;
    }
    this.introduced = true;
    this.#channels = this.#settings.channels;
    const said = introduce(this.#settings, this.#host.address, this.id);
    link.sendControl(FRAME_INTRODUCE, encodeIntroduction(said));
    this.#timer = this.#settings.clock.setTimeout(() => this.#onTimeout(), this.#settings.limits.sessionTimeout, {
      unref: true,
    });
    link.settle(this);
  }

  control(link: Link, type: number, body: unknown): void {
    if (type === FRAME_REFUSE) {
      const error = decodeRefusal(body);
      if (isSuperseded(error)) this.withdraw(error);
      else this.#fail(error);
    } else if (type === FRAME_INTRODUCE && this.introduced) {
      this.#onAccepted(link, body);
    } else {
      throw new FoundationError('protocol', 'The peer answered with something else than an introduction.');
    }
  }

  data(): void {
    throw new FoundationError('protocol', 'The peer sent messages before the session stood.');
  }

  drained(): void {}

  closed(_link: Link, reason: Error | undefined): void {
    this.#fail(reason ?? this.#lost());
  }

  #onAccepted(link: Link, body: unknown): void {
    const said = decodeIntroduction(body);
    if (idText(said.id) !== idText(this.id))
      throw new FoundationError('protocol', 'The peer answered another attempt.');
    this.#host.withdrawn(said.withdrawn);
    const identity = identify(link, said, this.target);
    try {
      this.#host.admit(identity);
    } catch (error) {
      this.#end();
      link.refuse(error as FoundationError);
      this.#host.failed(this, error as Error);
      return;
    }
    const session = openSession(
      this.#settings,
      link,
      identity,
      said,
      { channels: this.#channels, target: this.target },
      {
        ready: () => {},
        message: (peer, channel, message) => this.#host.message(peer, channel, message),
        undelivered: (peer, channel, messages, more) => this.#host.undelivered(peer, channel, messages, more),
        ended: (peer, reason) => {
          this.#host.ended(peer, reason);
          this.#fail(reason ?? this.#lost());
        },
      },
    );
    this.#session = session;
    session.slots[0]?.bind(link);
    for (let slot = 1; slot < session.slots.length; slot++) this.#bindSlot(session, slot);
    this.#standIfBound();
  }

  #bindSlot(session: Session, slot: number): void {
    const fail = (error: Error): void => {
      if (!this.#over) session.end(error);
    };
    const owner: LinkOwner = {
      proven: link => {
        if (!belongsTo(session, link))
          throw new FoundationError('conflict', 'Another node answers at the same address.');
        // From here the time limit of the session holds.
        link.settle(owner);
        const proof = bindingProof(session, link.peer, slot);
        link.sendControl(FRAME_BIND, encodeBinding({ id: this.id, slot, proof }));
      },
      control: (link, type, body) => {
        if (type === FRAME_REFUSE) return fail(decodeRefusal(body));
        if (type !== FRAME_BOUND || this.#over)
          throw new FoundationError('protocol', 'The peer answered a binding wrongly.');
        session.slots[slot]?.bind(link);
        this.#standIfBound();
      },
      data: () => {
        throw new FoundationError('protocol', 'The peer sent messages before the session stood.');
      },
      drained: () => {},
      closed: (_link, reason) => fail(reason ?? this.#lost()),
    };
    this.#connect(owner, this.#settings.limits.sessionTimeout).catch(fail);
  }

  async #connect(owner: LinkOwner, timeout: number): Promise<void> {
    const settings = this.#settings;
    let link: Link | undefined;
    await settings.transport.dial(this.target, {
      timeout,
      signal: this.#abort.signal,
      maxFrameBytes: settings.maxFrameBytes,
      open: connection => {
        link = new Link({
          connection,
          handshake: handshakeInit(settings, 'dialler'),
          clock: settings.clock,
          timeout: settings.limits.handshakeTimeout * DIALLER_PATIENCE,
          codec: settings.controlCodec,
          owner,
        });
        if (owner === this) {
          this.#link = link;
          this.#host.connected();
        }
        return link;
      },
    });
    if (this.#over && this.#session?.up !== true) link?.fail(this.#lost());
  }

  #standIfBound(): void {
    const session = this.#session;
    if (this.#over || session === undefined || !session.bound) return;
    this.#link?.sendControl(FRAME_READY);
    this.#over = true;
    this.#timer?.cancel();
    this.#host.stands(this, session);
  }

  #onTimeout(): void {
    const error = new FoundationError(
      'timeout',
      `Node '${this.name}' at ${formatAddress(this.target)} did not open the session within ${this.#settings.limits.sessionTimeout} ms.`,
    );
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.cancel(error);
    this.#host.failed(this, error);
  }

  #end(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#abort.abort();
  }

  #lost(): FoundationError {
    return new FoundationError(
      'noconnection',
      `${formatAddress(this.target)} closed the connection before the session stood.`,
    );
  }
}
