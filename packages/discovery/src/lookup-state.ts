import { type Address, formatAddress } from '@foundation-ts/core';
import { addressSet, sameAddressSet } from './address-set.js';
import {
  DNS_EMPTY_ANSWERS,
  DNS_MIN_INTERVAL,
  DNS_RETRY_MAX,
  DNS_RETRY_MIN,
  DNS_START_INTERVAL,
  MAX_ADDRESSES,
} from './defaults.js';

/** What became of one question of a look-up. */
export type LookupPart =
  | { readonly addresses: readonly Address[] /** ms; undefined: it does not say. */; readonly ttl: number | undefined }
  | { readonly error: Error };

/** The questions of one look-up, by a name that stays the same from one look-up to the next. */
export type LookupParts = ReadonlyMap<string, LookupPart>;

export interface LookupRules {
  /** The longest time between two look-ups, ms. */
  readonly pollInterval: number;
}

/** What a repeated look-up knows. */
export interface LookupState {
  /** What each question was last answered with. */
  readonly known: ReadonlyMap<string, readonly Address[]>;
  readonly published: readonly Address[] | undefined;
  /** Answers in a row which said that there is nobody any more. */
  readonly emptied: number;
  readonly failures: number;
  /** Answers that named nobody but the node itself, before the first that did. */
  readonly lonely: number;
  /** Whether some questions failed in the last look-up, and others did not. */
  readonly partial: boolean;
}

export interface LookupEffects {
  /** The new set; undefined: the last one stands. */
  readonly publish?: readonly Address[];
  readonly failed?: Error;
  /** Some questions have begun to fail, this one first. */
  readonly partlyFailed?: Error;
  /** Addresses beyond the most that are taken. */
  readonly excess: number;
  /** Milliseconds until the next look-up, before jitter. */
  readonly wait: number;
}

export const initialLookupState: LookupState = {
  known: new Map(),
  published: undefined,
  emptied: 0,
  failures: 0,
  lonely: 0,
  partial: false,
};

/**
 * Takes the result of a look-up.
 *
 * - A question that failed keeps its last answer. Nobody named, and some question failed: the look-up failed, the last set stands.
 * - An empty answer where there was one before is believed when it comes {@link DNS_EMPTY_ANSWERS} times in a row.
 * - The next look-up is due when the answers expire, within bounds; sooner for a node that has not found anybody yet.
 */
export function stepLookup(
  state: LookupState,
  result: LookupParts | Error,
  rules: LookupRules,
  self: Address | undefined,
): readonly [LookupState, LookupEffects] {
  if (result instanceof Error) return failed(state, result, rules);
  const errors: Error[] = [];
  const known = new Map<string, readonly Address[]>();
  let ttl = Number.POSITIVE_INFINITY;
  for (const [question, part] of result) {
    if ('error' in part) errors.push(part.error);
    else ttl = Math.min(ttl, part.ttl ?? Number.POSITIVE_INFINITY);
    known.set(question, 'error' in part ? (state.known.get(question) ?? []) : part.addresses);
  }
  const all = addressSet([...known.values()].flat());
  const [error] = errors;
  if (error !== undefined && (all.length === 0 || errors.length === result.size)) return failed(state, error, rules);

  const alone = all.every(address => self !== undefined && formatAddress(address) === formatAddress(self));
  const lonely = alone ? state.lonely : Number.POSITIVE_INFINITY;
  const least = Math.min(DNS_MIN_INTERVAL, rules.pollInterval);
  const usual = Math.min(Math.max(ttl, least), rules.pollInterval);
  const answered = { failures: 0, lonely: lonely + 1, partial: error !== undefined };
  const partly = error === undefined || state.partial ? {} : { partlyFailed: error };

  const doubtful = all.length === 0 && (state.published?.length ?? 0) > 0 && state.emptied + 1 < DNS_EMPTY_ANSWERS;
  if (doubtful) {
    return [
      { ...state, ...answered, emptied: state.emptied + 1 },
      { ...partly, excess: 0, wait: least },
    ];
  }
  const published = all.slice(0, MAX_ADDRESSES);
  const changed = state.published === undefined || !sameAddressSet(published, state.published);
  return [
    { ...answered, known, published, emptied: 0 },
    {
      ...(changed ? { publish: published } : {}),
      ...partly,
      excess: all.length - published.length,
      wait: Math.min(usual, DNS_START_INTERVAL * 2 ** lonely),
    },
  ];
}

function failed(
  state: LookupState,
  error: Error,
  { pollInterval }: LookupRules,
): readonly [LookupState, LookupEffects] {
  const wait = Math.min(DNS_RETRY_MIN * 2 ** state.failures, Math.max(DNS_RETRY_MAX, pollInterval));
  return [
    { ...state, failures: state.failures + 1 },
    { failed: error, excess: 0, wait },
  ];
}
