import { createHash } from 'node:crypto';
import type { ClusterNode } from '@foundation-ts/cluster';
import { actor, child, isFoundationError, type Log, type Random, seededRandom } from '@foundation-ts/core';
import { createDistributedSupervisor, type DistributedSupervisor, Registry } from '@foundation-ts/distributed';
import { SimulatedCluster, type SimulatedHost } from './simulated-cluster.js';

/** A child of the distributed supervisor; hands its history over. */
const Worker = actor({
  name: 'worker',
  init: (id: string) => ({ id, moves: 0, seen: [] as number[] }),
  calls: {
    id: state => state.id,
    see: (state, number: number) => {
      state.seen.push(number);
      return state.seen.length;
    },
  },
  handOff: state => state,
  resume: handed => ({ id: handed.id, moves: handed.moves + 1, seen: [...handed.seen] }),
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
  /**
   * Harsher: slow links that lose frames, crashes without a sign, one-way cuts, single links that break or flap, wall clocks set an hour off,
   * steps within milliseconds of each other, and traffic to the children all the while. Default false.
   */
  readonly chaos?: boolean;
  readonly log?: Log;
}

const CHAOS_FAULTS = { delay: 5, jitter: 40, loss: 0.03, retransmit: 200 };
const CALM = { delay: 1, jitter: 1 };
const HOUR = 3_600_000;
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
  readonly #chaos: boolean;
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
  #nextNumber = 0;

  constructor(seed: number, options: ClusterRunOptions) {
    this.#seed = seed;
    this.#random = seededRandom(seed ^ 0x5eed);
    this.#steps = options.steps ?? 12;
    this.#chaos = options.chaos ?? false;
    const hosts = Array.from({ length: options.nodes ?? 5 }, (_, index) => `n${index + 1}`);
    this.#sides = [hosts];
    this.#cluster = new SimulatedCluster<Services>({
      seed,
      hosts,
      definitions: [Worker, Owner],
      faults: this.#chaos ? CHAOS_FAULTS : CALM,
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
      for (let step = 0; step < this.#steps; step++) await (this.#chaos ? this.#chaosStep() : this.#step());
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

  async #chaosStep(): Promise<void> {
    const running = this.#cluster.running.filter(host => host.node.self.status === 'up');
    const stopped = this.#cluster.hosts.filter(name => !this.#cluster.running.some(host => host.name === name));
    const dice = this.#random.next();
    if (dice < 0.2 && running.length > 2) await this.#crash(this.#pick(running), this.#random.next() < 0.4);
    else if (dice < 0.4 && stopped.length > 0) await this.#restart(this.#pick(stopped));
    else if (dice < 0.48 && running.length > 3) await this.#leave(this.#pick(running));
    else if (dice < 0.62) this.#partitioned && this.#random.next() < 0.6 ? this.#heal() : this.#cut();
    else if (dice < 0.68) await this.#flap();
    else if (dice < 0.74) this.#skew(this.#pick(running));
    else if (dice < 0.88) this.#startChild();
    else this.#claimName();
    await this.#traffic(this.#gap());
  }

  /** Mostly within the time of a hand-off, sometimes long enough for a detection. */
  #gap(): number {
    const dice = this.#random.next();
    if (dice < 0.5) return dice * 60;
    return dice < 0.85 ? dice * 800 : 2_000 + this.#random.next() * 9_000;
  }

  async #traffic(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      const host = this.#pick(this.#cluster.running);
      const id = `child-${Math.floor(this.#random.next() * this.#nextChild)}`;
      host.services.workers
        .whereis(Worker, id)
        ?.call('see', this.#nextNumber++)
        .catch(() => {});
      await this.#cluster.run(Math.min(left, 50));
    }
  }

  /** Who hears of what is open from now on: what is acknowledged may be lost with the node that asked. */
  #cut(): void {
    const [one = '', ...others] = [...this.#cluster.hosts].sort(() => this.#random.next() - 0.5);
    const some = others.slice(0, 1 + Math.floor(this.#random.next() * others.length));
    const dice = this.#random.next();
    if (dice < 0.4) {
      this.#partition();
    } else if (dice < 0.8) {
      const [from, to] = dice < 0.6 ? [[one], some] : [some, [one]];
      this.#note(`one way: nothing from ${from.join()} to ${to.join()}`);
      this.#cluster.network.partition(from, to, { oneWay: true });
    } else {
      this.#note(`no link ${one} - ${some[0]}`);
      this.#cluster.network.partition(one, some[0] as string);
    }
    this.#partitioned = true;
    this.#sides = [];
  }

  async #flap(): Promise<void> {
    const [one = '', other = ''] = [...this.#cluster.hosts].sort(() => this.#random.next() - 0.5);
    this.#note(`flapping ${one} - ${other}`);
    for (let times = 0; times < 6; times++) {
      this.#cluster.network.reset(one, other);
      await this.#traffic(this.#random.next() * 300);
    }
  }

  #skew(host: SimulatedHost<Services>): void {
    const ms = Math.round((2 * this.#random.next() - 1) * HOUR);
    this.#note(`the clock of ${host.name} is off by ${ms} ms`);
    host.clock.skewWallTime(ms);
  }

  /** The links are good again, and nodes that the cluster held for gone are started anew. */
  async #calm(): Promise<void> {
    this.#cluster.heal();
    this.#cluster.network.setDefaultFaults(CALM);
    await this.#cluster.run(5_000);
    for (const host of this.#cluster.running) if (host.node.self.status !== 'up') await this.#crash(host);
  }

  async #crash(host: SimulatedHost<Services>, silent = false): Promise<void> {
    this.#note(`crash ${host.name}${silent ? ' silently' : ''}`);
    this.#cluster.crash(host.name, { silent });
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
    if (this.#chaos) await this.#calm();
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
    faults.push(...this.#seenTwice());
    for (const [name, where] of this.#processesOf('owner')) {
      if (where.length > 1) faults.push(`${name} has ${where.length} owners: ${where.join(', ')}`);
    }
    return faults;
  }

  /** Children that handled a message more than once. */
  #seenTwice(): string[] {
    const faults: string[] = [];
    for (const host of this.#cluster.running) {
      for (const process of host.node.system.processes()) {
        if (process.program.name !== 'worker' || !process.alive) continue;
        const { id, seen = [] } = process.state as { readonly id: string; readonly seen?: readonly number[] };
        if (new Set(seen).size < seen.length) faults.push(`${id} on ${host.name} handled a message twice`);
      }
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
