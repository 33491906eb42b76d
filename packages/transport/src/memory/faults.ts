import { checkKeys, invalidOption } from '@foundation-ts/core';

/** What goes wrong on the way from one host to another. Everything is 0 by default. */
export interface LinkFaults {
  /** Milliseconds a frame takes. */
  readonly delay?: number;
  /** Up to so many milliseconds more, by chance; order is kept. */
  readonly jitter?: number;
  /**
   * Chance from 0 to 1 that a frame is lost. The stream stays reliable, as TCP's does: each loss costs {@link retransmit}
   * milliseconds, and what was sent later waits for it.
   */
  readonly loss?: number;
  /** What one loss costs, milliseconds; default 200. */
  readonly retransmit?: number;
  /** Bytes per second that the link carries for each connection; default without limit. */
  readonly bandwidth?: number;
  /** Chance that a frame's connection is cut instead: both sides see an error. */
  readonly cutProbability?: number;
  /** Chance that a frame arrives twice. It breaks the transport's promise, to show that the layers above notice. */
  readonly duplicate?: number;
  /** Chance that a frame overtakes the one before it, if that is still under way. It breaks the promise too. */
  readonly reorder?: number;
}

/** {@link LinkFaults} with every field. */
export interface ResolvedFaults {
  readonly delay: number;
  readonly jitter: number;
  readonly loss: number;
  readonly retransmit: number;
  readonly bandwidth: number;
  readonly cutProbability: number;
  readonly duplicate: number;
  readonly reorder: number;
}

const KEYS = ['delay', 'jitter', 'loss', 'retransmit', 'bandwidth', 'cutProbability', 'duplicate', 'reorder'] as const;
const CHANCES: ReadonlySet<string> = new Set(['loss', 'cutProbability', 'duplicate', 'reorder']);
const DEFAULT_RETRANSMIT = 200;

/** @throws FoundationError `invalid-option` for a wrong name, a negative number or a chance over 1 */
export function resolveFaults(faults: LinkFaults): ResolvedFaults {
  checkKeys('LinkFaults', faults, KEYS);
  for (const key of KEYS) {
    const value = faults[key];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !(value >= 0)) throw invalidOption(key, value, 'a number from 0');
    if (CHANCES.has(key) && value > 1) throw invalidOption(key, value, 'a chance from 0 to 1');
  }
  if (faults.loss === 1) throw invalidOption('loss', 1, 'a chance under 1; use partition() to stop everything');
  return {
    delay: faults.delay ?? 0,
    jitter: faults.jitter ?? 0,
    loss: faults.loss ?? 0,
    retransmit: faults.retransmit ?? DEFAULT_RETRANSMIT,
    bandwidth: faults.bandwidth ?? Number.POSITIVE_INFINITY,
    cutProbability: faults.cutProbability ?? 0,
    duplicate: faults.duplicate ?? 0,
    reorder: faults.reorder ?? 0,
  };
}
