import { expect, test } from 'vitest';
import { parseQuery } from '../src/query.js';

test('makes each plain word a unit and each quoted text one unit', () => {
  expect(parseQuery('Promise "type  definitions" x.y').units).toEqual([
    ['promise'],
    ['type', 'definitions'],
    ['x'],
    ['y'],
  ]);
});

test('takes a quote that is never closed as plain words', () => {
  expect(parseQuery('one "two three').units).toEqual([['one'], ['two'], ['three']]);
});

test('refuses a query without a word and says what to type', () => {
  expect(() => parseQuery(' "" -')).toThrow(/holds no word; type words/);
});
