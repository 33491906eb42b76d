import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { available, type Decision, keepMajority } from '../src/downing.js';
import type { ReachabilityView } from '../src/reachability.js';
import { StabilityMargin } from '../src/stability-margin.js';

const margin = 10_000;
const all = ['a', 'b', 'c', 'd', 'e'];

interface Picture {
  readonly at: number;
  /** `'a>d'`: a sees d as unreachable. */
  readonly broken: readonly string[];
  readonly heard?: readonly string[];
  readonly members?: readonly string[];
}

function view(self: string, { broken, heard = [], members = all }: Omit<Picture, 'at'>): ReachabilityView {
  const reports = new Map<string, Set<string>>();
  for (const link of broken) {
    const [observer, subject] = link.split('>') as [string, string];
    reports.set(observer, (reports.get(observer) ?? new Set()).add(subject));
  }
  return {
    self,
    members: members.map(name => ({ name, incarnation: 1, status: 'up' as const, roles: [] })),
    reports,
    heard: new Set(heard),
  };
}

/** Shows the pictures at their times, and calls again whenever `nextAt` says so; the pictures are not touched by decisions. */
function play(
  pictures: readonly Picture[],
  until: number,
  self = 'a',
  strategy = keepMajority(),
): { at: number; decision: Decision }[] {
  const machine = new StabilityMargin({ strategy, margin });
  const decisions: { at: number; decision: Decision }[] = [];
  let calls = 0;
  let now = 0;
  let current: Picture = { at: 0, broken: [] };
  const rest = [...pictures];
  while (now <= until) {
    if (rest[0] !== undefined && rest[0].at <= now) current = rest.shift() as Picture;
    const decision = machine.update(view(self, current), now);
    if (decision !== undefined) decisions.push({ at: now, decision });
    if (++calls > 10_000) throw new Error('it never rests');
    const next = Math.min(machine.nextAt ?? Number.POSITIVE_INFINITY, rest[0]?.at ?? Number.POSITIVE_INFINITY);
    if (next === Number.POSITIVE_INFINITY) break;
    now = next;
  }
  return decisions;
}

const lost = (...names: string[]): string[] => ['a', 'b', 'c'].flatMap(from => names.map(to => `${from}>${to}`));

describe('StabilityMargin', () => {
  it('decides on a stable split once the margin has passed, and once', () => {
    const decisions = play([{ at: 1_000, broken: lost('d', 'e') }], 200_000);
    expect(decisions).toMatchObject([{ at: 11_000, decision: { down: ['d', 'e'], downSelf: false } }]);
  });

  it('also when times are no round numbers', () => {
    for (let index = 0; index < 1_000; index++) {
      const at = index * 0.1 + 1 / 3;
      expect(play([{ at, broken: lost('d') }], 200_000)).toHaveLength(1);
    }
  });

  it('does nothing for a split that is shorter than the margin', () => {
    for (const length of [1, 2_500, 5_000, 7_600, 9_999]) {
      const pictures = [
        { at: 1_000, broken: lost('d', 'e') },
        { at: 1_000 + length, broken: [] },
      ];
      expect(play(pictures, 200_000)).toEqual([]);
    }
  });

  it('does nothing for short splits that are far enough apart', () => {
    const pictures = Array.from({ length: 20 }, (_, index) => [
      { at: index * 17_500, broken: lost('d') },
      { at: index * 17_500 + 9_900, broken: [] },
    ]).flat();
    expect(play(pictures, 1_000_000)).toEqual([]);
  });

  it('waits for the margin from the last change', () => {
    const pictures = [
      { at: 0, broken: lost('d') },
      { at: 4_000, broken: lost('d', 'e') },
    ];
    expect(play(pictures, 100_000)).toMatchObject([{ at: 14_000, decision: { down: ['d', 'e'] } }]);
  });

  it('decides on a flapping link within 1.75 × the margin, whether it holds at that moment or not', () => {
    const phase = fc.integer({ min: 50, max: 9_900 });
    const held = fc.integer({ min: 50, max: 7_400 });
    fc.assert(
      fc.property(fc.array(fc.tuple(phase, held), { minLength: 400, maxLength: 400 }), phases => {
        const pictures: Picture[] = [];
        let at = 1_000;
        for (const [broken, whole] of phases) {
          pictures.push({ at, broken: ['a>d', 'd>a'], heard: ['d', 'a'] }, { at: at + broken, broken: [], heard: [] });
          at += broken + whole;
        }
        const [first] = play(pictures, 1_000 + 17_500);
        expect(first?.at).toBeLessThanOrEqual(1_000 + 17_500);
        expect(first?.decision).toMatchObject({ down: ['d'], downSelf: false });
      }),
      { numRuns: 200 },
    );
  });

  it('decides on a flapping link the same on both of its ends and in the middle', () => {
    const pictures: Picture[] = [];
    for (let at = 0; at < 60_000; at += 2_000) {
      pictures.push({ at, broken: ['a>d', 'd>a'], heard: ['a', 'd'] }, { at: at + 1_000, broken: [] });
    }
    for (const self of ['a', 'c']) {
      expect(play(pictures, 17_500, self)).toMatchObject([{ at: 17_500, decision: { down: ['d'], downSelf: false } }]);
    }
    expect(play(pictures, 17_500, 'd')).toMatchObject([{ at: 17_500, decision: { down: [], downSelf: true } }]);
  });

  it('decides on a flapping split as on a standing one, on both sides', () => {
    const pictures = (side: string[], other: string[]): Picture[] =>
      Array.from({ length: 30 }, (_, index) => [
        { at: index * 2_000, broken: side.flatMap(from => other.map(to => `${from}>${to}`)) },
        { at: index * 2_000 + 1_000, broken: [] },
      ]).flat();
    const majority = play(pictures(['c', 'd', 'e'], ['a', 'b']), 17_500, 'c');
    const minority = play(pictures(['a', 'b'], ['c', 'd', 'e']), 17_500, 'a');
    expect(majority).toMatchObject([{ decision: { down: ['a', 'b'], downSelf: false } }]);
    expect(minority).toMatchObject([{ decision: { down: [], downSelf: true } }]);
  });

  it('decides within 1.75 × the margin where the picture changes all the time', () => {
    const pictures = Array.from({ length: 50 }, (_, index) => ({
      at: index * 1_000,
      broken: index % 2 === 0 ? lost('d') : lost('d', 'e'),
    }));
    const [first] = play(pictures, 60_000);
    expect(first?.at).toBe(17_500);
    expect(first?.decision.down).toEqual(['d', 'e']);
  });

  it('does not decide at each change once it has decided without a stable picture', () => {
    const pictures = Array.from({ length: 100 }, (_, index) => ({
      at: index * 1_000,
      broken: index % 2 === 0 ? lost('d') : lost('d', 'e'),
    }));
    const times = play(pictures, 99_000, 'a', available()).map(({ at }) => at);
    expect(times[0]).toBe(17_500);
    expect(times.length).toBeLessThanOrEqual(5);
  });

  it('spares a link that broke once and has held since, when others are decided on', () => {
    const pictures = [
      { at: 0, broken: lost('d') },
      { at: 9_000, broken: lost('d', 'e') },
      { at: 16_500, broken: lost('d') },
    ];
    const [first] = play(pictures, 17_500);
    expect(first).toMatchObject({ at: 17_500, decision: { down: ['d'] } });
  });

  it('forgets links of members that are gone', () => {
    const pictures = [
      { at: 0, broken: lost('d') },
      { at: 5_000, broken: lost('d'), members: ['a', 'b', 'c', 'e'] },
    ];
    expect(play(pictures, 100_000)).toEqual([]);
  });

  it('decides anew when the same members are lost again after a heal', () => {
    const pictures = [
      { at: 0, broken: lost('d') },
      { at: 50_000, broken: [] },
      { at: 100_000, broken: lost('d') },
    ];
    expect(play(pictures, 200_000, 'a', available()).map(({ at }) => at)).toEqual([10_000, 110_000]);
  });

  it('keeps the last decision for explain', () => {
    const machine = new StabilityMargin({ strategy: keepMajority(), margin });
    expect(machine.nextAt).toBeUndefined();
    machine.update(view('a', { broken: lost('d') }), 0);
    expect(machine.last).toBeUndefined();
    expect(machine.nextAt).toBe(margin);
    const decision = machine.update(view('a', { broken: lost('d') }), margin);
    expect(machine.last).toBe(decision);
    expect(decision?.down).toEqual(['d']);
  });
});
