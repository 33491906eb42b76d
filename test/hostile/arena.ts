import { type Random, seededRandom } from '@foundation-ts/core';
import { Authority } from '../support/certificates.js';
import { Program } from './program.js';
import { type Carrier, RawPeer, type RawPeerInit, RawSocket } from './raw-peer.js';

export interface Happened {
  readonly event: string;
  readonly code: string | undefined;
  readonly text: string;
}

export interface Measure {
  readonly lagMax: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly events: readonly Happened[];
  readonly members: readonly string[];
  readonly processes: number;
}

export interface Calls {
  readonly count: number;
  readonly failures: readonly string[];
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Where {
  readonly port: number;
  readonly incarnation: number;
  readonly target: number;
  readonly tree: number;
  readonly system: readonly number[];
}

/** What one attack did to the victim and to the healthy peer. */
export interface Verdict {
  readonly name: string;
  readonly before: Measure;
  readonly after: Measure;
  readonly calls: Calls;
  readonly ms: number;
  readonly alive: boolean;
  readonly healthyMembers: readonly string[];
}

const MIB = 1024 * 1024;

/** What the victim listens on; `tls` is TLS over TCP. */
export const wires = ['tcp', 'tls', 'ws'] as const;
export type Wire = (typeof wires)[number];

export interface ArenaInit {
  readonly seed: number;
  /** Default `'tcp'`. */
  readonly transport?: Wire;
  /** With `tls`: the victim lets the healthy peer do everything, and others only send messages. */
  readonly permissions?: boolean;
}

/** How many names those have that send mutated frames. */
export const MUTANTS = 256;
/** Names that attackers use; a certificate has to have them. */
const STRANGERS = ['stranger', ...numbered('never', 20), ...numbered('mutant', MUTANTS)];

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${name}-${n}`);
}

/** A victim, and a healthy peer which calls it all the time. */
export class Arena implements AsyncDisposable {
  readonly victim: Program;
  readonly healthy: Program;
  readonly where: Where;
  readonly random: Random;
  readonly wire: Wire;
  /** How strangers reach the victim, with the certificate that they have. */
  readonly carrier: Carrier;
  readonly authority: Authority | undefined;
  #incarnation: number = Date.now();

  private constructor(
    programs: { readonly victim: Program; readonly healthy: Program; readonly where: Where },
    { seed, transport = 'tcp' }: ArenaInit,
    authority: Authority | undefined,
  ) {
    this.victim = programs.victim;
    this.healthy = programs.healthy;
    this.where = programs.where;
    this.random = seededRandom(seed);
    this.wire = transport;
    this.authority = authority;
    const names = STRANGERS.map(name => `DNS:${name}`).join(',');
    this.carrier = {
      ws: transport === 'ws',
      ...(authority === undefined ? {} : { tls: authority.issue(names) }),
    };
  }

  static async start(init: ArenaInit): Promise<Arena> {
    const { transport = 'tcp' } = init;
    const authority = transport === 'tls' ? new Authority('hostile') : undefined;
    const options = (names: string, rest: object = {}): string =>
      JSON.stringify({
        transport: transport === 'ws' ? 'ws' : 'tcp',
        ...(authority === undefined ? {} : { tls: authority.issue(names) }),
        ...rest,
      });
    const everything = ['message', 'spawn', 'exit', 'supervise', 'register', 'observe'];
    const guarded = init.permissions === true ? { permissions: { healthy: everything, '*': ['message'] } } : {};
    const victim = await Program.start('node', 'victim', '0', options('DNS:victim', guarded));
    const where = await victim.ask<Where>('where');
    const identity = options('DNS:healthy,URI:foundation:role/healthy');
    const healthy = await Program.start('node', 'healthy', String(where.port), identity);
    await healthy.ask('call', 'victim');
    return new Arena({ victim, healthy, where }, init, authority);
  }

  get port(): number {
    return this.where.port;
  }

  /** Greater each time. */
  incarnation(): number {
    return ++this.#incarnation;
  }

  socket(): Promise<RawSocket> {
    return new RawSocket(this.port, this.carrier).opened();
  }

  /** A session of a stranger who knows the secret. */
  peer(init: Partial<RawPeerInit> = {}): Promise<RawPeer> {
    const { port, carrier } = this;
    return RawPeer.open({ port, carrier, name: 'stranger', incarnation: this.incarnation(), ...init });
  }

  /** Runs an attack and looks at what it did. */
  async run(name: string, attack: (arena: Arena) => Promise<void>): Promise<Verdict> {
    await this.healthy.ask('calls');
    await this.healthy.ask('measure');
    const before = await this.victim.ask<Measure>('measure');
    const start = performance.now();
    await attack(this);
    const ms = performance.now() - start;
    const after = await this.#settled(await this.victim.ask<Measure>('measure'), before);
    const calls = await this.healthy.ask<Calls>('calls');
    const { members } = await this.healthy.ask<Measure>('measure');
    return { name, before, after, calls, ms, alive: this.victim.alive, healthyMembers: members };
  }

  /** What a closed connection leaves is given back in a few turns; what stays is kept. */
  async #settled(first: Measure, before: Measure): Promise<Measure> {
    const held = ({ heapUsed, external }: Measure): number => heapUsed + external;
    let { rss, heapUsed, external } = first;
    for (let tries = 0; tries < 20 && heapUsed + external - held(before) > 8 * MIB; tries++) {
      await new Promise(resolve => setTimeout(resolve, 100));
      ({ rss, heapUsed, external } = await this.victim.ask<Measure>('measure'));
    }
    return { ...first, rss, heapUsed, external };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.authority?.dispose();
    await Promise.all([this.victim[Symbol.asyncDispose](), this.healthy[Symbol.asyncDispose]()]);
  }
}

/** One line of figures. */
export function figures({ name, before, after, calls, ms }: Verdict): string {
  const heap = (after.heapUsed - before.heapUsed) / MIB;
  const rss = (after.rss - before.rss) / MIB;
  return `${name}: ${ms.toFixed(0)} ms; heap ${heap.toFixed(1)} MiB, rss ${rss.toFixed(0)} MiB more; lag ${after.lagMax.toFixed(0)} ms; healthy ${calls.count} calls, p99 ${calls.p99.toFixed(1)}, max ${calls.max.toFixed(0)} ms`;
}
