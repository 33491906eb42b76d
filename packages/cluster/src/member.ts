import type { Address } from '@foundation-ts/core';

/** A member's status, in the order in which an incarnation passes through them; it never goes back. */
export type MemberStatus = 'joining' | 'up' | 'leaving' | 'down' | 'removed';

/**
 * One row of the membership: what the cluster agrees on about one incarnation of a node. Whether it can be reached is
 * one side's view and not part of it.
 */
export interface Member {
  /** The node's stable name. */
  readonly name: string;
  /** Which life of that node: the wall time of its start, or more; a greater one replaces a smaller one. */
  readonly incarnation: number;
  /** Where it can be dialled; undefined when it doesn't listen. */
  readonly address: Address | undefined;
  readonly status: MemberStatus;
  readonly roles: readonly string[];
  readonly zone: string | undefined;
  /** The version of this record; only its owner raises it. */
  readonly version: number;
  /** Plain JSON values. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** The statuses in their order. */
export const memberStatuses: readonly MemberStatus[] = ['joining', 'up', 'leaving', 'down', 'removed'];

const ranks: Readonly<Record<MemberStatus, number>> = { joining: 0, up: 1, leaving: 2, down: 3, removed: 4 };

/** The place of a status in its order: 0 for `joining` to 4 for `removed`. */
export function statusRank(status: MemberStatus): number {
  return ranks[status];
}

/** Whether a status is final for its incarnation (`down`, `removed`). */
export function isDead(status: MemberStatus): boolean {
  return ranks[status] >= ranks.down;
}

/**
 * The incarnation for a new life of a node: the wall time, but always more than any it had before.
 * @param previous - the greatest incarnation known of that node; 0 if none
 * @param wallTime - milliseconds since the Unix epoch
 */
export function nextIncarnation(previous: number, wallTime: number): number {
  return Math.max(previous + 1, Math.floor(wallTime));
}
