import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Answer, difference, mergeAnswers } from '../src/answer.js';
import { type Corpus, listCorpus, shardOf } from '../src/corpus.js';
import { InvertedIndex } from '../src/inverted-index.js';
import { scan } from '../src/oracle.js';
import { parseQuery } from '../src/query.js';
import { questionsFor } from '../src/questions.js';
import { makeTree } from './tree.js';

const limit = 3;

test('answers words, several words and phrases', () => {
  const index = indexOf({ 'a.md': 'the cat sat on the mat', 'b.md': 'the mat sat', 'c.md': 'a dog' });
  const paths = (text: string) => index.search(parseQuery(text), limit).hits.map(hit => hit.path);
  expect(paths('cat')).toEqual(['a.md']);
  expect(paths('mat sat')).toEqual(['b.md', 'a.md']);
  expect(paths('"mat sat"')).toEqual(['b.md']);
  expect(paths('"the mat" cat')).toEqual(['a.md']);
  expect(paths('cat dog')).toEqual([]);
  expect(paths('unknown')).toEqual([]);
});

test('counts a phrase that overlaps itself', () => {
  const index = indexOf({ 'a.md': 'x x x' });
  expect(index.search(parseQuery('"x x"'), limit)).toEqual({
    matches: 1,
    hits: [{ path: 'a.md', score: (1 + Math.log(2)) / Math.sqrt(3) }],
  });
});

test('holds words that objects have as properties', () => {
  const index = indexOf({ 'a.md': 'constructor __proto__ toString' });
  expect(index.search(parseQuery('constructor "__proto__ tostring"'), limit).matches).toBe(1);
});

test('counts every match but returns only the best', () => {
  const index = indexOf({ 'd.md': 'x', 'c.md': 'x', 'b.md': 'x', 'a.md': 'x y' });
  const answer = index.search(parseQuery('x'), limit);
  expect(answer.matches).toBe(4);
  expect(answer.hits.map(hit => hit.path)).toEqual(['b.md', 'c.md', 'd.md']);
});

test('answers over shards exactly as a scan of the files does', async () => {
  const folder = await makeTree({
    'one/readme.md': '# One\n\nReturns a promise. Returns a promise of one. License: MIT',
    'one/index.d.ts': 'export declare function one(callback: () => Promise<void>): string;',
    'one/package.json': '{ "name": "one", "license": "MIT", "type": "module" }',
    'two/readme.md': '# Two\n\nReturns a promise. Returns a promise of one. License: MIT',
    'two/index.d.ts': '',
    'two/package.json': '{ "name": "two", "license": "MIT", "type": "module" }',
  });
  const corpus = await listCorpus(folder);
  const queries = [...(await questionsFor(corpus)), ...['"returns a promise" of', 'mit', 'one two'].map(parseQuery)];
  const expected = await scan(corpus, queries, limit);
  const shards = await indexCorpus(corpus, 4);
  queries.forEach((query, number) => {
    const merged = mergeAnswers(
      shards.map(shard => shard.search(query, limit)),
      limit,
    );
    expect(difference(expected[number] as Answer, merged), query.text).toBeUndefined();
  });
  expect(expected.filter(answer => answer.matches > 0).length).toBeGreaterThan(8);
});

test('answers exactly as a scan does for any documents and queries', async () => {
  const words = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 }).map(all => all.join(' '));
  const text = fc.constantFrom('a', 'b c', '"a b"', '"a a"', 'd "b c d"', '"c c" "c c"', 'e');
  await fc.assert(
    fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 6 }), text, async (texts, asked) => {
      const folder = await makeTree(Object.fromEntries(texts.map((each, number) => [`${number}.md`, each])));
      const corpus = await listCorpus(folder);
      const [expected] = await scan(corpus, [parseQuery(asked)], limit);
      const shards = await indexCorpus(corpus, 2);
      const merged = mergeAnswers(
        shards.map(shard => shard.search(parseQuery(asked), limit)),
        limit,
      );
      expect(merged).toEqual(expected);
    }),
    { numRuns: 40 },
  );
});

test('comes back from plain data with the same answers, and goes on growing', () => {
  const texts = { 'a.md': 'the cat sat', 'b.md': `${'cat '.repeat(300)}mat` };
  const grown = { ...texts, 'c.md': 'a new cat' };
  const resumed = InvertedIndex.fromPlain(structuredClone(indexOf(texts).toPlain()));
  resumed.add('c.md', grown['c.md']);
  for (const asked of ['cat', '"the cat"', '"cat mat"', 'new', '"cat cat" mat']) {
    expect(resumed.search(parseQuery(asked), limit)).toEqual(indexOf(grown).search(parseQuery(asked), limit));
  }
  expect(resumed.documentCount).toBe(3);
  expect(resumed.toPlain()).toEqual(indexOf(grown).toPlain());
});

test('comes back from plain data when it is empty', () => {
  const resumed = InvertedIndex.fromPlain(new InvertedIndex().toPlain());
  expect(resumed.termCount).toBe(0);
  expect(resumed.search(parseQuery('a'), limit)).toEqual({ matches: 0, hits: [] });
});

test('refuses plain data that is cut short', () => {
  const plain = indexOf({ 'a.md': 'the cat' }).toPlain();
  expect(() => InvertedIndex.fromPlain({ ...plain, postings: plain.postings.slice(0, -1) })).toThrow(/cut short/);
});

function indexOf(texts: Readonly<Record<string, string>>): InvertedIndex {
  const index = new InvertedIndex();
  for (const [path, text] of Object.entries(texts)) index.add(path, text);
  return index;
}

async function indexCorpus(corpus: Corpus, shards: number): Promise<InvertedIndex[]> {
  const indexes = Array.from({ length: shards }, () => new InvertedIndex());
  for (const { path } of corpus.files) {
    indexes[shardOf(path, shards)]?.add(path, await readFile(join(corpus.folder, path), 'utf8'));
  }
  return indexes;
}
