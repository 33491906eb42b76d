import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ChildEntry, entryFromValue, entryToValue, standing } from '../src/child-entry.js';

const entry = (over: Partial<ChildEntry> = {}): ChildEntry => ({
  id: 'x',
  definition: 'shard',
  argument: { key: 1 },
  restart: 'permanent',
  shutdown: 5_000,
  node: 'a',
  incarnation: 1,
  epoch: 1,
  birth: 'b1',
  desired: 'run',
  why: '',
  tried: [],
  ...over,
});

describe('an entry', () => {
  test('crosses as plain data and back', () => {
    const given = entry({ shutdown: 'brutal_kill', tried: ['b'] });
    expect(entryFromValue('x', JSON.parse(JSON.stringify(entryToValue(given))))).toEqual(given);
  });

  test.each([
    ['no array', {}],
    ['too short', ['shard']],
    ['an unknown wish', entryToValue(entry({ desired: 'dance' as never }))],
    ['an unknown restart', entryToValue(entry({ restart: 'often' as never }))],
    ['no epoch', entryToValue(entry({ epoch: 'one' as never }))],
    ['no shutdown', entryToValue(entry({ shutdown: null as never }))],
  ])('that is malformed is ignored: %s', (_what, value) => {
    expect(entryFromValue('x', value)).toBeUndefined();
  });
});

describe('of concurrent entries', () => {
  test.each([
    ['the greater epoch stands', entry({ epoch: 3, node: 'z' }), entry({ epoch: 2, node: 'a' })],
    ['the lower birth stands at equal epochs', entry({ birth: 'b1' }), entry({ birth: 'b2' })],
    ['the lower node stands otherwise', entry({ node: 'a' }), entry({ node: 'b' })],
    ['a child given up stays so at an equal epoch', entry({ desired: 'failed', node: 'z' }), entry()],
    [
      'a child that was moved on after it was given up elsewhere runs',
      entry({ epoch: 3 }),
      entry({ desired: 'failed', epoch: 2 }),
    ],
  ])('%s', (_rule, first, second) => {
    expect(standing([first, second])).toBe(first);
    expect(standing([second, first])).toBe(first);
  });

  test('a birth that was stopped anywhere is stopped, whatever was assigned meanwhile', () => {
    const stopped = entry({ desired: 'stopped', epoch: 2 });
    expect(standing([entry({ epoch: 9 }), stopped])).toBe(stopped);
  });

  test('a later child of the same id is another one', () => {
    const later = entry({ birth: 'b2', epoch: 3 });
    expect(standing([entry({ desired: 'stopped', epoch: 5 }), later])).toBe(later);
  });

  test('the order in which they are seen does not matter', () => {
    const arbitrary = fc.array(
      fc.record({
        epoch: fc.nat(3),
        birth: fc.constantFrom('b1', 'b2'),
        node: fc.constantFrom('a', 'b'),
        desired: fc.constantFrom('start' as const, 'run' as const, 'stopped' as const, 'failed' as const),
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(arbitrary, given => {
        const entries = given.map(entry);
        const one = standing(entries);
        const other = standing([...entries].reverse());
        expect([other?.epoch, other?.birth, other?.node, other?.desired]).toEqual([
          one?.epoch,
          one?.birth,
          one?.node,
          one?.desired,
        ]);
      }),
    );
  });
});
