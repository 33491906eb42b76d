import type { IncomingMessage } from 'node:http';
import { type Address, type Clock, checkKeys, FoundationError, invalidOption, systemClock } from '@foundation-ts/core';
import { WebSocket } from 'ws';
import { DEFAULT_LINGER } from '../defaults.js';
import { encodeReject } from '../handshake.js';
import { type BusyWait, busyWaitOf } from '../internal/busy-wait.js';
import { attemptDial, type DialAttempt } from '../internal/dial-attempt.js';
import { ReadMemory, ReusedReads } from '../internal/reused-reads.js';
import { type OpenSocket, openSocket } from '../internal/socket-client.js';
import { listenOnSocket } from '../internal/socket-server.js';
import { Credentials, type TlsOptions, type TlsProvider } from '../tls/credentials.js';
import type { Connection, DialOptions, Listener, ListenOptions, Transport, TransportSecurity } from '../transport.js';
import { WsConnection } from './connection.js';
import { DataReads } from './data-reads.js';
import { HttpFront } from './http-front.js';
import { ListenersBefore } from './taken-over.js';

/** Options of {@link ws}. */
export interface WsInit {
  /** Path of the URL, the same on all nodes; default `/foundation`. */
  readonly path?: string;
  /** Mutual TLS 1.3 (`wss`), as of `tcp`. */
  readonly tls?: TlsOptions | TlsProvider;
  /**
   * Web origins (`https://app.example`) whose pages may connect; default none. Browsers say where a page is from, nodes don't: so a page that
   * somebody on this machine looks at can't reach a node on loopback.
   */
  readonly origins?: readonly string[];
  /** Measures the dial time-out and the linger time; default the machine's. */
  readonly clock?: Clock;
  /** How long an orderly close waits for the other side to take what was sent, milliseconds; default 5,000. */
  readonly linger?: number;
  /** As of `tcp`. */
  readonly busyWait?: number;
}

const PROTOCOL = 'ws';
const NOTHING = Buffer.alloc(0);
const DEFAULT_PATH = '/foundation';
/** What one connection reads in one turn of the event loop, and what one read brings with it: unmasking takes time, and others wait. */
const TURN_BYTES = 256 * 1024;

/**
 * Frames as binary messages over WebSocket (RFC 6455), for where only HTTP passes. Slower than `tcp`, since what a dialler sends has to be
 * masked. Never compressed, Nagle's algorithm always off, and no pings: the layers above notice who is silent.
 * @throws FoundationError `invalid-option`, also for certificates that can't be used
 */
export function ws(init: WsInit = {}): Transport {
  checkKeys('ws', init, ['path', 'tls', 'origins', 'clock', 'linger', 'busyWait']);
  const { path = DEFAULT_PATH, origins = [], linger = DEFAULT_LINGER } = init;
  if (typeof path !== 'string' || !/^\/[\x21-\x7e]*$/.test(path) || /[?#]/.test(path)) {
    throw invalidOption('path', path, "a path that begins with '/', without query");
  }
  if (!Array.isArray(origins) || origins.some(origin => typeof origin !== 'string')) {
    throw invalidOption('origins', origins, "a list of origins, such as ['https://app.example']");
  }
  if (typeof linger !== 'number' || !(linger >= 0)) throw invalidOption('linger', linger, 'milliseconds, from 0');
  return new WsTransport({ ...init, path, origins, linger }, busyWaitOf(init.busyWait));
}

class WsTransport implements Transport {
  readonly protocol = PROTOCOL;
  readonly security?: TransportSecurity;
  readonly #path: string;
  readonly #origins: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #linger: number;
  readonly #credentials: Credentials | undefined;
  readonly #busyWait: BusyWait;
  /** TLS reads by itself. */
  readonly #memory: ReadMemory | undefined;

  constructor(
    init: WsInit & { readonly path: string; readonly origins: readonly string[]; readonly linger: number },
    busyWait: BusyWait,
  ) {
    this.#busyWait = busyWait;
    const credentials = init.tls === undefined ? undefined : new Credentials(init.tls);
    this.#path = init.path;
    this.#origins = new Set(init.origins);
    this.#clock = init.clock ?? systemClock;
    this.#linger = init.linger;
    this.#credentials = credentials;
    this.#memory = credentials === undefined ? new ReadMemory() : undefined;
    if (credentials !== undefined) {
      this.security = { identity: () => credentials.current().identity, roles: () => credentials.current().roles };
    }
  }

  listen(options: ListenOptions): Promise<Listener> {
    const front = new HttpFront(this.#clock, {
      refusal: request => this.#refusal(request),
      opened: (incoming, head) => {
        const connection = this.#connection(incoming, incoming.remote, options.maxFrameBytes, false, head);
        connection.start(options.accept(connection));
        if (incoming.refusal !== undefined) connection.refuse(incoming.refusal, encodeReject('certificate'));
      },
    });
    return listenOnSocket({
      protocol: PROTOCOL,
      host: options.host,
      port: options.port,
      credentials: this.#credentials,
      clock: this.#clock,
      refuse: options.accept,
      accept: incoming => front.add(incoming),
    });
  }

  dial(to: Address, options: DialOptions): Promise<Connection> {
    return attemptDial(to, options, this.#clock, attempt =>
      openSocket(to, this.#credentials, attempt, open => this.#upgrade(to, open, options, attempt)),
    );
  }

  #upgrade(to: Address, open: OpenSocket, options: DialOptions, attempt: DialAttempt): void {
    const host = to.host.includes(':') ? `[${to.host}]` : to.host;
    const scheme = this.#credentials === undefined ? 'ws' : 'wss';
    const socket = new WebSocket(`${scheme}://${host}:${to.port}${this.#path}`, {
      createConnection: () => open.socket,
      perMessageDeflate: false,
    });
    const onError = (error: Error): void => {
      attempt.fail('noconnection', `the WebSocket could not be opened (${error.message.trim()})`, error);
    };
    socket.on('error', onError);
    socket.once('unexpected-response', (_request, response) => {
      const status = `${response.statusCode} ${response.statusMessage}`;
      attempt.fail('noconnection', `it answered the request for '${this.#path}' with ${status}, not with a WebSocket`);
    });
    let before: ListenersBefore | undefined;
    socket.once('upgrade', () => {
      before = new ListenersBefore(open.socket);
    });
    socket.once('open', () => {
      before?.removeOthers();
      const head = (open.socket.read() as Buffer | null) ?? NOTHING;
      const connection = this.#connection(open, to, options.maxFrameBytes, true, head);
      connection.start(options.open(connection));
      // The attempt can't give up a socket that has been taken over.
      if (options.signal?.aborted === true)
        void connection.close(new FoundationError('aborted', 'The dial was aborted.'));
      attempt.done(connection);
    });
  }

  /** The HTTP status with which a request to become a WebSocket is refused. */
  #refusal(request: IncomingMessage): number | undefined {
    const { origin } = request.headers;
    if (origin !== undefined && !this.#origins.has(origin)) return 403;
    return request.url === this.#path ? undefined : 404;
  }

  #connection(open: OpenSocket, remote: Address, maxFrameBytes: number, dialled: boolean, head: Buffer): WsConnection {
    const reused = this.#memory === undefined ? undefined : new ReusedReads(this.#memory, TURN_BYTES);
    const adopted = reused?.adopt(open.socket);
    const socket = adopted ?? open.socket;
    const reset = adopted === undefined ? () => open.reset() : () => adopted.resetAndDestroy();
    // Before anybody listens, so that it comes first.
    if (adopted === undefined && head.length > 0) socket.unshift(head);
    return new WsConnection({ socket, security: open.security, reset }, remote, {
      clock: this.#clock,
      linger: this.#linger,
      maxFrameBytes,
      dialled,
      reads: adopted === undefined || reused === undefined ? new DataReads(socket, TURN_BYTES) : reused,
      spares: adopted === undefined ? undefined : reused?.spares,
      busyWait: this.#busyWait,
      head: adopted === undefined ? NOTHING : head,
    });
  }
}
