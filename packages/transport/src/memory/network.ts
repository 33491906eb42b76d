import { type Address, type Clock, checkKeys, type Random, seededRandom } from '@foundation-ts/core';
import type { ConnectionEvents } from '../transport.js';
import type { MemoryConnection } from './connection.js';
import { type LinkFaults, type ResolvedFaults, resolveFaults } from './faults.js';
import type { Parcel } from './pipe.js';

/** Options of {@link MemoryNetwork}. */
export interface MemoryNetworkInit {
  readonly clock: Clock;
  /** Decides every fault; default a generator with the seed 1. */
  readonly random?: Random;
  /** What holds for every pair of hosts without faults of its own; default none. */
  readonly faults?: LinkFaults;
}

/** What a network has carried. */
export interface MemoryNetworkStats {
  readonly frames: number;
  readonly bytes: number;
  readonly losses: number;
  readonly cuts: number;
  readonly connections: number;
}

/** Who answers on a port of a host. */
export interface Port {
  readonly address: Address;
  /** Makes the accepting end for a dialler's. */
  accept(dialler: MemoryConnection): MemoryConnection;
  /** Tells the owner of the port of the new connection; gives who takes its events. */
  open(connection: MemoryConnection): ConnectionEvents;
}

/** What waits for a partition to heal. */
export interface Held {
  release(): void;
}

/** One life of a host, from its start to its crash. */
export class HostLife {
  readonly name: string;
  readonly ports = new Map<number, Port>();
  readonly connections = new Set<MemoryConnection>();
  alive = true;
  #nextPort = 40_000;

  constructor(name: string) {
    this.name = name;
  }

  freePort(): number {
    while (this.ports.has(this.#nextPort)) this.#nextPort++;
    return this.#nextPort++;
  }
}

/** Deliveries in one turn of the event loop, after which other work gets its turn. */
const BURST = 10_000;

/**
 * A network within one process: hosts by name, and between each two of them a link in each direction that can be slow, lossy, cut
 * or silent. With a simulated clock and a seeded generator the same calls give the same run.
 */
export class MemoryNetwork {
  readonly clock: Clock;
  readonly #random: Random;
  #default: ResolvedFaults;
  readonly #faults = new Map<string, ResolvedFaults>();
  readonly #blocked = new Set<string>();
  readonly #held = new Set<Held>();
  readonly #lives = new Map<string, HostLife>();
  /** Hosts that crashed without a sign: packets to them vanish. */
  readonly #dark = new Set<string>();
  #burst = 0;
  #frames = 0;
  #bytes = 0;
  #losses = 0;
  #cuts = 0;

  constructor(init: MemoryNetworkInit) {
    checkKeys('MemoryNetwork', init, ['clock', 'random', 'faults']);
    this.clock = init.clock;
    this.#random = init.random ?? seededRandom(1);
    this.#default = resolveFaults(init.faults ?? {});
  }

  /** Replaces what holds for every pair of hosts without faults of its own. */
  setDefaultFaults(faults: LinkFaults): void {
    this.#default = resolveFaults(faults);
  }

  /** Sets the faults of the way from one host to another, for what is sent from now on; `undefined`: the default again. */
  setFaults(from: string, to: string, faults: LinkFaults | undefined): void {
    if (faults === undefined) this.#faults.delete(link(from, to));
    else this.#faults.set(link(from, to), resolveFaults(faults));
  }

  /**
   * Lets nothing pass from each of `left` to each of `right`, nor back unless `oneWay`. Frames are held as TCP's
   * retransmission would, and arrive after {@link heal} if their connection still stands; dials time out.
   */
  partition(
    left: string | readonly string[],
    right: string | readonly string[],
    options: { readonly oneWay?: boolean } = {},
  ): void {
    for (const from of list(left)) {
      for (const to of list(right)) {
        if (from === to) continue;
        this.#blocked.add(link(from, to));
        if (options.oneWay !== true) this.#blocked.add(link(to, from));
      }
    }
  }

  /** Undoes {@link partition}, both ways, between each of `left` and each of `right`; without arguments everywhere. */
  heal(left?: string | readonly string[], right?: string | readonly string[]): void {
    if (left === undefined || right === undefined) {
      this.#blocked.clear();
    } else {
      for (const from of list(left)) {
        for (const to of list(right)) {
          this.#blocked.delete(link(from, to));
          this.#blocked.delete(link(to, from));
        }
      }
    }
    const held = [...this.#held];
    this.#held.clear();
    for (const each of held) each.release();
  }

  /** Whether frames from `from` to `to` are held. */
  isBlocked(from: string, to: string): boolean {
    return this.#blocked.size > 0 && this.#blocked.has(link(from, to));
  }

  /** Resets every connection between two hosts: both sides see an error. */
  reset(left: string, right: string): void {
    for (const connection of [...(this.#lives.get(left)?.connections ?? [])]) {
      if (connection.peerHost === right) this.cut(connection);
    }
  }

  /**
   * The host's process dies: its listeners and connections vanish and nothing is reported to it any more. Peers see
   * their connections reset and later dials refused; with `silent` (the machine lost power) they see nothing, and
   * dials time out. A transport made by `memory({ network, host })` afterwards is the restarted host.
   */
  crash(host: string, options: { readonly silent?: boolean } = {}): void {
    const life = this.#lives.get(host);
    if (options.silent === true) this.#dark.add(host);
    if (life === undefined) return;
    this.#lives.delete(host);
    life.alive = false;
    life.ports.clear();
    for (const connection of [...life.connections]) {
      if (options.silent !== true) connection.pipe?.push('reset');
      connection.die(options.silent === true);
    }
    life.connections.clear();
  }

  /** What has been carried so far. */
  stats(): MemoryNetworkStats {
    let connections = 0;
    for (const life of this.#lives.values()) connections += life.connections.size;
    return { frames: this.#frames, bytes: this.#bytes, losses: this.#losses, cuts: this.#cuts, connections };
  }

  /** @internal The present life of a host, begun if it has none. */
  start(host: string): HostLife {
    let life = this.#lives.get(host);
    if (life === undefined) {
      life = new HostLife(host);
      this.#lives.set(host, life);
      this.#dark.delete(host);
    }
    return life;
  }

  /** @internal */
  lifeOf(host: string): HostLife | 'dark' | undefined {
    return this.#dark.has(host) ? 'dark' : this.#lives.get(host);
  }

  /** @internal Something waits for {@link heal}. */
  hold(held: Held): void {
    this.#held.add(held);
  }

  /** @internal */
  faultsOf(from: string, to: string): ResolvedFaults {
    if (this.#faults.size === 0) return this.#default;
    return this.#faults.get(link(from, to)) ?? this.#default;
  }

  /** @internal Milliseconds that one frame takes now, its retransmissions included. */
  travelTime(faults: ResolvedFaults): number {
    let time = faults.delay;
    if (faults.jitter > 0) time += faults.jitter * this.#random.next();
    while (this.chance(faults.loss)) {
      this.#losses++;
      time += faults.retransmit;
    }
    return time;
  }

  /** @internal */
  chance(probability: number): boolean {
    return probability > 0 && this.#random.next() < probability;
  }

  /** @internal Runs `deliver` as soon as the present turn is over. */
  soon(deliver: () => void): void {
    if (this.#burst === 0) {
      setImmediate(() => {
        this.#burst = 0;
      });
    }
    this.#burst++;
    if (this.#burst < BURST) queueMicrotask(deliver);
    else setImmediate(deliver);
  }

  /** @internal */
  count(bytes: number): void {
    this.#frames++;
    this.#bytes += bytes;
  }

  /** @internal Both ends see an error, the other end when it hears of it. */
  cut(connection: MemoryConnection): void {
    this.#cuts++;
    connection.pipe?.push('reset');
    connection.reset('the network cut it');
  }

  /** @internal */
  opened(connection: MemoryConnection): void {
    this.#lives.get(connection.host)?.connections.add(connection);
  }

  /** @internal */
  forget(connection: MemoryConnection): void {
    this.#lives.get(connection.host)?.connections.delete(connection);
  }

  /** @internal A parcel for an end whose host crashed: a restarted host answers with a reset, a dark one not at all. */
  arrivedAtDead(end: MemoryConnection, parcel: Parcel): void {
    if (parcel !== 'reset' && !this.#dark.has(end.host)) end.pipe?.push('reset');
  }
}

function link(from: string, to: string): string {
  return `${from}\n${to}`;
}

function list(hosts: string | readonly string[]): readonly string[] {
  return typeof hosts === 'string' ? [hosts] : hosts;
}
