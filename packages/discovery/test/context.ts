import {
  type Address,
  type Clock,
  formatAddress,
  type Log,
  seededRandom,
  systemClock,
  Telemetry,
} from '@foundation-ts/core';
import type { Advertised, DiscoveryContext, DiscoveryStrategy } from '../src/index.js';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface TestContext extends DiscoveryContext {
  readonly failures: Error[];
  readonly lines: LogLine[];
  abort(): void;
}

export function testContext(
  init: {
    readonly name?: string;
    readonly clusterId?: string;
    readonly secret?: Uint8Array | undefined;
    readonly clock?: Clock;
    readonly seed?: number;
  } = {},
): TestContext {
  const controller = new AbortController();
  const failures: Error[] = [];
  const lines: LogLine[] = [];
  const line =
    (level: string): Log['warn'] =>
    (fields, message) =>
      void lines.push({ level, message, fields });
  const name = init.name ?? 'a';
  return {
    self: { name, clusterId: init.clusterId ?? 'shop', address: undefined },
    secret: 'secret' in init ? init.secret : new Uint8Array(32).fill(7),
    clock: init.clock ?? systemClock,
    random: seededRandom(init.seed ?? nextSeed++),
    log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
    telemetry: new Telemetry(name),
    signal: controller.signal,
    failed: error => void failures.push(error),
    failures,
    lines,
    abort: () => controller.abort(),
  };
}

let nextSeed = 1;

export function advertisedNode(name: string, port: number, init: Partial<Advertised> = {}): Advertised {
  return { name, clusterId: 'shop', incarnation: 1, address: { protocol: 'tcp', host: '127.0.0.1', port }, ...init };
}

/** Reads a watch in the background and keeps every value, as texts. */
export class Watching {
  readonly values: string[][] = [];
  error: unknown;
  readonly ended: Promise<void>;

  constructor(strategy: DiscoveryStrategy, ctx: DiscoveryContext) {
    this.ended = this.#read(strategy.watch(ctx));
  }

  get last(): readonly string[] | undefined {
    return this.values.at(-1);
  }

  async #read(values: AsyncIterable<readonly Address[]>): Promise<void> {
    try {
      for await (const value of values) this.values.push(value.map(formatAddress));
    } catch (error) {
      this.error = error;
    }
  }
}

/** Waits, in real time, until `condition` holds. */
export async function until(condition: () => boolean, what: string, within = 8_000): Promise<void> {
  const deadline = performance.now() + within;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${within} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}
