import { seededRandom } from '@foundation-ts/core';
import { expect, test } from 'vitest';
import type { Connection, ConnectionEvents } from '../src/index.js';
import { tcp } from '../src/tcp/index.js';

const CONNECTIONS = 40;
const FRAMES = 40;

const lengthOf = (connection: number, number: number): number =>
  number % 7 === 0 ? 60_000 + connection : 1 + ((connection * 131 + number * 977) % 9_000);
const byteOf = (connection: number, number: number): number => (connection * 17 + number * 5) & 0xff;

function frameOf(connection: number, number: number): Uint8Array {
  return new Uint8Array(lengthOf(connection, number)).fill(byteOf(connection, number));
}

test('frames that are kept stay as they came, over many sockets that share memory, with pauses and an event loop that stands', async () => {
  const random = seededRandom(20);
  const transport = tcp();
  const got = new Map<Connection, Uint8Array[]>();
  const closers: Promise<void>[] = [];
  let missing = CONNECTIONS * FRAMES * 2;
  let done: () => void = () => {};
  const all = new Promise<void>(resolve => {
    done = resolve;
  });
  const receive = (connection: Connection): ConnectionEvents => {
    const kept: Uint8Array[] = [];
    got.set(connection, kept);
    return {
      frame: bytes => {
        kept.push(bytes);
        if (--missing === 0) done();
        if (random.next() < 0.1) {
          connection.pause();
          setTimeout(() => connection.resume(), random.next() * 5);
        }
        if (random.next() < 0.01) {
          const until = performance.now() + 15;
          while (performance.now() < until);
        }
      },
      drain: () => {},
      close: () => {},
    };
  };
  const incoming: Connection[] = [];
  const listener = await transport.listen({
    host: '127.0.0.1',
    port: 0,
    maxFrameBytes: 1 << 20,
    accept: connection => {
      incoming.push(connection);
      for (let number = 0; number < FRAMES; number++) connection.send(frameOf(incoming.length - 1, number));
      return receive(connection);
    },
  });
  const dialled = await Promise.all(
    Array.from({ length: CONNECTIONS }, () =>
      transport.dial(listener.address, { maxFrameBytes: 1 << 20, timeout: 10_000, open: receive }),
    ),
  );
  for (const [index, connection] of dialled.entries())
    for (let number = 0; number < FRAMES; number++) connection.send(frameOf(index, number));
  await all;
  for (const kept of got.values()) {
    const connection = (kept[0] as Uint8Array).length - 60_000;
    expect(kept.length).toBe(FRAMES);
    for (const [number, frame] of kept.entries()) {
      expect(frame.length).toBe(lengthOf(connection, number));
      expect(frame.every(byte => byte === byteOf(connection, number))).toBe(true);
    }
  }
  for (const connection of [...dialled, ...incoming]) closers.push(connection.close());
  await Promise.all(closers);
  await listener.close();
});
