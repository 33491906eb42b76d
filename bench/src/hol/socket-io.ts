import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import type { Wire } from './wire.js';

const maxMessageBytes = 64 * 1024 * 1024;

/** One socket.io connection over WebSocket; a lane is an event. */
export const socketIo: Wire = {
  listen: async receive => {
    const http = createServer();
    const server = new Server(http, { maxHttpBufferSize: maxMessageBytes, transports: ['websocket'] });
    server.on('connection', socket => {
      for (const lane of ['control', 'data'] as const) {
        socket.on(lane, (bytes: Buffer) => receive(lane, bytes, (way, answer) => socket.emit(way, answer)));
      }
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return (http.address() as AddressInfo).port;
  },
  dial: async (port, receive) => {
    const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'] });
    const send = (lane: 'control' | 'data', bytes: Uint8Array) => void socket.emit(lane, bytes);
    for (const lane of ['control', 'data'] as const) {
      socket.on(lane, (bytes: Buffer) => receive(lane, bytes, send));
    }
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
    return { send, close: () => void socket.disconnect() };
  },
};
