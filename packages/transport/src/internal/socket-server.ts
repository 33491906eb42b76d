import { constants } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { type Address, type Clock, FoundationError, formatAddress } from '@foundation-ts/core';
import type { Credentials } from '../tls/credentials.js';
import { judgePeer } from '../tls/peer-certificate.js';
import type { Connection, Listener, ListenOptions } from '../transport.js';
import { PendingSockets } from './pending-sockets.js';
import { type OpenSocket, reset } from './socket-client.js';

/** A socket that came in. */
export interface IncomingSocket extends OpenSocket {
  readonly remote: Address;
  /** Why the other side is not to be let in, though TLS itself stands: it is to be told, and closed. */
  readonly refusal: FoundationError | undefined;
}

export interface SocketServerInit extends Pick<ListenOptions, 'host' | 'port'> {
  readonly protocol: string;
  readonly credentials: Credentials | undefined;
  readonly clock: Clock;
  readonly accept: (incoming: IncomingSocket) => void;
  /** Hears of a connection that could not even begin. */
  readonly refuse: ListenOptions['accept'];
}

/** Accepts sockets, through TLS if there are credentials. @throws (rejects) FoundationError */
export function listenOnSocket(init: SocketServerInit): Promise<Listener> {
  const { protocol, credentials, accept } = init;
  const secured = credentials === undefined ? undefined : new TlsFront(init, credentials);
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, socket => {
      // A socket may have gone again before we see it.
      socket.on('error', () => {});
      const remote = remoteOf(protocol, socket);
      if (secured !== undefined) secured.add(socket, remote);
      else accept({ socket, remote, security: undefined, refusal: undefined, reset: () => socket.resetAndDestroy() });
    });
    const fail = (error: NodeJS.ErrnoException): void => reject(listenError(init, error));
    server.once('error', fail);
    server.listen({ host: init.host, port: init.port }, () => {
      server.off('error', fail);
      // Failing to accept one connection (no file descriptor left) concerns the one who dialled; the listener goes on.
      server.on('error', () => {});
      resolve(new SocketListener(server, protocol, init.host));
    });
  });
}

/** Leads incoming sockets through TLS. */
class TlsFront {
  readonly #init: SocketServerInit;
  readonly #credentials: Credentials;
  readonly #pending: PendingSockets;
  /** The sockets below those whose TLS handshake runs. */
  readonly #raw = new Map<string, { readonly socket: Socket; readonly remote: Address }>();
  #server: TlsServer | undefined;
  #context: unknown;

  constructor(init: SocketServerInit, credentials: Credentials) {
    this.#init = init;
    this.#credentials = credentials;
    this.#pending = new PendingSockets(init.clock);
  }

  add(socket: Socket, remote: Address): void {
    let server: TlsServer;
    try {
      server = this.#current();
    } catch (error) {
      socket.resetAndDestroy();
      this.#init.refuse(deadConnection(remote)).close(error as FoundationError);
      return;
    }
    this.#pending.add(socket);
    const key = endpointsOf(socket);
    this.#raw.set(key, { socket, remote });
    socket.once('close', () => {
      if (this.#raw.get(key)?.socket === socket) this.#raw.delete(key);
    });
    server.emit('connection', socket);
  }

  /** The server with the certificate that is valid now; connections that stand keep theirs. */
  #current(): TlsServer {
    const { options, context } = this.#credentials.current();
    if (this.#server === undefined) {
      // The certificate is checked in #secured: OpenSSL's own refusal would not tell the other side why.
      // Without resumption: it would keep letting in whoever showed a certificate that is not valid any more.
      const secureOptions = constants.SSL_OP_NO_TICKET;
      const server = createTlsServer({ ...options, secureOptions, requestCert: true, rejectUnauthorized: false });
      server.on('secureConnection', socket => this.#secured(socket));
      server.on('tlsClientError', (_error, socket) => socket.destroy());
      this.#server = server;
    } else if (this.#context !== context) {
      this.#server.setSecureContext({ ...options, secureOptions: constants.SSL_OP_NO_TICKET });
    }
    this.#context = context;
    return this.#server;
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {});
    const key = endpointsOf(socket);
    const entry = this.#raw.get(key);
    if (entry === undefined) {
      socket.destroy();
      return;
    }
    this.#raw.delete(key);
    const { socket: raw, remote } = entry;
    this.#pending.remove(raw);
    const { security, problem } = judgePeer(socket);
    const refusal =
      problem === undefined
        ? undefined
        : new FoundationError('auth-failed', `A node at ${remote.host} was not accepted: ${problem}.`);
    this.#init.accept({ socket, remote, security, refusal, reset: () => reset(raw, socket) });
  }
}

/** Stands for a connection that ended before it began, so that its reason is reported where those of others are. */
function deadConnection(remote: Address): Connection {
  return { remote, send: () => false, pause: () => {}, resume: () => {}, close: async () => {} };
}

function endpointsOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}

class SocketListener implements Listener {
  readonly address: Address;
  readonly #server: Server;

  constructor(server: Server, protocol: string, host: string) {
    this.#server = server;
    this.address = { protocol, host, port: (server.address() as AddressInfo).port };
  }

  async close(): Promise<void> {
    // Not awaited: the server's callback comes only after the last connection has closed.
    if (this.#server.listening) this.#server.close();
  }
}

function remoteOf(protocol: string, socket: Socket): Address {
  const host = socket.remoteAddress ?? 'unknown';
  return { protocol, host: host.startsWith('::ffff:') ? host.slice(7) : host, port: socket.remotePort ?? 0 };
}

function listenError(init: SocketServerInit, error: NodeJS.ErrnoException): FoundationError {
  const address = formatAddress({ protocol: init.protocol, host: init.host, port: init.port });
  switch (error.code) {
    case 'EADDRINUSE':
      return new FoundationError(
        'address-in-use',
        `Can't listen on ${address}: the port is taken. Stop whoever listens there, choose another port, or 0 for a free one.`,
        { cause: error },
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new FoundationError(
        'invalid-option',
        `Can't listen on ${address}: this machine does not have that address. Choose one of its own, or 0.0.0.0 for all.`,
        { cause: error },
      );
    case 'EACCES':
      return new FoundationError(
        'invalid-option',
        `Can't listen on ${address}: ports below 1024 need privileges. Choose a higher port.`,
        { cause: error },
      );
    default:
      return new FoundationError('noconnection', `Can't listen on ${address}: ${error.message}.`, { cause: error });
  }
}
