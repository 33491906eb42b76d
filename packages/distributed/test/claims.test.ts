import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Claim, claimValue, compareClaims, isClaimValue, winnerOf } from '../src/claims.js';
import { RegistryIndex } from '../src/registry-index.js';

const claim = (replica: string, moves: number, registeredAt: number, counter = 1): Claim => ({
  replica,
  counter,
  value: claimValue({ id: 7, registeredAt, moves, onConflict: 'exit', valueVersion: 0, value: undefined }),
});
const everybody = (): boolean => true;

describe('the winner of a name', () => {
  test.each([
    ['more moves', claim('z#1', 2, 900), claim('a#1', 1, 100)],
    ['the earlier registration', claim('z#1', 1, 100), claim('a#1', 1, 101)],
    ['the lower node id', claim('a#1', 1, 100), claim('b#1', 1, 100)],
  ])('has %s', (_rule, winner, loser) => {
    expect(winnerOf([loser, winner], everybody)).toBe(winner);
    expect(winnerOf([winner, loser], everybody)).toBe(winner);
  });

  test('is in view', () => {
    const [first, second] = [claim('a#1', 0, 1), claim('b#1', 0, 2)];
    expect(winnerOf([first, second], replica => replica !== 'a#1')).toBe(second);
    expect(winnerOf([first, second], () => false)).toBeUndefined();
  });

  test('does not depend on the order in which claims are seen', () => {
    const arbitrary = fc.uniqueArray(
      fc.record({
        replica: fc.constantFrom('a#1', 'b#1', 'b#2', 'c#1'),
        moves: fc.nat(2),
        at: fc.nat(3),
        counter: fc.nat(5),
      }),
      { selector: each => `${each.replica} ${each.counter}`, minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(arbitrary, fc.nat(), (given, turn) => {
        const claims = given.map(each => claim(each.replica, each.moves, each.at, each.counter));
        const rotated = claims.map((_, index) => claims[(index + turn) % claims.length] as Claim);
        expect(winnerOf(rotated.reverse(), everybody)).toBe(winnerOf(claims, everybody));
        const sorted = [...claims].sort(compareClaims);
        expect(sorted[0]).toBe(winnerOf(claims, everybody));
      }),
    );
  });

  test('is no malformed claim', () => {
    expect([[1, 2, 3], 'x', undefined, [1, 2, 3, 0, 0.5]].some(isClaimValue)).toBe(false);
    const bad = { replica: 'a#1', counter: 1, value: ['x', 1, 9, 0, 0] } as unknown as Claim;
    const good = claim('b#1', 0, 5);
    expect(winnerOf([bad, good], everybody)).toBe(good);
  });
});

describe('the index', () => {
  test('tells of a new holder, not of a new value, and keeps the ref of a holder that stays', () => {
    const index = new RegistryIndex();
    const first = claim('a#1', 0, 10);
    const change = index.update('n', [first], everybody);
    expect(change).toMatchObject({ name: 'n', before: undefined });
    expect(String(change?.after)).toBe('<7@a#1>');
    const entry = index.get('n');
    const newer: Claim = { ...first, counter: 2, value: [7, 10, 0, 0, 1, 'value'] };
    if (entry !== undefined) entry.ref = 'ref' as never;
    expect(index.update('n', [newer], everybody)).toBeUndefined();
    expect(index.get('n')).toMatchObject({ claim: newer.value, ref: 'ref' });
    expect(index.update('n', [newer, claim('b#1', 1, 10)], everybody)?.after?.node).toBe('b');
    expect(index.update('n', [], everybody)?.after).toBeUndefined();
    expect(index.update('n', [], everybody)).toBeUndefined();
    expect(index.size).toBe(0);
  });
});
