import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { readMessages, writeMessage } from '../hol/raw.js';
import { Caller, serveBatches } from './batches.js';
import type { Side } from './link.js';

const writer = (socket: Socket) => (bytes: Uint8Array) => writeMessage(socket, 'data', bytes);

/** One TCP connection, msgpackr, and nothing in between. */
export const net: Side = {
  serve: async () => {
    const server = createServer({ noDelay: true }, socket => {
      const receive = serveBatches(writer(socket));
      readMessages(socket, (_lane, bytes) => receive(bytes));
      socket.on('error', () => socket.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return String((server.address() as AddressInfo).port);
  },
  dial: async (where, told) => {
    const socket = connect({ port: Number(where), host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const caller = new Caller(writer(socket), told);
    readMessages(socket, (_lane, bytes) => caller.receive(bytes));
    return {
      call: payload => caller.call(payload),
      cast: payload => caller.cast(payload),
      close: () => void socket.destroy(),
    };
  },
};
