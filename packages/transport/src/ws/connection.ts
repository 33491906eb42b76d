import type { Socket } from 'node:net';
import { type Address, type Clock, FoundationError, formatAddress, type Timer } from '@foundation-ts/core';
import { WebSocket } from 'ws';
import { lost } from '../internal/lost.js';
import type { OpenSocket } from '../internal/socket-client.js';
import type { Connection, ConnectionEvents, ConnectionSecurity } from '../transport.js';
import { WsFrameWriter } from './frame-writer.js';

/** Bytes collected in one turn from which `send` says to wait. */
const HIGH_WATER = 1024 * 1024;
const NORMAL_CLOSURE = 1000;
/** Bytes of messages in one turn of the event loop after which the socket rests until the next: unmasking them takes time, and others wait. */
const TURN_BYTES = 256 * 1024;
/** Shorter messages don't begin the count. */
const COUNTED_BYTES = 8 * 1024;

export interface WsConnectionInit {
  readonly clock: Clock;
  readonly linger: number;
  readonly maxFrameBytes: number;
  /** This side dialled. */
  readonly dialled: boolean;
}

/** A connection over one WebSocket: each binary message is a frame. Everything sent in a turn of the event loop goes out as one write. */
export class WsConnection implements Connection {
  readonly remote: Address;
  readonly security: ConnectionSecurity | undefined;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #writer: WsFrameWriter;
  readonly #reset: () => void;
  readonly #clock: Clock;
  readonly #linger: number;
  readonly #maxFrameBytes: number;
  #events: ConnectionEvents | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #reason: Error | undefined;
  #corked = false;
  /** A ping has been answered in this turn. */
  #ponged = false;
  #full = false;
  #owesDrain = false;
  #paused = false;
  /** Bytes that came in this turn. */
  #read = 0;
  #resting = false;
  /** What the WebSocket gave although it was paused: it reads what it has of the stream to the end. */
  #held: Uint8Array[] = [];
  /** The WebSocket has closed in order; what is held has still to be delivered. */
  #ended = false;
  #lingerTimer: Timer | undefined;
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};

  constructor(ws: WebSocket, open: OpenSocket, remote: Address, init: WsConnectionInit) {
    this.remote = remote;
    this.security = open.security;
    this.#ws = ws;
    this.#socket = open.socket;
    this.#writer = new WsFrameWriter(open.socket, init.dialled);
    this.#reset = open.reset;
    this.#clock = init.clock;
    this.#linger = init.linger;
    this.#maxFrameBytes = init.maxFrameBytes;
    this.#closed = new Promise(resolve => {
      this.#resolveClosed = resolve;
    });
  }

  /** Begins to report events; called once, in the turn in which the WebSocket opened. */
  start(events: ConnectionEvents): void {
    this.#events = events;
    this.#ws.on('message', (data, isBinary) => this.#onMessage(data as Buffer, isBinary));
    this.#ws.on('error', error => this.#onInvalid(error));
    this.#ws.on('close', code => this.#onClose(code));
    // One a turn, which the protocol allows, and none for somebody who asks without reading: neither answers nor writes must pile up.
    this.#ws.on('ping', data => {
      if (this.#ponged || this.#ws.bufferedAmount !== 0) return;
      this.#ponged = true;
      setImmediate(() => {
        this.#ponged = false;
      });
      this.#ws.pong(data);
    });
    this.#socket.on('drain', () => this.#onDrain());
    this.#socket.on('error', error => {
      if (this.#state === 'open') this.#reason ??= lost(this.remote, error);
    });
  }

  send(frame: Uint8Array): boolean {
    return this.#send(frame, undefined);
  }

  sendPieces(head: Uint8Array, body: Uint8Array): boolean {
    return this.#send(head, body);
  }

  #send(head: Uint8Array, body: Uint8Array | undefined): boolean {
    if (this.#state !== 'open' || this.#ws.readyState !== WebSocket.OPEN) return false;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      queueMicrotask(this.#flush);
    }
    this.#writer.write(head, body);
    if (!this.#full && this.#ws.bufferedAmount < HIGH_WATER) return true;
    this.#owesDrain = true;
    return false;
  }

  pause(): void {
    if (this.#paused || this.#state !== 'open') return;
    this.#paused = true;
    this.#ws.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // Not synchronously: the caller is not in the middle of an event.
    queueMicrotask(() => this.#release());
  }

  close(reason?: Error): Promise<void> {
    if (this.#state === 'closed') return this.#closed;
    if (reason !== undefined) {
      this.#reason ??= reason;
      this.#state = 'closing';
      this.#reset();
    } else if (this.#state === 'open') {
      this.#flush();
      this.#state = 'closing';
      this.#ws.close(NORMAL_CLOSURE);
      // What still arrives is read and dropped: the other side's half of the closing handshake is behind it.
      this.#ws.resume();
      this.#lingerTimer = this.#clock.setTimeout(() => this.#ws.terminate(), this.#linger, { unref: true });
    }
    if (this.#ended) this.#finish();
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
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
    this.#full = this.#socket.writableNeedDrain;
    if (!this.#full && this.#owesDrain) this.#onDrain();
  };

  #count(bytes: number): void {
    if (this.#read === 0) {
      if (bytes < COUNTED_BYTES) return;
      setImmediate(this.#endTurn);
    }
    this.#read += bytes;
    if (this.#read < TURN_BYTES || this.#resting || this.#paused) return;
    this.#resting = true;
    this.#ws.pause();
  }

  readonly #endTurn = (): void => {
    this.#read = 0;
    if (!this.#resting) return;
    this.#resting = false;
    if (!this.#paused) this.#ws.resume();
  };

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#state !== 'open') return;
    this.#count(data.length);
    if (!isBinary || data.length === 0) {
      const what = isBinary ? 'a frame of length 0' : 'a text, where only binary messages are allowed';
      void this.close(new FoundationError('protocol', `The peer sent ${what}.`));
    } else if (this.#paused || this.#held.length > 0) {
      this.#held.push(data);
    } else {
      this.#events?.frame(data);
    }
  }

  #release(): void {
    while (!this.#paused && this.#state === 'open' && this.#held.length > 0) {
      this.#events?.frame(this.#held.shift() as Uint8Array);
    }
    if (this.#paused || this.#state !== 'open') return;
    if (this.#ended) this.#finish();
    else this.#ws.resume();
  }

  #onDrain(): void {
    this.#full = false;
    if (!this.#owesDrain || this.#state !== 'open') return;
    this.#owesDrain = false;
    this.#events?.drain();
  }

  /** The other side sent what no WebSocket may, or too much. */
  #onInvalid(error: Error & { code?: string }): void {
    const tooLarge = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    const limit = this.#maxFrameBytes;
    void this.close(
      tooLarge
        ? new FoundationError('too-large', `The peer sent a frame of more than the ${limit} bytes that are accepted.`, {
            cause: error,
            details: { limit },
          })
        : new FoundationError('protocol', `The peer broke the rules of WebSocket: ${error.message}.`, { cause: error }),
    );
  }

  #onClose(code: number): void {
    if (this.#state === 'open' && code !== NORMAL_CLOSURE) {
      this.#reason ??= new FoundationError(
        'noconnection',
        `${formatAddress(this.remote)} closed the connection without the closing handshake, or for a fault (${code}).`,
      );
    }
    this.#ended = true;
    if (this.#state === 'open' && this.#reason === undefined && this.#held.length > 0) return;
    this.#finish();
  }

  #finish(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#held = [];
    this.#lingerTimer?.cancel();
    this.#events?.close(this.#reason);
    this.#resolveClosed();
  }
}
