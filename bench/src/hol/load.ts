import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Running, Values } from '../bench.js';
import { quantile } from '../stats.js';
import { pingBytes } from './lane.js';
import { type Dialled, openWire, type Receive } from './wire.js';

const pingInterval = 2;
const bulkBytes = 8 * 1024 * 1024;
/** Bulk messages of one stream on their way at a time. */
const inFlight = 4;
/** The bulk runs for that long before the pings count, milliseconds. */
const runUp = 200;
/** Longest wait for what is still on its way at the end, milliseconds. */
const drainTimeout = 20_000;

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** Pings on `control` at a fixed beat, whether or not the one before came back; keeps each round trip's milliseconds. */
class Pinger {
  readonly #sent: number[] = [];
  readonly #trips: number[] = [];

  pong(bytes: Uint8Array): void {
    const sent = this.#sent[viewOf(bytes).getUint32(0, true)];
    if (sent !== undefined) this.#trips.push(performance.now() - sent);
  }

  /** Pings for that many milliseconds; the round trips of all of them. */
  async run(wire: Dialled, duration: number): Promise<readonly number[]> {
    const first = this.#sent.length;
    const tripsBefore = this.#trips.length;
    const timer = setInterval(() => {
      const bytes = new Uint8Array(pingBytes);
      viewOf(bytes).setUint32(0, this.#sent.length, true);
      this.#sent.push(performance.now());
      wire.send('control', bytes);
    }, pingInterval);
    await pause(duration);
    clearInterval(timer);
    await until(() => this.#trips.length - tripsBefore === this.#sent.length - first, 'pings that did not come back');
    return this.#trips.slice(tripsBefore);
  }
}

/** Streams of bulk messages on `data`, each with a bounded number on its way. */
class Streams {
  acknowledged = 0;
  readonly #payloads: readonly Uint8Array[];
  #onTheWay = 0;
  #running = false;

  constructor(count: number) {
    this.#payloads = Array.from({ length: count }, (_, stream) => {
      const payload = new Uint8Array(bulkBytes).fill(stream + 1);
      viewOf(payload).setUint32(0, stream, true);
      return payload;
    });
  }

  start(wire: Dialled): void {
    this.#running = true;
    for (const payload of this.#payloads) {
      for (let sent = 0; sent < inFlight; sent++) this.#send(wire, payload);
    }
  }

  acknowledge(wire: Dialled, bytes: Uint8Array): void {
    this.acknowledged += 1;
    this.#onTheWay -= 1;
    const payload = this.#payloads[viewOf(bytes).getUint32(0, true)];
    if (this.#running && payload !== undefined) this.#send(wire, payload);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await until(() => this.#onTheWay === 0, 'bulk messages that were not acknowledged');
  }

  #send(wire: Dialled, payload: Uint8Array): void {
    this.#onTheWay += 1;
    wire.send('data', payload);
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

async function until(done: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + drainTimeout;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`After ${drainTimeout} ms there still are ${what}.`);
    await pause(5);
  }
}

export interface Scenario {
  readonly metric: string;
  readonly wire: string;
  /** Bulk streams at a time. */
  readonly streams: number;
  /** What the link between the processes carries each way; none: what the machine does. */
  readonly bytesPerSecond?: number;
}

/** Starts a process of this folder. @returns it, and the port that it tells */
async function start(program: string, args: readonly string[]): Promise<readonly [ChildProcess, number]> {
  const child = fork(join(import.meta.dirname, program), args);
  const [port] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`${program} ${args.join(' ')} ended with exit code ${code}.`);
    }),
  ])) as [number];
  return [child, port];
}

/** Sets a wire up between this process and another one; a round takes as many milliseconds as its size. */
export async function startLoad(scenario: Scenario): Promise<Running> {
  const { metric, bytesPerSecond } = scenario;
  const [server, serverPort] = await start('server.js', [scenario.wire]);
  const [link, port] =
    bytesPerSecond === undefined
      ? [undefined, serverPort]
      : await start('link.js', [String(serverPort), String(bytesPerSecond)]);
  const pinger = new Pinger();
  const streams = new Streams(scenario.streams);
  const receive: Receive = (lane, bytes) => {
    if (lane === 'control') pinger.pong(bytes);
    else streams.acknowledge(wire, bytes);
  };
  const wire = await (await openWire(scenario.wire)).dial(port, receive);

  const round = async (duration: number): Promise<Values> => {
    const idle = await pinger.run(wire, duration / 4);
    streams.start(wire);
    await pause(runUp);
    const before = streams.acknowledged;
    const start = performance.now();
    const pings = pinger.run(wire, duration);
    await pause(duration);
    const bytes = (streams.acknowledged - before) * bulkBytes;
    const seconds = (performance.now() - start) / 1_000;
    const trips = await pings;
    await streams.stop();
    return {
      [metric]: quantile(trips, 0.99),
      [`${metric}.median`]: quantile(trips, 0.5),
      [`${metric}.idle`]: quantile(idle, 0.99),
      [`${metric}.bulk`]: bytes / seconds / 1e9,
    };
  };
  return {
    round,
    close: async () => {
      await wire.close();
      server.kill();
      link?.kill();
    },
  };
}
