import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { type Lane, lanes } from './lane.js';
import type { Receive, Send, Wire } from './wire.js';

const options = { perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 } as const;

/** A WebSocket for each lane, which is its path. */
export const webSocket: Wire = {
  listen: async receive => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
    server.on('connection', (socket, request) => {
      const lane: Lane = request.url === '/data' ? 'data' : 'control';
      socket.on('message', (bytes: Buffer) => receive(lane, bytes, (_way, answer) => socket.send(answer)));
    });
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
  dial: async (port: number, receive: Receive) => {
    const sockets = new Map<Lane, WebSocket>();
    const send: Send = (lane, bytes) => sockets.get(lane)?.send(bytes);
    for (const lane of lanes) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/${lane}`, options);
      await once(socket, 'open');
      socket.on('message', (bytes: Buffer) => receive(lane, bytes, send));
      sockets.set(lane, socket);
    }
    return {
      send,
      close: () => {
        for (const socket of sockets.values()) socket.terminate();
      },
    };
  },
};
