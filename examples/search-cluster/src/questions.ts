import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Corpus } from './corpus.js';
import { parseQuery, type Query } from './query.js';
import { tokenize } from './tokenizer.js';

const always = [
  'promise',
  'license',
  'import type',
  'export default function',
  'readonly string',
  'error message',
  '"as is"',
  '"export declare"',
  '"npm install" usage',
  'repository url "type module"',
  'callback "returns a promise"',
  'zzyzxquux',
];

/** How many questions are drawn from the corpus itself. */
const drawn = 10;

/**
 * The questions of a run: some fixed ones, and some made of words and phrases taken from files spread over the corpus, so
 * that any folder has questions with answers. The same corpus always gives the same questions.
 */
export async function questionsFor(corpus: Corpus): Promise<Query[]> {
  const texts = [...always];
  for (let number = 0; number < drawn; number++) {
    const file = corpus.files[Math.floor(((number + 0.5) * corpus.files.length) / drawn)];
    if (file === undefined) continue;
    const words = tokenize(await readFile(join(corpus.folder, file.path), 'utf8'));
    const at = Math.floor(words.length / 2);
    const [first, second] = [words[at], words[at + 1]];
    if (first === undefined) continue;
    const last = words.at(-1) ?? first;
    if (number % 3 === 0 || second === undefined) texts.push(first);
    else texts.push(number % 3 === 1 ? `${first} ${last}` : `"${first} ${second}"`);
  }
  return [...new Set(texts)].map(parseQuery);
}
