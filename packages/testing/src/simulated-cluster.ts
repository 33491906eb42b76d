import { ClusterNode, type ClusterNodeInit } from '@foundation-ts/cluster';
import { type Address, type AnyDefinition, type Log, type Random, seededRandom, silentLog } from '@foundation-ts/core';
import { staticList } from '@foundation-ts/discovery/static';
import { type LinkFaults, MemoryNetwork, memory } from '@foundation-ts/transport/memory';
import { HostClock } from './host-clock.js';
import { SimulatedClock } from './simulated-clock.js';

const PORT = 4370;

/** How a {@link SimulatedCluster} is made. */
export interface SimulatedClusterInit<S> {
  /** Same seed, same run. */
  readonly seed: number;
  /** The hosts that can run a node each. */
  readonly hosts: readonly string[];
  readonly definitions?: readonly AnyDefinition[];
  /** What is hung onto each node when it starts: registry, supervisors. */
  readonly services: (node: ClusterNode, host: SimulatedHost<S>) => Promise<S>;
  /** Of all links; default 1 ms ± 1 ms delay. */
  readonly faults?: LinkFaults;
  readonly log?: Log;
  /** More options of each node. */
  readonly node?: Partial<Pick<ClusterNodeInit, 'channels' | 'secret' | 'roles' | 'strictMessages' | 'joinTimeout'>>;
}

/** A machine of the simulation, with the node that runs on it now. */
export interface SimulatedHost<S> {
  readonly name: string;
  readonly clock: HostClock;
  readonly random: Random;
  readonly node: ClusterNode;
  readonly services: S;
}

/**
 * A whole cluster in one operating-system process, in simulated time, over a simulated network: seeded, so that a run that fails
 * can be repeated exactly.
 */
export class SimulatedCluster<S> {
  readonly seed: number;
  readonly clock: SimulatedClock = new SimulatedClock();
  readonly random: Random;
  readonly network: MemoryNetwork;
  readonly hosts: readonly string[];
  readonly #init: SimulatedClusterInit<S>;
  readonly #running = new Map<string, SimulatedHost<S>>();
  #starts = 0;

  constructor(init: SimulatedClusterInit<S>) {
    this.seed = init.seed;
    this.#init = init;
    this.hosts = init.hosts;
    this.random = seededRandom(init.seed);
    this.network = new MemoryNetwork({
      clock: this.clock,
      random: seededRandom(init.seed + 1),
      faults: init.faults ?? { delay: 1, jitter: 1 },
    });
  }

  /** The hosts on which a node runs, in the order of their start. */
  get running(): readonly SimulatedHost<S>[] {
    return [...this.#running.values()];
  }

  /** @throws Error when no node runs there */
  host(name: string): SimulatedHost<S> {
    const host = this.#running.get(name);
    if (host === undefined) throw new Error(`no node runs on ${name}`);
    return host;
  }

  /** Starts a node on each of these hosts (default: all), and lets them find each other. */
  async start(names: readonly string[] = this.hosts): Promise<void> {
    await this.finish(Promise.all(names.map(name => this.#startOne(name))), 'the nodes to start');
  }

  async #startOne(name: string): Promise<void> {
    if (this.#running.has(name)) throw new Error(`a node runs on ${name} already`);
    const { node: options, definitions, log } = this.#init;
    const clock = new HostClock(this.clock);
    const random = seededRandom(this.seed * 1_000 + this.#starts++);
    const seeds: Address[] = this.hosts.map(host => ({ protocol: 'memory', host, port: PORT }));
    const node = await ClusterNode.start({
      name,
      clusterId: 'simulation',
      transport: memory({ network: this.network, host: name }),
      host: name,
      port: PORT,
      discovery: [staticList(seeds)],
      definitions: definitions ?? [],
      clock,
      random,
      log: log ?? silentLog,
      incarnation: clock.wallTime() + this.#starts,
      ...options,
    });
    const host = { name, clock, random, node, services: undefined as unknown as S };
    host.services = await this.#init.services(node, host);
    this.#running.set(name, host);
  }

  /** The node is gone from one moment to the next, as by SIGKILL: its connections break, its address refuses. */
  crash(name: string, options: { readonly silent?: boolean } = {}): void {
    this.host(name).clock.freeze();
    this.#running.delete(name);
    this.network.crash(name, options);
  }

  /** The node leaves in order. */
  async leave(name: string): Promise<void> {
    const { node } = this.host(name);
    await this.finish(node.stop(), `${name} to leave`);
    this.#running.delete(name);
  }

  /** Cuts the network into sides that can't reach each other; hosts not named stay with the first. */
  partition(...sides: readonly (readonly string[])[]): void {
    const named = new Set(sides.flat());
    const rest = this.hosts.filter(host => !named.has(host));
    const [first = [], ...others] = sides;
    const all = [[...first, ...rest], ...others];
    for (const [index, left] of all.entries()) {
      for (const right of all.slice(index + 1)) this.network.partition(left, right);
    }
  }

  heal(): void {
    this.network.heal();
  }

  /** Lets simulated time pass. */
  run(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }

  /** Lets time pass until `condition` holds. @throws Error when it doesn't within `within` simulated ms (default 60,000) */
  until(condition: () => boolean, what: string, within = 60_000): Promise<void> {
    return this.clock.advanceUntil(condition, { within, what: `${what} (seed ${this.seed})` });
  }

  /** Lets time pass until a promise settles, and gives its result. */
  async finish<T>(promise: Promise<T>, what = 'a promise', within = 60_000): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await this.until(() => settled, what, within);
    return promise;
  }

  /** Until every running node sees every other. */
  formed(within = 60_000): Promise<void> {
    const size = this.#running.size;
    return this.until(
      () => this.running.every(host => host.node.visible().length === size),
      'all to see each other',
      within,
    );
  }

  /** Stops everything, as a crash would, without waiting. */
  dispose(): void {
    for (const name of [...this.#running.keys()]) this.crash(name);
  }
}
