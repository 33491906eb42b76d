import { Worker } from 'node:worker_threads';
import { type Address, silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import { transportSuite } from '@foundation-ts/testing/transport-suite';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ConnectionEvents, createCodec, Endpoint, type Peer, type Transport } from '../src/index.js';
import { giveAway } from '../src/internal/given-away.js';
import { ThreadBroker, threads } from '../src/threads/index.js';
import { packFrames, unpackFrames } from '../src/threads/packing.js';

const suite = new ThreadBroker();
const a = threads({ broker: suite, name: 'a' });
const b = threads({ broker: suite, name: 'b' });
// Says that it listens, and is never heard of again.
suite.connect('dark').postMessage({ type: 'listen', id: 1, port: 1 });
afterAll(() => suite.close());

transportSuite('threads', {
  transport: () => a,
  dialler: () => b,
  host: 'a',
  silent: { protocol: 'threads', host: 'dark', port: 1 },
});

const none: ConnectionEvents = { frame: () => {}, drain: () => {}, close: () => {} };

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within 15 s: ${what}`);
    await new Promise(resolve => setImmediate(resolve));
  }
}

function at(host: string, port = 7): Address {
  return { protocol: 'threads', host, port };
}

function dial(transport: Transport, to: Address) {
  return transport.dial(to, { timeout: 2_000, maxFrameBytes: 1_000, open: () => none });
}

function listen(transport: Transport, port: number) {
  return transport.listen({ host: 'any', port, maxFrameBytes: 1_000, accept: () => none });
}

describe('a broker of threads', () => {
  let broker: ThreadBroker;
  beforeEach(() => {
    broker = new ThreadBroker();
  });
  afterEach(() => broker.close());

  test('gives each name once, until whoever had it is gone', async () => {
    const first = threads({ broker, name: 'x' });
    expect(() => broker.connect('x')).toThrow(/A thread named 'x' is connected already/);
    await listen(first, 7);
    broker.disconnect('x');
    const second = threads({ broker, name: 'x' });
    const other = threads({ broker, name: 'y' });
    await expect(dial(other, at('x'))).rejects.toMatchObject({ code: 'refused' });
    await listen(second, 7);
    await (await dial(other, at('x'))).close();
    await expect(listen(first, 8)).rejects.toMatchObject({ code: 'noconnection' });
  });

  test('frees the name of a port that was closed', async () => {
    broker.connect('x').close();
    await until(() => {
      try {
        broker.connect('x');
        return true;
      } catch {
        return false;
      }
    }, 'the name is free');
  });

  test('refuses dials to names that nobody has, and to ports where nobody listens', async () => {
    const x = threads({ broker, name: 'x' });
    await expect(dial(x, at('nobody'))).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/threads:\/\/nobody:7: no thread is named 'nobody'/),
    });
    await expect(dial(x, at('x'))).rejects.toMatchObject({ code: 'refused' });
  });

  test('connects no one after its close', async () => {
    const x = threads({ broker, name: 'x' });
    broker.close();
    expect(() => broker.connect('y')).toThrow(/The broker was closed/);
    await expect(dial(x, at('x'))).rejects.toMatchObject({ code: 'noconnection' });
  });

  test.each([{}, { broker: suite }, { name: 'x' }, { broker: suite, name: 'z', linger: -1 }, { brokr: suite }])(
    'threads(%o) says what it needs',
    init => {
      expect(() => threads(init as never)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    },
  );
});

describe('the frames of a turn', () => {
  test('are packed together, and those that are given away moved', () => {
    const large = giveAway(new Uint8Array(100_000).fill(3));
    const kept = new Uint8Array(100_000).fill(4);
    const part = giveAway(new Uint8Array(200_000).subarray(0, 100_000).fill(5));
    const frames = [Uint8Array.of(1), Uint8Array.of(2, 2), large, kept, part, Uint8Array.of(9)];
    const expected = frames.map(frame => Buffer.from(frame));
    const message = packFrames(frames);
    expect(message.packed).toEqual([true, false, true]);
    expect(message.buffers[1]).toBe(large.buffer);
    const received = structuredClone(message, { transfer: [...message.buffers] });
    expect([...unpackFrames(received)].every((frame, index) => expected[index]?.equals(frame))).toBe(true);
    expect([large.length, kept.length, part.length]).toEqual([0, 100_000, 100_000]);
  });
});

describe('nodes in threads', () => {
  // A thread's own file is read before `--import tsx` can teach it TypeScript.
  const child = JSON.stringify(new URL('./threads-child.ts', import.meta.url).href);
  const bootstrap = `import('tsx/esm/api').then(({ register }) => { register(); return import(${child}); });`;
  const broker = new ThreadBroker();
  const workers: Worker[] = [];
  afterAll(async () => {
    await Promise.all(workers.map(worker => worker.terminate()));
    broker.close();
  });

  async function start(name: string): Promise<Worker> {
    const port = broker.connect(name);
    const worker = new Worker(bootstrap, {
      eval: true,
      workerData: { name, port },
      transferList: [port],
      execArgv: ['-C', '@foundation-ts/source'],
    });
    workers.push(worker);
    worker.on('error', error => {
      throw error;
    });
    return worker;
  }

  const messages: unknown[] = [];
  const closed: [string, Error | undefined][] = [];
  const main = new Endpoint({
    self: { name: 'main', incarnation: 1, clusterId: 'test' },
    transport: threads({ broker, name: 'main' }),
    codec: createCodec(),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    telemetry: new Telemetry('main'),
    onPeer: () => {},
    onMessage: (_peer, _channel, message) => messages.push(message),
    onPeerClosed: (peer, reason) => closed.push([peer.identity.name, reason]),
  });
  afterAll(() => main.close());

  async function reach(name: string): Promise<Peer> {
    for (const end = performance.now() + 15_000; ; ) {
      try {
        return await main.dial(at(name));
      } catch (error) {
        if (performance.now() > end) throw error;
        await new Promise(resolve => setImmediate(resolve));
      }
    }
  }

  test('hold sessions, carry large and small both ways, and notice when a thread ends', async () => {
    const one = await start('one');
    await start('two');
    const [toOne, toTwo] = [await reach('one'), await reach('two')];
    for (let index = 0; index < 100; index++) toOne.send('data', index);
    const binary = new Uint8Array(5_000_000).map((_, index) => index * 7);
    toOne.send('data', binary);
    await until(() => messages.length === 101, 'the echo');
    expect(messages.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(Buffer.compare(messages[100] as Uint8Array, binary)).toBe(0);
    expect(binary.length).toBe(5_000_000);

    await one.terminate();
    await until(() => closed.length === 1, 'the end of the thread was noticed');
    expect(closed[0]).toMatchObject(['one', { code: 'noconnection' }]);
    toTwo.send('data', 'still there');
    await until(() => messages.length === 102, 'the other thread answers');

    // A thread of the same name takes its place.
    broker.disconnect('one');
    await start('one');
    expect((await reach('one')).identity.name).toBe('one');

    toTwo.send('data', 'close');
    await until(() => closed.length === 2, 'an orderly close');
    expect(closed[1]).toEqual(['two', undefined]);
  });
});
