/** What an error says of an option that may carry a password: nothing but that it is a text. */
export function notShown(value: unknown): unknown {
  return typeof value === 'string' ? 'another text' : value;
}
