import { type Clock, FoundationError } from '@foundation-ts/core';
import { type AgreedChannel, type ChannelStats, offerOf, type ResolvedChannel } from '../channel.js';
import type { Codec, EncodedParts } from '../codec.js';
import { MAX_ADAPTIVE_WINDOW, MIN_ADAPTIVE_WINDOW, PING_INTERVAL, PING_INTERVAL_QUIET } from '../defaults.js';
import type { SendResult } from '../peer.js';
import type { Partition } from './backlog.js';
import type { FrameSink } from './frame-sink.js';
import {
  FRAGMENT_HEADER,
  FRAME_ACK,
  FRAME_BATCH,
  FRAME_CREDIT,
  FRAME_FRAGMENT,
  FRAME_GOODBYE,
  FRAME_HEADER,
  FRAME_LAST,
  FRAME_OFFERS,
  FRAME_PING,
  FRAME_PONG,
  FRAME_READY,
  FRAME_REFUSE,
  FRAME_RESUME,
  FRAME_RETIRE,
  FRAME_START,
  readCount,
  readUint32,
} from './frames.js';
import { InOrder } from './in-order.js';
import { type Assembled, Inbound } from './inbound.js';
import { decodeOffers, decodeRefusal } from './introduction.js';
import type { Link, LinkOwner } from './link.js';
import { type Counters, Outbound } from './outbound.js';
import { ReceiveWindow } from './receive-window.js';
import { RoundTripHistogram } from './round-trip.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';
import type { Stream } from './streams.js';
import type { Unwritten } from './unwritten.js';

/** One connection of one channel of a session, or the place for it. */
export class ChannelConnection implements LinkOwner {
  readonly channel: string;
  readonly index: number;
  readonly priority: number;
  readonly acknowledged: boolean;
  /** What it was made for. */
  readonly agreed: AgreedChannel;
  readonly #session: Session;
  readonly #codec: Codec;
  readonly #inbound: Inbound;
  readonly #inOrder: InOrder;
  readonly #window: number;
  readonly #clock: Clock;
  /** Follows the link; undefined where the window is fixed. */
  readonly #receiveWindow: ReceiveWindow | undefined;
  readonly #roundTrips = new RoundTripHistogram();
  #pings = 0;
  #pingAt = Number.NEGATIVE_INFINITY;
  #pingOut = false;
  #bytesAtPing = 0;
  /** A ping that could not be answered yet: the connection takes nothing for now. */
  #owed: number | undefined;
  /** The connection takes nothing for now: who sends without reading gets no more of our memory for what we say to that. */
  #stuck = false;
  readonly #peerWindow: number;
  readonly #sink: FrameSink;
  #outbound: Outbound;
  #stream: Stream | undefined;
  /** Number of the next message to arrive on an acknowledged channel; 0: the other side has not said yet. */
  #next = 0;
  #lastAcknowledged = 0;
  #resumed = false;
  #link: Link | undefined;
  #risen = false;
  #retiring = false;
  #retireSent = false;
  #retireSeen = false;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Length of the frame that is being read to where it belongs. */
  #placing = 0;
  /** The other side said that nothing more comes. */
  farewell = false;
  /** Messages given up because the other side began to close. */
  readonly #given: Unwritten[] = [];
  #duplicates = 0;
  /** What an acknowledged channel had done before this session. */
  #before: Counters = NOTHING_YET;
  /** Messages that could not be encoded. */
  errors = 0;

  constructor(session: Session, settings: Settings, agreed: AgreedChannel, index: number, fragmentBytes: number) {
    const { channel, peerWindow } = agreed;
    this.#session = session;
    this.#codec = settings.codec;
    this.channel = channel.name;
    this.index = index;
    this.priority = channel.priority;
    this.acknowledged = agreed.acknowledged;
    this.agreed = agreed;
    this.#window = channel.window;
    this.#clock = settings.clock;
    const frame = Math.min(fragmentBytes + FRAGMENT_HEADER, channel.window >> 1);
    if (channel.adaptive) {
      this.#receiveWindow = new ReceiveWindow({
        start: channel.window,
        // No frame may be longer than half the window.
        floor: Math.max(MIN_ADAPTIVE_WINDOW, 2 * frame),
        cap: MAX_ADAPTIVE_WINDOW,
        share: session.windowShare,
        roundTrip: session.roundTrip,
      });
    }
    this.#peerWindow = peerWindow;
    const link = () => this.#link as Link;
    this.#sink = {
      nextSequence: () => link().nextSequence(),
      write: frame => link().write(frame),
      get gathers() {
        return link().gathers;
      },
      writePieces: (head, body, left) => link().writePieces(head, body, left),
    };
    this.#outbound = new Outbound({
      sink: this.#sink,
      queueBytes: channel.queueBytes,
      queueMessages: channel.queueMessages,
      whenFull: channel.whenFull,
      monotonic: channel.monotonic,
      acknowledged: agreed.acknowledged,
      compression: agreed.compression,
      credit: peerWindow,
      fragmentBytes,
      turnBytes: settings.limits.turnBytes,
    });
    this.#outbound.onReady = () => session.schedule();
    this.#inbound = new Inbound({
      codec: settings.codec,
      window: channel.window,
      messageBytes: settings.limits.messageBytes,
      budget: session.budget,
    });
    this.#inOrder = new InOrder(session.budget, settings.limits.messageBytes, {
      message: bytes => this.#deliver(this.#codec.decode(bytes)),
      decoded: message => this.#deliver(message),
      caughtUp: () => this.#returnCredit(),
      failed: error => this.#link?.fail(error),
    });
  }

  get outbound(): Outbound {
    return this.#outbound;
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

  push(parts: EncodedParts, partition: Partition, onDropped: (() => void) | undefined): SendResult {
    return this.#outbound.push(parts, partition, onDropped);
  }

  flush(): boolean {
    const link = this.#link;
    if (link === undefined || link.closed) return false;
    const stream = this.#stream;
    if (stream !== undefined && stream.received !== this.#lastAcknowledged && !this.#stuck) {
      this.#lastAcknowledged = stream.received;
      this.#stuck = !link.sendCount(FRAME_ACK, stream.received);
    }
    const more = this.#outbound.flush();
    if (this.#retiring && !this.#retireSent && this.#outbound.idle) {
      this.#retireSent = true;
      link.sendControl(FRAME_RETIRE);
      this.#endIfRetired();
    }
    return more;
  }

  /** Whether both sides have said that nothing more comes. */
  get retired(): boolean {
    return this.#retireSent && this.#retireSeen;
  }

  /** Nothing more may be sent here: the channel is closed, and the other side has been told. */
  get silent(): boolean {
    return this.#retireSent;
  }

  /** Sends what is queued, and then nothing more: the channel is closed. */
  retire(): void {
    this.#retiring = true;
    this.#session.schedule();
  }

  sendOffers(channels: readonly ResolvedChannel[]): void {
    const link = this.#link;
    if (link !== undefined && !link.closed) link.sendControl(FRAME_OFFERS, channels.map(offerOf));
  }

  /** Whether what a stream has to send can be sent here. */
  continues({ channel, index }: Stream, outbound: Outbound): boolean {
    return this.acknowledged && channel === this.channel && index === this.index && outbound.fits(this.#peerWindow);
  }

  /** The session stands. An acknowledged channel goes on where the last session ended; each side says how far it has come. */
  rise(stream: Stream | undefined): void {
    this.#risen = true;
    this.#ping(this.#clock.now());
    if (stream === undefined) return;
    this.#stream = stream;
    if (stream.outbound === undefined) stream.outbound = this.#outbound;
    else if (stream.outbound.idle) stream.outbound = this.#outbound.continueAfter(stream.outbound);
    else this.#outbound = stream.outbound;
    this.#before = this.#outbound.counters;
    this.#outbound.onReady = () => this.#session.schedule();
    this.#lastAcknowledged = stream.received;
    this.#link?.sendCount(FRAME_RESUME, stream.received);
  }

  sayGoodbye(): void {
    const link = this.#link;
    if (link === undefined || link.closed) return;
    link.sendControl(FRAME_GOODBYE);
    link.finish();
  }

  /** Gives up what is queued, or keeps it for the next session: the other side takes nothing more. */
  drop(): void {
    if (this.acknowledged) this.#outbound.detach();
    else this.#given.push(...this.#outbound.clear());
  }

  /** What will never be written. */
  unwritten(): readonly Unwritten[] {
    this.drop();
    return this.#given;
  }

  abandon(reason: Error | undefined): void {
    this.#inOrder.end();
    this.#receiveWindow?.release();
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
        this.#handle(frame[1] as number, frame);
      } catch (error) {
        link.fail(error as Error);
      }
    }
  }

  proven(): void {
    throw new FoundationError('protocol', 'The peer proved itself twice.');
  }

  control(link: Link, type: number, body: unknown): void {
    if (type === FRAME_REFUSE) {
      const said = decodeRefusal(body);
      const why = `Node '${this.#session.identity.name}' ended the session: ${said.message} (${said.code})`;
      link.refused(new FoundationError('noconnection', why, { cause: said }));
      return;
    }
    if (type === FRAME_OFFERS && this.#risen && this === this.#session.slots[0]) {
      this.#session.channels.offered(decodeOffers(body));
      return;
    }
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

  data(_link: Link, type: number, frame: Uint8Array): void {
    // What an acknowledged channel keeps belongs to the next session by now.
    if (this.#session.over) return;
    if (this.#risen && this.#held.length === 0) {
      this.#handle(type, frame);
      return;
    }
    this.#heldBytes += frame.length;
    if (this.#heldBytes > this.#window + SLACK)
      throw new FoundationError('protocol', 'The peer sent more than its credit allows.');
    this.#held.push(frame);
  }

  borrows(type: number): boolean {
    return type >= FRAME_BATCH && type <= FRAME_LAST && this.#risen && this.#held.length === 0;
  }

  place(head: Uint8Array, bytes: number): Uint8Array | undefined {
    const usual = this.#risen && this.#held.length === 0 && !this.farewell && !this.#retireSeen && !this.#session.over;
    if (!usual || !this.#inbound.allows(bytes)) return undefined;
    this.#placing = bytes;
    return this.#inbound.place(head, bytes - FRAGMENT_HEADER);
  }

  placed(): void {
    if (this.#session.over) return;
    this.#received(this.#placing);
    this.#onProgress(this.#inbound.placed());
  }

  drained(): void {
    this.#stuck = false;
    if (this.#owed !== undefined) this.#pong(this.#owed);
    if (!this.#inOrder.waiting) this.#returnCredit();
    this.#outbound.unblock();
    this.#session.schedule();
  }

  closed(_link: Link, reason: Error | undefined): void {
    this.#session.lost(this, reason);
  }

  stats(): ChannelStats {
    const outbound = this.#outbound;
    const now = outbound.counters;
    const before = this.#before;
    return {
      channel: this.channel,
      index: this.index,
      messagesSent: now.messagesSent - before.messagesSent,
      bytesSent: now.bytesSent - before.bytesSent,
      messagesReceived: this.#inbound.messagesReceived,
      bytesReceived: this.#inbound.bytesReceived,
      queuedBytes: outbound.queuedBytes,
      queuedMessages: outbound.queuedMessages,
      refused: now.refused - before.refused,
      dropped: now.dropped - before.dropped,
      unacknowledged: outbound.unacknowledged,
      retransmitted: now.retransmitted - before.retransmitted,
      duplicates: this.#duplicates,
      errors: this.errors,
      credit: outbound.credit,
      utilisation: 1 - Math.max(0, outbound.credit) / outbound.mostCredit,
      window: this.#receiveWindow?.size ?? this.#window,
      roundTrips: this.#roundTrips.snapshot(),
    };
  }

  #handle(type: number, frame: Uint8Array): void {
    if (this.farewell) throw new FoundationError('protocol', 'The peer sent something after its farewell.');
    switch (type) {
      case FRAME_BATCH:
        this.#onBatch(frame);
        break;
      case FRAME_FRAGMENT:
        this.#onFragment(frame);
        break;
      case FRAME_CREDIT:
        this.#outbound.grant(readUint32(frame, FRAME_HEADER));
        if (!this.#outbound.idle) this.#session.schedule();
        break;
      case FRAME_GOODBYE:
        this.farewell = true;
        this.#session.farewell(this);
        break;
      case FRAME_RETIRE:
        this.#retireSeen = true;
        this.#session.channels.retire(this.channel);
        this.#endIfRetired();
        break;
      case FRAME_PING:
        this.#pong(readUint32(frame, FRAME_HEADER));
        break;
      case FRAME_PONG:
        this.#onPong(readUint32(frame, FRAME_HEADER));
        break;
      case FRAME_ACK:
        this.#mustBeAcknowledged(this.#resumed);
        this.#outbound.acknowledge(readCount(frame, FRAME_HEADER));
        this.#session.schedule();
        break;
      case FRAME_RESUME:
        this.#onResume(readCount(frame, FRAME_HEADER));
        break;
      case FRAME_START:
        this.#onStart(readCount(frame, FRAME_HEADER));
        break;
      default:
        throw new FoundationError('protocol', `The peer sent a frame of unknown type ${type}.`);
    }
  }

  #onBatch(frame: Uint8Array): void {
    this.#received(frame.length);
    const messages = this.#inbound.batch(frame);
    if (!this.#inOrder.waiting) {
      this.#returnCredit();
      for (let index = 0; index < messages.length; index++) this.#deliver(messages[index]);
    } else {
      for (const message of messages) this.#inOrder.add(message);
    }
  }

  #onFragment(frame: Uint8Array): void {
    this.#received(frame.length);
    this.#onProgress(this.#inbound.fragment(frame));
  }

  /** Another part of a large message is there, perhaps the last. */
  #onProgress(whole: Assembled | undefined): void {
    if (whole === undefined) {
      if (!this.#inOrder.waiting) this.#returnCredit();
    } else if (whole.algorithm > 0) {
      this.#inOrder.addCompressed(whole.bytes, whole.algorithm);
    } else if (this.#inOrder.waiting) {
      this.#inOrder.add(this.#codec.decode(whole.bytes));
    } else {
      this.#returnCredit();
      this.#deliver(this.#codec.decode(whole.bytes));
    }
  }

  #deliver(message: unknown): void {
    const stream = this.#stream;
    if (stream !== undefined) {
      if (this.#next === 0)
        throw new FoundationError('protocol', 'The peer sent messages before it said where it begins.');
      // What is not handled is not counted: it comes again in the next session.
      if (this.#session.over) return;
      const number = this.#next++;
      if (number <= stream.received) {
        this.#duplicates++;
        return;
      }
      stream.received = number;
      this.#session.schedule();
    }
    this.#session.deliver(this.channel, message);
  }

  #onResume(received: number): void {
    this.#mustBeAcknowledged(!this.#resumed);
    this.#resumed = true;
    const first = this.#outbound.resume(this.#sink, this.#peerWindow, received);
    this.#link?.sendCount(FRAME_START, first);
    this.#session.schedule();
  }

  #onStart(first: number): void {
    const stream = this.#mustBeAcknowledged(this.#next === 0);
    if (first < 1 || first > stream.received + 1)
      throw new FoundationError('protocol', 'The peer left out messages of an acknowledged channel.');
    this.#next = first;
  }

  #mustBeAcknowledged(asExpected: boolean): Stream {
    if (this.#stream === undefined || !asExpected)
      throw new FoundationError('protocol', 'The peer sent a frame of acknowledged channels where it has no place.');
    return this.#stream;
  }

  #endIfRetired(): void {
    if (this.retired) this.#link?.finish();
  }

  #received(bytes: number): void {
    if (this.#retireSeen) throw new FoundationError('protocol', 'The peer sent messages on a channel that it closed.');
    this.#inbound.received(bytes);
    const now = this.#clock.now();
    this.#receiveWindow?.received(bytes, now);
    if (this.#pingOut) return;
    const { probing } = this.#session.roundTrip;
    const much = this.#inbound.bytesReceived - this.#bytesAtPing >= MUCH;
    const interval = probing ? 0 : much ? PING_INTERVAL : PING_INTERVAL_QUIET;
    if (now - this.#pingAt >= interval && this.#session.roundTrip.isDue(now)) this.#ping(now);
  }

  #ping(now: number): void {
    this.#pingAt = now;
    this.#pingOut = true;
    this.#bytesAtPing = this.#inbound.bytesReceived;
    this.#link?.sendNumber(FRAME_PING, ++this.#pings);
  }

  /** One answer at most waits. */
  #pong(number: number): void {
    this.#owed = this.#stuck ? number : undefined;
    if (!this.#stuck) this.#stuck = this.#link?.sendNumber(FRAME_PONG, number) === false;
  }

  #onPong(number: number): void {
    if (!this.#pingOut || number !== this.#pings)
      throw new FoundationError('protocol', 'The peer answered a ping that was not sent.');
    this.#pingOut = false;
    const now = this.#clock.now();
    this.#roundTrips.add(now - this.#pingAt);
    this.#session.roundTrip.answered(this.#pingAt, now);
  }

  /** While something is being inflated nothing is given back: what waits behind it stays within the window. */
  #returnCredit(): void {
    if (this.#stuck) return;
    const bytes = this.#inbound.takeCredit(this.#receiveWindow?.size ?? this.#window);
    if (bytes > 0) this.#stuck = this.#link?.sendNumber(FRAME_CREDIT, bytes) === false;
  }
}

const NOTHING_YET: Counters = { messagesSent: 0, bytesSent: 0, refused: 0, dropped: 0, retransmitted: 0 };
/** Bytes since the last ping from which a connection counts as busy. */
const MUCH = 64 * 1024;
/** Frames that are not counted in the credit, for a connection whose session does not stand yet. */
const SLACK = 1_024;
