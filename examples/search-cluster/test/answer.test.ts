import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Answer, compareHits, difference, type Hit, mergeAnswers, score } from '../src/answer.js';

test('ranks equal scores by path', () => {
  const hits: Hit[] = ['b', 'a', 'B', 'c'].map(path => ({ path, score: 1 }));
  expect(hits.sort(compareHits).map(hit => hit.path)).toEqual(['B', 'a', 'b', 'c']);
});

test('ranks the higher score first whatever the path', () => {
  const hits: Hit[] = [
    { path: 'a', score: 1 },
    { path: 'z', score: 2 },
  ];
  expect(hits.sort(compareHits).map(hit => hit.path)).toEqual(['z', 'a']);
});

test('scores more occurrences higher and a longer document lower', () => {
  expect(score([2], 100)).toBeGreaterThan(score([1], 100));
  expect(score([1], 100)).toBeGreaterThan(score([1], 101));
  expect(score([1, 1], 4)).toBe(1);
});

test('merges to the same answer however the documents are spread over shards', () => {
  const hit = fc.record({ path: fc.string({ minLength: 1, maxLength: 3 }), score: fc.integer({ min: 0, max: 3 }) });
  const spread = fc.tuple(hit, fc.integer({ min: 0, max: 4 }));
  const documents = fc.uniqueArray(spread, { selector: ([{ path }]) => path, maxLength: 40 });
  fc.assert(
    fc.property(documents, fc.integer({ min: 1, max: 10 }), (placed, limit) => {
      const all = placed.map(([each]) => each).sort(compareHits);
      const shards = [0, 1, 2, 3, 4].map((shard): Answer => {
        const own = placed.filter(([, where]) => where === shard).map(([each]) => each);
        return { matches: own.length, hits: own.sort(compareHits).slice(0, limit) };
      });
      expect(mergeAnswers(shards, limit)).toEqual({ matches: all.length, hits: all.slice(0, limit) });
    }),
  );
});

test('tells the first rank at which two answers differ', () => {
  const expected: Answer = { matches: 2, hits: [hitOf('a', 2), hitOf('b', 1)] };
  expect(difference(expected, expected)).toBeUndefined();
  expect(difference(expected, { matches: 3, hits: expected.hits })).toBe('expected 2 matches, got 3');
  expect(difference(expected, { matches: 2, hits: [hitOf('a', 2), hitOf('c', 1)] })).toBe(
    'rank 2: expected b (1), got c (1)',
  );
  expect(difference(expected, { matches: 2, hits: [hitOf('a', 2)] })).toBe('rank 2: expected b (1), got nothing');
  expect(difference(expected, { matches: 2, hits: [hitOf('a', 2), hitOf('b', 1 + 2 ** -52)] })).toMatch(/^rank 2/);
});

function hitOf(path: string, score: number): Hit {
  return { path, score };
}
