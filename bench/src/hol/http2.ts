import { once } from 'node:events';
import { connect, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Lane, lanes } from './lane.js';
import { readMessages, writeMessage } from './raw.js';
import type { Receive, Send, Wire } from './wire.js';

const window = 1024 * 1024;
const settings = { initialWindowSize: window };

/** A stream for each lane, all on one HTTP/2 session. */
export const http2: Wire = {
  listen: async receive => {
    const server = createServer({ settings });
    server.on('session', session => session.once('remoteSettings', () => session.setLocalWindowSize(2 * window)));
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200 });
      const reply: Send = (lane, bytes) => writeMessage(stream, lane, bytes);
      readMessages(stream, (lane, bytes) => receive(lane, bytes, reply));
      stream.on('error', () => stream.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
  dial: async (port, receive) => {
    const session = connect(`http://127.0.0.1:${port}`, { settings });
    await once(session, 'remoteSettings');
    session.setLocalWindowSize(2 * window);
    const streams = new Map<Lane, Duplex>();
    const send: Send = (lane, bytes) => {
      const stream = streams.get(lane);
      if (stream !== undefined) writeMessage(stream, lane, bytes);
    };
    for (const lane of lanes) streams.set(lane, openStream(session.request({ ':method': 'POST' }), receive, send));
    return { send, close: () => session.destroy() };
  },
};

function openStream(stream: Duplex, receive: Receive, send: Send): Duplex {
  readMessages(stream, (lane, bytes) => receive(lane, bytes, send));
  return stream;
}
