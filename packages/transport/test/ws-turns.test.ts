import { expect, test } from 'vitest';
import type { ConnectionEvents } from '../src/index.js';
import { ws } from '../src/ws/index.js';

const MIB = 1024 * 1024;
const silent: ConnectionEvents = { frame: () => {}, drain: () => {}, close: () => {} };

test('a WebSocket rests when it has read much in one turn of the event loop, and goes on in the next', async () => {
  const transport = ws();
  let bytes = 0;
  let inTurn = 0;
  let mostInTurn = 0;
  let done: () => void = () => {};
  const all = new Promise<void>(resolve => {
    done = resolve;
  });
  const frame = ({ length }: Uint8Array): void => {
    if (inTurn === 0)
      setImmediate(() => {
        inTurn = 0;
      });
    inTurn += length;
    mostInTurn = Math.max(mostInTurn, inTurn);
    bytes += length;
    if (bytes === 16 * MIB) done();
  };
  const maxFrameBytes = MIB;
  const listener = await transport.listen({
    host: '127.0.0.1',
    port: 0,
    maxFrameBytes,
    accept: () => ({ ...silent, frame }),
  });
  const connection = await transport.dial(listener.address, { maxFrameBytes, timeout: 5_000, open: () => silent });
  for (let index = 0; index < 256; index++) connection.send(new Uint8Array(64 * 1024));
  await all;
  // A turn's share, and what was read with it.
  expect(mostInTurn).toBeLessThan(MIB);
  await connection.close();
  await listener.close();
});
