import { CausalContext } from '@foundation-ts/crdt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const dots = fc.array(fc.tuple(fc.constantFrom('a#1', 'a#2', 'b#1'), fc.integer({ min: 1, max: 12 })), {
  maxLength: 40,
});

function contextOf(list: readonly (readonly [string, number])[]): CausalContext {
  const context = new CausalContext();
  for (const [replica, counter] of list) context.add(replica, counter);
  return context;
}

function setOf(list: readonly (readonly [string, number])[]): Set<string> {
  return new Set(list.map(([replica, counter]) => `${replica} ${counter}`));
}

function all(context: CausalContext): Set<string> {
  const found = new Set<string>();
  for (const replica of ['a#1', 'a#2', 'b#1']) {
    for (let counter = 1; counter <= 13; counter++)
      if (context.contains(replica, counter)) found.add(`${replica} ${counter}`);
  }
  return found;
}

describe('CausalContext', () => {
  it('holds exactly the dots that were added, in whatever order', () => {
    fc.assert(
      fc.property(dots, list => {
        const context = contextOf(list);
        expect(all(context)).toEqual(setOf(list));
        expect(contextOf([...list].reverse()).equals(context)).toBe(true);
        const seen = new Set<string>();
        const again = new CausalContext();
        for (const [replica, counter] of list) {
          expect(again.add(replica, counter)).toBe(!seen.has(`${replica} ${counter}`));
          seen.add(`${replica} ${counter}`);
        }
      }),
    );
  });

  it('joins as set union, with includes as its order', () => {
    fc.assert(
      fc.property(dots, dots, (left, right) => {
        const joined = contextOf(left);
        joined.join(contextOf(right));
        const union = new Set([...setOf(left), ...setOf(right)]);
        expect(all(joined)).toEqual(union);
        expect(joined.equals(contextOf([...right, ...left]))).toBe(true);
        const isSubset = [...setOf(right)].every(dot => setOf(left).has(dot));
        expect(contextOf(left).includes(contextOf(right))).toBe(isSubset);
      }),
    );
  });

  it('survives its plain form, also joined into what knows more', () => {
    fc.assert(
      fc.property(dots, list => {
        const context = contextOf(list);
        expect(CausalContext.fromPlain(JSON.parse(JSON.stringify(context.toPlain()))).equals(context)).toBe(true);
        expect(context.clone().equals(context)).toBe(true);
      }),
    );
  });

  it('never rounds up over a gap', () => {
    const context = contextOf([
      ['a#1', 1],
      ['a#1', 3],
      ['a#1', 5],
    ]);
    expect(context.max('a#1')).toBe(1);
    expect(context.contains('a#1', 2)).toBe(false);
    expect(context.contains('a#1', 4)).toBe(false);
    expect(context.cloudSize).toBe(2);
    context.add('a#1', 2);
    expect(context.max('a#1')).toBe(3);
    context.add('a#1', 4);
    expect(context.max('a#1')).toBe(5);
    expect(context.cloudSize).toBe(0);
  });

  it('gives as next a counter above everything seen, the cloud included', () => {
    const context = contextOf([
      ['a#1', 1],
      ['a#1', 7],
    ]);
    expect(context.next('a#1')).toBe(8);
    expect(context.next('b#1')).toBe(1);
  });

  it('forgets a replica, or closes it so that all its dots count as seen', () => {
    const context = contextOf([
      ['a#1', 1],
      ['a#1', 7],
      ['b#1', 1],
    ]);
    context.removeReplica('a#1');
    expect(context.knows('a#1')).toBe(false);
    expect(context.toPlain()).toEqual([['b#1', 1]]);
    context.add('b#1', 9);
    context.close('b#1');
    expect(context.contains('b#1', 1e9)).toBe(true);
    expect(context.cloudSize).toBe(0);
    expect(() => context.next('b#1')).toThrow(/new incarnation/);
  });

  it('refuses a malformed plain form', () => {
    expect(() => CausalContext.fromPlain([['a#1', -1]])).toThrow(TypeError);
    expect(() => CausalContext.fromPlain([['a#1', 1, 0.5]])).toThrow(TypeError);
  });
});
