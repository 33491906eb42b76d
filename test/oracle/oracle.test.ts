import { describe, expect, test } from 'vitest';
import { Erlang, erlangMissing } from './erlang.js';
import { normalised, type Outcome, type TraceEvent } from './outcome.js';
import { compare, describeDifference, ourTrace } from './trace.js';

const missing = erlangMissing();
if (missing !== undefined) process.stdout.write(`the oracle is skipped: ${missing}\n`);

describe("OTP's supervisor as the oracle", () => {
  test.skipIf(missing !== undefined)(
    '50 random trees under random faults start and stop the same children, in the same order, for the same reasons',
    async () => {
      const first = Math.floor(Math.random() * 1_000_000);
      process.stdout.write(`oracle: seeds from ${first}\n`);
      using erlang = new Erlang();
      for (let seed = first; seed < first + 50; seed++) {
        const difference = await compare(await ourTrace(seed), erlang);
        expect(difference === undefined ? '' : describeDifference(difference)).toBe('');
      }
    },
    120_000,
  );

  test.skipIf(missing !== undefined)('a difference is found and told', async () => {
    using erlang = new Erlang();
    const trace = await ourTrace(1);
    const wrong = trace.ours.map((outcome, index) => (index === 1 ? { ...outcome, reply: 'wrong' } : outcome));
    const difference = await compare({ ...trace, ours: wrong }, erlang);
    expect(difference?.index).toBe(1);
    expect(describeDifference(difference as NonNullable<typeof difference>)).toContain('- reply wrong');
  });

  test('a seed makes the same script and the same trace again', async () => {
    expect(await ourTrace(7)).toEqual(await ourTrace(7));
  });
});

describe('what counts in a comparison', () => {
  const event = (group: string, kind: TraceEvent['kind'], id: string, reason = '-'): TraceEvent => ({
    group,
    kind,
    id,
    reason,
  });
  const of = (...events: TraceEvent[]): Outcome => ({ reply: 'ok', events, trees: new Map() });
  const same = (left: Outcome, right: Outcome): boolean =>
    normalised(left, '').join('\n') === normalised(right, '').join('\n');

  test('the order within a supervisor does, that between two does not', () => {
    const [a, b, c] = [event('s1#1', 'start', 'a'), event('s1#1', 'start', 'b'), event('s2#1', 'start', 'c')];
    expect(same(of(a, b, c), of(c, a, b))).toBe(true);
    expect(same(of(a, b, c), of(b, a, c))).toBe(false);
  });

  test('reasons and instances do', () => {
    expect(same(of(event('s1#1', 'stop', 'a', 'killed')), of(event('s1#1', 'stop', 'a', 'shutdown')))).toBe(false);
    expect(same(of(event('s1#1', 'start', 'a')), of(event('s1#2', 'start', 'a')))).toBe(false);
  });

  test('the order in which children fall does not once their supervisor has ended, or when it is dynamic', () => {
    const end = event('s1#1', 'end', 's1', 'killed');
    const [a, b] = [event('s1#1', 'stop', 'a', 'killed'), event('s1#1', 'stop', 'b', 'killed')];
    expect(same(of(end, a, b), of(end, b, a))).toBe(true);
    expect(same(of(a, b, end), of(b, a, end))).toBe(false);
    const [x, y] = [event('d1#1', 'stop', 'x', 'shutdown'), event('d1#1', 'stop', 'y', 'shutdown')];
    expect(same(of(x, y), of(y, x))).toBe(true);
  });
});
