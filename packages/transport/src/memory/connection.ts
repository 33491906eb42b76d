import { type Address, FoundationError, formatAddress, type Timer } from '@foundation-ts/core';
import type { Connection, ConnectionEvents } from '../transport.js';
import type { MemoryNetwork } from './network.js';
import { type Parcel, Pipe } from './pipe.js';

/** Bytes under way from which `send` says to wait. */
const HIGH_WATER = 256 * 1024;
const LOW_WATER = HIGH_WATER / 2;
/** How long an orderly close waits for the other side, milliseconds. */
const LINGER = 2_000;

/** One end of a connection between two hosts of a {@link MemoryNetwork}. */
export class MemoryConnection implements Connection {
  readonly local = true;
  readonly remote: Address;
  /** The host that this end is on. */
  readonly host: string;
  readonly port: number;
  readonly #network: MemoryNetwork;
  readonly #maxFrameBytes: number;
  #pipe: Pipe | undefined;
  #events: ConnectionEvents | undefined;
  #onEstablished: (() => void) | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  /** The host crashed: nothing happens here any more. */
  #dead = false;
  #paused = false;
  #handling = false;
  #inbox: Parcel[] = [];
  #inFlight = 0;
  #acknowledged = 0;
  #waiting = false;
  #peer: MemoryConnection | undefined;
  #linger: Timer | undefined;
  #closed: Promise<void> | undefined;
  #resolveClosed: (() => void) | undefined;

  constructor(network: MemoryNetwork, host: string, port: number, remote: Address, maxFrameBytes: number) {
    this.#network = network;
    this.host = host;
    this.port = port;
    this.remote = remote;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Joins two ends; `onEstablished` runs at this end when the other end's answer arrives. */
  attach(peer: MemoryConnection, events: ConnectionEvents | undefined, onEstablished?: () => void): void {
    this.#peer = peer;
    this.#events = events;
    this.#onEstablished = onEstablished;
    this.#pipe = new Pipe(this.#network, this.host, peer.host, peer);
    this.#network.opened(this);
  }

  get pipe(): Pipe | undefined {
    return this.#pipe;
  }

  get peerHost(): string | undefined {
    return this.#peer?.host;
  }

  get open(): boolean {
    return this.#state === 'open' && !this.#dead;
  }

  take(events: ConnectionEvents): void {
    this.#events = events;
  }

  /** Tells the other end that this one accepted. */
  establish(): void {
    this.#pipe?.push('established');
  }

  send(frame: Uint8Array): boolean {
    if (this.#state !== 'open' || this.#dead || this.#pipe === undefined) return false;
    this.#network.count(frame.byteLength);
    if (!this.#pipe.push(frame)) {
      this.#network.cut(this);
      return false;
    }
    this.#inFlight += frame.byteLength;
    if (this.#inFlight < HIGH_WATER || this.#inFlight < this.#carried()) return true;
    this.#waiting = true;
    return false;
  }

  /** What the link carries in two round trips: TCP's own window grows so far. */
  #carried(): number {
    const { bandwidth, delay } = this.#network.faultsOf(this.host, this.#peer?.host ?? this.host);
    return bandwidth === Number.POSITIVE_INFINITY ? 0 : (4 * delay * bandwidth) / 1_000;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#inbox.length > 0) this.#network.soon(() => this.#drainInbox());
  }

  close(reason?: Error): Promise<void> {
    this.#closed ??= new Promise(resolve => {
      this.#resolveClosed = resolve;
    });
    if (this.#state === 'closed') {
      this.#resolveClosed?.();
    } else if (reason !== undefined) {
      this.#pipe?.push('reset');
      this.#finish(reason);
    } else if (this.#state === 'open') {
      this.#state = 'closing';
      this.#pipe?.push('finished');
      this.#linger = this.#network.clock.setTimeout(() => this.#finish(undefined), LINGER, { unref: true });
      // Frames that wait for `resume` are not wanted any more, but the end of the stream behind them is.
      this.#paused = false;
      this.#drainInbox();
    }
    return this.#closed;
  }

  /** The other side is gone, or the network cut the connection. */
  reset(why: string): void {
    this.#finish(
      new FoundationError('noconnection', `The connection to ${formatAddress(this.remote)} was lost: ${why}.`),
    );
  }

  /** The host of this end has crashed; `silent`: what is under way to the other end is lost with it. */
  die(silent: boolean): void {
    this.#dead = true;
    this.#state = 'closed';
    this.#linger?.cancel();
    this.#inbox = [];
    if (silent) this.#pipe?.destroy();
    this.#resolveClosed?.();
  }

  arrive(parcel: Parcel): void {
    if (this.#dead) {
      this.#network.arrivedAtDead(this, parcel);
      return;
    }
    if (parcel === 'reset') {
      this.reset('the other side closed it at once');
      return;
    }
    if (this.#state === 'closed') {
      if (parcel instanceof Uint8Array || parcel === 'established') this.#pipe?.push('reset');
      return;
    }
    if (parcel === 'taken') {
      this.#settle();
      return;
    }
    if (this.#paused || this.#handling || this.#inbox.length > 0) {
      this.#inbox.push(parcel);
      return;
    }
    this.#handle(parcel);
    if (this.#inbox.length > 0 && !this.#paused) this.#drainInbox();
  }

  #drainInbox(): void {
    while (this.#inbox.length > 0 && !this.#paused && !this.#handling && this.#state !== 'closed') {
      this.#handle(this.#inbox.shift() as Parcel);
    }
  }

  #handle(parcel: Parcel): void {
    if (parcel instanceof Uint8Array) {
      this.#handleFrame(parcel);
    } else if (parcel === 'established') {
      this.#onEstablished?.();
      this.#onEstablished = undefined;
    } else if (parcel === 'finished') {
      if (this.#state === 'open') this.#pipe?.push('finish-seen');
      this.#finish(undefined);
    } else if (parcel === 'finish-seen') {
      this.#finish(undefined);
    }
  }

  #handleFrame(frame: Uint8Array): void {
    this.#peer?.taken(frame.byteLength);
    if (this.#state !== 'open') return;
    if (frame.byteLength === 0 || frame.byteLength > this.#maxFrameBytes) {
      const error = new FoundationError(
        frame.byteLength === 0 ? 'protocol' : 'too-large',
        `${formatAddress(this.remote)} sent a frame of ${frame.byteLength} bytes; allowed: 1 to ${this.#maxFrameBytes}.`,
      );
      void this.close(error);
      return;
    }
    this.#handling = true;
    try {
      this.#events?.frame(frame);
    } finally {
      this.#handling = false;
    }
  }

  /** The other end has taken `bytes` of what this end sent; the news travels back only when this end waits for it. */
  taken(bytes: number): void {
    if (this.#dead || this.#state === 'closed') return;
    this.#acknowledged += bytes;
    if (!this.#waiting) this.#settle();
    else if (this.#inFlight - this.#acknowledged <= LOW_WATER) this.#peer?.pipe?.push('taken');
  }

  #settle(): void {
    this.#inFlight -= this.#acknowledged;
    this.#acknowledged = 0;
    if (!this.#waiting || this.#inFlight > LOW_WATER || this.#state !== 'open') return;
    this.#waiting = false;
    this.#events?.drain();
  }

  #finish(reason: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#inbox = [];
    this.#linger?.cancel();
    this.#network.forget(this);
    this.#network.soon(() => {
      if (!this.#dead) this.#events?.close(reason);
      this.#resolveClosed?.();
    });
    this.#closed ??= Promise.resolve();
  }
}
