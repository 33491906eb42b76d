import { type Clock, FoundationError, formatAddress, type Timer } from '@foundation-ts/core';
import type { Codec } from '../codec.js';
import {
  beginHandshake,
  type HandshakeEffect,
  type HandshakeInit,
  type HandshakeState,
  lateRejection,
  type ProvenPeer,
  stepHandshake,
} from '../handshake.js';
import type { Connection, ConnectionEvents } from '../transport.js';
import type { FrameSink } from './frame-sink.js';
import {
  FRAME_BATCH,
  FRAME_BOUND,
  FRAME_FRAGMENT,
  FRAME_HEADER,
  FRAME_JOIN,
  FRAME_LAST,
  FRAME_READY,
  FRAME_REFUSE,
  FRAME_VERSION,
  readUint32,
  writeCount,
  writeHeader,
  writeUint32,
} from './frames.js';
import { encodeRefusal } from './introduction.js';

/** Takes what happens on a {@link Link}; a FoundationError that it throws closes the link with it. */
export interface LinkOwner {
  proven(link: Link, peer: ProvenPeer): void;
  /** A frame that sets a session up, with its decoded body. */
  control(link: Link, type: number, body: unknown): void;
  /** A frame of a channel; the header has been checked. */
  data(link: Link, type: number, frame: Uint8Array): void;
  /** Whether {@link LinkOwner.data} takes frames of that type that are valid until it returns. */
  borrows?(type: number): boolean;
  /** As `place` of `ConnectionEvents`, for a fragment that is next in order. */
  place?(head: Uint8Array, bytes: number): Uint8Array | undefined;
  /** That fragment is there. */
  placed?(): void;
  drained(link: Link): void;
  /** Once. */
  closed(link: Link, reason: Error | undefined): void;
}

export interface LinkInit {
  readonly connection: Connection;
  readonly handshake: HandshakeInit;
  readonly clock: Clock;
  /** For the handshake, and then until {@link Link.settle}, milliseconds. */
  readonly timeout: number;
  readonly codec: Codec;
  readonly owner: LinkOwner;
}

/** One connection: first its handshake, then numbered frames. */
export class Link implements ConnectionEvents, FrameSink {
  owner: LinkOwner;
  readonly #init: LinkInit;
  readonly #connection: Connection;
  readonly #codec: Codec;
  #handshake: HandshakeState | undefined;
  /** The handshake that is over, until the first frame after it. */
  #shaken: HandshakeState | undefined;
  #timer: Timer | undefined;
  #ticks = 0;
  #proven: ProvenPeer | undefined;
  /** Why a stranger was not let in, until its connection is gone. */
  #rejection: Error | undefined;
  #closed = false;
  #sent = 0;
  #received = 0;

  constructor(init: LinkInit) {
    this.#connection = init.connection;
    this.#codec = init.codec;
    this.owner = init.owner;
    this.#init = init;
    this.#startTimer();
    const [state, effects] = beginHandshake({ ...init.handshake, security: init.connection.security });
    this.#handshake = state;
    this.#apply(effects);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @throws Error before the owner heard of the proof */
  get peer(): ProvenPeer {
    if (this.#proven === undefined) throw new Error('the link is not proven yet');
    return this.#proven;
  }

  /** Whether the other side is in this process. */
  get local(): boolean {
    return this.#connection.local === true;
  }

  get remoteHost(): string {
    return this.#connection.remote.host;
  }

  /** The link has found its place; its time limit ends. */
  settle(owner: LinkOwner): void {
    this.owner = owner;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  nextSequence(): number {
    const sequence = this.#sent;
    this.#sent = (sequence + 1) >>> 0;
    return sequence;
  }

  write(frame: Uint8Array): boolean {
    return this.#connection.send(frame);
  }

  get gathers(): boolean {
    return this.#connection.sendPieces !== undefined;
  }

  writePieces(head: Uint8Array, body: Uint8Array, left?: () => void): boolean {
    return this.#connection.sendPieces?.(head, body, left) ?? false;
  }

  sendControl(type: number, body?: unknown): void {
    const encoded = body === undefined ? NOTHING : this.#codec.encode(body);
    const frame = new Uint8Array(FRAME_HEADER + encoded.length);
    writeHeader(frame, 0, type, 0, this.nextSequence());
    frame.set(encoded, FRAME_HEADER);
    this.#connection.send(frame);
  }

  /** Sends a frame that is one number of 32 bits. @returns false: the connection takes nothing more for now */
  sendNumber(type: number, value: number): boolean {
    const frame = Buffer.allocUnsafe(FRAME_HEADER + 4);
    writeHeader(frame, 0, type, 0, this.nextSequence());
    writeUint32(frame, FRAME_HEADER, value);
    return this.#connection.send(frame);
  }

  /** Sends a frame that is one number of 64 bits. @returns as {@link sendNumber} */
  sendCount(type: number, count: number): boolean {
    const frame = Buffer.allocUnsafe(FRAME_HEADER + 8);
    writeHeader(frame, 0, type, 0, this.nextSequence());
    writeCount(frame, FRAME_HEADER, count);
    return this.#connection.send(frame);
  }

  /** Tells the other side why, then closes. */
  refuse(error: FoundationError): void {
    if (this.#closed) return;
    this.sendControl(FRAME_REFUSE, encodeRefusal(error));
    this.#end(error);
  }

  /** Closes at once; a peer that has proven itself, and sent what it must not, is told first, and cut off soon, whether it listens or not. */
  fail(reason: Error): void {
    if (this.#closed) return;
    if (this.#proven !== undefined && isBreach(reason)) {
      this.refuse(reason);
      const { clock, timeout } = this.#init;
      this.#timer = clock.setTimeout(() => void this.#connection.close(reason), timeout / 2, { unref: true });
      return;
    }
    void this.#connection.close(reason);
    this.#finish(reason);
  }

  /** The other side has said why it closes. */
  refused(reason: FoundationError): void {
    if (!this.#closed) this.#end(reason);
  }

  /** Closes after what was sent; the owner hears of it when it has happened. */
  finish(): void {
    void this.#connection.close();
  }

  frame(bytes: Uint8Array): void {
    if (this.#closed || this.#rejection !== undefined) return;
    try {
      if (this.#handshake !== undefined) this.#shake(bytes);
      else this.#dispatch(bytes);
    } catch (error) {
      this.fail(asProtocolError(error, this));
    }
  }

  lend(bytes: Uint8Array): boolean {
    const plain = this.#handshake === undefined && this.#shaken === undefined && bytes.length >= FRAME_HEADER;
    if (!plain || this.owner.borrows?.(bytes[1] as number) !== true) return false;
    this.frame(bytes);
    return true;
  }

  place(head: Uint8Array, bytes: number): Uint8Array | undefined {
    if (this.#closed || this.#handshake !== undefined) return undefined;
    const next = head[0] === FRAME_VERSION && head[1] === FRAME_FRAGMENT && readUint32(head, 4) === this.#received;
    // Whatever is not as it should be is dealt with when the whole frame is there.
    if (!next) return undefined;
    try {
      return this.owner.place?.(head, bytes);
    } catch (error) {
      this.fail(asProtocolError(error, this));
      return undefined;
    }
  }

  placed(): void {
    if (this.#closed) return;
    this.#received = (this.#received + 1) >>> 0;
    try {
      this.owner.placed?.();
    } catch (error) {
      this.fail(asProtocolError(error, this));
    }
  }

  drain(): void {
    if (!this.#closed) this.owner.drained(this);
  }

  close(reason: Error | undefined): void {
    this.#timer?.cancel();
    this.#finish(reason);
  }

  #shake(bytes: Uint8Array): void {
    const [state, effects] = stepHandshake(this.#handshake as HandshakeState, { type: 'frame', bytes });
    this.#handshake = state;
    this.#shaken = state;
    this.#apply(effects);
  }

  #dispatch(frame: Uint8Array): void {
    if (this.#shaken !== undefined) {
      const rejection = lateRejection(this.#shaken, frame);
      this.#shaken = undefined;
      if (rejection !== undefined) {
        this.#end(rejection);
        return;
      }
    }
    if (frame.length < FRAME_HEADER || frame[0] !== FRAME_VERSION) {
      throw new FoundationError('protocol', 'The peer sent a frame of an unknown version.');
    }
    if (readUint32(frame, 4) !== this.#received) {
      throw new FoundationError('protocol', 'Frames of the peer were lost, repeated or out of order.');
    }
    this.#received = (this.#received + 1) >>> 0;
    const type = frame[1] as number;
    if (type >= FRAME_BATCH && type <= FRAME_LAST) this.owner.data(this, type, frame);
    else if (type === FRAME_BOUND || type === FRAME_READY) this.owner.control(this, type, undefined);
    else if (type > 0 && type <= FRAME_JOIN)
      this.owner.control(this, type, this.#codec.decode(frame.subarray(FRAME_HEADER)));
    else throw new FoundationError('protocol', `The peer sent a frame of unknown type ${type}.`);
  }

  #apply(effects: readonly HandshakeEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'send') {
        this.#connection.send(effect.frame);
      } else if (effect.type === 'failed') {
        this.#end(effect.error);
      } else {
        this.#handshake = undefined;
        this.#proven = effect.peer;
        this.#startTimer();
        this.owner.proven(this, effect.peer);
      }
    }
  }

  /**
   * The handshake has its time, and what the link is for has the same again: time in which this event loop ran. While it stands, answers
   * that have come wait unread, and the other side is not to blame.
   */
  #startTimer(): void {
    this.#timer?.cancel();
    this.#ticks = TICKS;
    this.#tick();
  }

  #tick(): void {
    const { clock, timeout } = this.#init;
    this.#timer = clock.setTimeout(
      () => {
        if (--this.#ticks > 0) this.#tick();
        else this.#onTimeout();
      },
      timeout / TICKS,
      { unref: true },
    );
  }

  #onTimeout(): void {
    if (this.#handshake !== undefined) {
      const [state, effects] = stepHandshake(this.#handshake, { type: 'timeout' });
      this.#handshake = state;
      this.#apply(effects);
    } else {
      this.fail(
        new FoundationError('timeout', `${formatAddress(this.#connection.remote)} connected, but opened no session.`),
      );
    }
  }

  #end(reason: Error): void {
    const isStranger = this.#proven === undefined && this.#init.handshake.role === 'listener';
    if (isStranger && this.#ticks > 0) {
      this.#turnAway(reason);
      return;
    }
    void this.#connection.close();
    this.#finish(reason);
  }

  /**
   * A stranger has been told why, and hangs up. Till then it counts among those without proof, which are bounded in number: the end of a
   * connection in order would leave it to the stranger when that is over.
   */
  #turnAway(reason: Error): void {
    const { clock, timeout } = this.#init;
    this.#timer?.cancel();
    this.#rejection = reason;
    this.#timer = clock.setTimeout(() => this.fail(reason), timeout / 2, { unref: true });
  }

  #finish(reason: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.owner.closed(this, this.#rejection ?? reason);
  }
}

/** A time-out is measured in so many parts: each that is late because the event loop stood counts as one. */
const TICKS = 8;
const NOTHING = new Uint8Array(0);

/** Whether it is the other side that is at fault. */
function isBreach(reason: Error): reason is FoundationError {
  return reason instanceof FoundationError && (reason.code === 'protocol' || reason.code === 'too-large');
}

function asProtocolError(error: unknown, link: Link): FoundationError {
  if (error instanceof FoundationError) return error;
  return new FoundationError('protocol', `A frame from ${link.remoteHost} could not be handled.`, { cause: error });
}
