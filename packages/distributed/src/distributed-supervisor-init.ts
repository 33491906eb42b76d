import { checkKeys, type IntensityOptions, invalidOption } from '@foundation-ts/core';
import { FAILOVER_AFTER, FORWARD_WINDOW, MAX_STATE_BYTES, REBALANCE_AFTER } from './defaults.js';
import { type Placement, rendezvous } from './placement.js';

/** Options of {@link createDistributedSupervisor}; the same on every node of the cluster. */
export interface DistributedSupervisorOptions extends IntensityOptions {
  /** Where children go; default {@link rendezvous}. */
  readonly placement?: Placement;
  /** Milliseconds after which the children of an *unreachable* member are started elsewhere; default 3,000. Those of a dead one are at once. */
  readonly failoverAfter?: number;
  /** Whether children move to members that join (by hand-off); default `'active'`. */
  readonly rebalance?: 'active' | 'passive';
  /** Milliseconds that a member must stay before children move to it; default 200. */
  readonly rebalanceAfter?: number;
  /** Bytes of state that a hand-off carries at most; default 16 MiB. A child with more stays where it is. */
  readonly maxStateBytes?: number;
  /** Milliseconds for which a child's old pid forwards after a hand-off, before it answers `moved`; default 5,000. */
  readonly forwardWindow?: number;
}

/** The options with their defaults. */
export interface ResolvedOptions {
  readonly placement: Placement;
  readonly maxRestarts: number;
  readonly within: number;
  readonly failoverAfter: number;
  readonly rebalance: 'active' | 'passive';
  readonly rebalanceAfter: number;
  readonly maxStateBytes: number;
  readonly forwardWindow: number;
}

const keys = [
  'placement',
  'maxRestarts',
  'within',
  'failoverAfter',
  'rebalance',
  'rebalanceAfter',
  'maxStateBytes',
  'forwardWindow',
] as const satisfies readonly (keyof DistributedSupervisorOptions)[];

/** Elixir's default intensity, for each child on its own. */
const MAX_RESTARTS = 3;
const RESTART_WITHIN = 5_000;

/** @throws FoundationError `invalid-option` */
export function resolveOptions(options: DistributedSupervisorOptions): ResolvedOptions {
  checkKeys('createDistributedSupervisor()', options, keys);
  const { placement = rendezvous(), rebalance = 'active', maxRestarts = MAX_RESTARTS } = options;
  if (typeof placement?.choose !== 'function')
    throw invalidOption('placement', placement, 'a Placement, such as rendezvous()');
  if (rebalance !== 'active' && rebalance !== 'passive')
    throw invalidOption('rebalance', rebalance, "'active', 'passive'");
  if (!(Number.isInteger(maxRestarts) && maxRestarts >= 0))
    throw invalidOption('maxRestarts', maxRestarts, 'an integer, 0 or more');
  return {
    placement,
    rebalance,
    maxRestarts,
    within: positive('within', options.within ?? RESTART_WITHIN),
    failoverAfter: positive('failoverAfter', options.failoverAfter ?? FAILOVER_AFTER),
    rebalanceAfter: positive('rebalanceAfter', options.rebalanceAfter ?? REBALANCE_AFTER),
    maxStateBytes: positive('maxStateBytes', options.maxStateBytes ?? MAX_STATE_BYTES),
    forwardWindow: positive('forwardWindow', options.forwardWindow ?? FORWARD_WINDOW),
  };
}

function positive(option: string, value: number): number {
  if (!(typeof value === 'number' && value >= 0)) throw invalidOption(option, value, 'a number, 0 or more');
  return value;
}
