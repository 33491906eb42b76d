import { connect, createServer, type Socket } from 'node:net';
import type { Place } from './crowd.js';

/** As many as two nodes have between them: one for each channel that they declare by default. */
const SOCKETS_A_PAIR = 5;
const RETRY = 20;

/** Connects with everybody behind it, is connected by everybody before it; a byte each way over each socket. */
export async function form({ index, ports }: Place): Promise<void> {
  let missing = (ports.length - 1) * SOCKETS_A_PAIR;
  await new Promise<void>(resolve => {
    const take = (socket: Socket): void => {
      socket.on('error', () => {});
      socket.write('x');
      socket.once('data', () => {
        if (--missing === 0) resolve();
      });
    };
    const dial = (port: number): void => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      const refused = (): void => void setTimeout(() => dial(port), RETRY);
      socket.once('error', refused);
      socket.once('connect', () => {
        socket.off('error', refused);
        take(socket);
      });
    };
    createServer({ noDelay: true }, take).listen(ports[index], '127.0.0.1');
    for (const port of ports.slice(index + 1)) for (let count = 0; count < SOCKETS_A_PAIR; count++) dial(port);
  });
}
