import { type ActorSystem, type Address, FoundationError, formatAddress, type Timer } from '@foundation-ts/core';
import type { Peer, PeerIdentity } from '@foundation-ts/transport';
import { EventEmitter } from 'eventemitter3';
import {
  ANTI_ENTROPY_MS,
  DETECTOR_TICK_MS,
  DRAIN_TIMEOUT_MS,
  HEARTBEAT_INTERVAL_MS,
  MAX_INCARNATION_LEAD_MS,
} from './defaults.js';
import { FailureDetector, type FailureDetectorEffect } from './failure-detector.js';
import { heartbeatTargets } from './heartbeat-targets.js';
import { isDead, type Member, type MemberStatus } from './member.js';
import { findFault, fromWire, type GossipRecord, summaryFromWire, summaryToWire, toWire } from './member-wire.js';
import { type MemberChange, MembershipTable } from './membership.js';
import type { MembershipEvent, MemberView } from './membership-event.js';
import { CONTROL, numberOf, textOf, wire } from './wire.js';

/** What this node knows of its own connection to a member's incarnation. */
interface Sight {
  readonly incarnation: number;
  reachable: boolean;
}

/** What the service tells its node. */
export interface MembersHost {
  /** A member's incarnation can't be talked to any more, for now or for good. */
  lost(peer: Peer): void;
  /** The set of addresses worth dialling may have changed. */
  changed(): void;
  /** Of the roles that are told of a connected member, those that count. */
  roles(identity: PeerIdentity, told: readonly string[]): readonly string[];
  /** The cluster holds this incarnation of the node itself for gone. */
  selfDowned(why: string): void;
}

interface Events {
  event: (event: MembershipEvent) => void;
}

/** What a node says of itself in the handshake, beside its name and address. */
export interface IdentityMetadata {
  readonly roles: readonly string[];
  readonly zone: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Membership as a service: feeds the pure table and failure detector from connections and clock, and carries out what they say.
 */
export class Members {
  readonly events: EventEmitter<Events> = new EventEmitter();
  readonly #system: ActorSystem;
  readonly #host: MembersHost;
  readonly #table: MembershipTable;
  readonly #detector: FailureDetector;
  readonly #peers = new Map<string, Peer>();
  /** What {@link peer} was asked for last. */
  #latestName: string | undefined;
  #latestPeer: Peer | undefined;
  readonly #sights = new Map<string, Sight>();
  readonly #heard = new Set<string>();
  /** The last of those. */
  #heardLast: Peer | undefined;
  readonly #probesFor = new Map<string, Set<string>>();
  /** Connected members that have said that this node is gone. */
  readonly #downers = new Set<string>();
  /** Connections with members that have left, and are still heard out. */
  readonly #leavers = new Map<Peer, Timer>();
  #watched: readonly string[] = [];
  #timers: Timer[] = [];
  #closed = false;

  constructor(system: ActorSystem, self: Member, host: MembersHost) {
    this.#system = system;
    this.#host = host;
    this.#table = new MembershipTable({ self });
    this.#detector = new FailureDetector({ random: system.random });
    this.#every(DETECTOR_TICK_MS, () => this.#tick());
    this.#every(HEARTBEAT_INTERVAL_MS, () => this.#heartbeat());
    this.#every(ANTI_ENTROPY_MS, () => this.#compareWithOne());
  }

  // --- views ----------------------------------------------------------------------------------------------------

  get self(): MemberView {
    return { ...this.#table.self, reachable: true };
  }

  all(): MemberView[] {
    return this.#table
      .members()
      .filter(member => !isDead(member.status))
      .map(member => this.#view(member));
  }

  get(name: string): MemberView | undefined {
    const member = this.#table.get(name);
    return member === undefined || isDead(member.status) ? undefined : this.#view(member);
  }

  /** The connection with a member, if one stands. */
  peer(name: string): Peer | undefined {
    if (name !== this.#latestName) {
      this.#latestName = name;
      this.#latestPeer = this.#peers.get(name);
    }
    return this.#latestPeer;
  }

  #forgetPeer(name: string): void {
    this.#peers.delete(name);
    this.#latestName = undefined;
    this.#latestPeer = undefined;
  }

  /** How many members a connection stands with. */
  get connections(): number {
    return this.#peers.size;
  }

  peers(): IterableIterator<Peer> {
    return this.#peers.values();
  }

  isGone(name: string, incarnation: number): boolean {
    return this.#table.isGone(name, incarnation);
  }

  isReachable(name: string, incarnation: number): boolean {
    const { self } = this.#table;
    if (name === self.name) return incarnation === self.incarnation;
    const sight = this.#sights.get(name);
    return sight?.reachable === true && sight.incarnation === incarnation;
  }

  #view(member: Member): MemberView {
    const peer = this.#peers.get(member.name);
    const roles = peer === undefined ? member.roles : this.#host.roles(peer.identity, member.roles);
    return { ...member, roles, reachable: this.isReachable(member.name, member.incarnation) };
  }

  // --- connections ----------------------------------------------------------------------------------------------

  /** Whether a peer that has proven itself is let in. */
  admit(identity: PeerIdentity): FoundationError | undefined {
    const { self } = this.#table;
    const { name, incarnation } = identity;
    const early = incarnation > this.#system.clock.wallTime() + MAX_INCARNATION_LEAD_MS;
    const fault = early ? 'incarnation' : findFault(introduced(identity));
    if (fault !== undefined) {
      return new FoundationError('protocol', `What the node says of itself is not well-formed: its ${fault} is not.`);
    }
    if (name === self.name) {
      return new FoundationError(
        'conflict',
        `The name '${name}' is taken by another node of this cluster; give each node its own 'name'.`,
      );
    }
    if (this.#table.isGone(name, incarnation)) {
      return new FoundationError(
        'noproc',
        `This incarnation of '${name}' is held for gone by '${self.name}'; it must come back as a new one.`,
      );
    }
    const standing = this.#peers.get(name)?.identity;
    const elsewhere =
      standing?.address !== undefined &&
      identity.address !== undefined &&
      formatAddress(standing.address) !== formatAddress(identity.address);
    if (standing !== undefined && elsewhere) {
      return new FoundationError(
        'conflict',
        `The name '${name}' is taken by a live node at ${formatAddress(standing.address)}; give each node its own 'name'.`,
      );
    }
    return undefined;
  }

  /** A connection with a peer stands. */
  peerUp(peer: Peer): void {
    const { name, incarnation } = peer.identity;
    const old = this.#peers.get(name);
    if (old !== undefined && old !== peer)
      void old.close(new FoundationError('conflict', `'${name}' has come back as a new incarnation.`));
    this.#peers.set(name, peer);
    this.#latestName = undefined;
    const known = this.#table.get(name);
    const sight = this.#sights.get(name);
    const isNew = sight?.incarnation !== incarnation;
    if (known?.incarnation !== incarnation) this.#mergeRecords([introduced(peer.identity)], name);
    const member = this.#table.get(name);
    if (member === undefined || member.incarnation !== incarnation || isDead(member.status)) {
      void peer.close(new FoundationError('conflict', `'${name}' was not admitted.`));
      return;
    }
    this.#sights.set(name, { incarnation, reachable: true });
    this.#detector.unwatch(name);
    this.#rewatch();
    this.#emit(isNew ? 'up' : 'reachable', member);
    peer.send(CONTROL, [wire.gossip, toWire(this.#table.snapshot(this.#now()))]);
    this.#host.changed();
  }

  /** A connection with a peer is over; whether the member is gone is another question. */
  peerDown(peer: Peer): void {
    const { name, incarnation } = peer.identity;
    if (this.#peers.get(name) === peer) this.#forgetPeer(name);
    const sight = this.#sights.get(name);
    this.#host.lost(peer);
    this.#probesFor.delete(name);
    this.#leavers.get(peer)?.cancel();
    this.#leavers.delete(peer);
    if (sight?.incarnation !== incarnation) {
      // It is gone already, or has left: what it bound with actors here until its connection ended, ends now.
      this.#system.nodeDown(name, incarnation);
      return;
    }
    if (!sight.reachable || this.#peers.has(name)) return;
    sight.reachable = false;
    this.#system.nodeDown(name, incarnation);
    this.#detector.unwatch(name);
    const member = this.#table.get(name);
    if (!this.#closed && member !== undefined && member.incarnation === incarnation && !isDead(member.status)) {
      this.#emit('unreachable', member);
      this.#suspectEverywhere(name, incarnation);
    }
    this.#rewatch();
    this.#host.changed();
  }

  /** The dial of a member whose connection was lost was refused: where its node stood, nothing listens. */
  confirmCrash(name: string): void {
    const sight = this.#sights.get(name);
    if (sight === undefined || sight.reachable) return;
    this.#declare(name, sight.incarnation, 'down');
  }

  #declare(name: string, incarnation: number, status: 'down' | 'removed'): void {
    const change = this.#table.declare(name, incarnation, status, this.#now());
    if (change !== undefined) this.#applied([change]);
  }

  // --- messages -------------------------------------------------------------------------------------------------

  /** Takes a message of a peer's. @returns false when it is none of the membership's @throws FoundationError `protocol` */
  receive(peer: Peer, message: readonly unknown[]): boolean {
    const { name } = peer.identity;
    this.#carryOut(this.#detector.anyTraffic(name, this.#now()));
    switch (message[0]) {
      case wire.heartbeat:
        peer.send(CONTROL, [wire.heartbeatAck]);
        return true;
      case wire.heartbeatAck:
        this.#heartbeatAck(name);
        return true;
      case wire.probe:
        this.#probeFor(name, textOf(message[1], 'name'));
        return true;
      case wire.probeResult:
        this.#carryOut(
          this.#detector.probeResult(
            { target: textOf(message[1], 'name'), via: name, alive: message[2] === true },
            this.#now(),
          ),
        );
        return true;
      case wire.gossip:
        this.#mergeRecords(fromWire(message[1]).records, name);
        return true;
      case wire.digest:
        if (!this.#table.matches(message[1])) peer.send(CONTROL, [wire.summary, summaryToWire(this.#table.summary())]);
        return true;
      case wire.summary:
        this.#answerSummary(peer, message[1]);
        return true;
      case wire.want:
        this.#answerWant(peer, message[1]);
        return true;
      case wire.suspect:
        this.#suspected(textOf(message[1], 'name'), numberOf(message[2], 'incarnation'));
        return true;
      default:
        return false;
    }
  }

  /** Any message at all is a sign of life. */
  heard(peer: Peer): void {
    if (peer === this.#heardLast) return;
    this.#heardLast = peer;
    this.#heard.add(peer.identity.name);
  }

  #answerSummary(peer: Peer, rows: unknown): void {
    const { send, want } = this.#table.diff(summaryFromWire(rows).records, this.#now());
    if (send.length > 0) peer.send(CONTROL, [wire.gossip, toWire(send)]);
    if (want.length > 0) peer.send(CONTROL, [wire.want, want]);
  }

  #answerWant(peer: Peer, names: unknown): void {
    if (!Array.isArray(names)) throw new FoundationError('protocol', 'A peer sent malformed gossip.');
    const records = this.#table.pick(
      names.map(name => textOf(name, 'name')),
      this.#now(),
    );
    peer.send(CONTROL, [wire.gossip, toWire(records)]);
  }

  #mergeRecords(records: readonly GossipRecord[], from: string): void {
    const result = this.#table.merge(records, from, {
      now: this.#now(),
      wallTime: this.#system.clock.wallTime(),
      corroborated: (name, incarnation) => !this.isReachable(name, incarnation),
    });
    for (const { record } of result.doubted) {
      this.#suspected(record.name, this.#table.get(record.name)?.incarnation ?? record.incarnation);
    }
    if (result.refusedCount > 0) {
      this.#system.log.warn(
        { from, count: result.refusedCount, first: result.refused[0]?.why ?? '' },
        'implausible gossip was ignored',
      );
    }
    if (result.refuted) this.#gossip([this.#table.self]);
    if (result.stale.length > 0)
      this.#peers.get(from)?.send(CONTROL, [wire.gossip, toWire(this.#table.pick(result.stale, this.#now()))]);
    this.#applied(result.changes, from);
    if (result.selfDowned !== undefined) this.#toldDown(result.selfDowned.status, from);
  }

  /**
   * Who holds this incarnation for gone closes its connection, and refuses the next with `noproc`. One who says so on a connection
   * that stands is believed only together with most of the others to whom this node is connected.
   */
  #toldDown(status: MemberStatus, from: string): void {
    this.#downers.add(from);
    for (const name of this.#downers) if (!this.#peers.has(name)) this.#downers.delete(name);
    if (this.#downers.size * 2 > this.#peers.size) {
      this.#host.selfDowned(`'${from}' says that this node is ${status}`);
      return;
    }
    this.#system.log.warn(
      { from, status },
      'a member says that this node is gone, and the others do not; it is not believed',
    );
    const error = new FoundationError('conflict', `'${from}' says that this node is ${status}, which it is not.`);
    void this.#peers.get(from)?.close(error);
  }

  /** Changes have been made to the table: events, connections, and the news for the others. */
  #applied(changes: readonly MemberChange[], from?: string): void {
    if (changes.length === 0) return;
    for (const { before, after } of changes) {
      if (before !== undefined && before.incarnation !== after.incarnation && !isDead(before.status))
        this.#gone(before, 'down');
      if (isDead(after.status)) {
        if (before === undefined || before.incarnation !== after.incarnation || isDead(before.status)) continue;
        this.#gone(after, after.status === 'removed' && before.status === 'leaving' ? 'left' : 'down');
      } else if (after.status === 'leaving' && before?.status !== 'leaving' && this.#sights.has(after.name)) {
        this.#emit('leaving', after);
      }
    }
    this.#gossip(
      changes.map(change => change.after),
      from,
    );
    this.#host.changed();
  }

  #gone(member: Member, type: 'left' | 'down'): void {
    const sight = this.#sights.get(member.name);
    if (sight === undefined || sight.incarnation !== member.incarnation) return;
    this.#sights.delete(member.name);
    const peer = this.#peers.get(member.name);
    const stands = peer !== undefined && peer.identity.incarnation === member.incarnation;
    if (stands) this.#forgetPeer(member.name);
    if (stands && type === 'left') {
      // Answers and signals that it sent before are still under way, and it closes the connection itself.
      const limit = this.#system.clock.setTimeout(() => void peer.close(), DRAIN_TIMEOUT_MS, { unref: true });
      this.#leavers.set(peer, limit);
    } else {
      if (stands) {
        void peer.close();
        this.#host.lost(peer);
      }
      if (sight.reachable) this.#system.nodeDown(member.name, member.incarnation);
    }
    this.#detector.unwatch(member.name);
    this.#rewatch();
    this.#emit(type, member);
  }

  #gossip(records: readonly GossipRecord[], except?: string): void {
    const message = [wire.gossip, toWire(records)];
    for (const [name, peer] of this.#peers) if (name !== except) peer.send(CONTROL, message);
  }

  /** This node listens: others can dial it there. */
  setAddress(address: Address): void {
    this.#table.updateSelf({ address }, this.#now());
  }

  /** Changes this node's own status and tells everyone. */
  setStatus(status: MemberStatus): void {
    const change = this.#table.updateSelf({ status }, this.#now());
    this.#gossip([change.after]);
    if (status === 'leaving') this.#emit('leaving', change.after);
  }

  // --- failure detection ----------------------------------------------------------------------------------------

  #rewatch(): void {
    const reachable = [...this.#peers.keys()].filter(name => this.#sights.get(name)?.reachable === true);
    const targets = heartbeatTargets(this.#table.self.name, reachable);
    for (const name of this.#watched) if (!targets.includes(name)) this.#detector.unwatch(name);
    for (const name of targets) this.#detector.watch(name, this.#now());
    this.#watched = targets;
  }

  #heartbeat(): void {
    for (const name of this.#watched) this.#peers.get(name)?.send(CONTROL, [wire.heartbeat]);
  }

  #tick(): void {
    const now = this.#now();
    // When within the last tick it was heard is not known: it counts from its beginning.
    for (const name of this.#heard) this.#carryOut(this.#detector.anyTraffic(name, now - DETECTOR_TICK_MS));
    this.#heard.clear();
    this.#heardLast = undefined;
    this.#carryOut(this.#detector.tick(now));
    this.#applied(this.#table.prune(now));
  }

  #heartbeatAck(name: string): void {
    this.#carryOut(this.#detector.heartbeat(name, this.#now()));
    if (!this.#watched.includes(name)) this.#detector.unwatch(name);
    const askers = this.#probesFor.get(name);
    if (askers === undefined) return;
    this.#probesFor.delete(name);
    for (const asker of askers) this.#peers.get(asker)?.send(CONTROL, [wire.probeResult, name, true]);
  }

  #probeFor(asker: string, target: string): void {
    const peer = this.#peers.get(target);
    if (peer === undefined) {
      this.#peers.get(asker)?.send(CONTROL, [wire.probeResult, target, false]);
      return;
    }
    const askers = this.#probesFor.get(target) ?? new Set<string>();
    askers.add(asker);
    this.#probesFor.set(target, askers);
    peer.send(CONTROL, [wire.heartbeat]);
  }

  #suspectEverywhere(name: string, incarnation: number): void {
    for (const peer of this.#peers.values()) peer.send(CONTROL, [wire.suspect, name, incarnation]);
  }

  /** Someone can't reach a member: looks for itself, also at one that it does not watch as a rule. */
  #suspected(name: string, incarnation: number): void {
    if (!this.isReachable(name, incarnation) || name === this.#table.self.name) return;
    this.#detector.watch(name, this.#now());
    this.#carryOut(this.#detector.suspect(name, this.#now()));
  }

  #carryOut(effects: readonly FailureDetectorEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'probe') {
        this.#peers.get(effect.target)?.send(CONTROL, [wire.heartbeat]);
        for (const via of effect.via) this.#peers.get(via)?.send(CONTROL, [wire.probe, effect.target]);
      } else if (effect.type === 'unreachable') {
        const silence = this.#detector.explain(effect.peer, this.#now())?.silence ?? 0;
        this.#system.log.warn(
          { node: this.#system.node, member: effect.peer, silence: Math.round(silence) },
          'a member is silent',
        );
        void this.#peers
          .get(effect.peer)
          ?.close(
            new FoundationError('noconnection', `'${effect.peer}' has been silent for ${Math.round(silence)} ms.`),
          );
      }
    }
  }

  #compareWithOne(): void {
    const peers = [...this.#peers.values()];
    const peer = peers[Math.floor(this.#system.random.next() * peers.length)];
    peer?.send(CONTROL, [wire.digest, this.#table.digest()]);
  }

  // --- housekeeping ---------------------------------------------------------------------------------------------

  #emit(type: MembershipEvent['type'], member: Member): void {
    const event: MembershipEvent = { type, member: this.#view(member) };
    this.#system.telemetry.emit(
      `membership.${type}`,
      { count: 1 },
      { member: member.name, incarnation: member.incarnation },
    );
    const level = type === 'unreachable' || type === 'down' ? 'warn' : 'info';
    this.#system.log[level]({ node: this.#system.node }, `member ${member.name} is ${type}`);
    this.events.emit('event', event);
  }

  #now(): number {
    return this.#system.clock.now();
  }

  #every(interval: number, work: () => void): void {
    const place = this.#timers.length;
    const arm = (): Timer =>
      this.#system.clock.setTimeout(
        () => {
          if (this.#closed) return;
          this.#timers[place] = arm();
          work();
        },
        interval,
        { unref: true },
      );
    this.#timers.push(arm());
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    for (const timer of this.#leavers.values()) timer.cancel();
  }
}

/** The record of a node as it introduces itself; not checked. */
function introduced({ name, incarnation, address, metadata: given }: PeerIdentity): GossipRecord {
  const { roles = [], zone, metadata = {} } = (given ?? {}) as Partial<IdentityMetadata>;
  return { name, incarnation, address, status: 'up', roles, zone: zone ?? undefined, version: 0, metadata };
}
