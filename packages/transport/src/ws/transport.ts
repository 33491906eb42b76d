import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Address, type Clock, checkKeys, invalidOption, systemClock } from '@foundation-ts/core';
import { WebSocket, WebSocketServer } from 'ws';
import { DEFAULT_LINGER } from '../defaults.js';
import { encodeReject } from '../handshake.js';
import { attemptDial, type DialAttempt } from '../internal/dial-attempt.js';
import { PendingSockets } from '../internal/pending-sockets.js';
import { type OpenSocket, openSocket } from '../internal/socket-client.js';
import { type IncomingSocket, listenOnSocket } from '../internal/socket-server.js';
import { Credentials, type TlsOptions, type TlsProvider } from '../tls/credentials.js';
import type { Connection, DialOptions, Listener, ListenOptions, Transport, TransportSecurity } from '../transport.js';
import { WsConnection } from './connection.js';

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
}

const PROTOCOL = 'ws';
const DEFAULT_PATH = '/foundation';

/**
 * Frames as binary messages over WebSocket (RFC 6455), for where only HTTP passes. Slower than `tcp`, since what a dialler sends has to be
 * masked. Never compressed, Nagle's algorithm always off, and no pings: the layers above notice who is silent.
 * @throws FoundationError `invalid-option`, also for certificates that can't be used
 */
export function ws(init: WsInit = {}): Transport {
  checkKeys('ws', init, ['path', 'tls', 'origins', 'clock', 'linger']);
  const { path = DEFAULT_PATH, origins = [], linger = DEFAULT_LINGER } = init;
  if (typeof path !== 'string' || !/^\/[\x21-\x7e]*$/.test(path) || /[?#]/.test(path)) {
    throw invalidOption('path', path, "a path that begins with '/', without query");
  }
  if (!Array.isArray(origins) || origins.some(origin => typeof origin !== 'string')) {
    throw invalidOption('origins', origins, "a list of origins, such as ['https://app.example']");
  }
  if (typeof linger !== 'number' || !(linger >= 0)) throw invalidOption('linger', linger, 'milliseconds, from 0');
  return new WsTransport({ ...init, path, origins, linger });
}

class WsTransport implements Transport {
  readonly protocol = PROTOCOL;
  readonly security?: TransportSecurity;
  readonly #path: string;
  readonly #origins: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #linger: number;
  readonly #credentials: Credentials | undefined;

  constructor(init: WsInit & { readonly path: string; readonly origins: readonly string[]; readonly linger: number }) {
    const credentials = init.tls === undefined ? undefined : new Credentials(init.tls);
    this.#path = init.path;
    this.#origins = new Set(init.origins);
    this.#clock = init.clock ?? systemClock;
    this.#linger = init.linger;
    this.#credentials = credentials;
    if (credentials !== undefined) {
      this.security = { identity: () => credentials.current().identity, roles: () => credentials.current().roles };
    }
  }

  listen(options: ListenOptions): Promise<Listener> {
    const front = new HttpFront(this.#clock, options.maxFrameBytes, {
      refusal: request => this.#refusal(request),
      opened: (socket, incoming) => {
        const connection = this.#connection(socket, incoming, incoming.remote, options.maxFrameBytes, false);
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
      autoPong: false,
      maxPayload: options.maxFrameBytes,
    });
    const onError = (error: Error): void => {
      attempt.fail('noconnection', `the WebSocket could not be opened (${error.message.trim()})`, error);
    };
    socket.on('error', onError);
    socket.once('unexpected-response', (_request, response) => {
      const status = `${response.statusCode} ${response.statusMessage}`;
      attempt.fail('noconnection', `it answered the request for '${this.#path}' with ${status}, not with a WebSocket`);
    });
    socket.once('open', () => {
      const connection = this.#connection(socket, open, to, options.maxFrameBytes, true);
      connection.start(options.open(connection));
      socket.off('error', onError);
      attempt.done(connection);
    });
  }

  /** The HTTP status with which a request to become a WebSocket is refused. */
  #refusal(request: IncomingMessage): number | undefined {
    const { origin } = request.headers;
    if (origin !== undefined && !this.#origins.has(origin)) return 403;
    return request.url === this.#path ? undefined : 404;
  }

  #connection(
    socket: WebSocket,
    open: OpenSocket,
    remote: Address,
    maxFrameBytes: number,
    dialled: boolean,
  ): WsConnection {
    return new WsConnection(socket, open, remote, {
      clock: this.#clock,
      linger: this.#linger,
      maxFrameBytes,
      dialled,
    });
  }
}

interface HttpFrontEvents {
  refusal(request: IncomingMessage): number | undefined;
  opened(socket: WebSocket, incoming: IncomingSocket): void;
}

/** Leads incoming sockets through HTTP to the point where they are WebSockets. */
class HttpFront {
  readonly #pending: PendingSockets;
  readonly #incoming = new WeakMap<Duplex, IncomingSocket>();
  readonly #http = createServer({ keepAlive: false });

  constructor(clock: Clock, maxFrameBytes: number, events: HttpFrontEvents) {
    this.#pending = new PendingSockets(clock);
    const upgrades = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: maxFrameBytes,
    });
    // A malformed request; the answer is for people with a browser or curl, a node never sees it.
    this.#http.on('clientError', (_error, socket) => answer(socket, 400));
    this.#http.on('request', (_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end('This port speaks WebSocket.\n');
    });
    this.#http.on('upgrade', (request, socket, head) => {
      const incoming = this.#incoming.get(socket);
      const status = incoming === undefined ? 400 : events.refusal(request);
      if (incoming === undefined || status !== undefined) {
        answer(socket, status ?? 400);
        return;
      }
      upgrades.handleUpgrade(request, socket, head, opened => {
        this.#pending.remove(incoming.socket);
        events.opened(opened, incoming);
      });
    });
  }

  add(incoming: IncomingSocket): void {
    this.#pending.add(incoming.socket);
    this.#incoming.set(incoming.socket, incoming);
    this.#http.emit('connection', incoming.socket);
  }
}

function answer(socket: Duplex, status: number): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
  socket.end(head, () => socket.destroy());
}
