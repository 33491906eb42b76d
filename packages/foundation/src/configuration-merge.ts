/** The environments that a configuration file can have options of their own for. */
export type Profile = 'development' | 'test' | 'production';

/** Where an option's value comes from. */
export type Origin = 'argument' | 'environment' | 'file' | `file, profile ${Profile}` | 'default';

/** Options from one place, as they were given there. */
export interface OptionSource {
  readonly origin: Origin;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Options of all sources, and for each leaf (`'threads.count'`) the source that it comes from. */
export interface MergedOptions {
  readonly values: Readonly<Record<string, unknown>>;
  readonly origins: ReadonlyMap<string, Origin>;
}

/** Whom to look for is one question: who answers it, in whichever way, replaces a weaker source's answer. */
const WAYS_TO_FIND: readonly string[] = ['cluster', 'topologies', 'discovery'];

/** Options that are merged field by field, and how many levels deep; all others are replaced as a whole. */
const MERGED: ReadonlyMap<string, number> = new Map([
  ['cluster', Number.POSITIVE_INFINITY],
  ['detect', 1],
  ['metadata', Number.POSITIVE_INFINITY],
  ['threads', 1],
  ['tls', 1],
  ['topologies', 1],
]);

/**
 * Merges the options of several sources. Plain objects are merged, everything else (lists too) is replaced; `undefined` counts as not given.
 * @param sources - weakest first
 */
export function mergeSources(sources: readonly OptionSource[]): MergedOptions {
  const values = new Map<string, unknown>();
  const origins = new Map<string, Origin>();
  for (const { origin, values: given } of sources) {
    const entries = Object.entries(given).filter(([, value]) => value !== undefined);
    if (entries.some(([key]) => WAYS_TO_FIND.includes(key))) {
      for (const way of WAYS_TO_FIND) {
        if (entries.some(([key]) => key === way)) continue;
        values.delete(way);
        forget(way, origins);
      }
    }
    for (const [key, value] of entries) {
      values.set(key, put([key], values.get(key), value, origin, origins));
    }
  }
  return { values: Object.fromEntries(values), origins };
}

function put(
  path: readonly string[],
  old: unknown,
  value: unknown,
  origin: Origin,
  origins: Map<string, Origin>,
): unknown {
  const name = path.join('.');
  const fields = isPlain(value) && path.length <= (MERGED.get(path[0] as string) ?? 0) ? value : undefined;
  const base = fields !== undefined && isPlain(old) && sameStrategy(old, fields) ? old : undefined;
  if (base === undefined) forget(name, origins);
  if (fields === undefined) {
    origins.set(name, origin);
    return value;
  }
  const merged = new Map(Object.entries(base ?? {}));
  for (const [key, field] of Object.entries(fields)) {
    if (field !== undefined) merged.set(key, put([...path, key], merged.get(key), field, origin, origins));
  }
  if (merged.size === 0) origins.set(name, origin);
  else origins.delete(name);
  // Not by assignment: a key may be `__proto__`.
  return Object.fromEntries(merged);
}

/** The options of one strategy mean nothing to another. */
function sameStrategy(old: Readonly<Record<string, unknown>>, value: Readonly<Record<string, unknown>>): boolean {
  return value.strategy === undefined || value.strategy === old.strategy;
}

function forget(path: string, origins: Map<string, Origin>): void {
  for (const known of [...origins.keys()]) {
    if (known === path || known.startsWith(`${path}.`)) origins.delete(known);
  }
}

/** Whether a value is a literal object, and no instance of anything. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
