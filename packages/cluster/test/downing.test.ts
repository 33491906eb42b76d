import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  available,
  type Decision,
  type DowningStrategy,
  downAll,
  keepMajority,
  keepOldest,
  staticQuorum,
} from '../src/downing.js';
import type { MemberStatus } from '../src/member.js';
import { assess, cutBrokenLinks, type ReachabilityView, type ViewMember } from '../src/reachability.js';

function member(name: string, patch: Partial<ViewMember> = {}): ViewMember {
  return { name, incarnation: name.charCodeAt(0), status: 'up', roles: [], ...patch };
}

/** Splits members (one letter each) into sides, `'ab|cde'`; everybody on a side sees all the others as unreachable. */
function views(split: string, members?: readonly ViewMember[]): Map<string, ReachabilityView> {
  const sides = split.split('|').map(side => [...side]);
  const all = sides.flat();
  const result = new Map<string, ReachabilityView>();
  for (const side of sides) {
    const beyond = new Set(all.filter(name => !side.includes(name)));
    const reports = new Map(side.map(name => [name, beyond]));
    for (const self of side) {
      result.set(self, { self, members: members ?? all.map(name => member(name)), reports, heard: new Set() });
    }
  }
  return result;
}

function decide(strategy: DowningStrategy, split: Map<string, ReachabilityView>): Map<string, Decision> {
  return new Map(Array.from(split, ([name, view]) => [name, strategy.decide(view)]));
}

/** Who is left, checking that all that are left agree on who is not. */
function survivors(decisions: Map<string, Decision>): string {
  const left = [...decisions].filter(([, decision]) => !decision.downSelf).map(([name]) => name);
  const gone = [...decisions.keys()].filter(name => !left.includes(name)).sort();
  for (const [name, decision] of decisions) {
    expect(decision.down, `${name}: ${decision.reason}`).toEqual(left.includes(name) ? gone : []);
  }
  return left.sort().join('');
}

describe('clean splits', () => {
  const majority = keepMajority();
  const cases: [DowningStrategy, string, string][] = [
    [majority, 'ab|cde', 'cde'],
    [majority, 'abcd|efgh', 'abcd'],
    [majority, 'efgh|abcd', 'abcd'],
    [majority, 'bcde|afgh', 'afgh'],
    [majority, 'a|b', 'a'],
    [majority, 'ab|cd|e', ''],
    [majority, 'ab|cd|ef', ''],
    [majority, 'a|b|c', ''],
    [majority, 'a|b|cde', 'cde'],
    [majority, 'ad|e|bcf', ''],
    [majority, 'adb|e|cf', 'abd'],
    [staticQuorum(3), 'ab|cde', 'cde'],
    [staticQuorum(3), 'ab|cd|e', ''],
    [staticQuorum(3), 'ab|cd', ''],
    [staticQuorum(3), 'abc|def', ''],
    [staticQuorum(4), 'abc|def', ''],
    [staticQuorum(1), 'a', 'a'],
    [keepOldest(), 'ab|cde', 'ab'],
    [keepOldest(), 'a|bcde', 'bcde'],
    [keepOldest(), 'a|b', 'a'],
    [keepOldest(), 'a|bc|de', ''],
    [keepOldest(), 'ab|c|de', 'ab'],
    [keepOldest({ downIfAlone: false }), 'a|bcde', 'a'],
    [keepOldest({ downIfAlone: false }), 'a|bc|de', 'a'],
    [downAll(), 'ab|cde', ''],
    [downAll(), 'abcde', 'abcde'],
    [majority, 'abcde', 'abcde'],
    [keepOldest(), 'abcde', 'abcde'],
  ];
  it.each(cases.map(([strategy, split, left]) => [strategy.name, split, left, strategy] as const))(
    '%s: of %s remains "%s"',
    (_, split, left, strategy) => {
      expect(survivors(decide(strategy, views(split)))).toBe(left);
    },
  );

  it('available downs nobody, whatever happens', () => {
    for (const split of ['ab|cde', 'a|b|c', 'abc']) {
      for (const decision of decide(available(), views(split)).values()) {
        expect(decision).toMatchObject({ down: [], downSelf: false });
      }
    }
  });

  it('leave at most one side, and those who stay agree: all splits of up to 7 members into up to 3 sides', () => {
    let tried = 0;
    for (let count = 2; count <= 7; count++) {
      for (let code = 0; code < 3 ** count; code++) {
        const sides = ['', '', ''];
        for (let index = 0, rest = code; index < count; index++, rest = Math.floor(rest / 3)) {
          sides[rest % 3] += String.fromCharCode(97 + ((index * 5) % 7));
        }
        const split = sides.filter(side => side !== '').join('|');
        for (const strategy of [
          keepMajority(),
          keepOldest(),
          keepOldest({ downIfAlone: false }),
          staticQuorum(Math.ceil((count + 1) / 2)),
          staticQuorum(2),
          downAll(),
        ]) {
          const left = survivors(decide(strategy, views(split)));
          const side = sides.find(names => names.includes(left[0] ?? '?'));
          if (left !== '') expect(left, `${strategy.name} ${split}`).toBe([...(side ?? '')].sort().join(''));
          tried++;
        }
      }
    }
    expect(tried).toBeGreaterThan(15_000);
  });

  it('are decided alike where only some of a side have noticed', () => {
    for (const [self, view] of views('ab|cde')) {
      const beyond = 'ab'.includes(self) ? 'cde' : 'ab';
      const watcher = 'ab'.includes(self) ? 'b' : 'd';
      const reports = new Map([[watcher, new Set(beyond)]]);
      expect(keepMajority().decide({ ...view, reports }).downSelf).toBe('ab'.includes(self));
    }
  });

  it('are decided alike by those who still hold old reports from the other side', () => {
    const view = views('ab|cde').get('a') as ReachabilityView;
    const reports = new Map([...view.reports, ['c', new Set(['b'])], ['d', new Set(['e'])]]);
    expect(assess({ ...view, reports }).unreachable).toEqual(['c', 'd', 'e']);
    expect(keepMajority().decide({ ...view, reports }).downSelf).toBe(true);
  });
});

describe('who counts', () => {
  const of = (statuses: Record<string, MemberStatus>): ViewMember[] =>
    [...'abcdefg'].map(name => member(name, { status: statuses[name] ?? 'up' }));

  it('are the agreed members that are up or leaving, not those that are joining', () => {
    const members = of({ f: 'joining', g: 'joining', e: 'leaving' });
    expect(assess(views('abfg|cde', members).get('a') as ReachabilityView).counted).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(survivors(decide(keepMajority(), views('abfg|cde', members)))).toBe('cde');
    expect(survivors(decide(keepMajority(), views('cdefg|ab', members)))).toBe('cdefg');
  });

  it('are not those that are down already', () => {
    const members = of({ e: 'down', f: 'removed', g: 'down' });
    const view = views('ab|cdefg', members).get('a') as ReachabilityView;
    expect(keepMajority().decide(view)).toMatchObject({ down: ['c', 'd'], downSelf: false });
    const healthy = { ...view, reports: new Map([['a', new Set(['e'])]]) };
    expect(downAll().decide(healthy)).toMatchObject({ down: [], downSelf: false });
  });

  it('never get fewer because members are unreachable: a second split is counted of the same set', () => {
    expect(survivors(decide(keepMajority(), views('abc|de')))).toBe('abc');
    expect(survivors(decide(keepMajority(), views('ab|c|de')))).toBe('');
  });

  it('are only those of the role, if one is given', () => {
    const members = [...'abcde'].map(name => member(name, { roles: 'abc'.includes(name) ? ['db'] : [] }));
    expect(survivors(decide(keepMajority({ role: 'db' }), views('ab|cde', members)))).toBe('ab');
    expect(survivors(decide(staticQuorum(2, 'db'), views('ab|cde', members)))).toBe('ab');
    expect(survivors(decide(keepOldest({ role: 'db' }), views('bde|ac', members)))).toBe('ac');
    expect(survivors(decide(keepMajority({ role: 'none' }), views('ab|cde', members)))).toBe('');
  });

  it('as the oldest is the least incarnation, of equals the lowest name', () => {
    const members = [...'abcde'].map(name => member(name, { incarnation: 'de'.includes(name) ? 5 : 9 }));
    expect(survivors(decide(keepOldest(), views('abce|d', members)))).toBe('abce');
    expect(survivors(decide(keepOldest({ downIfAlone: false }), views('abce|d', members)))).toBe('d');
  });

  it('must not be too many for a static quorum', () => {
    const decision = staticQuorum(3).decide(views('abc|def').get('a') as ReachabilityView);
    expect(decision.reason).toMatch(/too many/);
    expect(() => staticQuorum(0)).toThrow(/quorum/);
    expect(() => staticQuorum(1.5)).toThrow(/quorum/);
  });
});

describe('members that only some can reach', () => {
  /** Everybody hears of everybody through others; `links` are broken one way. */
  function mesh(names: string, links: readonly string[], beyond = ''): Map<string, ReachabilityView> {
    const reports = new Map([...names].map(name => [name, new Set<string>(beyond)]));
    for (const link of links) reports.get(link[0] as string)?.add(link[1] as string);
    const members = [...names, ...beyond].map(name => member(name));
    return new Map([...names].map(self => [self, { self, members, reports, heard: new Set(names) }]));
  }

  const cases: [string, string, string[], string][] = [
    ['one broken link costs the member with the higher name', 'abcde', ['bd', 'db'], 'abce'],
    ['loss one way costs as much', 'abcde', ['db'], 'abce'],
    ['a member with many broken links is the one to go', 'abcde', ['ab', 'ac', 'da'], 'bcde'],
    ['two broken links apart cost two', 'abcde', ['ab', 'de'], 'ac'.concat('d')],
    ['of two members one stays', 'ab', ['ba'], 'a'],
  ];
  it.each(cases)('%s', (_, names, links, left) => {
    expect(survivors(decide(keepMajority(), mesh(names, links)))).toBe(left);
  });

  it('never cost the oldest its place under keepOldest', () => {
    expect(survivors(decide(keepOldest(), mesh('abcde', ['ab', 'ac', 'ad'])))).toBe('ae');
  });

  it('count for their side, but those given up do not for a static quorum', () => {
    const split = mesh('abc', ['ab'], 'de');
    const decisions = decide(keepMajority(), split);
    expect(decisions.get('a')).toMatchObject({ down: ['b', 'd', 'e'], downSelf: false });
    expect(decisions.get('b')).toMatchObject({ down: [], downSelf: true });
    expect(decide(staticQuorum(3), split).get('a')).toMatchObject({ downSelf: true });
  });

  it('of two members with loss one way, the one that hears nothing goes if its name is the higher', () => {
    const members = [member('a'), member('b')];
    const reports = new Map([['b', new Set(['a'])]]);
    const a = keepMajority().decide({ self: 'a', members, reports, heard: new Set(['b']) });
    const b = keepMajority().decide({ self: 'b', members, reports, heard: new Set() });
    expect([a.down, a.downSelf, b.down, b.downSelf]).toEqual([['b'], false, [], true]);
  });

  it('are settled so that all that stay reach each other, the same on every node', () => {
    const names = [...'abcdefg'];
    const link = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)).filter(([from, to]) => from !== to);
    fc.assert(
      fc.property(fc.array(link, { maxLength: 15 }), pairs => {
        const links = pairs.map(pair => pair.join(''));
        for (const strategy of [keepMajority(), keepOldest()]) {
          const left = survivors(decide(strategy, mesh('abcdefg', links)));
          expect(left).not.toBe('');
          for (const [from, to] of pairs) expect(left.includes(from) && left.includes(to)).toBe(false);
        }
      }),
    );
  });

  it('are cut by as few as a star needs', () => {
    const star = [...'bcdefgh'].map(name => [name, 'a'] as const);
    expect(cutBrokenLinks(star)).toEqual(['a']);
    expect(cutBrokenLinks(star, 'a')).toHaveLength(7);
    expect(cutBrokenLinks([])).toEqual([]);
  });
});

describe('a decision', () => {
  it('shows what it was made on', () => {
    const decision = keepMajority().decide(views('ab|cde').get('d') as ReachabilityView);
    expect(decision).toEqual({
      down: ['a', 'b'],
      downSelf: false,
      reason: '3 of 5 agreed members are on this side.',
      inputs: {
        strategy: 'keep-majority',
        self: 'd',
        counted: ['a', 'b', 'c', 'd', 'e'],
        live: ['a', 'b', 'c', 'd', 'e'],
        unreachable: ['a', 'b'],
        partial: [],
        brokenLinks: [],
      },
    });
  });

  it('ignores reports about and by strangers, and about oneself', () => {
    const view: ReachabilityView = {
      self: 'a',
      members: [member('a'), member('b')],
      reports: new Map([
        ['stranger', new Set(['b'])],
        ['a', new Set(['a', 'ghost'])],
      ]),
      heard: new Set(),
    };
    expect(downAll().decide(view)).toMatchObject({ down: [], downSelf: false });
  });
});
