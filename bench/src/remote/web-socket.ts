import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { Caller, serveBatches } from './batches.js';
import type { Side } from './link.js';

/** One WebSocket, msgpackr, and nothing in between. */
export const webSocket: Side = {
  serve: async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    server.on('connection', socket => {
      const receive = serveBatches(bytes => socket.send(bytes));
      socket.on('message', (bytes: Buffer) => receive(bytes));
    });
    await once(server, 'listening');
    return String((server.address() as AddressInfo).port);
  },
  dial: async (where, told) => {
    const socket = new WebSocket(`ws://127.0.0.1:${where}`, { perMessageDeflate: false });
    await once(socket, 'open');
    const caller = new Caller(bytes => socket.send(bytes), told);
    socket.on('message', (bytes: Buffer) => caller.receive(bytes));
    return {
      call: payload => caller.call(payload),
      cast: payload => caller.cast(payload),
      close: () => socket.terminate(),
    };
  },
};
