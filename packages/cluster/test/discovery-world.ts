import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { ClusterNode, type ClusterNodeInit } from '@foundation-ts/cluster';
import { type Address, type Log, seededRandom, silentLog, type TelemetryEvent } from '@foundation-ts/core';
import { type Advertised, type DiscoveryContext, type DiscoveryStrategy, Latest } from '@foundation-ts/discovery';
import { SimulatedClock } from '@foundation-ts/testing';
import { MemoryNetwork, memory } from '@foundation-ts/transport/memory';

export const PORT = 4370;
export const at = (host: string): Address => ({ protocol: 'memory', host, port: PORT });

/** A strategy that names what it is told to name. */
export class Told implements DiscoveryStrategy {
  readonly name: string;
  /** When its watch was started, each time. */
  readonly starts: number[] = [];
  readonly advertised: Advertised[] = [];
  failAdvertise = false;
  #latest: Latest<readonly Address[]> | undefined;
  #over: AbortController | undefined;
  #ctx: DiscoveryContext | undefined;
  #set: readonly Address[];

  constructor(set: readonly Address[] = [], name = 'told') {
    this.#set = set;
    this.name = name;
  }

  async *watch(ctx: DiscoveryContext): AsyncGenerator<readonly Address[]> {
    this.starts.push(ctx.clock.now());
    this.#over = new AbortController();
    this.#ctx = ctx;
    this.#latest = new Latest<readonly Address[]>(AbortSignal.any([ctx.signal, this.#over.signal]));
    if (this.starts.length === 1) this.#latest.push(this.#set);
    yield* this.#latest;
  }

  async advertise(self: Advertised): Promise<AsyncDisposable> {
    if (this.failAdvertise) throw new Error('no way to be found');
    this.advertised.push(self);
    return {
      [Symbol.asyncDispose]: async () => {
        this.advertised.splice(this.advertised.indexOf(self), 1);
      },
    };
  }

  tell(set: readonly Address[]): void {
    this.#set = set;
    this.#latest?.push(set);
  }

  fail(): void {
    this.#latest?.fail(new Error('the source broke'));
  }

  miss(): void {
    this.#ctx?.failed(new Error('no answer'));
  }

  /** Ends the watch without an error. */
  end(): void {
    this.#over?.abort();
  }
}

/** Nodes on a network of memory, in simulated time. */
export class DiscoveryWorld {
  readonly clock: SimulatedClock = new SimulatedClock();
  readonly network: MemoryNetwork;
  readonly nodes: ClusterNode[] = [];
  readonly warnings: string[] = [];
  readonly #seed: number;
  readonly #stopTelemetry: (() => void)[] = [];

  constructor(seed = 1) {
    this.#seed = seed;
    this.network = new MemoryNetwork({
      clock: this.clock,
      random: seededRandom(seed),
      faults: { delay: 1, jitter: 1 },
    });
  }

  async start(name: string, init: Partial<ClusterNodeInit> = {}): Promise<ClusterNode> {
    return this.finish(this.starting(name, init));
  }

  async starting(name: string, init: Partial<ClusterNodeInit> = {}): Promise<ClusterNode> {
    const say = (_fields: unknown, message: string): void => {
      this.warnings.push(message);
    };
    const log: Log = { ...silentLog, warn: say, error: say };
    const node = await ClusterNode.start({
      name,
      clusterId: 'world',
      transport: memory({ network: this.network, host: name }),
      host: name,
      port: PORT,
      clock: this.clock,
      random: seededRandom(this.#seed * 1_000 + this.nodes.length),
      log,
      ...init,
    });
    this.nodes.push(node);
    return node;
  }

  /** What telemetry says of these events from now on, as texts. */
  telemetry(...events: readonly string[]): string[] {
    const said: string[] = [];
    for (const event of events) {
      const channel = `foundation:${event}`;
      const listener = (given: unknown): void => {
        const { node, metadata } = given as TelemetryEvent;
        const { error: _, ...rest } = metadata;
        said.push(`${node}: ${event} ${Object.values(rest).join(' ')}`);
      };
      subscribe(channel, listener);
      this.#stopTelemetry.push(() => unsubscribe(channel, listener));
    }
    return said;
  }

  async finish<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await this.until(() => settled, 'a promise');
    return promise;
  }

  until(condition: () => boolean, what: string, within = 60_000): Promise<void> {
    return this.clock.advanceUntil(condition, { within, what: `${what} (seed ${this.#seed})` });
  }

  run(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }

  /** Until these see each other, and nobody else. */
  formed(...nodes: readonly ClusterNode[]): Promise<void> {
    const names = nodes.map(node => node.name).sort();
    return this.until(
      () =>
        nodes.every(
          node =>
            node
              .visible()
              .map(member => member.name)
              .join() === names.join(),
        ),
      `${names.join()} to see each other`,
    );
  }

  async dispose(): Promise<void> {
    for (const stop of this.#stopTelemetry) stop();
    const stopping = Promise.all(this.nodes.map(node => node.stop()));
    await this.finish(stopping);
  }
}
