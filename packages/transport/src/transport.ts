import type { Address } from '@foundation-ts/core';
import { FRAGMENT_HEADER } from './internal/frames.js';

/**
 * What carries frames between two nodes. Third parties implement it; `transportSuite` of `@foundation-ts/testing` is the
 * test that an implementation must pass.
 *
 * A connection is a reliable ordered stream of frames: each frame arrives whole, once, in order, or the connection
 * closes. Nothing is promised about what was sent shortly before a close.
 */
export interface Transport {
  /** What {@link Address.protocol} says for this transport: `'tcp'`. */
  readonly protocol: string;
  /** True when only this process can reach it (memory, threads): it needs neither a secret nor TLS. */
  readonly local?: true;
  /** Present when every connection is encrypted and both of its ends have shown a certificate. */
  readonly security?: TransportSecurity;
  /**
   * Starts to accept connections.
   * @throws FoundationError `address-in-use` when the port is taken
   */
  listen(options: ListenOptions): Promise<Listener>;
  /**
   * Opens a connection.
   * @throws FoundationError `refused` when nothing listens there, `timeout` when no answer came in time, `noconnection` otherwise
   */
  dial(to: Address, options: DialOptions): Promise<Connection>;
}

/** What a transport with mutual TLS says of itself. */
export interface TransportSecurity {
  /** The names in this node's own certificate; a node's name has to be among them. */
  identity(): readonly string[];
  /** The roles in this node's own certificate. */
  roles(): readonly string[];
}

/** What a transport has established about one connection, before any of its frames. */
export interface ConnectionSecurity {
  readonly encrypted: true;
  /** 32 bytes that only the two ends of this very connection know (RFC 9266): the handshake binds its proof to them. */
  readonly exporter: Uint8Array;
  /** The names that the peer's certificate, issued by a trusted authority, gives it: the peer may claim no other. */
  readonly peerIdentity: readonly string[];
  /** The roles that it gives it. */
  readonly peerRoles: readonly string[];
}

export interface ListenOptions {
  /** Host or IP address to bind. */
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Largest frame accepted, bytes; a longer one closes its connection with `too-large` before it is allocated. */
  readonly maxFrameBytes: number;
  /** Called for each incoming connection; returns who takes its events. */
  readonly accept: (connection: Connection) => ConnectionEvents;
}

export interface DialOptions {
  readonly maxFrameBytes: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
  /** Who takes the connection's events; called once, before the promise resolves and before the first event. */
  readonly open: (connection: Connection) => ConnectionEvents;
}

export interface Listener {
  /** Where it listens, with the port that was picked. */
  readonly address: Address;
  /** Every address at which it listens, that one first; left out where there is only one. */
  readonly addresses?: readonly Address[];
  /** Stops accepting; connections that stand are left alone. */
  close(): Promise<void>;
}

/** What a receiver has to see of a frame to say where the rest of it belongs, bytes. */
export const PLACE_HEAD_BYTES = FRAGMENT_HEADER;

/** Events of one connection, called synchronously, never after `close`. */
export interface ConnectionEvents {
  /** A frame has arrived. The bytes belong to the receiver from then on and are never written again by the transport. */
  frame(bytes: Uint8Array): void;
  /**
   * A frame has arrived whole in memory that the transport uses again: it is valid until the call returns. A transport may offer frames so, to save a copy.
   * @returns false: not taken; the transport reports it by {@link ConnectionEvents.frame} then, in memory of its own
   */
  lend?(bytes: Uint8Array): boolean;
  /**
   * Of a frame of `bytes` the first {@link PLACE_HEAD_BYTES} are there: where is the rest to go? A transport may ask, so that it need not collect
   * the frame in memory of its own.
   * @param head - the first {@link PLACE_HEAD_BYTES}; not to be kept
   * @returns memory of `bytes` − {@link PLACE_HEAD_BYTES}, which the transport writes until it calls `placed`, or never again if the connection
   * closes before; undefined: nowhere, the frame is to be reported as any other
   */
  place?(head: Uint8Array, bytes: number): Uint8Array | undefined;
  /** The memory that {@link ConnectionEvents.place} gave is full: the frame is there. No other event comes between the two but `drain` and `close`. */
  placed?(): void;
  /** After `send` returned false: the transport takes more again. */
  drain(): void;
  /** Once, the last event; `reason` is undefined when either side closed in order. */
  close(reason: Error | undefined): void;
}

export interface Connection {
  /** Where the other side is, as far as the transport knows (an ephemeral port when it dialled us). */
  readonly remote: Address;
  /** Present on a connection with mutual TLS. */
  readonly security?: ConnectionSecurity | undefined;
  /** True when the other side is in this process. */
  readonly local?: true;
  /**
   * Queues one frame. The bytes belong to the transport from then on: the caller must not write them again.
   * @returns false: taken, but wait for `drain` before sending more. After a close: false, and the frame is dropped.
   */
  send(frame: Uint8Array): boolean;
  /**
   * As `send`, for the frame that is `head` and then `body`. The head belongs to the transport from then on. The body stays its owner's: the
   * transport never writes it and does not copy it, so it must not be changed before it has left; one that is changed sooner arrives as either. Left out
   * by a transport that would have to copy it anyway: frames are joined for it.
   * @param left - called at most once, when the transport does not look at the body any more; its owner may write it then. A transport that can't tell never calls it
   */
  sendPieces?(head: Uint8Array, body: Uint8Array, left?: () => void): boolean;
  /** Stops `frame` events (and, in time, the sender's `send` returns false). */
  pause(): void;
  resume(): void;
  /** Flushes what was sent, then closes; with a reason it closes at once. Resolves when closed; repeated calls too. */
  close(reason?: Error): Promise<void>;
}
