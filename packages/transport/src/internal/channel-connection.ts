import { FoundationError } from '@foundation-ts/core';
import type { AgreedChannel, ChannelStats } from '../channel.js';
import type { Codec } from '../codec.js';
import {
  FRAME_BATCH,
  FRAME_CREDIT,
  FRAME_FRAGMENT,
  FRAME_GOODBYE,
  FRAME_HEADER,
  FRAME_READY,
  readUint32,
} from './frames.js';
import { Inbound } from './inbound.js';
import type { Link, LinkOwner } from './link.js';
import { Outbound } from './outbound.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';

/** One connection of one channel of a session, or the place for it. */
export class ChannelConnection implements LinkOwner {
  readonly channel: string;
  readonly index: number;
  readonly priority: number;
  readonly outbound: Outbound;
  readonly #session: Session;
  readonly #codec: Codec;
  readonly #inbound: Inbound;
  readonly #window: number;
  #link: Link | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** The other side said that nothing more comes. */
  farewell = false;
  /** Messages given up because the other side began to close. */
  dropped = 0;

  constructor(session: Session, settings: Settings, agreed: AgreedChannel, index: number, fragmentBytes: number) {
    const { channel, peerWindow } = agreed;
    this.#session = session;
    this.#codec = settings.codec;
    this.channel = channel.name;
    this.index = index;
    this.priority = channel.priority;
    this.#window = channel.window;
    this.outbound = new Outbound({
      sink: {
        nextSequence: () => (this.#link as Link).nextSequence(),
        write: frame => (this.#link as Link).write(frame),
      },
      queueBytes: channel.queueBytes,
      credit: peerWindow,
      fragmentBytes,
      turnBytes: settings.limits.turnBytes,
    });
    this.#inbound = new Inbound({
      codec: settings.codec,
      window: channel.window,
      messageBytes: settings.limits.messageBytes,
      budget: session.budget,
    });
  }

  get bound(): boolean {
    return this.#link !== undefined;
  }

  get ended(): boolean {
    return this.#link === undefined || this.#link.closed;
  }

  /** Gives the place its connection. */
  bind(link: Link): void {
    this.#link = link;
    link.settle(this);
  }

  flush(): boolean {
    return this.#link !== undefined && !this.#link.closed && this.outbound.flush();
  }

  sayGoodbye(): void {
    const link = this.#link;
    if (link === undefined || link.closed) return;
    link.sendControl(FRAME_GOODBYE);
    link.finish();
  }

  /** Gives up what is queued: the other side takes nothing more. */
  drop(): void {
    this.dropped += this.outbound.clear();
  }

  abandon(reason: Error | undefined): void {
    const link = this.#link;
    if (link === undefined || link.closed) return;
    if (reason === undefined) link.finish();
    else link.fail(reason);
  }

  /** Handles what arrived before the session stood. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const frame of held) {
      const link = this.#link as Link;
      if (link.closed) return;
      try {
        this.#handle(link, frame[1] as number, frame);
      } catch (error) {
        link.fail(error as Error);
      }
    }
  }

  proven(): void {
    throw new FoundationError('protocol', 'The peer proved itself twice.');
  }

  control(_link: Link, type: number): void {
    if (
      type !== FRAME_READY ||
      this.#session.dialled ||
      this.#session.up ||
      !this.#session.bound ||
      this !== this.#session.slots[0]
    ) {
      throw new FoundationError('protocol', 'The peer sent a frame that has no place in a session that stands.');
    }
    this.#session.ready();
  }

  data(link: Link, type: number, frame: Uint8Array): void {
    if (this.#session.up && this.#held.length === 0) {
      this.#handle(link, type, frame);
      return;
    }
    this.#heldBytes += frame.length;
    if (this.#heldBytes > this.#window + SLACK)
      throw new FoundationError('protocol', 'The peer sent more than its credit allows.');
    this.#held.push(frame);
  }

  drained(): void {
    this.outbound.unblock();
    this.#session.schedule();
  }

  closed(_link: Link, reason: Error | undefined): void {
    this.#session.lost(this, reason);
  }

  stats(): ChannelStats {
    const { outbound } = this;
    return {
      channel: this.channel,
      index: this.index,
      messagesSent: outbound.messagesSent,
      bytesSent: outbound.bytesSent,
      messagesReceived: this.#inbound.messagesReceived,
      bytesReceived: this.#inbound.bytesReceived,
      queuedBytes: outbound.queuedBytes,
      queuedMessages: outbound.queuedMessages,
      refused: outbound.refused,
      credit: outbound.credit,
    };
  }

  #handle(link: Link, type: number, frame: Uint8Array): void {
    if (this.farewell) throw new FoundationError('protocol', 'The peer sent something after its farewell.');
    switch (type) {
      case FRAME_BATCH:
        this.#onBatch(link, frame);
        break;
      case FRAME_FRAGMENT:
        this.#onFragment(link, frame);
        break;
      case FRAME_CREDIT:
        this.outbound.grant(readUint32(frame, FRAME_HEADER));
        if (!this.outbound.idle) this.#session.schedule();
        break;
      case FRAME_GOODBYE:
        this.farewell = true;
        this.#session.farewell(this);
        break;
      default:
        throw new FoundationError('protocol', `The peer sent a frame of unknown type ${type}.`);
    }
  }

  #onBatch(link: Link, frame: Uint8Array): void {
    this.#inbound.received(frame.length);
    const messages = this.#inbound.batch(frame);
    this.#returnCredit(link);
    for (let index = 0; index < messages.length; index++) this.#session.deliver(this.channel, messages[index]);
  }

  #onFragment(link: Link, frame: Uint8Array): void {
    this.#inbound.received(frame.length);
    const whole = this.#inbound.fragment(frame);
    this.#returnCredit(link);
    if (whole !== undefined) this.#session.deliver(this.channel, this.#codec.decode(whole));
  }

  #returnCredit(link: Link): void {
    const bytes = this.#inbound.takeCredit();
    if (bytes > 0) link.sendCredit(bytes);
  }
}

/** Frames that are not counted in the credit, for a connection whose session does not stand yet. */
const SLACK = 1_024;
