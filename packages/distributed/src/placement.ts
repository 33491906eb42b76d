import type { MemberView } from '@foundation-ts/cluster';
import { checkKeys, invalidOption, type Random } from '@foundation-ts/core';
import { Rendezvous } from './rendezvous.js';

/** Why a child is placed. */
export type PlacementReason = 'start' | 'failover' | 'rebalance' | 'leave';

/** What a placement may go by. */
export interface PlacementContext {
  readonly reason: PlacementReason;
  /** How many children of this supervisor are assigned to a member, by name. */
  load(member: string): number;
  readonly random: Random;
}

/** Decides on which member a child runs. It is asked when a child has to be placed; its answer never moves a child that runs. */
export interface Placement {
  readonly name: string;
  /**
   * Whether the same key and members always give the same answer, on every node. Then, when a member joins, the children that this placement
   * gives to it move there; otherwise joining members are filled up to the average.
   */
  readonly stable: boolean;
  /** @returns one of `members` (which are visible, and run the supervisor), or undefined when none will do */
  choose(key: string, members: readonly MemberView[], ctx: PlacementContext): MemberView | undefined;
}

/** Options of {@link rendezvous}. */
export interface RendezvousInit {
  /** A member's share, relative to the others'; default 1 for each. Must be the same on every node. */
  readonly weight?: (member: MemberView) => number;
}

/** By rendezvous hashing of key and node name: even, and when a member joins or leaves only its share moves. */
export function rendezvous(init: RendezvousInit = {}): Placement {
  checkKeys('rendezvous()', init, ['weight']);
  const { weight } = init;
  if (weight !== undefined && typeof weight !== 'function')
    throw invalidOption('weight', weight, 'a function of a member');
  const hash = new Rendezvous();
  return {
    name: 'rendezvous',
    stable: true,
    choose: (key, members) => {
      const weights =
        weight === undefined
          ? undefined
          : (name: string) => weight(members.find(member => member.name === name) as MemberView);
      const name = hash.top(key, namesOf(members), weights);
      return members.find(member => member.name === name);
    },
  };
}

function* namesOf(members: readonly MemberView[]): Generator<string, void, undefined> {
  for (const member of members) yield member.name;
}

/** Anywhere. */
export function random(): Placement {
  return {
    name: 'random',
    stable: false,
    choose: (_key, members, ctx) => members[Math.floor(ctx.random.next() * members.length)],
  };
}

/** Where the fewest children are; by name among equals. */
export function leastLoaded(): Placement {
  return {
    name: 'least-loaded',
    stable: false,
    choose: (_key, members, ctx) => {
      let best: MemberView | undefined;
      for (const member of members) {
        if (best === undefined || ctx.load(member.name) < ctx.load(best.name)) best = member;
      }
      return best;
    },
  };
}
