import type { MemberView } from '@foundation-ts/cluster';
import { seededRandom } from '@foundation-ts/core';
import {
  leastLoaded,
  type Placement,
  type PlacementContext,
  Rendezvous,
  random,
  rendezvous,
} from '@foundation-ts/distributed';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Chooser } from '../src/chooser.js';
import { rebalanceMoves } from '../src/rebalance.js';

const member = (name: string): MemberView => ({
  name,
  incarnation: 1,
  address: undefined,
  status: 'up',
  roles: [],
  zone: undefined,
  version: 1,
  metadata: {},
  reachable: true,
});
const members = (...names: string[]): MemberView[] => names.map(member);
const context = (loads: Record<string, number> = {}): PlacementContext => ({
  reason: 'start',
  load: name => loads[name] ?? 0,
  random: seededRandom(1),
});
const keys = Array.from({ length: 3_000 }, (_, index) => `child-${index}`);

describe('rendezvous', () => {
  test('spreads keys evenly', () => {
    const counts = new Map<string, number>();
    const five = members('node-1', 'node-2', 'node-3', 'node-4', 'node-5');
    for (const key of keys) {
      const name = rendezvous().choose(key, five, context())?.name ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 600)).toBeLessThan(120);
  });

  test('moves only the keys of a node that goes, and only to one that comes', () => {
    const three = members('a', 'b', 'c');
    const placement = rendezvous();
    for (const key of keys) {
      const before = placement.choose(key, three, context())?.name;
      const without = placement.choose(key, members('a', 'b'), context())?.name;
      if (before !== 'c') expect(without).toBe(before);
      const grown = placement.choose(key, members('a', 'b', 'c', 'd'), context())?.name;
      if (grown !== 'd') expect(grown).toBe(before);
    }
  });

  test('does not depend on the order of members', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 8 }),
        fc.string(),
        (names, key) => {
          const hash = new Rendezvous();
          expect(hash.top(key, [...names].reverse())).toBe(hash.top(key, names));
        },
      ),
    );
  });

  test('gives a heavier node its share', () => {
    const placement = rendezvous({ weight: each => (each.name === 'big' ? 3 : 1) });
    const big = keys.filter(key => placement.choose(key, members('big', 'small'), context())?.name === 'big').length;
    expect(Math.abs(big - 2_250)).toBeLessThan(150);
    const none = rendezvous({ weight: each => (each.name === 'off' ? 0 : 1) });
    expect(none.choose('k', members('off', 'on'), context())?.name).toBe('on');
  });

  test('has nobody among nobody', () => {
    for (const placement of [rendezvous(), random(), leastLoaded()])
      expect(placement.choose('k', [], context())).toBeUndefined();
    expect(new Chooser().of('k', [])).toBeUndefined();
  });
});

describe('the others', () => {
  test('least loaded chooses the least loaded', () => {
    expect(leastLoaded().choose('k', members('a', 'b', 'c'), context({ a: 2, b: 1, c: 1 }))?.name).toBe('b');
  });

  test('random reaches everybody', () => {
    const ctx = context();
    const found = new Set(keys.slice(0, 100).map(key => random().choose(key, members('a', 'b', 'c'), ctx)?.name));
    expect(found.size).toBe(3);
  });
});

describe('rebalancing', () => {
  const moves = (placement: Placement, loads: Record<string, number>, newcomers: string[], running: string[]) =>
    rebalanceMoves({
      self: 'a',
      running,
      members: members(...Object.keys(loads)),
      newcomers: members(...newcomers),
      placement,
      ctx: context(loads),
    });

  test('moves to newcomers only what the placement gives to them', () => {
    const found = moves(rendezvous(), { a: 1_500, b: 1_500, c: 0 }, ['c'], keys.slice(0, 300));
    expect(found.every(move => move.to.name === 'c')).toBe(true);
    expect(Math.abs(found.length - 100)).toBeLessThan(30);
  });

  test('moves nothing between those who were there, and nothing without newcomers', () => {
    expect(moves(rendezvous(), { a: 300, b: 0 }, [], keys.slice(0, 300))).toEqual([]);
    expect(moves(leastLoaded(), { a: 300, b: 0 }, [], keys.slice(0, 300))).toEqual([]);
  });

  test('by load, fills newcomers up to the average', () => {
    expect(moves(leastLoaded(), { a: 30, b: 30, c: 0 }, ['c'], keys.slice(0, 30))).toHaveLength(10);
    expect(moves(leastLoaded(), { a: 30, b: 30, c: 30 }, ['c'], keys.slice(0, 30))).toEqual([]);
    expect(
      moves(leastLoaded(), { a: 40, b: 0, c: 0 }, ['b', 'c'], keys.slice(0, 40)).filter(move => move.to.name === 'b'),
    ).toHaveLength(13);
  });
});
