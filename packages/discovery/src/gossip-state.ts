import type { Address } from '@foundation-ts/core';
import { addressSet } from './address-set.js';
import { GOSSIP_ANSWER_SPACING, GOSSIP_ANSWER_SPREAD, GOSSIP_MISSED_BEATS, GOSSIP_START_BEATS } from './defaults.js';
import type { Beat } from './gossip-datagram.js';
import type { Advertised } from './strategy.js';

/** The settings that the rules of gossip depend on. */
export interface GossipRules {
  /** ms */
  readonly interval: number;
  readonly maxEntries: number;
  /** ms */
  readonly maxClockSkew: number;
}

interface Entry {
  address: Address;
  sequence: number;
  lifetime: number;
  expiresAt: number;
}

/** Who was heard, and when to speak; belongs to {@link stepGossip}. */
export interface GossipState {
  readonly rules: GossipRules;
  self: Advertised | undefined;
  sequence: number;
  startedAt: number;
  lastBeatAt: number;
  nextBeatAt: number;
  /** Nothing expires before. */
  nextExpiryAt: number;
  readonly entries: Map<string, Entry>;
  /** The last sequence of those who left or fell silent, the longest gone first: their old datagrams stay refused. */
  readonly departed: Map<string, number>;
}

export type GossipInput =
  /** The node became findable. */
  | { readonly type: 'advertise'; readonly self: Advertised }
  /** The node is about to stop. */
  | { readonly type: 'withdraw' }
  /** An authentic datagram arrived. */
  | { readonly type: 'heard'; readonly beat: Beat }
  /** {@link wakeAt} has come. */
  | { readonly type: 'tick' }
  /** The node was deaf for a while: nobody's silence in that time counts. */
  | { readonly type: 'reconnected' }
  /** So much rubbish arrives that honest datagrams get lost in it: again, nobody's silence counts. */
  | { readonly type: 'flooded' };

/** What the step sees of the world. */
export interface GossipMoment {
  /** Monotonic, ms. */
  readonly now: number;
  /** ms since 1970 */
  readonly wallTime: number;
  /** In [0, 1). */
  readonly random: number;
}

/**
 * - `replayed`: not newer than what the sender said before (also the copies of a datagram that came by several ways)
 * - `stale`: from somebody unknown whose wall clock differs from ours by more than the allowed skew
 * - `table-full`: from somebody unknown while the table is full
 */
export type GossipDrop = 'replayed' | 'stale' | 'table-full';

export type GossipEffect =
  | { readonly type: 'send'; readonly beat: Beat }
  /** {@link knownAddresses} is another set now. */
  | { readonly type: 'changed' }
  | { readonly type: 'dropped'; readonly reason: GossipDrop };

const shortestLifetime = 100;
const longestLifetime = 300_000;

export function createGossipState(rules: GossipRules): GossipState {
  return {
    rules,
    self: undefined,
    sequence: 0,
    startedAt: 0,
    lastBeatAt: Number.NEGATIVE_INFINITY,
    nextBeatAt: Number.POSITIVE_INFINITY,
    nextExpiryAt: Number.POSITIVE_INFINITY,
    entries: new Map(),
    departed: new Map(),
  };
}

/** When the next `tick` is due; `Infinity`: never. */
export function wakeAt(state: GossipState): number {
  return Math.min(state.nextBeatAt, state.nextExpiryAt);
}

/** Everybody heard of who is not silent, the node itself included while it is advertised. */
export function knownAddresses(state: GossipState): readonly Address[] {
  const addresses = [...state.entries.values()].map(entry => entry.address);
  if (state.self !== undefined) addresses.push(state.self.address);
  return addressSet(addresses);
}

/**
 * The rules of gossip, without clock, randomness or I/O: the same inputs give the same effects.
 *
 * Writes into `state`, of which the caller keeps no older copy: one that copied its table would cost each node of a
 * cluster of n nodes n² a beat.
 */
export function stepGossip(state: GossipState, input: GossipInput, moment: GossipMoment): readonly GossipEffect[] {
  switch (input.type) {
    case 'advertise':
      state.self = input.self;
      state.entries.delete(keyOf(input.self));
      state.startedAt = moment.now;
      return [speak(state, input.self, 'beat', moment), changed];
    case 'withdraw':
      return withdraw(state, moment);
    case 'heard':
      return hear(state, input.beat, moment);
    case 'tick':
      return tick(state, moment);
    case 'reconnected':
      forgiveSilence(state, moment.now);
      state.startedAt = moment.now;
      return state.self === undefined ? [] : [speak(state, state.self, 'beat', moment)];
    case 'flooded':
      forgiveSilence(state, moment.now);
      return [];
  }
}

function withdraw(state: GossipState, moment: GossipMoment): readonly GossipEffect[] {
  const self = state.self;
  if (self === undefined) return [];
  const goodbye = speak(state, self, 'goodbye', moment);
  state.self = undefined;
  state.nextBeatAt = Number.POSITIVE_INFINITY;
  // our own last datagrams come back to us by multicast
  remember(state, keyOf(self), state.sequence);
  return [goodbye, changed];
}

function tick(state: GossipState, moment: GossipMoment): readonly GossipEffect[] {
  const effects: GossipEffect[] = [];
  // a late tick: the process was suspended, and datagrams that arrived meanwhile wait to be read
  if (moment.now - wakeAt(state) > state.rules.interval) forgiveSilence(state, moment.now);
  if (state.self !== undefined && moment.now >= state.nextBeatAt)
    effects.push(speak(state, state.self, 'beat', moment));
  if (moment.now >= state.nextExpiryAt && expire(state, moment.now)) effects.push(changed);
  return effects;
}

function hear(state: GossipState, beat: Beat, moment: GossipMoment): readonly GossipEffect[] {
  const key = keyOf(beat.node);
  if (state.self !== undefined && key === keyOf(state.self)) return [];
  const entry = state.entries.get(key);
  const last = entry?.sequence ?? state.departed.get(key);
  if (last !== undefined && beat.sequence <= last) return [{ type: 'dropped', reason: 'replayed' }];
  // Wall clocks only bound how old a stranger's first datagram may be: nobody known is lost when a clock is set.
  if (last === undefined && Math.abs(moment.wallTime - beat.sentAt) > state.rules.maxClockSkew) {
    return [{ type: 'dropped', reason: 'stale' }];
  }
  if (beat.kind === 'goodbye') {
    remember(state, key, beat.sequence);
    return state.entries.delete(key) ? [changed] : [];
  }
  if (entry !== undefined) return refresh(state, entry, beat, moment.now);
  if (state.entries.size >= state.rules.maxEntries) return [{ type: 'dropped', reason: 'table-full' }];
  state.departed.delete(key);
  state.entries.set(key, { address: beat.node.address, sequence: 0, lifetime: 0, expiresAt: 0 });
  refresh(state, state.entries.get(key) as Entry, beat, moment.now);
  answerSoon(state, moment);
  return [changed];
}

function refresh(state: GossipState, entry: Entry, beat: Beat, now: number): readonly GossipEffect[] {
  const { protocol, host, port } = entry.address;
  const { address } = beat.node;
  const moved = protocol !== address.protocol || host !== address.host || port !== address.port;
  entry.address = address;
  entry.sequence = beat.sequence;
  entry.lifetime = Math.min(Math.max(beat.interval * (GOSSIP_MISSED_BEATS + 1), shortestLifetime), longestLifetime);
  entry.expiresAt = now + entry.lifetime;
  state.nextExpiryAt = Math.min(state.nextExpiryAt, entry.expiresAt);
  return moved ? [changed] : [];
}

function expire(state: GossipState, now: number): boolean {
  let expired = false;
  state.nextExpiryAt = Number.POSITIVE_INFINITY;
  for (const [key, entry] of state.entries) {
    if (entry.expiresAt <= now) {
      state.entries.delete(key);
      remember(state, key, entry.sequence);
      expired = true;
    } else {
      state.nextExpiryAt = Math.min(state.nextExpiryAt, entry.expiresAt);
    }
  }
  return expired;
}

function forgiveSilence(state: GossipState, now: number): void {
  state.nextExpiryAt = Number.POSITIVE_INFINITY;
  for (const entry of state.entries.values()) {
    entry.expiresAt = Math.max(entry.expiresAt, now + entry.lifetime);
    state.nextExpiryAt = Math.min(state.nextExpiryAt, entry.expiresAt);
  }
}

function remember(state: GossipState, key: string, sequence: number): void {
  state.departed.delete(key);
  state.departed.set(key, sequence);
  for (const oldest of state.departed.keys()) {
    if (state.departed.size <= state.rules.maxEntries) break;
    state.departed.delete(oldest);
  }
}

function speak(state: GossipState, self: Advertised, kind: Beat['kind'], moment: GossipMoment): GossipEffect {
  // Follows the monotonic clock, so that a strategy which restarts within one incarnation goes on where it was.
  state.sequence = Math.max(state.sequence + 1, Math.floor(moment.now * 1_000));
  state.lastBeatAt = moment.now;
  state.nextBeatAt = nextBeat(state, moment);
  const { interval } = state.rules;
  return { type: 'send', beat: { kind, node: self, sequence: state.sequence, sentAt: moment.wallTime, interval } };
}

function nextBeat(state: GossipState, moment: GossipMoment): number {
  const offset = GOSSIP_START_BEATS.find(start => state.startedAt + start > moment.now);
  const next = moment.now + state.rules.interval * (0.8 + 0.4 * moment.random);
  return offset === undefined ? next : Math.min(next, state.startedAt + offset);
}

function answerSoon(state: GossipState, moment: GossipMoment): void {
  if (state.self === undefined) return;
  const soon = Math.max(moment.now + GOSSIP_ANSWER_SPREAD * moment.random, state.lastBeatAt + GOSSIP_ANSWER_SPACING);
  state.nextBeatAt = Math.min(state.nextBeatAt, soon);
}

const keyOf = (node: Advertised): string => `${node.incarnation}#${node.name}`;

const changed: GossipEffect = { type: 'changed' };
