import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ReadMemory, ReusedReads } from '../src/internal/reused-reads.js';

const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function pair(): Promise<{
  near: Socket;
  accepted: Socket;
  adopted: Socket;
  memory: ReadMemory;
  reads: ReusedReads;
  closed: () => boolean;
}> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const memory = new ReadMemory();
  const reads = new ReusedReads(memory);
  let accepted: Socket | undefined;
  let adopted: Socket | undefined;
  server.once('connection', socket => {
    accepted = socket;
    adopted = reads.adopt(socket);
    reads.resume = () => adopted?.resume();
  });
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await Promise.all([once(near, 'connect'), once(server, 'connection')]);
  let closed = false;
  server.close(() => {
    closed = true;
  });
  closers.push(
    () => near.destroy(),
    () => adopted?.destroy(),
    () => server.close(),
  );
  return { near, accepted: accepted as Socket, adopted: adopted as Socket, memory, reads, closed: () => closed };
}

describe('an accepted socket whose reads reuse memory', () => {
  test('reads everything, in the same memory, and writes', async () => {
    const { near, adopted, reads, memory } = await pair();
    const buffers = new Set<ArrayBufferLike>();
    let bytes = 0;
    let inTurn = 0;
    let mostInTurn = 0;
    const all = new Promise<void>(resolve => {
      reads.receive = chunk => {
        buffers.add(chunk.buffer);
        bytes += chunk.length;
        if (inTurn === 0)
          setImmediate(() => {
            inTurn = 0;
          });
        inTurn += chunk.length;
        mostInTurn = Math.max(mostInTurn, inTurn);
        if (bytes === 20_000_000) resolve();
      };
    });
    near.write(Buffer.alloc(20_000_000));
    await all;
    expect(mostInTurn).toBeLessThan(1024 * 1024);
    expect([...buffers]).toEqual([memory.buffer.buffer]);
    adopted.end('answer');
    const [answer] = await once(near, 'data');
    expect(String(answer)).toBe('answer');
  });

  test('pauses, resumes, and ends when the other side does', async () => {
    const { near, adopted, reads } = await pair();
    let bytes = 0;
    reads.receive = chunk => {
      bytes += chunk.length;
    };
    adopted.pause();
    near.end(Buffer.alloc(100_000));
    for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve));
    expect(bytes).toBe(0);
    adopted.resume();
    await once(adopted, 'close');
    expect(bytes).toBe(100_000);
  });

  test('is no concern of its server any more, and keeps its addresses', async () => {
    const { near, accepted, adopted, closed } = await pair();
    expect(accepted.destroyed).toBe(true);
    expect([adopted.remotePort, adopted.localPort]).toEqual([near.localPort, near.remotePort]);
    while (!closed()) await new Promise(resolve => setImmediate(resolve));
    expect(adopted.destroyed).toBe(false);
    adopted.resetAndDestroy();
    const [error] = await once(near, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  test('stays as it is where Node does not let it', () => {
    const socket = new Socket();
    expect(new ReusedReads(new ReadMemory()).adopt(socket)).toBeUndefined();
    expect(socket.destroyed).toBe(false);
  });
});
