import { type FoundationError, seededRandom } from '@foundation-ts/core';
import { SimulatedClock } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import type { Connection } from '../src/index.js';
import { type LinkFaults, MemoryNetwork, memory } from '../src/memory/index.js';

class End {
  readonly got: [number, number][] = [];
  readonly closes: (Error | undefined)[] = [];
  readonly connection: Connection;
  readonly #clock: SimulatedClock;

  constructor(connection: Connection, clock: SimulatedClock) {
    this.connection = connection;
    this.#clock = clock;
  }

  frame(bytes: Uint8Array): void {
    this.got.push([bytes[0] as number, this.#clock.now()]);
  }

  drain(): void {}

  close(reason: Error | undefined): void {
    this.closes.push(reason);
  }

  get numbers(): number[] {
    return this.got.map(([number]) => number);
  }
}

async function connected(faults: LinkFaults = {}, seed = 1) {
  const clock = new SimulatedClock();
  const network = new MemoryNetwork({ clock, random: seededRandom(seed), faults });
  const servers: End[] = [];
  const listener = await memory({ network, host: 'b' }).listen({
    host: 'b',
    port: 7,
    maxFrameBytes: 1_000,
    accept: connection => {
      const end = new End(connection, clock);
      servers.push(end);
      return end;
    },
  });
  const dial = async (timeout = 1_000): Promise<End> => {
    let end: End | undefined;
    let error: unknown;
    memory({ network, host: 'a' })
      .dial(listener.address, {
        timeout,
        maxFrameBytes: 1_000,
        open: connection => {
          end = new End(connection, clock);
          return end;
        },
      })
      .catch((reason: unknown) => {
        error = reason;
      });
    await clock.advanceUntil(() => end !== undefined || error !== undefined, { within: 100_000 });
    if (error !== undefined) throw error;
    return end as End;
  };
  const client = await dial();
  return { clock, network, client, server: servers[0] as End, servers, dial };
}

const send = (end: End, ...numbers: number[]): void => {
  for (const number of numbers) end.connection.send(Uint8Array.of(number));
};

describe('a memory network', () => {
  test('delivers within the same instant without faults', async () => {
    const { clock, client, server } = await connected();
    send(client, 1, 2, 3);
    const now = clock.now();
    await clock.advance(0);
    expect(server.got).toEqual([
      [1, now],
      [2, now],
      [3, now],
    ]);
  });

  test('delays, jitters and loses without changing the order', async () => {
    const { clock, client, server } = await connected({ delay: 10, jitter: 50, loss: 0.3, retransmit: 100 });
    const start = clock.now();
    for (let number = 0; number < 100; number++) {
      send(client, number);
      await clock.advance(1);
    }
    await clock.advance(10_000);
    expect(server.numbers).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(server.got.every(([number, at]) => at - start >= number + 10)).toBe(true);
    expect(server.got.some(([number, at]) => at - start > number + 60)).toBe(true);
  });

  test('gives the same run for the same seed, and another for another', async () => {
    const run = async (seed: number): Promise<string> => {
      const { clock, client, server } = await connected(
        { delay: 1, jitter: 9, loss: 0.2, cutProbability: 0.005 },
        seed,
      );
      for (let number = 0; number < 100; number++) send(client, number);
      await clock.advance(60_000);
      return JSON.stringify([server.got, server.closes.length]);
    };
    expect(await run(5)).toBe(await run(5));
    expect(await run(5)).not.toBe(await run(6));
  });

  test('limits the bandwidth of a connection', async () => {
    const { clock, client, server } = await connected({ bandwidth: 1_000 });
    const start = clock.now();
    for (let number = 0; number < 5; number++) client.connection.send(new Uint8Array(100).fill(number));
    await clock.advance(1_000);
    expect(server.got.map(([, at]) => at - start)).toEqual([100, 200, 300, 400, 500]);
  });

  test('cuts connections by chance, on both sides', async () => {
    const { clock, client, server } = await connected({ cutProbability: 1, delay: 5 });
    send(client, 1);
    await clock.advance(100);
    expect([client.closes, server.closes].map(closes => (closes[0] as FoundationError).code)).toEqual([
      'noconnection',
      'noconnection',
    ]);
    expect(server.numbers).toEqual([]);
  });

  test('resets the connections between two hosts', async () => {
    const { clock, network, client, server } = await connected();
    network.reset('a', 'b');
    await clock.advance(10);
    expect([client.closes.length, server.closes.length]).toEqual([1, 1]);
  });

  test('duplicates and reorders frames when asked to break its promise', async () => {
    const twice = await connected();
    twice.network.setFaults('a', 'b', { duplicate: 1 });
    send(twice.client, 1, 2);
    await twice.clock.advance(1);
    expect(twice.server.numbers).toEqual([1, 1, 2, 2]);
    const crossed = await connected();
    crossed.network.setFaults('a', 'b', { reorder: 1, delay: 1 });
    send(crossed.client, 1, 2, 3);
    await crossed.clock.advance(10);
    expect(crossed.server.numbers).toEqual([2, 3, 1]);
  });
});

describe('a partition', () => {
  test('holds frames and delivers them after the heal', async () => {
    const { clock, network, client, server } = await connected({ delay: 5 });
    send(client, 1);
    network.partition('a', 'b');
    send(client, 2);
    send(server, 9);
    await clock.advance(60_000);
    expect([server.numbers, client.numbers]).toEqual([[], []]);
    network.heal();
    await clock.advance(100);
    expect([server.numbers, client.numbers]).toEqual([[1, 2], [9]]);
  });

  test('may be one way', async () => {
    const { clock, network, client, server } = await connected();
    network.partition('a', 'b', { oneWay: true });
    send(client, 1);
    send(server, 2);
    await clock.advance(100);
    expect([server.numbers, client.numbers]).toEqual([[], [2]]);
  });

  test('heals between those named only', async () => {
    const { clock, network, client, server } = await connected();
    network.partition(['a', 'x'], ['b', 'y']);
    send(client, 1);
    network.heal('x', 'y');
    await clock.advance(10);
    expect(server.numbers).toEqual([]);
    network.heal(['a'], ['b', 'y']);
    await clock.advance(10);
    expect(server.numbers).toEqual([1]);
  });

  test('lets dials time out, in either direction of the loss', async () => {
    const { network, dial } = await connected();
    network.partition('a', 'b', { oneWay: true });
    await expect(dial()).rejects.toMatchObject({ code: 'timeout' });
    network.heal();
    network.partition('b', 'a', { oneWay: true });
    await expect(dial()).rejects.toMatchObject({ code: 'timeout' });
  });

  test('lets a dial through that is still waiting when it heals', async () => {
    const { clock, network, dial } = await connected();
    network.partition('a', 'b');
    const dialling = dial(10_000);
    clock.setTimeout(() => network.heal(), 3_000);
    await expect(dialling).resolves.toBeInstanceOf(End);
  });

  test('tells a peer of a close when it heals, also of connections that are gone', async () => {
    const { clock, network, client, server } = await connected();
    network.partition('a', 'b');
    void client.connection.close(new Error('gone'));
    await clock.advance(5_000);
    expect(server.closes).toEqual([]);
    network.heal();
    await clock.advance(10);
    expect(server.closes.length).toBe(1);
  });
});

describe('a crash', () => {
  test('closes connections at the peers, and refuses later dials', async () => {
    const { clock, network, client, server, dial } = await connected({ delay: 2 });
    send(server, 1);
    network.crash('b');
    await clock.advance(10);
    expect(client.numbers).toEqual([1]);
    expect((client.closes[0] as FoundationError).code).toBe('noconnection');
    expect(server.closes).toEqual([]);
    expect(server.connection.send(Uint8Array.of(1))).toBe(false);
    await expect(dial()).rejects.toMatchObject({ code: 'refused' });
  });

  test('without a sign leaves peers in the dark, until the host is back', async () => {
    const { clock, network, client, dial } = await connected();
    network.crash('b', { silent: true });
    send(client, 1);
    await clock.advance(60_000);
    expect(client.closes).toEqual([]);
    await expect(dial()).rejects.toMatchObject({ code: 'timeout' });
    memory({ network, host: 'b' });
    send(client, 2);
    await clock.advance(10);
    expect(client.closes.length).toBe(1);
    await expect(dial()).rejects.toMatchObject({ code: 'refused' });
  });

  test('leaves the transports of that life without use', async () => {
    const { network } = await connected();
    const old = memory({ network, host: 'c' });
    network.crash('c');
    const options = { host: 'c', port: 1, maxFrameBytes: 10, accept: () => ({ frame() {}, drain() {}, close() {} }) };
    await expect(old.listen(options)).rejects.toMatchObject({ code: 'noconnection' });
    await expect(memory({ network, host: 'c' }).listen(options)).resolves.toBeDefined();
  });
});

describe('options', () => {
  test.each([{ delay: -1 }, { loss: 2 }, { loss: 1 }, { duplicate: Number.NaN }, { losss: 0.1 }] as LinkFaults[])(
    'that are wrong are refused: %o',
    faults => {
      expect(() => new MemoryNetwork({ clock: new SimulatedClock(), faults })).toThrow(/allowed/);
    },
  );
});
