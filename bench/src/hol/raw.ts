import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Lane, lanes } from './lane.js';
import type { Dialled, Receive, Send, Wire } from './wire.js';

/** Length of what follows in 4 bytes, lane in 1. */
const headerBytes = 5;

/** Cuts a socket's stream into messages; each is copied once, into memory of its own. */
export function readMessages(socket: Duplex, message: (lane: Lane, bytes: Uint8Array) => void): void {
  const header = Buffer.alloc(headerBytes);
  let inHeader = 0;
  let body: Buffer | undefined;
  let inBody = 0;
  socket.on('data', (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      if (body === undefined) {
        const part = chunk.copy(header, inHeader, at, at + headerBytes - inHeader);
        inHeader += part;
        at += part;
        if (inHeader < headerBytes) return;
        body = Buffer.allocUnsafe(header.readUInt32LE(0));
        inBody = 0;
      }
      const part = chunk.copy(body, inBody, at);
      inBody += part;
      at += part;
      if (inBody < body.length) return;
      const whole = body;
      body = undefined;
      inHeader = 0;
      message(lanes[header[4] ?? 0] ?? 'control', whole);
    }
  });
}

export function writeMessage(socket: Duplex, lane: Lane, bytes: Uint8Array): void {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt32LE(bytes.length, 0);
  header[4] = lanes.indexOf(lane);
  socket.cork();
  socket.write(header);
  socket.write(bytes);
  socket.uncork();
}

/** A wire over `net`; `socketOf` picks a lane's socket among the connections. */
function rawWire(connections: number, socketOf: (sockets: readonly Socket[], lane: Lane) => Socket | undefined): Wire {
  return {
    listen: async receive => {
      const server = createServer({ noDelay: true }, socket => {
        // A reply goes back on the connection that its message came on.
        const reply: Send = (lane, bytes) => writeMessage(socket, lane, bytes);
        readMessages(socket, (lane, bytes) => receive(lane, bytes, reply));
        socket.on('error', () => socket.destroy());
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    },
    dial: (port, receive) => dial(port, connections, socketOf, receive),
  };
}

async function dial(
  port: number,
  connections: number,
  socketOf: (sockets: readonly Socket[], lane: Lane) => Socket | undefined,
  receive: Receive,
): Promise<Dialled> {
  const sockets: Socket[] = [];
  const send: Send = (lane, bytes) => {
    const socket = socketOf(sockets, lane);
    if (socket !== undefined) writeMessage(socket, lane, bytes);
  };
  for (let made = 0; made < connections; made++) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    readMessages(socket, (lane, bytes) => receive(lane, bytes, send));
    sockets.push(socket);
  }
  return {
    send,
    close: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Both lanes on one connection: a ping waits behind all bulk written before it. */
export const shared: Wire = rawWire(1, sockets => sockets[0]);

/** A connection for each lane. */
export const own: Wire = rawWire(2, (sockets, lane) => sockets[lanes.indexOf(lane)]);
