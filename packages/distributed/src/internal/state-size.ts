/**
 * About how many bytes a value takes when sent; stops counting above `limit`. Only to refuse what is far too large before it is encoded: the
 * transport has the last word.
 */
export function stateSize(value: unknown, limit: number): number {
  let size = 0;
  const open: unknown[] = [value];
  const seen = new Set<object>();
  while (open.length > 0 && size <= limit) {
    const next = open.pop();
    if (typeof next === 'string') size += next.length + 2;
    else if (typeof next !== 'object' || next === null) size += 5;
    else if (ArrayBuffer.isView(next)) size += next.byteLength;
    else if (next instanceof ArrayBuffer) size += next.byteLength;
    else if (!seen.has(next)) {
      seen.add(next);
      size += 2;
      if (Array.isArray(next)) pushAll(open, next);
      else if (next instanceof Map) for (const [key, item] of next) open.push(key, item);
      else if (next instanceof Set) pushAll(open, next);
      else for (const [key, item] of Object.entries(next)) open.push(key, item);
    }
  }
  return size;
}

function pushAll(open: unknown[], items: Iterable<unknown>): void {
  for (const item of items) open.push(item);
}
