import type { Socket } from 'node:net';
import { type Address, type Clock, FoundationError, formatAddress, type Timer } from '@foundation-ts/core';
import { type BusyWait, SHORT_BYTES } from '../internal/busy-wait.js';
import { lost } from '../internal/lost.js';
import { microtask } from '../internal/microtask.js';
import type { OpenSocket } from '../internal/socket-client.js';
import type { SpareMemory } from '../internal/spare-memory.js';
import type { TurnReads } from '../internal/turn-reads.js';
import type { Connection, ConnectionEvents, ConnectionSecurity } from '../transport.js';
import { WsFrameReader } from './frame-reader.js';
import { WsFrameWriter } from './frame-writer.js';
import { CLOSE, NO_CODE, NORMAL_CLOSURE, PONG } from './frames.js';

/** Bytes collected in one turn from which `send` says to wait. */
const HIGH_WATER = 1024 * 1024;

export interface WsConnectionInit {
  readonly clock: Clock;
  readonly linger: number;
  readonly maxFrameBytes: number;
  /** This side dialled. */
  readonly dialled: boolean;
  readonly reads: TurnReads;
  /** Given where what is read is valid only until `receive` returns. */
  readonly spares: SpareMemory | undefined;
  readonly busyWait: BusyWait;
  /** What came behind the upgrade, to be read before anything else. */
  readonly head: Buffer;
}

/** A connection over one WebSocket: each binary message is a frame. Everything sent in a turn of the event loop goes out as one write. */
export class WsConnection implements Connection {
  readonly remote: Address;
  readonly security: ConnectionSecurity | undefined;
  readonly #socket: Socket;
  readonly #reads: TurnReads;
  readonly #busyWait: BusyWait;
  readonly #reader: WsFrameReader;
  readonly #writer: WsFrameWriter;
  readonly #reset: () => void;
  readonly #clock: Clock;
  readonly #linger: number;
  readonly #head: Buffer;
  #events: ConnectionEvents | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #reason: Error | undefined;
  #corked = false;
  #full = false;
  #owesDrain = false;
  #paused = false;
  /** A ping has been answered in this turn. */
  #ponged = false;
  /** Of the last ping that has not been answered. */
  #pingOwed: Buffer | undefined;
  #lingerTimer: Timer | undefined;
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};

  constructor(open: OpenSocket, remote: Address, init: WsConnectionInit) {
    const { dialled, maxFrameBytes, reads, spares } = init;
    this.remote = remote;
    this.security = open.security;
    this.#socket = open.socket;
    this.#reset = open.reset;
    this.#clock = init.clock;
    this.#linger = init.linger;
    this.#reads = reads;
    this.#busyWait = init.busyWait;
    this.#head = init.head;
    this.#writer = new WsFrameWriter(open.socket, dialled);
    this.#reader = new WsFrameReader(
      { maxFrameBytes, masked: !dialled, spares },
      {
        frame: frame => {
          if (this.#state === 'open') this.#events?.frame(frame);
        },
        lend: frame => this.#state === 'open' && this.#events?.lend?.(frame) === true,
        place: (head, bytes) => (this.#state === 'open' ? this.#events?.place?.(head, bytes) : undefined),
        placed: () => {
          if (this.#state === 'open') this.#events?.placed?.();
        },
        ping: payload => {
          this.#pingOwed = Buffer.from(payload);
          this.#pong();
        },
        close: code => this.#onCloseFrame(code),
        invalid: error => {
          void this.close(error);
        },
      },
    );
    this.#closed = new Promise(resolve => {
      this.#resolveClosed = resolve;
    });
  }

  /** Begins to report events; called once, in the turn in which the WebSocket opened. */
  start(events: ConnectionEvents): void {
    this.#events = events;
    const socket = this.#socket;
    this.#reads.receive = chunk => {
      if (chunk.length <= SHORT_BYTES) this.#busyWait.received();
      this.#reader.push(chunk);
    };
    this.#reads.resume = () => {
      if (!this.#paused) socket.resume();
    };
    socket.on('end', () => this.#onEnd());
    socket.on('drain', () => this.#onDrain());
    socket.on('error', error => {
      if (this.#state === 'open') this.#reason ??= lost(this.remote, error);
    });
    socket.on('close', () => this.#onClose());
    // Not synchronously: who is told of the connection is in the middle of taking it.
    if (this.#head.length > 0) queueMicrotask(() => this.#reader.push(this.#head));
  }

  send(frame: Uint8Array): boolean {
    return this.#send(frame, undefined, undefined);
  }

  sendPieces(head: Uint8Array, body: Uint8Array, left?: () => void): boolean {
    return this.#send(head, body, left);
  }

  #send(head: Uint8Array, body: Uint8Array | undefined, left: (() => void) | undefined): boolean {
    if (this.#state !== 'open') return false;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      microtask(this.#flush);
    }
    this.#writer.write(head, body, left);
    if (!this.#full && this.#socket.writableLength < HIGH_WATER) return true;
    this.#owesDrain = true;
    return false;
  }

  pause(): void {
    if (this.#paused || this.#state !== 'open') return;
    this.#paused = true;
    this.#reader.pause();
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // Not synchronously: the caller is not in the middle of an event.
    queueMicrotask(() => {
      if (this.#paused || this.#state !== 'open') return;
      this.#reader.resume();
      if (!this.#paused) this.#socket.resume();
    });
  }

  close(reason?: Error): Promise<void> {
    if (this.#state === 'closed') return this.#closed;
    if (reason !== undefined) {
      this.#reason ??= reason;
      this.#state = 'closing';
      this.#reader.stop();
      // A reset fails, and is never over, while the socket is shutting down, as it does by itself when the other side has.
      if (this.#socket.writableEnded) this.#socket.destroy();
      else this.#reset();
    } else if (this.#state === 'open') {
      this.#sayClose(NORMAL_CLOSURE);
      // What still arrives is read and dropped: the other side's half of the closing handshake is behind it.
      this.#paused = false;
      this.#reader.resume();
      this.#socket.resume();
    }
    return this.#closed;
  }

  /** Says why, and closes; nothing that the other side sent or sends is reported. */
  refuse(reason: Error, last: Uint8Array): void {
    if (this.#state !== 'open') return;
    this.#reason ??= reason;
    this.send(last);
    void this.close();
  }

  /** This side's half of the closing handshake, behind what was sent. */
  #sayClose(code: number): void {
    this.#flush();
    this.#state = 'closing';
    const payload = Buffer.alloc(code === NO_CODE ? 0 : 2);
    if (payload.length > 0) payload.writeUInt16BE(code);
    this.#writer.writeControl(CLOSE, payload);
    this.#lingerTimer = this.#clock.setTimeout(() => this.#socket.destroy(), this.#linger, { unref: true });
  }

  readonly #flush = (): void => {
    if (!this.#corked) return;
    this.#corked = false;
    if (this.#socket.writableLength <= SHORT_BYTES) this.#busyWait.sent();
    this.#socket.uncork();
    this.#full = this.#socket.writableNeedDrain;
    if (!this.#full && this.#owesDrain) this.#onDrain();
  };

  #onDrain(): void {
    this.#full = false;
    this.#pong();
    if (!this.#owesDrain || this.#state !== 'open') return;
    this.#owesDrain = false;
    this.#events?.drain();
  }

  /** One a turn, of the last ping, which the protocol allows, and none for somebody who asks without reading: answers must not pile up. */
  #pong(): void {
    const payload = this.#pingOwed;
    if (payload === undefined || this.#ponged || this.#state !== 'open' || this.#socket.writableNeedDrain) return;
    this.#pingOwed = undefined;
    this.#ponged = true;
    setImmediate(() => {
      this.#ponged = false;
      this.#pong();
    });
    this.#writer.writeControl(PONG, payload);
  }

  #onCloseFrame(code: number): void {
    if (this.#state === 'open') {
      if (code !== NORMAL_CLOSURE) {
        this.#reason ??= new FoundationError(
          'noconnection',
          `${formatAddress(this.remote)} closed the connection for a fault, or because it goes away (${code}).`,
        );
      }
      this.#sayClose(code);
    }
    this.#socket.end();
  }

  #onEnd(): void {
    if (this.#state !== 'open') return;
    this.#reason ??= new FoundationError(
      'noconnection',
      `${formatAddress(this.remote)} closed the connection without the closing handshake.`,
    );
  }

  #onClose(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#reader.stop();
    this.#lingerTimer?.cancel();
    this.#events?.close(this.#reason);
    this.#resolveClosed();
  }
}
