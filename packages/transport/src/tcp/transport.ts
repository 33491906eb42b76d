import { type Address, type Clock, checkKeys, invalidOption, systemClock } from '@foundation-ts/core';
import { DEFAULT_LINGER } from '../defaults.js';
import { encodeReject } from '../handshake.js';
import { type BusyWait, busyWaitOf } from '../internal/busy-wait.js';
import { attemptDial } from '../internal/dial-attempt.js';
import { ReadMemory, ReusedReads } from '../internal/reused-reads.js';
import { type OpenSocket, openSocket } from '../internal/socket-client.js';
import { type IncomingSocket, listenOnSocket } from '../internal/socket-server.js';
import { Credentials, type TlsOptions, type TlsProvider } from '../tls/credentials.js';
import type { Connection, DialOptions, Listener, ListenOptions, Transport, TransportSecurity } from '../transport.js';
import { TcpConnection } from './connection.js';
import { Slab } from './frame-writer.js';

/** Options of {@link tcp}. */
export interface TcpInit {
  /**
   * Mutual TLS 1.3: both ends show a certificate of an authority in `ca`, which names the node. A function is called for every new
   * connection, so that certificates can change while connections stand.
   */
  readonly tls?: TlsOptions | TlsProvider;
  /** Measures the dial time-out and the linger time; default the machine's. */
  readonly clock?: Clock;
  /** How long an orderly close waits for the other side to take what was sent, milliseconds; default 5,000. */
  readonly linger?: number;
  /**
   * How many turns of the event loop, some 1.5 µs each, the process stays awake after something short was sent or has come, for what comes
   * next; default 32, 0 lets it sleep at once. Calls one after another over loopback are four times as quick for it. While nothing comes in that time it is tried ever more seldom.
   */
  readonly busyWait?: number;
}

const PROTOCOL = 'tcp';

/**
 * Frames over TCP, each with its length in four bytes in front; the default between nodes. Nagle's algorithm is
 * always off (measured: 36 ms idle p99 with it), and the frames of one turn of the event loop go out as one write.
 * @throws FoundationError `invalid-option`, also for certificates that can't be used
 */
export function tcp(init: TcpInit = {}): Transport {
  checkKeys('tcp', init, ['tls', 'clock', 'linger', 'busyWait']);
  const { clock = systemClock, linger = DEFAULT_LINGER, tls } = init;
  if (typeof linger !== 'number' || !(linger >= 0)) throw invalidOption('linger', linger, 'milliseconds, from 0');
  return new TcpTransport(
    clock,
    linger,
    tls === undefined ? undefined : new Credentials(tls),
    busyWaitOf(init.busyWait),
  );
}

class TcpTransport implements Transport {
  readonly protocol = PROTOCOL;
  readonly security?: TransportSecurity;
  readonly #clock: Clock;
  readonly #linger: number;
  readonly #credentials: Credentials | undefined;
  readonly #busyWait: BusyWait;
  readonly #slab = new Slab();
  /** TLS reads by itself. */
  readonly #memory: ReadMemory | undefined;

  constructor(clock: Clock, linger: number, credentials: Credentials | undefined, busyWait: BusyWait) {
    this.#busyWait = busyWait;
    this.#clock = clock;
    this.#linger = linger;
    this.#credentials = credentials;
    this.#memory = credentials === undefined ? new ReadMemory() : undefined;
    if (credentials !== undefined) {
      this.security = { identity: () => credentials.current().identity, roles: () => credentials.current().roles };
    }
  }

  listen(options: ListenOptions): Promise<Listener> {
    return listenOnSocket({
      protocol: PROTOCOL,
      host: options.host,
      port: options.port,
      credentials: this.#credentials,
      clock: this.#clock,
      refuse: options.accept,
      accept: incoming => {
        const connection = this.#accepted(incoming, options.maxFrameBytes);
        connection.start(options.accept(connection));
        if (incoming.refusal !== undefined) connection.refuse(incoming.refusal, encodeReject('certificate'));
      },
    });
  }

  dial(to: Address, options: DialOptions): Promise<Connection> {
    const reads = this.#memory === undefined ? undefined : new ReusedReads(this.#memory);
    return attemptDial(to, options, this.#clock, attempt => {
      const opened = (open: OpenSocket): void => {
        const connection = this.#connection(open, to, options.maxFrameBytes, reads);
        connection.start(options.open(connection));
        attempt.done(connection);
      };
      return openSocket(to, this.#credentials, attempt, opened, reads?.onread);
    });
  }

  #accepted(incoming: IncomingSocket, maxFrameBytes: number): TcpConnection {
    const reads = this.#memory === undefined ? undefined : new ReusedReads(this.#memory);
    const socket = reads?.adopt(incoming.socket);
    if (socket === undefined) return this.#connection(incoming, incoming.remote, maxFrameBytes, undefined);
    const open = { socket, security: incoming.security, reset: () => socket.resetAndDestroy() };
    return this.#connection(open, incoming.remote, maxFrameBytes, reads);
  }

  #connection(open: OpenSocket, remote: Address, maxFrameBytes: number, reads: ReusedReads | undefined): TcpConnection {
    return new TcpConnection(open, remote, {
      clock: this.#clock,
      slab: this.#slab,
      maxFrameBytes,
      linger: this.#linger,
      reads,
      busyWait: this.#busyWait,
    });
  }
}
