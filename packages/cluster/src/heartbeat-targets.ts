import { HEARTBEAT_TARGETS } from './defaults.js';
import { hashText } from './internal/hash.js';

/**
 * Whom a node heartbeats and watches: its next `count` neighbours on a ring on which the members stand by the hash of
 * their names (as Akka's `HeartbeatNodeRing`). So each member is watched by `count` others, whatever the size of the
 * cluster, and every node can tell who watches whom. With `count` others or fewer: all of them.
 *
 * Members already seen as unreachable stay watched but don't count: the ring is followed past them, so that of a lost
 * half of the cluster every member is noticed, and not only those whose watchers happen to be on this side.
 * @param self - the own name
 * @param members - the names of all members that are not down; may include `self`
 * @param options.count - default 5
 * @param options.unreachable - those that this node sees as unreachable; default none
 */
export function heartbeatTargets(
  self: string,
  members: Iterable<string>,
  options: { readonly count?: number; readonly unreachable?: ReadonlySet<string> } = {},
): string[] {
  const count = options.count ?? HEARTBEAT_TARGETS;
  const others = new Set(members);
  others.delete(self);
  if (others.size <= count) return [...others].sort();
  const place = hashText(self);
  const ring = Array.from(others, name => ({ name, place: hashText(name) })).sort((left, right) => before(left, right));
  const start = ring.findIndex(spot => before({ name: self, place }, spot) < 0);
  const targets: string[] = [];
  let reachable = 0;
  for (let step = 0; step < ring.length && reachable < count; step++) {
    const { name } = ring[(Math.max(start, 0) + step) % ring.length] as Spot;
    targets.push(name);
    if (options.unreachable?.has(name) !== true) reachable++;
  }
  return targets;
}

interface Spot {
  readonly name: string;
  readonly place: number;
}

function before(left: Spot, right: Spot): number {
  return left.place - right.place || (left.name < right.name ? -1 : left.name > right.name ? 1 : 0);
}
