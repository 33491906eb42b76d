import { tokenize } from './tokenizer.js';

/**
 * What to look for: a document matches when it contains every unit. A unit is one word, or several that must follow
 * each other (a phrase). Plain data, fit to be sent to another node.
 */
export interface Query {
  readonly text: string;
  readonly units: readonly (readonly string[])[];
}

/**
 * Reads `promise "type definitions"` as the word `promise` and the phrase `type definitions`.
 * @throws if the text holds no word at all
 */
export function parseQuery(text: string): Query {
  const units: string[][] = [];
  for (const [, phrase, plain] of text.matchAll(/"([^"]*)"|([^"]+)/g)) {
    if (phrase === undefined) units.push(...tokenize(plain ?? '').map(token => [token]));
    else units.push(tokenize(phrase));
  }
  const filled = units.filter(unit => unit.length > 0);
  if (filled.length === 0)
    throw new Error(`The query '${text}' holds no word; type words, or a phrase in double quotes.`);
  return { text, units: filled };
}
