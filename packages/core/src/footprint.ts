/** What a value counts beside what it consists of, bytes. */
const EACH = 16;
/** A binary value that is a part of something larger than this keeps all of that in memory, and counts as that; bytes. */
const SLAB = 131_072;

/**
 * About how many bytes a value keeps in memory, binary values included; counting ends above `limit`. Getters are not called, and what is
 * shared counts once.
 */
export function footprint(value: unknown, limit: number): number {
  const seen = new Set<object>();
  const left: unknown[] = [value];
  let bytes = 0;
  while (left.length > 0 && bytes <= limit) {
    const next = left.pop();
    bytes += EACH;
    if (typeof next === 'string') bytes += next.length;
    else if (typeof next === 'object' && next !== null && !seen.has(next)) {
      seen.add(next);
      bytes += partsOf(next, left, limit);
    }
  }
  return bytes;
}

/** Adds what an object consists of to `left`. @returns the bytes that it holds itself */
function partsOf(value: object, left: unknown[], limit: number): number {
  if (ArrayBuffer.isView(value)) return value.buffer.byteLength > SLAB ? value.buffer.byteLength : value.byteLength;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return value.byteLength;
  const size = Array.isArray(value) ? value.length : value instanceof Map || value instanceof Set ? value.size : 0;
  if (size * EACH > limit) return size * EACH;
  if (value instanceof Map) for (const [key, each] of value) left.push(key, each);
  else if (value instanceof Set || Array.isArray(value)) for (const each of value) left.push(each);
  else {
    const names = value instanceof Error ? Object.getOwnPropertyNames(value) : Object.keys(value);
    for (const name of names) left.push(name, Object.getOwnPropertyDescriptor(value, name)?.value);
  }
  return 0;
}
