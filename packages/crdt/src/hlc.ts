import { DEFAULT_MAX_CLOCK_LEAD } from './defaults.js';

/**
 * A hybrid logical timestamp as one number: `(wall − 2020-01-01) · 4096 + logical`. Exact (below 2^53) for wall times from 1950 to 2089,
 * so that a simulated clock which starts at 0 works too. Numeric order is time order; ties between nodes are broken by the node
 * ({@link hlcCompare}). More than 4095 timestamps in a millisecond run on into the next one.
 */
export type HlcTimestamp = number;

/** Older than every timestamp that a clock makes. */
export const HLC_ZERO: HlcTimestamp = Number.MIN_SAFE_INTEGER;

const EPOCH = 1_577_836_800_000;
const LOGICAL = 4096;

/** What {@link hlcReceive} answers. */
export interface HlcReceived {
  /** The new last timestamp; the next tick is above it. */
  readonly timestamp: HlcTimestamp;
  /** By how many milliseconds the remote timestamp went over the allowed lead; 0 if it didn't. Worth a warning. */
  readonly clampedBy: number;
}

/** Puts a timestamp together; wall time in milliseconds, fractions are cut off. */
export function hlcOf(wallTime: number, logical = 0): HlcTimestamp {
  return (Math.floor(wallTime) - EPOCH) * LOGICAL + logical;
}

/** The wall time, in milliseconds, that a timestamp stands for. */
export function hlcWallTime(timestamp: HlcTimestamp): number {
  return Math.floor(timestamp / LOGICAL) + EPOCH;
}

/** The logical part, 0 to 4095. */
export function hlcLogical(timestamp: HlcTimestamp): number {
  return timestamp - Math.floor(timestamp / LOGICAL) * LOGICAL;
}

/**
 * A new timestamp for a local event: above `last`, and not before the wall time. A wall clock that jumps back never makes it run backwards.
 * After "Logical Physical Clocks" (Kulkarni et al. 2014).
 */
export function hlcTick(last: HlcTimestamp, wallTime: number): HlcTimestamp {
  const wall = hlcOf(wallTime);
  return wall > last ? wall : last + 1;
}

/**
 * Takes note of a timestamp from elsewhere, so that what follows here is later. A remote clock that leads the wall time by more than
 * `maxLead` milliseconds pulls this one only as far as that lead, and `clampedBy` says so.
 */
export function hlcReceive(
  last: HlcTimestamp,
  remote: HlcTimestamp,
  wallTime: number,
  maxLead = DEFAULT_MAX_CLOCK_LEAD,
): HlcReceived {
  const limit = hlcOf(wallTime + maxLead, LOGICAL - 1);
  const accepted = remote > limit ? limit : remote;
  return {
    timestamp: Math.max(last, accepted),
    clampedBy: remote > limit ? hlcWallTime(remote) - hlcWallTime(limit) : 0,
  };
}

/** Total order: by timestamp, ties by node (code units). Negative if the first is earlier. */
export function hlcCompare(a: HlcTimestamp, nodeA: string, b: HlcTimestamp, nodeB: string): number {
  if (a !== b) return a - b;
  if (nodeA === nodeB) return 0;
  return nodeA < nodeB ? -1 : 1;
}

/** Options of {@link Hlc}. */
export interface HlcInit {
  /** Milliseconds that a remote clock may lead before it is clamped. Default 60 000. */
  readonly maxLead?: number;
}

/** The clock of one node: holds the last timestamp; time comes in as an argument. */
export class Hlc {
  readonly maxLead: number;
  #last: HlcTimestamp = HLC_ZERO;

  constructor(init: HlcInit = {}) {
    this.maxLead = init.maxLead ?? DEFAULT_MAX_CLOCK_LEAD;
  }

  /** The latest timestamp made or taken note of. */
  get last(): HlcTimestamp {
    return this.#last;
  }

  /** {@link hlcTick} on this clock. */
  tick(wallTime: number): HlcTimestamp {
    this.#last = hlcTick(this.#last, wallTime);
    return this.#last;
  }

  /** {@link hlcReceive} on this clock; answers by how many milliseconds the remote clock was clamped, normally 0. */
  receive(remote: HlcTimestamp, wallTime: number): number {
    const received = hlcReceive(this.#last, remote, wallTime, this.maxLead);
    this.#last = received.timestamp;
    return received.clampedBy;
  }
}
