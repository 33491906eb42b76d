import type { MessagePort } from 'node:worker_threads';
import { type Address, type Clock, FoundationError, formatAddress, type Timer } from '@foundation-ts/core';
import { microtask } from '../internal/microtask.js';
import type { Connection, ConnectionEvents } from '../transport.js';
import type { ChannelMessage } from './messages.js';
import { packFrames, unpackFrames } from './packing.js';

/** Bytes that the other side has not taken from which `send` says to wait; below half of it there is a `drain`. */
const HIGH_WATER = 1024 * 1024;

export interface ThreadConnectionInit {
  readonly port: MessagePort;
  readonly remote: Address;
  readonly clock: Clock;
  readonly linger: number;
  readonly maxFrameBytes: number;
}

/** A connection over one `MessagePort`. Everything sent in a turn of the event loop is one message. */
export class ThreadConnection implements Connection {
  readonly local = true;
  readonly remote: Address;
  readonly #init: ThreadConnectionInit;
  readonly #port: MessagePort;
  #events: ConnectionEvents | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #reason: Error | undefined;
  #frames: Uint8Array[] = [];
  #collected = 0;
  #untaken = 0;
  #owesDrain = false;
  #paused = false;
  #delivering = false;
  /** Messages that wait, because the receiver paused. */
  readonly #held: ChannelMessage[] = [];
  /** What is left of the message that was being delivered when the receiver paused. */
  #rest: { readonly frames: Iterator<Uint8Array, void, void>; next: IteratorResult<Uint8Array, void> } | undefined;
  #taken = 0;
  #lingerTimer: Timer | undefined;
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};

  constructor(init: ThreadConnectionInit) {
    this.remote = init.remote;
    this.#init = init;
    this.#port = init.port;
    this.#closed = new Promise(resolve => {
      this.#resolveClosed = resolve;
    });
  }

  /** Begins to report events; called once. */
  start(events: ConnectionEvents): void {
    this.#events = events;
    this.#port.on('message', (message: ChannelMessage) => this.#onMessage(message));
    this.#port.on('messageerror', error => {
      void this.close(
        new FoundationError('protocol', 'A message of the other thread could not be read.', { cause: error }),
      );
    });
    this.#port.on('close', () => this.#onClose());
  }

  send(frame: Uint8Array): boolean {
    if (this.#state !== 'open') return false;
    if (this.#frames.length === 0) microtask(this.#flush);
    this.#frames.push(frame);
    this.#collected += frame.length;
    if (this.#untaken + this.#collected < HIGH_WATER) return true;
    this.#owesDrain = true;
    return false;
  }

  pause(): void {
    if (this.#state === 'open') this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // Not synchronously: the caller is not in the middle of an event.
    queueMicrotask(() => this.#deliver());
  }

  close(reason?: Error): Promise<void> {
    if (this.#state === 'closed') return this.#closed;
    if (reason !== undefined) {
      this.#reason ??= reason;
      this.#state = 'closing';
      this.#port.close();
    } else if (this.#state === 'open') {
      this.#flush();
      this.#state = 'closing';
      this.#post({ type: 'bye' });
      this.#lingerTimer = this.#init.clock.setTimeout(() => this.#port.close(), this.#init.linger, { unref: true });
      // What was held may have the other side's goodbye in it.
      this.#paused = false;
      this.#deliver();
    }
    return this.#closed;
  }

  readonly #flush = (): void => {
    if (this.#state !== 'open' || this.#frames.length === 0) return;
    const message = packFrames(this.#frames);
    this.#frames = [];
    this.#untaken += this.#collected;
    this.#collected = 0;
    this.#port.postMessage(message, message.buffers);
  };

  #post(message: ChannelMessage): void {
    this.#port.postMessage(message);
  }

  #onMessage(message: ChannelMessage): void {
    switch (message.type) {
      case 'taken':
        this.#onTaken(message.bytes);
        break;
      case 'bye-seen':
        this.#port.close();
        break;
      case 'frames':
      case 'bye':
        this.#held.push(message);
        this.#deliver();
        break;
      case 'accept':
        break;
    }
  }

  #onTaken(bytes: number): void {
    this.#untaken -= bytes;
    if (!this.#owesDrain || this.#state !== 'open' || this.#untaken + this.#collected > HIGH_WATER / 2) return;
    this.#owesDrain = false;
    this.#events?.drain();
  }

  #deliver(): void {
    // A receiver may pause and resume within an event.
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      while (!this.#paused && this.#state !== 'closed' && this.#step());
    } finally {
      this.#delivering = false;
    }
  }

  /** Delivers one frame, or begins the next message. @returns whether there may be more */
  #step(): boolean {
    if (this.#rest !== undefined) {
      const { frames, next } = this.#rest;
      if (next.done === true) {
        this.#rest = undefined;
        if (this.#state === 'open') this.#post({ type: 'taken', bytes: this.#taken });
        this.#taken = 0;
      } else {
        this.#rest.next = frames.next();
        this.#frame(next.value);
      }
      return true;
    }
    const message = this.#held.shift();
    if (message?.type === 'frames') {
      const frames = unpackFrames(message);
      this.#rest = { frames, next: frames.next() };
    } else if (message?.type === 'bye') {
      this.#post({ type: 'bye-seen' });
      // The other side closes the port when it has seen that; here nothing more can come.
      this.#finish();
    }
    return message !== undefined;
  }

  #frame(frame: Uint8Array): void {
    if (this.#state !== 'open') return;
    const { maxFrameBytes } = this.#init;
    this.#taken += frame.length;
    if (frame.length === 0) {
      void this.close(new FoundationError('protocol', 'The peer sent a frame of length 0.'));
    } else if (frame.length > maxFrameBytes) {
      void this.close(
        new FoundationError(
          'too-large',
          `The peer sent a frame of ${frame.length} bytes; at most ${maxFrameBytes} are accepted.`,
          { details: { bytes: frame.length, limit: maxFrameBytes } },
        ),
      );
    } else {
      this.#events?.frame(frame);
    }
  }

  #onClose(): void {
    // In order, but not yet delivered.
    if (this.#state === 'open' && this.#held.some(({ type }) => type === 'bye')) return;
    if (this.#state === 'open') {
      this.#reason ??= new FoundationError(
        'noconnection',
        `The thread at ${formatAddress(this.remote)} has ended, or has closed the connection at once.`,
      );
    }
    this.#finish();
  }

  #finish(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#held.length = 0;
    this.#rest = undefined;
    this.#lingerTimer?.cancel();
    this.#events?.close(this.#reason);
    this.#resolveClosed();
  }
}
