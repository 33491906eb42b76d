import { type Address, type ErrorCode, FoundationError, systemClock } from '@foundation-ts/core';
import type { Connection, ConnectionEvents, Listener, ListenOptions, Transport } from '@foundation-ts/transport';
import { afterEach, describe, expect, test } from 'vitest';

/** What {@link transportSuite} needs to know about a transport. */
export interface TransportSuiteSetup {
  /** Makes the transport that listens. */
  readonly transport: () => Transport;
  /** Makes the transport that dials; default another of {@link transport}. */
  readonly dialler?: () => Transport;
  /** The host to listen on and to dial; default `'127.0.0.1'`. */
  readonly host?: string;
  /** An address at which nobody ever answers, not even with a refusal, if there is one. */
  readonly silent?: Address;
}

const MAX_FRAME = 4 * 1024 * 1024;
const DEADLINE = 10_000;

/**
 * The tests that every {@link Transport} has to pass, in the words of vitest. A test file of four lines:
 * ```ts
 * import { transportSuite } from '@foundation-ts/testing/transport-suite';
 * import { tcp } from '@foundation-ts/transport/tcp';
 * transportSuite('tcp', { transport: () => tcp() });
 * ```
 */
export function transportSuite(name: string, setup: TransportSuiteSetup): void {
  const host = setup.host ?? '127.0.0.1';
  const cleanups: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    await Promise.all(cleanups.splice(0).map(cleanup => cleanup()));
  });

  const listen = async (options: Partial<ListenOptions> = {}, transport = setup.transport()): Promise<Server> => {
    const server = new Server();
    const listener = await transport.listen({
      host,
      port: 0,
      maxFrameBytes: MAX_FRAME,
      accept: connection => server.accept(connection),
      ...options,
    });
    server.listener = listener;
    cleanups.push(async () => {
      await listener.close();
      for (const side of server.sides) void side.connection.close(new Error('test over'));
    });
    return server;
  };

  const dial = async (to: Address, maxFrameBytes = MAX_FRAME): Promise<Side> => {
    let side: Side | undefined;
    const connection = await (setup.dialler ?? setup.transport)().dial(to, {
      timeout: 5_000,
      maxFrameBytes,
      open: opened => {
        side = new Side(opened);
        return side;
      },
    });
    if (side === undefined) throw new Error('`open` was not called before the promise resolved');
    expect(side.connection).toBe(connection);
    cleanups.push(async () => connection.close(new Error('test over')));
    return side;
  };

  const pair = async (): Promise<[Side, Side]> => {
    const server = await listen();
    const client = await dial(server.address);
    await until(() => server.sides.length === 1, 'the listener accepted');
    return [client, server.sides[0] as Side];
  };

  describe(`${name} transport`, () => {
    test('listens on a free port when asked for port 0, and says which', async () => {
      const server = await listen();
      expect(server.address.port).toBeGreaterThan(0);
      expect(server.address.protocol).toBe(setup.transport().protocol);
    });

    test('carries frames both ways, each whole and in order', async () => {
      const [client, server] = await pair();
      const sizes = [1, 2, 3, 100, 1_000, 65_535, 65_536, 65_537, 1, 300_000, 7];
      sizes.forEach((size, index) => {
        client.connection.send(filled(size, index));
        server.connection.send(filled(size, index + 100));
      });
      await until(() => server.frames.length === sizes.length && client.frames.length === sizes.length, 'all frames');
      sizes.forEach((size, index) => {
        expect(same(server.frames[index], filled(size, index))).toBe(true);
        expect(same(client.frames[index], filled(size, index + 100))).toBe(true);
      });
    });

    test('carries ten thousand tiny frames in order', async () => {
      const [client, server] = await pair();
      for (let index = 0; index < 10_000; index++) client.connection.send(Uint8Array.of(index >> 8, index & 0xff));
      await until(() => server.frames.length === 10_000, '10,000 frames');
      expect(server.frames.every((frame, index) => (frame[0] as number) * 256 + (frame[1] as number) === index)).toBe(
        true,
      );
    });

    test('carries a frame of the largest size', async () => {
      const [client, server] = await pair();
      client.connection.send(filled(MAX_FRAME, 3));
      await until(() => server.frames.length === 1, 'the frame');
      expect(same(server.frames[0], filled(MAX_FRAME, 3))).toBe(true);
    });

    test('closes with a typed error when a frame is over the limit', async () => {
      const server = await listen({ maxFrameBytes: 1_000 });
      const client = await dial(server.address);
      client.connection.send(filled(1_000, 1));
      client.connection.send(filled(1_001, 2));
      await until(() => client.closes === 1 && server.sides[0]?.closes === 1, 'both closed');
      expect(server.sides[0]?.frames.length).toBe(1);
      expect(server.sides[0]?.reason).toMatchObject({ code: 'too-large' });
    });

    test('gives frames that stay as they are while later ones arrive', async () => {
      const [client, server] = await pair();
      for (let index = 0; index < 500; index++) client.connection.send(filled(1_000, index));
      await until(() => server.frames.length === 500, 'all frames');
      expect(server.frames.every((frame, index) => same(frame, filled(1_000, index)))).toBe(true);
    });

    test('says when to wait, and when to go on', async () => {
      const [client, server] = await pair();
      server.connection.pause();
      let sent = 0;
      // The system's buffers take some before the sender has to wait for good.
      for (let drains = -1; drains !== client.drains; await turns(50)) {
        drains = client.drains;
        while (client.connection.send(filled(64 * 1024, sent++))) if (sent > 10_000) throw new Error('never false');
      }
      const { drains } = client;
      server.connection.resume();
      await until(() => client.drains > drains, 'drain');
      expect(client.connection.send(filled(1, 0))).toBe(true);
      sent++;
      await until(() => server.frames.length === sent, 'everything arrived');
    });

    test('holds frames back while paused, and loses none', async () => {
      const [client, server] = await pair();
      client.connection.send(Uint8Array.of(1));
      await until(() => server.frames.length === 1, 'the first frame');
      server.connection.pause();
      for (let index = 2; index < 50; index++) client.connection.send(Uint8Array.of(index));
      await turns(20);
      expect(server.frames.length).toBe(1);
      server.connection.resume();
      await until(() => server.frames.length === 49, 'all frames');
      expect(server.frames.map(frame => frame[0])).toEqual(Array.from({ length: 49 }, (_, index) => index + 1));
    });

    test('stops at once when paused within a frame event', async () => {
      const [client, server] = await pair();
      server.onFrame = () => server.connection.pause();
      for (let index = 0; index < 3; index++) client.connection.send(Uint8Array.of(index));
      for (let expected = 1; expected <= 3; expected++) {
        await until(() => server.frames.length === expected, `frame ${expected}`);
        await turns(5);
        expect(server.frames.length).toBe(expected);
        server.connection.resume();
      }
    });

    test('an orderly close delivers what was sent, then closes both sides without a reason', async () => {
      const [client, server] = await pair();
      for (let index = 0; index < 200; index++) client.connection.send(filled(20_000, index));
      await client.connection.close();
      await until(() => server.closes === 1, 'the other side closed');
      expect(server.frames.length).toBe(200);
      expect([client.closes, client.reason, server.reason]).toEqual([1, undefined, undefined]);
    });

    test('an orderly close also delivers to a receiver that is paused meanwhile', async () => {
      const [client, server] = await pair();
      server.connection.pause();
      for (let index = 0; index < 100; index++) client.connection.send(filled(1_000, index));
      const closed = client.connection.close();
      await turns(50);
      expect([server.frames.length, server.closes]).toEqual([0, 0]);
      server.connection.resume();
      await Promise.all([closed, until(() => server.closes === 1, 'the other side closed')]);
      expect(server.frames.length).toBe(100);
      expect(server.frames.every((frame, index) => same(frame, filled(1_000, index)))).toBe(true);
      expect([client.reason, server.reason, server.eventsAfterClose]).toEqual([undefined, undefined, 0]);
    });

    test('a paused receiver can close, in order and at once', async () => {
      for (const reason of [undefined, new Error('enough')]) {
        const [client, server] = await pair();
        server.connection.pause();
        for (let index = 0; index < 10; index++) client.connection.send(filled(1_000, index));
        await turns(20);
        await server.connection.close(reason);
        await until(() => client.closes === 1, 'the other side closed');
        expect([server.frames.length, server.closes, server.reason]).toEqual([0, 1, reason]);
        expect(client.reason).toEqual(reason && expect.objectContaining({ code: 'noconnection' }));
      }
    });

    test('a sender can give up a receiver that stays paused', async () => {
      const [client, server] = await pair();
      server.connection.pause();
      while (client.connection.send(filled(64 * 1024, 0)));
      await client.connection.close(new Error('too slow'));
      server.connection.resume();
      await until(() => server.closes === 1, 'the other side closed');
      expect(server.reason).toMatchObject({ code: 'noconnection' });
    });

    test('a close with a reason is at once, and the other side sees an error', async () => {
      const [client, server] = await pair();
      const reason = new Error('enough');
      await client.connection.close(reason);
      await until(() => server.closes === 1, 'the other side closed');
      expect(client.reason).toBe(reason);
      expect(server.reason).toMatchObject({ code: 'noconnection' });
    });

    test('both sides may close at the same time', async () => {
      const [client, server] = await pair();
      await Promise.all([client.connection.close(), server.connection.close()]);
      expect([client.closes, server.closes]).toEqual([1, 1]);
    });

    test('close may be called again, also after the other side closed', async () => {
      const [client, server] = await pair();
      await Promise.all([client.connection.close(), client.connection.close()]);
      await client.connection.close(new Error('late'));
      await until(() => server.closes === 1, 'the other side closed');
      await server.connection.close();
      expect([client.closes, server.closes]).toEqual([1, 1]);
    });

    test('a close with a reason ends an orderly one that is under way', async () => {
      const [client, server] = await pair();
      server.connection.pause();
      while (client.connection.send(filled(64 * 1024, 0)));
      void client.connection.close();
      await turns(2);
      await client.connection.close(new Error('too slow'));
      server.connection.resume();
      await until(() => server.closes === 1, 'the other side closed');
      const other = await pair();
      void other[0].connection.close();
      await other[0].connection.close(new Error('at once'));
      await until(() => other[1].closes === 1, 'the other side closed');
      expect([client.closes, other[0].closes]).toEqual([1, 1]);
    });

    test('a close in the middle of sending loses no order and reports nothing afterwards', async () => {
      const [client, server] = await pair();
      server.onFrame = () => {
        if (server.frames.length === 10) void server.connection.close(new Error('enough'));
      };
      for (let index = 0; index < 100; index++) client.connection.send(filled(10_000, index));
      await until(() => client.closes === 1 && server.closes === 1, 'both closed');
      await turns(10);
      expect(server.frames.length).toBe(10);
      expect([client.eventsAfterClose, server.eventsAfterClose]).toEqual([0, 0]);
    });

    test('drops what is sent after a close', async () => {
      const [client, server] = await pair();
      void client.connection.close();
      expect(client.connection.send(Uint8Array.of(1))).toBe(false);
      await until(() => server.closes === 1, 'the other side closed');
      expect(server.connection.send(Uint8Array.of(1))).toBe(false);
      expect([client.frames.length, server.frames.length]).toEqual([0, 0]);
    });

    test('refuses a dial where nothing listens any more', async () => {
      const server = await listen();
      await server.listener?.close();
      await expectCode(dial(server.address), 'refused');
    });

    test('says that a port is taken, and what to do', async () => {
      const transport = setup.transport();
      const server = await listen({}, transport);
      const second = listen({ port: server.address.port }, transport);
      await expectCode(second, 'address-in-use');
      await second.catch((error: Error) => expect(error.message).toMatch(/another port/));
    });

    test('leaves connections alone when the listener closes', async () => {
      const server = await listen();
      const client = await dial(server.address);
      await server.listener?.close();
      client.connection.send(Uint8Array.of(5));
      await until(() => server.sides[0]?.frames.length === 1, 'a frame after the listener closed');
    });

    test('keeps connections apart', async () => {
      const server = await listen();
      const clients = await Promise.all(Array.from({ length: 20 }, () => dial(server.address)));
      clients.forEach((client, index) => {
        client.connection.send(Uint8Array.of(index));
      });
      await until(
        () => server.sides.length === 20 && server.sides.every(side => side.frames.length === 1),
        'a frame each',
      );
      expect(server.sides.map(side => side.frames[0]?.[0]).sort((a, b) => Number(a) - Number(b))).toEqual(
        Array.from({ length: 20 }, (_, index) => index),
      );
      await clients[0]?.connection.close();
      await until(() => server.sides.filter(side => side.closes === 1).length === 1, 'one closed');
      expect(clients.filter(client => client.closes > 0).length).toBe(1);
    });

    test('aborts a dial', async () => {
      const server = await listen();
      const controller = new AbortController();
      const options = { timeout: 5_000, maxFrameBytes: MAX_FRAME, open: (opened: Connection) => new Side(opened) };
      const dialling = setup.transport().dial(server.address, { ...options, signal: controller.signal });
      controller.abort();
      await expectCode(dialling, 'aborted');
      await expectCode(setup.transport().dial(server.address, { ...options, signal: controller.signal }), 'aborted');
    });

    if (setup.silent !== undefined) {
      const { silent } = setup;
      test('gives up a dial that nobody answers', async () => {
        const options = { timeout: 50, maxFrameBytes: MAX_FRAME, open: (opened: Connection) => new Side(opened) };
        await expectCode(setup.transport().dial(silent, options), 'timeout');
      });
    }
  });
}

/** One end of a connection: records its events. */
class Side implements ConnectionEvents {
  readonly connection: Connection;
  readonly frames: Uint8Array[] = [];
  onFrame: () => void = () => {};
  drains = 0;
  closes = 0;
  eventsAfterClose = 0;
  reason: Error | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  frame(bytes: Uint8Array): void {
    if (this.closes > 0) this.eventsAfterClose++;
    this.frames.push(bytes);
    this.onFrame();
  }

  drain(): void {
    if (this.closes > 0) this.eventsAfterClose++;
    this.drains++;
  }

  close(reason: Error | undefined): void {
    if (this.closes > 0) this.eventsAfterClose++;
    this.closes++;
    this.reason = reason;
  }
}

class Server {
  readonly sides: Side[] = [];
  listener: Listener | undefined;

  get address(): Address {
    if (this.listener === undefined) throw new Error('not listening');
    return this.listener.address;
  }

  accept(connection: Connection): ConnectionEvents {
    const side = new Side(connection);
    this.sides.push(side);
    return side;
  }
}

function filled(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let index = 0; index < size; index++) bytes[index] = (index * 31 + seed) & 0xff;
  return bytes;
}

function same(left: Uint8Array | undefined, right: Uint8Array): boolean {
  return left !== undefined && Buffer.compare(left, right) === 0;
}

async function expectCode(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FoundationError);
  expect((error as FoundationError).code).toBe(code);
}

function turn(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve);
  });
}

async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await turn();
}

/** Real transports need real time: polls until the condition holds, at most ten seconds. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const end = systemClock.now() + DEADLINE;
  while (!condition()) {
    if (systemClock.now() > end) throw new Error(`not within ${DEADLINE} ms: ${what}`);
    await turn();
  }
}
