import type { Entry } from '@foundation-ts/crdt';

/** What happens to an actor whose claim loses: it exits, or lives on without the name. */
export type ConflictPolicy = 'exit' | 'unname';

/**
 * A claim as replicated: `[actor's number, registered at, moves, policy, value version, value]`. Which node and incarnation made it is its dot's
 * replica. `registered at` is a hybrid logical timestamp.
 */
export type ClaimValue = readonly [
  id: number,
  registeredAt: number,
  moves: number,
  policy: 0 | 1,
  valueVersion: number,
  value?: unknown,
];

/** A claim with who made it. */
export type Claim = Entry<ClaimValue>;

/** Puts a claim's value together. */
export function claimValue(claim: {
  readonly id: number;
  readonly registeredAt: number;
  readonly moves: number;
  readonly onConflict: ConflictPolicy;
  readonly valueVersion: number;
  readonly value: unknown;
}): ClaimValue {
  const { id, registeredAt, moves, onConflict, valueVersion, value } = claim;
  const policy = onConflict === 'exit' ? 0 : 1;
  return value === undefined
    ? [id, registeredAt, moves, policy, valueVersion]
    : [id, registeredAt, moves, policy, valueVersion, value];
}

/** Whether something that came from another node has the form of a claim. */
export function isClaimValue(value: unknown): value is ClaimValue {
  if (!Array.isArray(value) || value.length < 5) return false;
  return value.slice(0, 5).every(part => Number.isSafeInteger(part));
}

/**
 * The order of claims to one name, the winner first: more `moves`, then the earlier `registeredAt`, then the lower node id. It depends on nothing
 * but the claims, so that every node finds the same winner. Negative when `left` wins.
 */
export function compareClaims(left: Claim, right: Claim): number {
  if (left.value[2] !== right.value[2]) return right.value[2] - left.value[2];
  if (left.value[1] !== right.value[1]) return left.value[1] - right.value[1];
  if (left.replica !== right.replica) return left.replica < right.replica ? -1 : 1;
  return right.counter - left.counter;
}

/** The claim that wins among those whose owners are in view. */
export function winnerOf(claims: readonly Claim[], isVisible: (replica: string) => boolean): Claim | undefined {
  let best: Claim | undefined;
  for (const claim of claims) {
    if (!isClaimValue(claim.value) || !isVisible(claim.replica)) continue;
    if (best === undefined || compareClaims(claim, best) < 0) best = claim;
  }
  return best;
}
