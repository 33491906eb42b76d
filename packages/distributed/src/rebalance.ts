import type { MemberView } from '@foundation-ts/cluster';
import type { Placement, PlacementContext } from './placement.js';

/** One child that should go elsewhere. */
export interface Move {
  readonly id: string;
  readonly to: MemberView;
}

/**
 * Which of its children a node gives to members that have joined. With a stable placement exactly those that it gives to a newcomer; otherwise
 * what this node has above the average, to newcomers that are below it. Nothing ever moves between members that were there before. Pure.
 */
export function rebalanceMoves(input: {
  readonly self: string;
  readonly running: readonly string[];
  readonly members: readonly MemberView[];
  readonly newcomers: readonly MemberView[];
  readonly placement: Placement;
  readonly ctx: PlacementContext;
}): Move[] {
  const { self, running, members, newcomers, placement, ctx } = input;
  return placement.stable
    ? byPlacement(self, running, members, newcomers, placement, ctx)
    : byLoad(self, running, members, newcomers, ctx);
}

function byPlacement(
  self: string,
  running: readonly string[],
  members: readonly MemberView[],
  newcomers: readonly MemberView[],
  placement: Placement,
  ctx: PlacementContext,
): Move[] {
  const joined = new Set(newcomers.map(member => member.name));
  const moves: Move[] = [];
  for (const id of running) {
    const to = placement.choose(id, members, ctx);
    if (to !== undefined && to.name !== self && joined.has(to.name)) moves.push({ id, to });
  }
  return moves;
}

function byLoad(
  self: string,
  running: readonly string[],
  members: readonly MemberView[],
  newcomers: readonly MemberView[],
  ctx: PlacementContext,
): Move[] {
  const total = members.reduce((sum, member) => sum + ctx.load(member.name), 0);
  const average = total / Math.max(1, members.length);
  const excess = Math.floor(ctx.load(self) - average);
  const room = newcomers
    .filter(member => member.name !== self)
    .map(member => ({ member, left: Math.floor(average - ctx.load(member.name)) }));
  const moves: Move[] = [];
  for (const id of running) {
    if (moves.length >= excess) break;
    room.sort((one, other) => other.left - one.left);
    const best = room[0];
    if (best === undefined || best.left <= 0) break;
    best.left--;
    moves.push({ id, to: best.member });
  }
  return moves;
}
