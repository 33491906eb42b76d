/** One matching document. */
export interface Hit {
  readonly path: string;
  readonly score: number;
}

/** How many documents match, and the best of them in order. */
export interface Answer {
  readonly matches: number;
  readonly hits: readonly Hit[];
}

/**
 * The weight of a document, from that document alone: no statistics of a shard or of the corpus take part, so the weight is
 * the same wherever the document happens to live.
 * @param frequencies - how often each unit of the query occurs, in the query's order; each at least 1
 * @param length - the document's length in words
 */
export function score(frequencies: readonly number[], length: number): number {
  let sum = 0;
  for (const frequency of frequencies) sum += 1 + Math.log(frequency);
  return sum / Math.sqrt(length);
}

/** A total order: the higher score first, equal scores by path. */
export function compareHits(left: Hit, right: Hit): number {
  if (left.score !== right.score) return right.score - left.score;
  if (left.path === right.path) return 0;
  return left.path < right.path ? -1 : 1;
}

/** Joins the answers of several shards (each with its own best `limit` hits) into the answer of all of them. */
export function mergeAnswers(answers: readonly Answer[], limit: number): Answer {
  const hits = answers.flatMap(answer => answer.hits).sort(compareHits);
  return { matches: answers.reduce((sum, answer) => sum + answer.matches, 0), hits: hits.slice(0, limit) };
}

/** Says where two answers to the same query differ, or `undefined` when they are exactly the same. */
export function difference(expected: Answer, actual: Answer): string | undefined {
  if (expected.matches !== actual.matches) return `expected ${expected.matches} matches, got ${actual.matches}`;
  const length = Math.max(expected.hits.length, actual.hits.length);
  for (let rank = 0; rank < length; rank++) {
    const [wanted, given] = [expected.hits[rank], actual.hits[rank]];
    if (wanted?.path === given?.path && wanted?.score === given?.score) continue;
    return `rank ${rank + 1}: expected ${describe(wanted)}, got ${describe(given)}`;
  }
  return undefined;
}

function describe(hit: Hit | undefined): string {
  return hit === undefined ? 'nothing' : `${hit.path} (${hit.score})`;
}
