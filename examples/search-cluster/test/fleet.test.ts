import { expect, test } from 'vitest';
import { compareFleets, countPerNode, type Fleet, sameFleet, shardsOn } from '../src/fleet.js';

const fleet: Fleet = [
  { shard: 0, node: 'b', buildId: 'x', resumed: 0 },
  { shard: 1, node: 'a', buildId: 'y', resumed: 0 },
  { shard: 2, node: 'b', buildId: 'z', resumed: 1 },
];

test('counts the shards of each node', () => {
  expect([...countPerNode(fleet)]).toEqual([
    ['a', 1],
    ['b', 2],
  ]);
  expect(shardsOn(fleet, 'b')).toEqual([0, 2]);
});

test('tells a shard that moved with its index from one that was built anew', () => {
  const after: Fleet = [
    { shard: 0, node: 'c', buildId: 'x', resumed: 1 },
    { shard: 1, node: 'a', buildId: 'y', resumed: 0 },
    { shard: 2, node: 'c', buildId: 'new', resumed: 0 },
  ];
  expect(compareFleets(fleet, after)).toEqual({ moved: [0], rebuilt: [2] });
});

test('takes an index built anew on the same node for what it is', () => {
  const after = fleet.map(sighting => (sighting.shard === 1 ? { ...sighting, buildId: 'new' } : sighting));
  expect(compareFleets(fleet, after)).toEqual({ moved: [], rebuilt: [1] });
  expect(sameFleet(fleet, after)).toBe(false);
});

test('notices a shard that went away and came back', () => {
  const after = fleet.map(sighting => (sighting.shard === 1 ? { ...sighting, resumed: 2 } : sighting));
  expect(compareFleets(fleet, after)).toEqual({ moved: [1], rebuilt: [] });
});

test('calls a fleet the same only when nothing moved and nothing is missing', () => {
  expect(sameFleet(fleet, [...fleet].reverse())).toBe(true);
  expect(sameFleet(fleet, fleet.slice(1))).toBe(false);
});
