import type { ActorSystem, Timer } from '@foundation-ts/core';
import type { ChannelDeclaration, ChannelStats, Endpoint, Peer } from '@foundation-ts/transport';
import { type ChannelMetrics, sumUp } from './channel-metrics.js';
import { CHANNEL_METRICS_MS } from './defaults.js';

/** The channels of a node: opened and closed while it runs, spoken on to everybody, measured. */
export class NodeChannels {
  readonly #system: ActorSystem;
  readonly #endpoint: () => Endpoint;
  /** Of sessions that are over, by member and channel, for members that may come back. */
  readonly #past = new Map<string, Map<string, ChannelMetrics>>();
  #timer: Timer | undefined;

  /** For `ClusterNode`. */
  constructor(system: ActorSystem, endpoint: () => Endpoint) {
    this.#system = system;
    this.#endpoint = endpoint;
  }

  /**
   * Opens a channel. It comes into being with each member that has it open too; until then, and with others, its messages travel on `data`.
   * Messages sent before may be overtaken by those sent after it came into being.
   * @throws FoundationError `invalid-option`; `already-started` when a channel of that name is open
   */
  open(declaration: ChannelDeclaration): void {
    this.#endpoint().openChannel(declaration);
  }

  /**
   * Closes a channel: what waits on it is sent, and later messages travel on `data`.
   * @returns whether it was open
   * @throws FoundationError `invalid-operation` for `control` and `data`
   */
  close(name: string): boolean {
    return this.#endpoint().closeChannel(name);
  }

  /** What is open on this node, with every option. */
  list(): readonly ChannelDeclaration[] {
    return this.#endpoint().channels;
  }

  /**
   * Casts to the actor of that local name on every member that is connected, not on this one.
   * @returns how many members that were
   * @throws FoundationError `not-sendable`
   */
  broadcast(channel: string, name: string, op: string, payload?: unknown): number {
    const members = [...this.#endpoint().peers.keys()];
    for (const member of members) {
      const ref = this.#system.refOn(member, name, { channel }) as unknown as {
        cast(op: string, payload: unknown): void;
      };
      ref.cast(op, payload);
    }
    return members.length;
  }

  /** What each channel has done with each member since that member's life was first met; by member, then by channel. */
  metrics(): readonly ChannelMetrics[] {
    const { peers } = this.#endpoint();
    const metrics: ChannelMetrics[] = [];
    for (const member of [...new Set([...peers.keys(), ...this.#past.keys()])].sort()) {
      const past = this.#past.get(member);
      const present = byChannel(peers.get(member)?.stats() ?? []);
      for (const channel of [...new Set([...present.keys(), ...(past?.keys() ?? [])])].sort())
        metrics.push(sumUp(member, channel, present.get(channel) ?? [], past?.get(channel)));
    }
    return metrics;
  }

  /** For `ClusterNode`: emits `cluster.channel` for each channel and member from time to time. */
  start(): void {
    const report = (): void => {
      this.#report();
      this.start();
    };
    this.#timer = this.#system.clock.setTimeout(report, CHANNEL_METRICS_MS, { unref: true });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** For `ClusterNode`: a session is over. */
  lost(peer: Peer): void {
    const { name } = peer.identity;
    let past = this.#past.get(name);
    if (past === undefined) {
      past = new Map();
      this.#past.set(name, past);
    }
    for (const [channel, stats] of byChannel(peer.stats())) {
      past.set(channel, sumUp(name, channel, stats, past.get(channel)));
    }
  }

  /** For `ClusterNode`: that life of a member is over. */
  forget(member: string): void {
    this.#past.delete(member);
  }

  #report(): void {
    for (const { member, channel, roundTrips, ...measurements } of this.metrics()) {
      this.#system.telemetry.emit(
        'cluster.channel',
        { ...measurements, roundTrips: roundTrips.count, leastRoundTrip: roundTrips.minimum ?? 0 },
        { member, channel, roundTrips: roundTrips.buckets },
      );
    }
  }
}

function byChannel(stats: readonly ChannelStats[]): Map<string, ChannelStats[]> {
  const channels = new Map<string, ChannelStats[]>();
  for (const each of stats) {
    const known = channels.get(each.channel);
    if (known === undefined) channels.set(each.channel, [each]);
    else known.push(each);
  }
  return channels;
}
