/** Longer runs of letters and digits (hashes, encoded data) are no words and are left out. */
const longestToken = 64;

const word = /[\p{L}\p{N}_]+/gu;

/** The words of a text, in order, in lower case: runs of letters, digits and underscores. */
export function tokenize(text: string): string[] {
  const tokens = text.toLowerCase().match(word) ?? [];
  return tokens.filter(token => token.length <= longestToken);
}
