import { createHash } from 'node:crypto';
import type { ClusterNode } from '@foundation-ts/cluster';
import { actor, child, isFoundationError, type Log, type Random, seededRandom } from '@foundation-ts/core';
import { createDistributedSupervisor, type DistributedSupervisor, Registry } from '@foundation-ts/distributed';
import { SimulatedCluster, type SimulatedHost } from './simulated-cluster.js';

/** A child of the distributed supervisor; hands its history over. */
const Worker = actor({
  name: 'worker',
  init: (id: string) => ({ id, moves: 0 }),
  calls: { id: state => state.id },
  handOff: state => state,
  resume: handed => ({ id: handed.id, moves: handed.moves + 1 }),
});

/** Holds a cluster-wide name; several race for each. */
const Owner = actor({ name: 'owner', init: (name: string) => ({ name }) });

interface Services {
  readonly registry: Registry;
  readonly workers: DistributedSupervisor;
}

/** What a run did and found. */
export interface ClusterRunResult {
  readonly seed: number;
  /** What is wrong after healing; empty: all promises held. */
  readonly problems: readonly string[];
  /** Each step and membership event with its simulated time. */
  readonly trace: readonly string[];
  /** Equal for equal traces. */
  readonly fingerprint: string;
  readonly simulatedMs: number;
}

/** Options of {@link runCluster}. */
export interface ClusterRunOptions {
  /** Default 5. */
  readonly nodes?: number;
  /** Faults and other steps; default 12. */
  readonly steps?: number;
  readonly log?: Log;
}

const CHILDREN = 20;
const NAMES = 8;

/**
 * Runs a cluster through random crashes, restarts, leaves and clean partitions, heals it, and checks what must hold then: the
 * registries are equal, each name has one owner, each acknowledged child runs exactly once. Same seed, same run.
 */
export async function runCluster(seed: number, options: ClusterRunOptions = {}): Promise<ClusterRunResult> {
  const run = new ClusterRun(seed, options);
  return run.result();
}

class ClusterRun {
  readonly #seed: number;
  readonly #random: Random;
  readonly #steps: number;
  readonly #cluster: SimulatedCluster<Services>;
  readonly #trace: string[] = [];
  /** Acknowledged children, with the nodes that hold the fact; without a holder left it may be lost. */
  readonly #children = new Map<string, Set<string>>();
  /** Asked for, but not acknowledged: may run once, or not. */
  readonly #unsure = new Set<string>();
  readonly #problems: string[] = [];
  #partitioned = false;
  #sides: readonly (readonly string[])[] = [];
  #nextChild = 0;

  constructor(seed: number, options: ClusterRunOptions) {
    this.#seed = seed;
    this.#random = seededRandom(seed ^ 0x5eed);
    this.#steps = options.steps ?? 12;
    const hosts = Array.from({ length: options.nodes ?? 5 }, (_, index) => `n${index + 1}`);
    this.#sides = [hosts];
    this.#cluster = new SimulatedCluster<Services>({
      seed,
      hosts,
      definitions: [Worker, Owner],
      ...(options.log === undefined ? {} : { log: options.log }),
      services: node => this.#services(node),
    });
  }

  async #services(node: ClusterNode): Promise<Services> {
    node.onMembership(event => this.#note(`${node.name} sees ${event.member.name} ${event.type}`));
    const registry = await Registry.start(node);
    const workers = await createDistributedSupervisor(node, registry, 'workers', {});
    return { registry, workers };
  }

  async result(): Promise<ClusterRunResult> {
    try {
      await this.#cluster.start();
      await this.#cluster.formed();
      await this.#cluster.run(1_000);
      for (let index = 0; index < CHILDREN; index++) this.#startChild();
      await this.#cluster.run(2_000);
      for (let index = 0; index < NAMES; index++) this.#claimName();
      for (let step = 0; step < this.#steps; step++) await this.#step();
      await this.#recover();
    } catch (error) {
      this.#problems.push((error as Error).message);
    }
    this.#cluster.dispose();
    const fingerprint = createHash('sha256').update(this.#trace.join('\n')).digest('hex').slice(0, 16);
    return {
      seed: this.#seed,
      problems: this.#problems,
      trace: this.#trace,
      fingerprint,
      simulatedMs: this.#cluster.clock.now(),
    };
  }

  async #step(): Promise<void> {
    const running = this.#cluster.running;
    const stopped = this.#cluster.hosts.filter(name => !running.some(host => host.name === name));
    const dice = this.#random.next();
    if (dice < 0.25 && running.length > 2) await this.#crash(this.#pick(running));
    else if (dice < 0.45 && stopped.length > 0) await this.#restart(this.#pick(stopped));
    else if (dice < 0.6 && !this.#partitioned) this.#partition();
    else if (dice < 0.75 && this.#partitioned) this.#heal();
    else if (dice < 0.82 && running.length > 3 && !this.#partitioned) await this.#leave(this.#pick(running));
    else if (dice < 0.92) this.#startChild();
    else this.#claimName();
    await this.#cluster.run(50 + this.#random.next() ** 3 * 15_000);
  }

  async #crash(host: SimulatedHost<Services>): Promise<void> {
    this.#note(`crash ${host.name}`);
    this.#cluster.crash(host.name);
    this.#forgetHolder(host.name);
  }

  async #restart(name: string): Promise<void> {
    this.#note(`restart ${name}`);
    await this.#cluster.start([name]);
  }

  async #leave(host: SimulatedHost<Services>): Promise<void> {
    this.#note(`leave ${host.name}`);
    await this.#cluster.leave(host.name);
    this.#forgetHolder(host.name);
  }

  #partition(): void {
    const shuffled = [...this.#cluster.hosts].sort(() => this.#random.next() - 0.5);
    const cut = 1 + Math.floor(this.#random.next() * (shuffled.length - 1));
    this.#sides = [shuffled.slice(0, cut), shuffled.slice(cut)];
    this.#partitioned = true;
    this.#note(`partition ${this.#sides.map(side => side.join(',')).join(' | ')}`);
    this.#cluster.partition(...this.#sides);
  }

  #heal(): void {
    this.#note('heal');
    this.#partitioned = false;
    this.#sides = [this.#cluster.hosts];
    this.#cluster.heal();
  }

  #startChild(): void {
    const host = this.#pick(this.#cluster.running);
    const id = `child-${this.#nextChild++}`;
    this.#note(`start ${id} from ${host.name}`);
    this.#unsure.add(id);
    host.services.workers.startChild(child(Worker(id), { id })).then(
      ref => {
        this.#note(`${id} runs on ${ref.pid.node}`);
        const side = this.#sides.find(hosts => hosts.includes(host.name)) ?? [];
        const holders = side.filter(name => this.#cluster.running.some(other => other.name === name));
        this.#unsure.delete(id);
        this.#children.set(id, new Set(holders));
      },
      error =>
        this.#note(`${id} not acknowledged: ${isFoundationError(error) ? error.code : (error as Error).message}`),
    );
  }

  #claimName(): void {
    const name = `name-${Math.floor(this.#random.next() * NAMES)}`;
    const host = this.#pick(this.#cluster.running);
    this.#note(`${host.name} claims ${name}`);
    void (async () => {
      const ref = await host.node.spawn(Owner(name));
      try {
        await host.services.registry.register(name, ref);
        this.#note(`${host.name} holds ${name}`);
      } catch (error) {
        this.#note(
          `${host.name} does not hold ${name}: ${isFoundationError(error) ? error.code : (error as Error).message}`,
        );
        host.node.system.exit(ref.pid, 'shutdown');
      }
    })();
  }

  async #recover(): Promise<void> {
    if (this.#partitioned) this.#heal();
    for (const name of this.#cluster.hosts) {
      if (!this.#cluster.running.some(host => host.name === name)) await this.#restart(name);
    }
    await this.#cluster.formed(120_000);
    this.#note('healed');
    try {
      await this.#cluster.until(() => this.#faults().length === 0, 'quiet', 60_000);
      // What is right must stay right.
      await this.#cluster.run(20_000);
    } catch {
      this.#note('did not settle');
    }
    this.#problems.push(...this.#faults());
  }

  /** Everything that should hold in a healed cluster and doesn't. */
  #faults(): string[] {
    const faults: string[] = [];
    const running = this.#cluster.running;
    const views = running.map(host => registryView(host.services.registry));
    for (const [index, view] of views.entries()) {
      if (view !== views[0])
        faults.push(`the registries of ${running[0]?.name} and ${running[index]?.name} differ: ${views[0]} / ${view}`);
    }
    for (const [id, where] of this.#processesOf('worker')) {
      if (where.length > 1) faults.push(`${id} runs ${where.length} times: ${where.join(', ')}`);
      if (!this.#children.has(id) && !this.#unsure.has(id)) faults.push(`${id} runs but was never asked for`);
    }
    for (const [id, holders] of this.#children) {
      const where = this.#processesOf('worker').get(id) ?? [];
      if (where.length === 0 && holders.size > 0) faults.push(`${id} was acknowledged and runs nowhere`);
      const owner = running[0]?.services.registry.whereis(Worker, id)?.pid.node;
      if (where.length === 1 && owner !== where[0])
        faults.push(`${id} runs on ${where[0]}, its name points to ${owner}`);
    }
    for (const [name, where] of this.#processesOf('owner')) {
      if (where.length > 1) faults.push(`${name} has ${where.length} owners: ${where.join(', ')}`);
    }
    return faults;
  }

  /** Where the live actors of a definition run, by the argument that they were started with. */
  #processesOf(definition: string): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const host of this.#cluster.running) {
      for (const process of host.node.system.processes()) {
        if (process.program.name !== definition || !process.alive) continue;
        const key = String(process.start.argument);
        found.set(key, [...(found.get(key) ?? []), host.name]);
      }
    }
    return found;
  }

  #forgetHolder(name: string): void {
    for (const holders of this.#children.values()) holders.delete(name);
    if (this.#partitioned) return;
    // Without a partition every running node holds everything.
    for (const holders of this.#children.values()) {
      if (holders.size > 0) for (const host of this.#cluster.running) holders.add(host.name);
    }
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.next() * from.length)] as T;
  }

  #note(line: string): void {
    this.#trace.push(`${this.#cluster.clock.now().toFixed(3).padStart(11)} ${line}`);
  }
}

function registryView(registry: Registry): string {
  return registry
    .select(() => true)
    .map(entry => `${entry.name}=${entry.pid.key}`)
    .sort()
    .join(' ');
}
