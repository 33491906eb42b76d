import type { Socket } from 'node:net';
import { type Address, type Clock, FoundationError, formatAddress, type Timer } from '@foundation-ts/core';
import { type BusyWait, SHORT_BYTES } from '../internal/busy-wait.js';
import { lost } from '../internal/lost.js';
import { microtask } from '../internal/microtask.js';
import type { ReusedReads } from '../internal/reused-reads.js';
import type { OpenSocket } from '../internal/socket-client.js';
import type { Connection, ConnectionEvents, ConnectionSecurity } from '../transport.js';
import { FrameReader } from './frame-reader.js';
import { type Chunk, FrameWriter, type Slab } from './frame-writer.js';

/** Bytes collected in one turn from which `send` says to wait. */
const HIGH_WATER = 1024 * 1024;

export interface TcpConnectionInit {
  readonly clock: Clock;
  readonly slab: Slab;
  readonly maxFrameBytes: number;
  readonly linger: number;
  /** What the socket was made to read with; undefined: it has `data` events. */
  readonly reads: ReusedReads | undefined;
  readonly busyWait: BusyWait;
}

/** A connection over one socket. Everything sent in a turn of the event loop goes out as one write. */
export class TcpConnection implements Connection {
  readonly remote: Address;
  readonly security: ConnectionSecurity | undefined;
  readonly #socket: Socket;
  readonly #reset: () => void;
  readonly #clock: Clock;
  readonly #linger: number;
  readonly #reads: ReusedReads | undefined;
  readonly #busyWait: BusyWait;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  #events: ConnectionEvents | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #reason: Error | undefined;
  #flushing = false;
  #full = false;
  #owesDrain = false;
  #paused = false;
  #lingerTimer: Timer | undefined;
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};

  constructor(open: OpenSocket, remote: Address, init: TcpConnectionInit) {
    const { slab, maxFrameBytes, reads } = init;
    this.remote = remote;
    this.security = open.security;
    this.#socket = open.socket;
    this.#reset = open.reset;
    this.#clock = init.clock;
    this.#linger = init.linger;
    this.#reads = reads;
    this.#busyWait = init.busyWait;
    this.#writer = new FrameWriter(slab);
    this.#reader = new FrameReader(maxFrameBytes, reads?.spares, {
      frame: frame => {
        if (this.#state === 'open') this.#events?.frame(frame);
      },
      lend: frame => this.#state === 'open' && this.#events?.lend?.(frame) === true,
      place: (head, bytes) => (this.#state === 'open' ? this.#events?.place?.(head, bytes) : undefined),
      placed: () => {
        if (this.#state === 'open') this.#events?.placed?.();
      },
      invalid: error => {
        void this.close(error);
      },
    });
    this.#closed = new Promise(resolve => {
      this.#resolveClosed = resolve;
    });
  }

  /** Begins to report events; called once, in the turn in which the socket connected. */
  start(events: ConnectionEvents): void {
    this.#events = events;
    const socket = this.#socket;
    if (this.#reads !== undefined) {
      this.#reads.receive = chunk => this.#onData(chunk);
      this.#reads.resume = () => {
        if (!this.#paused) socket.resume();
      };
    } else socket.on('data', chunk => this.#onData(chunk as Buffer));
    socket.on('end', () => this.#onEnd());
    socket.on('drain', () => this.#onDrain());
    socket.on('error', error => this.#onError(error));
    socket.on('close', () => this.#onClose());
  }

  send(frame: Uint8Array): boolean {
    if (this.#state !== 'open') return false;
    this.#writer.add(frame);
    return this.#sent();
  }

  sendPieces(head: Uint8Array, body: Uint8Array, left?: () => void): boolean {
    if (this.#state !== 'open') return false;
    this.#writer.addPieces(head, body, left);
    return this.#sent();
  }

  #sent(): boolean {
    if (!this.#flushing) {
      this.#flushing = true;
      microtask(this.#flush);
    }
    if (!this.#full && this.#writer.bytes < HIGH_WATER) return true;
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
      // A reset fails, and is never over, while the socket is shutting down, as it does by itself when the other side has.
      if (this.#socket.writableEnded) this.#socket.destroy();
      else this.#reset();
    } else if (this.#state === 'open') {
      this.#flush();
      this.#state = 'closing';
      this.#socket.end();
      // What still arrives is read and dropped: unread bytes would make the system reset the connection, and what we sent with it.
      this.#paused = false;
      this.#socket.resume();
      this.#lingerTimer = this.#clock.setTimeout(() => this.#socket.destroy(), this.#linger, { unref: true });
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

  readonly #flush = (): void => {
    this.#flushing = false;
    if (this.#state !== 'open') return;
    if (this.#writer.bytes <= SHORT_BYTES) this.#busyWait.sent();
    const chunks = this.#writer.take();
    const socket = this.#socket;
    let accepted = true;
    if (chunks.length === 1) {
      accepted = socket.write((chunks[0] as Chunk).bytes);
    } else if (chunks.length > 1) {
      socket.cork();
      for (const { bytes, left } of chunks)
        accepted = left === undefined ? socket.write(bytes) : socket.write(bytes, left);
      socket.uncork();
      accepted = socket.writableLength < socket.writableHighWaterMark;
    }
    this.#full = !accepted || socket.writableNeedDrain;
    if (!this.#full && this.#owesDrain) this.#onDrain();
  };

  #onData(chunk: Buffer): void {
    if (this.#state !== 'open') return;
    if (chunk.length <= SHORT_BYTES) this.#busyWait.received();
    this.#reader.push(chunk);
  }

  #onDrain(): void {
    this.#full = false;
    if (!this.#owesDrain || this.#state !== 'open') return;
    this.#owesDrain = false;
    this.#events?.drain();
  }

  #onEnd(): void {
    if (this.#state === 'open' && this.#reader.midFrame) {
      this.#reason ??= new FoundationError(
        'noconnection',
        `${formatAddress(this.remote)} closed the connection in the middle of a frame.`,
      );
    }
  }

  #onError(error: Error): void {
    if (this.#state !== 'closing') this.#reason ??= lost(this.remote, error);
  }

  #onClose(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#lingerTimer?.cancel();
    this.#events?.close(this.#reason);
    this.#resolveClosed();
  }
}
