import type { Random } from '@foundation-ts/core';
import { ArrivalWindow } from './arrival-window.js';
import {
  ACCEPTABLE_PAUSE_MS,
  ARRIVAL_SAMPLES,
  DETECTOR_TICK_MS,
  HEARTBEAT_INTERVAL_MS,
  INDIRECT_ONLY_LIMIT_MS,
  INDIRECT_PROBES,
  MAX_SILENCE_MS,
  MIN_STDDEV_MS,
  PHI_THRESHOLD,
  PROBE_AFTER_MS,
  PROBE_INTERVAL_MS,
  STALL_GRACE_MS,
  STALL_THRESHOLD_MS,
} from './defaults.js';
import { LocalHealth } from './local-health.js';

/** What {@link FailureDetector} is made from; durations in milliseconds. */
export interface FailureDetectorInit {
  /** Chooses who is asked to probe. */
  readonly random: Random;
  /** How often a watched peer sends a heartbeat. Default 1,000. */
  readonly interval?: number;
  /** How often {@link FailureDetector.tick} is called; longer gaps count as stalls of our own. Default 500. */
  readonly tickInterval?: number;
  /** Silence beyond the mean interval that is no reason for suspicion. Default 4,000. */
  readonly acceptablePause?: number;
  /** Default 8. */
  readonly phiThreshold?: number;
  /** Default 100. */
  readonly minStddev?: number;
  /** Intervals remembered per peer. Default 100. */
  readonly samples?: number;
  /** Silence that no irregularity of the past excuses. Default 6,250. */
  readonly maxSilence?: number;
  /** Silence after which a peer is probed. Default 2,000. */
  readonly probeAfter?: number;
  /** Between two rounds of probes. Default 500. */
  readonly probeInterval?: number;
  /** Peers asked to probe in each round. Default 3. */
  readonly indirectProbes?: number;
  /** How long answers that others relay keep a peer reachable. Default 30,000. */
  readonly indirectOnlyLimit?: number;
}

/** What the shell has to do. */
export type FailureDetectorEffect =
  /** Ping the target itself, and ask each of `via` to ping it; report what comes of it by `probeResult`. */
  | { readonly type: 'probe'; readonly target: string; readonly via: readonly string[] }
  /**
   * A peer is unreachable from here: nobody heard of it, or (`'only-indirect'`) others reach it but we have not for
   * long.
   */
  | { readonly type: 'unreachable'; readonly peer: string; readonly evidence: 'silent' | 'only-indirect' }
  | { readonly type: 'reachable'; readonly peer: string };

/** What a probe brought. */
export interface ProbeResult {
  readonly target: string;
  /** Who relayed the answer; undefined when the target answered us. */
  readonly via: string | undefined;
  /** Whether the target answered; `false` (the relay got no answer) is not held against anyone, only shown. */
  readonly alive: boolean;
}

/** How a peer stands, for `explain`. */
export interface PeerVerdict {
  readonly peer: string;
  readonly state: 'reachable' | 'probing' | 'unreachable';
  /** Milliseconds since the last sign of life, direct or relayed. */
  readonly silence: number;
  readonly phi: number;
  readonly mean: number;
  readonly stddev: number;
  /** Rounds of probes since the last sign of life, and how many relays got no answer. */
  readonly rounds: number;
  readonly denials: number;
  /** What our own patience is multiplied by. */
  readonly multiplier: number;
}

interface Peer {
  readonly name: string;
  readonly arrivals: ArrivalWindow;
  state: 'reachable' | 'probing' | 'unreachable';
  lastHeartbeat: number | undefined;
  lastDirect: number;
  lastSign: number;
  lastProbe: number;
  rounds: number;
  denials: number;
}

/**
 * Decides which of the watched peers are unreachable, as a pure state machine: times in, effects out.
 *
 * A peer is *reachable* until it is overdue; then it is probed, by us and through others, in every round until there is
 * a sign of life (SWIM, Das et al. 2002); it is *unreachable* when φ passes the threshold (Hayashibara et al. 2004) or
 * the silence its limit, and reachable again with the first message from itself. A node whose own event loop stalled
 * doubts itself first: the stall isn't held against the peers, nobody is declared unreachable for a grace period, and
 * patience grows with the score of {@link LocalHealth}. With the defaults a stall of 3 s on either side is excused, and
 * a silent peer is noticed within 7 s.
 */
export class FailureDetector {
  readonly health = new LocalHealth();
  readonly #peers = new Map<string, Peer>();
  readonly #random: Random;
  readonly #interval: number;
  readonly #tickInterval: number;
  readonly #acceptablePause: number;
  readonly #phiThreshold: number;
  readonly #minStddev: number;
  readonly #samples: number;
  readonly #maxSilence: number;
  readonly #probeAfter: number;
  readonly #probeInterval: number;
  readonly #indirectProbes: number;
  readonly #indirectOnlyLimit: number;
  #lastTick: number | undefined;
  #graceUntil = Number.NEGATIVE_INFINITY;

  constructor(init: FailureDetectorInit) {
    this.#random = init.random;
    this.#interval = init.interval ?? HEARTBEAT_INTERVAL_MS;
    this.#tickInterval = init.tickInterval ?? DETECTOR_TICK_MS;
    this.#acceptablePause = init.acceptablePause ?? ACCEPTABLE_PAUSE_MS;
    this.#phiThreshold = init.phiThreshold ?? PHI_THRESHOLD;
    this.#minStddev = init.minStddev ?? MIN_STDDEV_MS;
    this.#samples = init.samples ?? ARRIVAL_SAMPLES;
    this.#maxSilence = init.maxSilence ?? MAX_SILENCE_MS;
    this.#probeAfter = init.probeAfter ?? PROBE_AFTER_MS;
    this.#probeInterval = init.probeInterval ?? PROBE_INTERVAL_MS;
    this.#indirectProbes = init.indirectProbes ?? INDIRECT_PROBES;
    this.#indirectOnlyLimit = init.indirectOnlyLimit ?? INDIRECT_ONLY_LIMIT_MS;
  }

  /** The names of the watched peers. */
  get peers(): readonly string[] {
    return [...this.#peers.keys()];
  }

  /** The names of those seen as unreachable. */
  get unreachable(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const peer of this.#peers.values()) if (peer.state === 'unreachable') names.add(peer.name);
    return names;
  }

  /** Starts to watch a peer, which counts as heard from now; a no-op for one watched already. */
  watch(name: string, now: number): void {
    if (this.#peers.has(name)) return;
    this.#peers.set(name, {
      name,
      arrivals: new ArrivalWindow({ interval: this.#interval, minStddev: this.#minStddev, samples: this.#samples }),
      state: 'reachable',
      lastHeartbeat: undefined,
      lastDirect: now,
      lastSign: now,
      lastProbe: Number.NEGATIVE_INFINITY,
      rounds: 0,
      denials: 0,
    });
  }

  /** Forgets a peer, without an effect. */
  unwatch(name: string): void {
    this.#peers.delete(name);
  }

  /** A heartbeat (or the answer to one) came from the peer itself. Ignored for a peer that isn't watched. */
  heartbeat(name: string, now: number): FailureDetectorEffect[] {
    const peer = this.#peers.get(name);
    if (peer === undefined) return [];
    if (peer.lastHeartbeat !== undefined && peer.state !== 'unreachable') {
      peer.arrivals.add(Math.min(Math.max(0, now - peer.lastHeartbeat), this.#maxSilence));
    }
    peer.lastHeartbeat = now;
    return this.#directSign(peer, now);
  }

  /** Anything else came from the peer itself: a sign of life that says nothing about its rhythm. */
  anyTraffic(name: string, now: number): FailureDetectorEffect[] {
    const peer = this.#peers.get(name);
    return peer === undefined ? [] : this.#directSign(peer, now);
  }

  /** A probe brought something: a sign of life, when the target answered anyone. */
  probeResult(result: ProbeResult, now: number): FailureDetectorEffect[] {
    const peer = this.#peers.get(result.target);
    if (peer === undefined) return [];
    if (!result.alive) {
      peer.denials++;
      return [];
    }
    if (result.via === undefined) return this.#directSign(peer, now);
    if (peer.state !== 'unreachable') this.#sign(peer, now);
    return [];
  }

  /** There is a reason to doubt a peer before it is overdue (its connection broke): probes it at once. */
  suspect(name: string, now: number): FailureDetectorEffect[] {
    const peer = this.#peers.get(name);
    if (peer === undefined || peer.state === 'unreachable') return [];
    return [this.#probe(peer, now)];
  }

  /**
   * Lets time pass; to be called every `tickInterval`.
   * @param lag - milliseconds by which the own event loop was late since the last tick; default 0. Whatever is given, a
   * tick that comes late itself is noticed.
   */
  tick(now: number, lag = 0): FailureDetectorEffect[] {
    const late = this.#lastTick === undefined ? 0 : now - this.#lastTick - this.#tickInterval;
    this.#lastTick = now;
    const stall = Math.max(lag, late);
    if (stall >= STALL_THRESHOLD_MS) this.#excuse(stall, now);
    else this.health.healthy(now);
    const effects: FailureDetectorEffect[] = [];
    for (const peer of this.#peers.values()) {
      const effect = this.#judge(peer, now);
      if (effect !== undefined) effects.push(effect);
    }
    return effects;
  }

  /** How a peer stands and why; undefined for one that isn't watched. */
  explain(name: string, now: number): PeerVerdict | undefined {
    const peer = this.#peers.get(name);
    if (peer === undefined) return undefined;
    return {
      peer: name,
      state: peer.state,
      silence: now - peer.lastSign,
      phi: this.#phi(peer, now),
      mean: peer.arrivals.mean,
      stddev: peer.arrivals.stddev,
      rounds: peer.rounds,
      denials: peer.denials,
      multiplier: this.health.multiplier,
    };
  }

  #judge(peer: Peer, now: number): FailureDetectorEffect | undefined {
    if (peer.state === 'unreachable') return undefined;
    const silence = now - peer.lastSign;
    const mayCondemn = now >= this.#graceUntil;
    const wasAsked = peer.rounds > 0 && silence > 2 * this.#probeInterval;
    if (mayCondemn && wasAsked && this.#isLost(peer, silence, now)) return condemn(peer, 'silent');
    const longUnheard = now - peer.lastDirect >= this.#indirectOnlyLimit * this.health.multiplier;
    if (mayCondemn && longUnheard) return condemn(peer, 'only-indirect');
    if (now - peer.lastDirect >= this.#probeAfter && now - peer.lastProbe >= this.#probeInterval) {
      return this.#probe(peer, now);
    }
    return undefined;
  }

  #isLost(peer: Peer, silence: number, now: number): boolean {
    const patience = (this.health.multiplier - 1) * this.#acceptablePause;
    return silence >= this.#maxSilence + patience || this.#phi(peer, now) >= this.#phiThreshold;
  }

  #phi(peer: Peer, now: number): number {
    return peer.arrivals.phi(now - peer.lastSign, this.#acceptablePause * this.health.multiplier);
  }

  /** What passed during a stall of our own is not held against anyone. */
  #excuse(stall: number, now: number): void {
    this.health.stalled(stall, now);
    this.#graceUntil = now + STALL_GRACE_MS;
    for (const peer of this.#peers.values()) {
      peer.lastSign = Math.min(now, peer.lastSign + stall);
      peer.lastDirect = Math.min(now, peer.lastDirect + stall);
      peer.lastHeartbeat = undefined;
    }
  }

  #directSign(peer: Peer, now: number): FailureDetectorEffect[] {
    peer.lastDirect = Math.max(peer.lastDirect, now);
    const wasUnreachable = peer.state === 'unreachable';
    peer.state = 'reachable';
    this.#sign(peer, now);
    return wasUnreachable ? [{ type: 'reachable', peer: peer.name }] : [];
  }

  #sign(peer: Peer, now: number): void {
    peer.lastSign = Math.max(peer.lastSign, now);
    peer.rounds = 0;
    peer.denials = 0;
  }

  #probe(peer: Peer, now: number): FailureDetectorEffect {
    peer.state = 'probing';
    peer.lastProbe = now;
    peer.rounds++;
    return { type: 'probe', target: peer.name, via: this.#relays(peer) };
  }

  /** Some of the peers that nothing is wrong with, at random. */
  #relays(target: Peer): string[] {
    const fit: string[] = [];
    for (const peer of this.#peers.values()) if (peer !== target && peer.state === 'reachable') fit.push(peer.name);
    const count = Math.min(this.#indirectProbes, fit.length);
    for (let index = 0; index < count; index++) {
      const other = index + Math.floor(this.#random.next() * (fit.length - index));
      const name = fit[other] as string;
      fit[other] = fit[index] as string;
      fit[index] = name;
    }
    return fit.slice(0, count);
  }
}

function condemn(peer: Peer, evidence: 'silent' | 'only-indirect'): FailureDetectorEffect {
  peer.state = 'unreachable';
  return { type: 'unreachable', peer: peer.name, evidence };
}
