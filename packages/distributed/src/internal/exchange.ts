import type { AnyDefinition, Ref } from '@foundation-ts/core';
import { type AwMap, type MapPartial, partialFromPlain, partialToPlain } from '@foundation-ts/crdt';
import { CHUNK_BUCKETS, CHUNK_ENTRIES } from '../defaults.js';

/** The operations of an exchange, by their wire form; see the functions `answer…`. */
export type ExchangeCalls = {
  root: (s: object, message: unknown) => unknown;
  leaves: (s: object, message: unknown) => unknown;
  buckets: (s: object, message: unknown) => unknown;
};

/** What a pull needs of its replica. */
export interface PullHost<V> {
  readonly expected: number;
  joined(partial: MapPartial<V>, keys: readonly string[]): void;
  foreign(): void;
  /** Runs the part of the exchange that moves much data. */
  bulk<T>(work: () => Promise<T>): Promise<T>;
}

type Peer = Ref<
  AnyDefinition & {
    readonly '~types'?: { readonly argument: unknown; readonly calls: ExchangeCalls; readonly casts: unknown };
  }
>;

/**
 * Brings the map everything that the peer holds: compares roots, then groups, then buckets, and takes in whole the buckets that differ, a
 * chunk at a time. Returns the peer's mark up to which that is, or undefined when the peer is another incarnation or the exchange came to nothing.
 */
export async function pullFrom<V>(
  map: AwMap<V>,
  peer: Peer,
  me: readonly [name: string, incarnation: number],
  host: PullHost<V>,
): Promise<number | undefined> {
  const first = readRoot(await peer.call('root', [...me, ...map.digestRoot()]), host.expected);
  if (first === undefined || first.groups === undefined) return first?.mark;
  return host.bulk(async () => {
    const again = readRoot(await peer.call('root', [...me, ...map.digestRoot()]), host.expected);
    if (again === undefined || again.groups === undefined) return again?.mark;
    const groups = map.differingGroups(again.groups);
    const leaves = numbers(await peer.call('leaves', groups));
    let rest = map.differingBuckets(groups, leaves);
    while (rest.length > 0) {
      const asked = rest.slice(0, CHUNK_BUCKETS);
      const partial = partialFromPlain<V>(await peer.call('buckets', asked));
      if (map.hasUnseenDotsOf(partial)) {
        host.foreign();
        return undefined;
      }
      host.joined(partial, map.joinPartial(withoutSelf(partial, map.replica)));
      const last = partial.buckets.at(-1)?.bucket;
      rest = rest.slice(last === undefined ? asked.length : asked.indexOf(last) + 1);
    }
    return again.mark;
  });
}

function withoutSelf<V>(partial: MapPartial<V>, self: string): MapPartial<V> {
  if (partial.gone === undefined) return partial;
  return { ...partial, gone: partial.gone.filter(({ replica }) => replica !== self) };
}

function readRoot(
  answer: unknown,
  expected: number,
): { readonly mark: number; readonly groups: readonly number[] | undefined } | undefined {
  if (!Array.isArray(answer)) throw new TypeError('the answer to a comparison is no array');
  const [incarnation, mark, groups] = answer as unknown[];
  if (incarnation !== expected) return undefined;
  if (typeof mark !== 'number') throw new TypeError('the answer to a comparison has no mark');
  return { mark, groups: groups === undefined ? undefined : numbers(groups) };
}

function numbers(value: unknown): number[] {
  if (!Array.isArray(value) || value.some(item => typeof item !== 'number'))
    throw new TypeError('not a list of numbers');
  return value as number[];
}

/** Answers `root`: `[name, incarnation, hi, lo]` → nothing when both hold the same, else the hashes of the groups. */
export function answerRoot(
  map: AwMap<unknown>,
  message: unknown,
): {
  readonly from: string;
  readonly incarnation: number;
  readonly equal: boolean;
  readonly answer: readonly unknown[];
} {
  if (!Array.isArray(message)) throw new TypeError('a comparison is no array');
  const [from, incarnation, hi, lo] = message as unknown[];
  if (typeof from !== 'string' || typeof incarnation !== 'number') throw new TypeError('a comparison has no sender');
  const [ownHi, ownLo] = map.digestRoot();
  const equal = ownHi === hi && ownLo === lo;
  return { from, incarnation, equal, answer: equal ? [] : [map.digestGroups()] };
}

/** Answers `leaves`: numbers of groups → the hashes of their buckets. */
export function answerLeaves(map: AwMap<unknown>, message: unknown): number[] {
  const groups = numbers(message);
  if (groups.length > map.bucketCount) throw new TypeError('more groups than there are');
  return map.digestLeaves(groups);
}

/** Answers `buckets`: numbers of buckets → as many of them, whole, as fit into one message. */
export function answerBuckets(map: AwMap<unknown>, message: unknown): unknown {
  return partialToPlain(map.extract(numbers(message), CHUNK_ENTRIES));
}
