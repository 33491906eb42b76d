/** Where a shard was seen, and which build of its index it held. */
export interface Sighting {
  readonly shard: number;
  readonly node: string;
  readonly buildId: string;
  /** How often that build was handed over. */
  readonly resumed: number;
}

/** All shards at one moment. */
export type Fleet = readonly Sighting[];

/** What became of the shards from one moment to a later one; shard numbers. */
export interface FleetChange {
  /** Handed over since, with the index that they had. */
  readonly moved: readonly number[];
  /** With an index that was made anew from the files. */
  readonly rebuilt: readonly number[];
}

export function compareFleets(before: Fleet, after: Fleet): FleetChange {
  const earlier = new Map(before.map(sighting => [sighting.shard, sighting]));
  const moved: number[] = [];
  const rebuilt: number[] = [];
  for (const now of after) {
    const then = earlier.get(now.shard);
    if (then?.buildId !== now.buildId) rebuilt.push(now.shard);
    else if (then.node !== now.node || then.resumed !== now.resumed) moved.push(now.shard);
  }
  return { moved, rebuilt };
}

export function shardsOn(fleet: Fleet, node: string): number[] {
  return fleet.filter(sighting => sighting.node === node).map(sighting => sighting.shard);
}

/** Node → how many shards it has, by node name. */
export function countPerNode(fleet: Fleet): Map<string, number> {
  const nodes = [...new Set(fleet.map(sighting => sighting.node))].sort();
  return new Map(nodes.map(node => [node, shardsOn(fleet, node).length]));
}

/** Whether every shard is where it was, with the index it had. */
export function sameFleet(left: Fleet, right: Fleet): boolean {
  const { moved, rebuilt } = compareFleets(left, right);
  return left.length === right.length && moved.length === 0 && rebuilt.length === 0;
}
