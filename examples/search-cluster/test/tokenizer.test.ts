import { expect, test } from 'vitest';
import { tokenize } from '../src/tokenizer.js';

test('splits at everything that is no letter, digit or underscore, in lower case', () => {
  expect(tokenize('Promise<void> fetch_all(URL-2)')).toEqual(['promise', 'void', 'fetch_all', 'url', '2']);
});

test('keeps words of other alphabets whole', () => {
  expect(tokenize('Größe, 日本語 и Ещё')).toEqual(['größe', '日本語', 'и', 'ещё']);
});

test('keeps the order and the repetitions', () => {
  expect(tokenize('b a b')).toEqual(['b', 'a', 'b']);
});

test('leaves out runs longer than 64 characters', () => {
  expect(tokenize(`a ${'x'.repeat(65)} ${'y'.repeat(64)}`)).toEqual(['a', 'y'.repeat(64)]);
});

test('finds nothing in a text without words', () => {
  expect(tokenize(' --- \n')).toEqual([]);
});
