import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import type { Side } from './link.js';
import { Work } from './work.js';

/** One socket.io connection over WebSocket; a call is an event with an acknowledgement. */
export const socketIo: Side = {
  serve: async () => {
    const http = createServer();
    const server = new Server(http, { maxHttpBufferSize: 16 * 1024 * 1024, transports: ['websocket'] });
    server.on('connection', socket => {
      const work = new Work();
      socket.on('measure', (payload: string | Uint8Array, reply: (length: number) => void) =>
        reply(work.answer(payload)),
      );
      socket.on('take', (payload: string) => {
        if (work.take(payload)) socket.emit('told');
      });
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return String((http.address() as AddressInfo).port);
  },
  dial: async (where, told) => {
    const socket = io(`http://127.0.0.1:${where}`, { transports: ['websocket'] });
    socket.on('told', told);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
    return {
      call: payload => new Promise(resolve => socket.emit('measure', payload, resolve)),
      cast: payload => void socket.emit('take', payload),
      close: () => void socket.disconnect(),
    };
  },
};
