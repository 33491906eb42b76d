import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeSources, type OptionSource, type Origin } from '../src/configuration-merge.js';

const from = (origin: Origin, values: object): OptionSource => ({ origin, values: values as Record<string, unknown> });
const merged = (...sources: OptionSource[]) => {
  const { values, origins } = mergeSources(sources);
  return { values, origins: Object.fromEntries(origins) };
};

describe('merging', () => {
  test('the strongest source that gives an option decides, and is remembered', () => {
    expect(
      merged(
        from('file', { name: 'f', zone: 'f', host: 'f' }),
        from('file, profile test', { zone: 'p' }),
        from('environment', { name: 'e' }),
        from('argument', { log: 'warn' }),
      ),
    ).toEqual({
      values: { name: 'e', zone: 'p', host: 'f', log: 'warn' },
      origins: { name: 'environment', zone: 'file, profile test', host: 'file', log: 'argument' },
    });
  });

  test('undefined is not given, at any depth; null and false are', () => {
    expect(
      merged(
        from('file', { name: 'f', handleSignals: true, threads: { count: 2 } }),
        from('argument', { name: undefined, handleSignals: false, zone: null, threads: { count: undefined } }),
      ),
    ).toEqual({
      values: { name: 'f', handleSignals: false, zone: null, threads: { count: 2 } },
      origins: { name: 'file', handleSignals: 'argument', zone: 'argument', 'threads.count': 'file' },
    });
  });

  test('plain objects are merged field by field, lists replaced', () => {
    expect(
      merged(
        from('file', {
          threads: { count: 2, entry: 'a.js' },
          roles: ['a', 'b'],
          metadata: { at: { rack: 1, row: 2 } },
        }),
        from('environment', { threads: { count: 4 }, roles: ['c'] }),
        from('argument', { metadata: { at: { rack: 3 } } }),
      ),
    ).toEqual({
      values: { threads: { count: 4, entry: 'a.js' }, roles: ['c'], metadata: { at: { rack: 3, row: 2 } } },
      origins: {
        'threads.count': 'environment',
        'threads.entry': 'file',
        roles: 'environment',
        'metadata.at.rack': 'argument',
        'metadata.at.row': 'file',
      },
    });
  });

  test('what is no plain object replaces as a whole, in both directions', () => {
    const provider = () => ({});
    expect(merged(from('file', { tls: { cert: 'c', key: 'k' } }), from('argument', { tls: provider }))).toEqual({
      values: { tls: provider },
      origins: { tls: 'argument' },
    });
    expect(merged(from('file', { tls: provider }), from('argument', { tls: { cert: 'c' } }))).toEqual({
      values: { tls: { cert: 'c' } },
      origins: { 'tls.cert': 'argument' },
    });
    const log = { info: () => {} };
    const { values } = merged(from('file', { log: { warn: () => {} } }), from('argument', { log }));
    expect(values.log).toBe(log);
  });

  test('whom to look for is one question: a stronger answer of another kind replaces the weaker one', () => {
    expect(merged(from('file', { cluster: true, zone: 'z' }), from('argument', { discovery: [] }))).toEqual({
      values: { discovery: [], zone: 'z' },
      origins: { discovery: 'argument', zone: 'file' },
    });
    expect(merged(from('file', { topologies: { a: {} } }), from('environment', { cluster: false }))).toEqual({
      values: { cluster: false },
      origins: { cluster: 'environment' },
    });
    // Both in one place: the user's mistake, which the start tells.
    expect(merged(from('argument', { cluster: true, discovery: [] })).values).toEqual({ cluster: true, discovery: [] });
  });

  test("a strategy's options are merged with those of the same strategy only", () => {
    const file = from('file', { cluster: { strategy: 'kubernetes', appName: 'shop', namespace: 'n' } });
    const same = from('argument', { cluster: { strategy: 'kubernetes', namespace: 'm' } });
    expect(merged(file, same)).toEqual({
      values: { cluster: { strategy: 'kubernetes', appName: 'shop', namespace: 'm' } },
      origins: { 'cluster.strategy': 'argument', 'cluster.appName': 'file', 'cluster.namespace': 'argument' },
    });
    expect(merged(file, from('environment', { cluster: { strategy: 'gossip' } }))).toEqual({
      values: { cluster: { strategy: 'gossip' } },
      origins: { 'cluster.strategy': 'environment' },
    });
    expect(merged(file, from('environment', { cluster: 'gossip' }))).toEqual({
      values: { cluster: 'gossip' },
      origins: { cluster: 'environment' },
    });
  });

  test('topologies are merged by name, each as a whole', () => {
    const a = { strategy: { strategy: 'gossip' } };
    const b = { strategy: { strategy: 'dns', query: 'q' } };
    const c = { strategy: 'mdns' };
    const { values, origins } = merged(
      from('file', { topologies: { a, b } }),
      from('argument', { topologies: { b: c } }),
    );
    expect(values).toEqual({ topologies: { a, b: c } });
    expect(origins).toEqual({ 'topologies.a': 'file', 'topologies.b': 'argument' });
  });

  test('a file can not reach the prototype', () => {
    const { values } = merged(
      from('file', JSON.parse('{"metadata":{"__proto__":{"polluted":1}},"__proto__":{"x":1}}')),
    );
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.getPrototypeOf(values)).toBe(Object.prototype);
    expect((values as { x?: unknown }).x).toBeUndefined();
  });

  test('sources are not changed, and each leaf has exactly one origin: that of the last source that gives it', () => {
    const leaf = fc.option(fc.constantFrom(1, 'a', false, null), { nil: undefined });
    const data = fc.record({
      name: leaf,
      roles: fc.option(fc.array(fc.string()), { nil: undefined }),
      threads: fc.record({ count: leaf, entry: leaf }, { requiredKeys: [] }),
    });
    const kinds: readonly Origin[] = ['file', 'environment', 'argument'];
    fc.assert(
      fc.property(fc.tuple(data, data, data), given => {
        const before = structuredClone(given);
        const { values, origins } = mergeSources(given.map((one, index) => from(kinds[index] as Origin, one)));
        expect(given).toEqual(before);
        for (const field of ['count', 'entry'] as const) {
          const last = given.findLastIndex(one => one.threads[field] !== undefined);
          expect((values.threads as Record<string, unknown>)[field]).toEqual(given[last]?.threads[field]);
          expect(origins.get(`threads.${field}`)).toBe(kinds[last]);
        }
        const last = given.findLastIndex(one => one.name !== undefined);
        expect(values.name).toEqual(given[last]?.name);
        expect(origins.get('name')).toBe(kinds[last]);
      }),
    );
  });
});
