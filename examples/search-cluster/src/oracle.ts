import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { type Answer, type Hit, score } from './answer.js';
import type { Corpus } from './corpus.js';
import type { Query } from './query.js';
import { tokenize } from './tokenizer.js';

/**
 * What the answers must be: reads every file from first word to last for every query, in this process, with no index, no shards
 * and no merging. It shares only the tokenizer and the formula of the score with the cluster.
 */
export async function scan(corpus: Corpus, queries: readonly Query[], limit: number): Promise<Answer[]> {
  const found: Hit[][] = queries.map(() => []);
  for (const { path } of corpus.files) {
    const words = tokenize(await readFile(join(corpus.folder, path), 'utf8'));
    queries.forEach((query, number) => {
      const frequencies = query.units.map(unit => occurrences(words, unit));
      if (frequencies.includes(0)) return;
      found[number]?.push({ path, score: score(frequencies, words.length) });
    });
    await yieldToEventLoop();
  }
  return found.map(hits => {
    hits.sort((a, b) => b.score - a.score || (a.path < b.path ? -1 : 1));
    return { matches: hits.length, hits: hits.slice(0, limit) };
  });
}

function occurrences(words: readonly string[], unit: readonly string[]): number {
  let count = 0;
  for (let start = words.indexOf(unit[0] ?? ''); start !== -1; start = words.indexOf(unit[0] ?? '', start + 1)) {
    if (unit.every((word, offset) => words[start + offset] === word)) count += 1;
  }
  return count;
}
