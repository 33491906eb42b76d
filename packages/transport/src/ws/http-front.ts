import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '@foundation-ts/core';
import { WebSocketServer } from 'ws';
import { PendingSockets } from '../internal/pending-sockets.js';
import type { IncomingSocket } from '../internal/socket-server.js';
import { ListenersBefore } from './taken-over.js';

const NOTHING = Buffer.alloc(0);

export interface HttpFrontEvents {
  /** The status with which a request to become a WebSocket is refused. */
  refusal(request: IncomingMessage): number | undefined;
  /** The socket is a WebSocket, and nobody listens to it. `head` came behind the request. */
  opened(incoming: IncomingSocket, head: Buffer): void;
}

/** Leads incoming sockets through HTTP to the point where they are WebSockets. */
export class HttpFront {
  readonly #pending: PendingSockets;
  readonly #incoming = new WeakMap<Duplex, IncomingSocket>();
  readonly #http = createServer({ keepAlive: false });

  constructor(clock: Clock, events: HttpFrontEvents) {
    this.#pending = new PendingSockets(clock);
    const upgrades = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false });
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
      const before = new ListenersBefore(socket as Socket);
      upgrades.handleUpgrade(request, socket, NOTHING, () => {
        before.removeOthers();
        this.#pending.remove(incoming.socket);
        events.opened(incoming, head);
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
