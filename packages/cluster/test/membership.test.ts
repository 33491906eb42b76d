import { isFoundationError } from '@foundation-ts/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDead, type Member, type MemberStatus, memberStatuses, nextIncarnation } from '../src/member.js';
import { fromWire, type GossipRecord, summaryFromWire, summaryToWire, toWire } from '../src/member-wire.js';
import { type MembershipInit, MembershipTable, type MergeContext, type MergeResult } from '../src/membership.js';

const wallTime = 1_700_000_000_000;
const day = 86_400_000;

function member(name: string, patch: Partial<Member> = {}): Member {
  return {
    name,
    incarnation: 1_000,
    address: { protocol: 'tcp', host: '10.0.0.1', port: 4370 },
    status: 'up',
    roles: [],
    zone: undefined,
    version: 1,
    metadata: {},
    ...patch,
  };
}

function table(name = 'self', init: Partial<MembershipInit> = {}): MembershipTable {
  return new MembershipTable({ self: member(name), ...init });
}

const believing: MergeContext = { now: 0, wallTime, corroborated: () => true };
const doubting: MergeContext = { now: 0, wallTime, corroborated: () => false };

function merge(into: MembershipTable, records: GossipRecord[], from = 'peer', context = believing): MergeResult {
  return into.merge(records, from, context);
}

describe('merging', () => {
  const cases: [string, Partial<Member>, Partial<Member>, boolean][] = [
    [
      'a newer incarnation wins over everything',
      { status: 'down', version: 9 },
      { incarnation: 1_001, version: 1 },
      true,
    ],
    ['an older incarnation loses', {}, { incarnation: 999, status: 'down', version: 99 }, false],
    ['a later status wins', { status: 'up', version: 9 }, { status: 'leaving', version: 1 }, true],
    ['an earlier status loses, whatever its version', { status: 'leaving' }, { status: 'up', version: 50 }, false],
    ['a higher version wins', { version: 2 }, { version: 3, zone: 'a' }, true],
    ['a lower version loses', { version: 2 }, { version: 1, zone: 'a' }, false],
    ['down is final for its incarnation', { status: 'down' }, { status: 'up', version: 99 }, false],
    ['the same record is no change', {}, {}, false],
  ];
  it.each(cases)('%s', (_, held, received, wins) => {
    const members = table();
    merge(members, [member('b', held)]);
    const { changes } = merge(members, [member('b', received)]);
    expect(changes).toEqual(wins ? [{ before: member('b', held), after: member('b', received) }] : []);
    expect(members.get('b')).toEqual(member('b', wins ? received : held));
  });

  it('reports a new member as a change without a before', () => {
    expect(merge(table(), [member('b')]).changes).toEqual([{ before: undefined, after: member('b') }]);
  });

  it('gives equal tables whatever the order, grouping and repetition of the records', () => {
    const record = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      incarnation: fc.integer({ min: 1, max: 3 }),
      status: fc.constantFrom(...memberStatuses),
      version: fc.integer({ min: 1, max: 3 }),
      zone: fc.constantFrom('x', 'y', undefined),
    });
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 20 }),
        fc.infiniteStream(fc.nat()),
        fc.integer({ min: 1, max: 5 }),
        (patches, shuffle, size) => {
          const records = patches.map(({ name, ...patch }) => member(name, patch));
          const one = table();
          merge(one, records);
          const other = table();
          const shuffled = [...records, ...records.slice(0, 3)]
            .map(value => ({ value, key: shuffle.next().value as number }))
            .sort((left, right) => left.key - right.key)
            .map(({ value }) => value);
          for (let at = 0; at < shuffled.length; at += size) merge(other, shuffled.slice(at, at + size));
          expect(other.digest()).toEqual(one.digest());
          expect(new Set(other.members())).toEqual(new Set(one.members()));
        },
      ),
    );
  });

  it('never lets an incarnation live again once it is dead, whatever gossip comes', () => {
    const record = fc.record({
      incarnation: fc.integer({ min: 1, max: 4 }),
      status: fc.constantFrom(...memberStatuses),
      version: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 30 }), patches => {
        const members = table();
        let dead = 0;
        for (const patch of patches) {
          merge(members, [member('b', patch)]);
          const now = members.get('b');
          if (now !== undefined && !isDead(now.status)) expect(now.incarnation).toBeGreaterThan(dead);
          if (isDead(patch.status)) dead = Math.max(dead, patch.incarnation);
        }
      }),
    );
  });
});

describe('leavers', () => {
  it('are not resurrected by stale gossip, but come back as a new incarnation', () => {
    const members = table();
    merge(members, [member('b')]);
    const { changes } = merge(members, [member('b', { status: 'removed' })], 'b');
    expect(changes).toMatchObject([{ before: { status: 'up' }, after: { status: 'removed' } }]);
    expect(members.get('b')).toBeUndefined();
    expect(members.isGone('b', 1_000)).toBe(true);
    expect(merge(members, [member('b', { version: 99 })]).changes).toEqual([]);
    expect(members.get('b')).toBeUndefined();
    expect(merge(members, [member('b', { incarnation: 1_001 })]).changes).toHaveLength(1);
    expect(members.isGone('b', 1_000)).toBe(true);
    expect(members.isGone('b', 1_001)).toBe(false);
    expect(members.tombstones).toBe(0);
  });

  it('are forgotten after a day, and their age travels with them, so nobody keeps them alive for another', () => {
    const a = table('a');
    const b = table('b');
    merge(a, [member('c')]);
    merge(a, [member('c', { status: 'removed' })], 'c', { ...believing, now: 0 });
    const half = a.snapshot(day / 2).filter(record => record.status === 'removed');
    expect(half).toMatchObject([{ name: 'c', age: day / 2 }]);
    merge(b, fromWire(toWire(half)).records as GossipRecord[], 'a', { ...believing, now: 5_000 + day / 2 });
    a.prune(day - 1);
    b.prune(5_000 + day - 1);
    expect([a.tombstones, b.tombstones]).toEqual([1, 1]);
    a.prune(day);
    b.prune(5_000 + day);
    expect([a.tombstones, b.tombstones]).toEqual([0, 0]);
  });

  it('are as old as the oldest account of their death', () => {
    const members = table();
    const removed = member('c', { status: 'removed' });
    merge(members, [removed], 'peer', { ...believing, now: day });
    merge(members, [{ ...removed, age: day / 2 }], 'peer', { ...believing, now: day });
    merge(members, [{ ...removed, age: 0 }], 'peer', { ...believing, now: day });
    expect(members.pick(['c'], day)).toMatchObject([{ age: day / 2 }]);
    members.prune(day + day / 2);
    expect(members.tombstones).toBe(0);
  });

  it('are remembered up to a bound; those known by hearsay make room first', () => {
    const members = table('self', { maxTombstones: 10 });
    merge(members, [member('real')]);
    merge(members, [member('real', { status: 'removed' })]);
    merge(
      members,
      Array.from({ length: 1_000 }, (_, index) => member(`invented-${index}`, { status: 'removed' })),
    );
    expect(members.tombstones).toBe(10);
    expect(members.isGone('real', 1_000)).toBe(true);
    expect(members.isGone('invented-999', 1_000)).toBe(true);
    expect(members.isGone('invented-0', 1_000)).toBe(false);
  });

  it('that were downed are removed from the table after a while', () => {
    const members = table();
    merge(members, [member('b')]);
    expect(members.declare('b', 1_000, 'down', 100)).toMatchObject({ after: { status: 'down' } });
    expect(members.declare('b', 1_000, 'down', 200)).toBeUndefined();
    expect(members.prune(100 + 59_999)).toEqual([]);
    expect(members.prune(100 + 60_000)).toMatchObject([{ before: { status: 'down' }, after: { status: 'removed' } }]);
    expect(members.isGone('b', 1_000)).toBe(true);
  });
});

describe('claims about third parties', () => {
  const claims: [string, Partial<Member>][] = [
    ['down', { status: 'down' }],
    ['removed', { status: 'removed' }],
    ['a newer incarnation', { incarnation: 1_001 }],
    ['leaving', { status: 'leaving', version: 2 }],
  ];
  it.each(claims)('%s is not applied to a member that we see as reachable', (_, patch) => {
    const members = table();
    merge(members, [member('b')]);
    const claim = member('b', patch);
    const { changes, doubted } = merge(members, [claim], 'liar', doubting);
    expect(changes).toEqual([]);
    expect(doubted).toEqual([{ record: claim, claimants: ['liar'] }]);
    expect(members.get('b')).toEqual(member('b'));
  });

  it.each(claims)('%s is applied when the member says so itself', (_, patch) => {
    const members = table();
    merge(members, [member('b')]);
    expect(merge(members, [member('b', patch)], 'b', doubting).changes).toHaveLength(1);
  });

  it.each(claims)('%s is applied when we see the member as unreachable', (_, patch) => {
    const members = table();
    merge(members, [member('b')]);
    const asked: unknown[] = [];
    const context: MergeContext = { ...believing, corroborated: (...question) => asked.push(question) > 0 };
    expect(merge(members, [member('b', patch)], 'peer', context).changes).toHaveLength(1);
    expect(asked).toEqual([['b', 1_000, ['peer']]]);
  });

  it('are counted by claimant, so that the shell can believe many', () => {
    const members = table();
    merge(members, [member('b')]);
    const two: MergeContext = { ...believing, corroborated: (_, __, claimants) => claimants.length >= 2 };
    const claim = [member('b', { status: 'down' })];
    expect(merge(members, claim, 'c', two).doubted).toHaveLength(1);
    expect(merge(members, claim, 'c', two).doubted).toMatchObject([{ claimants: ['c'] }]);
    expect(merge(members, claim, 'd', two).changes).toHaveLength(1);
  });

  it('that are not deadly need no corroboration', () => {
    const members = table();
    merge(members, [member('b')]);
    expect(merge(members, [member('b', { zone: 'z', version: 2 })], 'c', doubting).changes).toHaveLength(1);
    merge(members, [member('b', { status: 'leaving', version: 3 })], 'b', doubting);
    const more = member('b', { status: 'leaving', zone: 'y', version: 4 });
    expect(merge(members, [more], 'c', doubting).changes).toHaveLength(1);
  });
});

describe('records about ourselves', () => {
  const deadly: [string, Partial<Member>][] = [
    ['down', { status: 'down' }],
    ['removed', { status: 'removed' }],
    ['leaving without our having said so', { status: 'leaving' }],
    ['of a newer incarnation', { incarnation: 1_005 }],
  ];
  it.each(deadly)('%s are handed out, and change nothing until the node rejoins', (_, patch) => {
    const members = table();
    const record = member('self', patch);
    const { selfDowned, changes, refuted } = merge(members, [record]);
    expect(selfDowned).toEqual(record);
    expect(changes).toEqual([]);
    expect(refuted).toBe(false);
    expect(members.self).toEqual(member('self'));
    members.rejoin(0, 500, record.incarnation);
    expect(members.self).toMatchObject({ status: 'joining', incarnation: record.incarnation + 1 });
    expect(merge(members, [record]).selfDowned).toBeUndefined();
  });

  it('with stale facts are refuted by raising our version above theirs', () => {
    const members = table();
    const { refuted, selfDowned } = merge(members, [member('self', { version: 7, zone: 'old', status: 'joining' })]);
    expect(refuted).toBe(true);
    expect(selfDowned).toBeUndefined();
    expect(members.self).toEqual(member('self', { version: 8 }));
    expect(members.get('self')).toEqual(members.self);
  });

  it('that are older or our own change nothing', () => {
    const members = table();
    members.updateSelf({ zone: 'z' }, 0);
    const before = members.self;
    for (const record of [before, member('self'), member('self', { incarnation: 3, status: 'down' })]) {
      expect(merge(members, [record])).toMatchObject({ refuted: false, selfDowned: undefined, changes: [] });
    }
    expect(members.self).toEqual(before);
  });

  it('can change, but their status never goes back', () => {
    const members = table();
    expect(members.updateSelf({ status: 'leaving' }, 0).after).toMatchObject({ status: 'leaving', version: 2 });
    expect(() => members.updateSelf({ status: 'up' }, 0)).toThrow(/'leaving' or a later status/);
    expect(() => members.updateSelf({ metadata: { f: () => 1 } }, 0)).toThrow(/metadata/);
  });

  it('get an incarnation that is the wall time, but always greater than before', () => {
    expect(nextIncarnation(0, 1_234.5)).toBe(1_234);
    expect(nextIncarnation(5_000, 1_234)).toBe(5_001);
  });
});

describe('hostile gossip', () => {
  it('of a far future is refused', () => {
    const members = table();
    const records = [
      member('ok', { incarnation: wallTime + day }),
      member('future', { incarnation: wallTime + day + 1 }),
      member('huge', { incarnation: 2 ** 53 }),
      member('nan', { incarnation: Number.NaN }),
      member('leap', { version: 2 ** 32 + 1 }),
      member('end', { version: Number.MAX_SAFE_INTEGER }),
      member('self', { version: Number.MAX_SAFE_INTEGER }),
    ];
    const { changes, refused } = merge(members, records);
    expect(changes.map(change => change.after.name)).toEqual(['ok']);
    expect(refused.map(({ name, why }) => `${name} ${why}`)).toEqual([
      'future incarnation-in-the-future',
      'huge incarnation-in-the-future',
      'nan incarnation-in-the-future',
      'leap version-leap',
      'end version-leap',
      'self version-leap',
    ]);
    expect(members.self.version).toBe(1);
  });

  it('of a million invented members fills the table to its cap only, and who introduces himself is still admitted', () => {
    const members = table('self', { maxMembers: 100 });
    let refused = 0;
    for (let batch = 0; batch < 100; batch++) {
      const records = Array.from({ length: 10_000 }, (_, index) => member(`x${batch}-${index}`));
      refused += merge(members, records).refusedCount;
    }
    expect(members.size).toBe(100);
    expect(refused).toBe(1_000_000 - 99);
    expect(merge(members, [member('real')], 'real').changes).toHaveLength(1);
    expect(members.size).toBe(101);
  });

  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  const good = toWire([
    member('b', { zone: 'z', roles: ['web'], metadata: { a: [1, { b: null }] } }),
  ])[0] as unknown as unknown[];
  const withPart = (index: number, part: unknown): unknown[] => good.map((old, at) => (at === index ? part : old));
  const malformed: [string, unknown][] = [
    ['not an array', { length: 9 }],
    ['too short', good.slice(0, 8)],
    ['too long', [...good, 1]],
    ['an empty name', withPart(0, '')],
    ['a name with a line break', withPart(0, 'a\nb')],
    ['a name with a lone surrogate', withPart(0, 'a\ud800')],
    ['a name that is a trap', withPart(0, '__proto__')],
    ['a name of 256 characters', withPart(0, 'x'.repeat(256))],
    ['a name that is no text', withPart(0, ['b'])],
    ['an incarnation of 2^53', withPart(1, 2 ** 53)],
    ['a negative incarnation', withPart(1, -1)],
    ['a fractional incarnation', withPart(1, 1.5)],
    ['a bigint incarnation', withPart(1, 1n)],
    ['an unknown status', withPart(2, 5)],
    ['a version of Infinity', withPart(3, Number.POSITIVE_INFINITY)],
    ['an address without a port', withPart(4, ['tcp', 'h'])],
    ['a port of 0', withPart(4, ['tcp', 'h', 0])],
    ['a port of 65,536', withPart(4, ['tcp', 'h', 65_536])],
    ['a protocol with a space', withPart(4, ['t cp', 'h', 1])],
    ['an undefined address', withPart(4, undefined)],
    ['65 roles', withPart(5, Array(65).fill('r'))],
    ['roles with a hole', withPart(5, new Array(3))],
    ['a role that is no text', withPart(5, [1])],
    ['a zone that is no text', withPart(6, 7)],
    ['metadata that is an array', withPart(7, [])],
    ['metadata that is null', withPart(7, null)],
    ['metadata with a function', withPart(7, { f: () => 1 })],
    ['metadata with NaN', withPart(7, { n: Number.NaN })],
    ['metadata with a class instance', withPart(7, { d: new Date(0) })],
    ['metadata with __proto__', withPart(7, JSON.parse('{"__proto__": 1}'))],
    ['metadata too deep', withPart(7, { a: nested(9) })],
    ['metadata of a depth of 100,000', withPart(7, { a: JSON.parse('['.repeat(5_000) + ']'.repeat(5_000)) })],
    ['metadata too large', withPart(7, { a: 'x'.repeat(5_000) })],
    [
      'metadata with 10,000 keys',
      withPart(7, Object.fromEntries(Array.from({ length: 10_000 }, (_, key) => [key, 1]))),
    ],
    ['a sparse array that claims 2^32 - 1 elements', withPart(7, { a: new Array(2 ** 32 - 1) })],
    ['a negative age', withPart(8, -1)],
    ['an age of NaN', withPart(8, Number.NaN)],
  ];
  it.each(malformed)('with %s is skipped, and the rest of the message is read', (_, item) => {
    const { records, refusedCount, refused } = fromWire([item, good]);
    expect(records.map(record => record.name)).toEqual(['b']);
    expect(refusedCount).toBe(1);
    expect(refused).toMatchObject([{ index: 0 }]);
  });

  it.each([null, undefined, 'x', 1, {}, new Array(40_001)])(
    'that is no array of records is a protocol error',
    message => {
      for (const read of [fromWire, summaryFromWire]) {
        expect(() => read(message)).toThrow(expect.toSatisfy((error: unknown) => isFoundationError(error, 'protocol')));
      }
    },
  );

  it('of any shape never throws, and what is read can be merged', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.anything(), fc.tuple(...good.map(part => fc.oneof(fc.constant(part), fc.anything()))))),
        items => {
          const members = table();
          const received = fromWire(items);
          expect(received.records.length + received.refusedCount).toBe(items.length);
          merge(members, [...received.records]);
          members.diff(summaryFromWire(items).records, 0);
          members.matches(items);
        },
      ),
    );
  });

  it('is listed up to 16 records only', () => {
    const { refused, refusedCount } = fromWire(new Array(1_000).fill(0));
    expect(refused).toHaveLength(16);
    expect(refusedCount).toBe(1_000);
  });
});

describe('anti-entropy', () => {
  it('survives the wire', () => {
    const record = member('b', { zone: 'z', roles: ['web'], metadata: { b: [1, null], a: { c: true } } });
    const wire = JSON.parse(JSON.stringify(toWire([record, member('c', { address: undefined })]))) as unknown;
    expect(fromWire(wire)).toEqual({
      records: [record, member('c', { address: undefined })],
      refused: [],
      refusedCount: 0,
    });
  });

  it('costs one digest when the tables are equal, in whatever order metadata was written', () => {
    const one = table('self');
    const other = table('self');
    merge(one, [member('b', { metadata: { x: 1, y: 2 } }), member('c')]);
    merge(other, [member('c'), member('b', { metadata: { y: 2, x: 1 } })]);
    expect(one.matches(JSON.parse(JSON.stringify(other.digest())))).toBe(true);
    expect(JSON.stringify(one.digest()).length).toBeLessThan(32);
    merge(other, [member('c', { version: 2 })]);
    expect(one.matches(other.digest())).toBe(false);
  });

  it('tells those who missed it that a member was removed', () => {
    const one = table('a');
    const other = table('b');
    for (const members of [one, other]) merge(members, [member('a'), member('b'), member('c')]);
    merge(one, [member('c', { status: 'removed' })]);
    expect(exchange(one, other)).toBe(1);
    expect(other.get('c')).toBeUndefined();
    expect(one.digest()).toEqual(other.digest());
  });

  it('tells a sender of stale gossip what it missed', () => {
    const members = table();
    merge(members, [member('b'), member('c', { version: 3 })]);
    merge(members, [member('b', { status: 'removed' })]);
    const { stale } = merge(members, [member('b'), member('c'), member('d'), member('self', { incarnation: 1 })]);
    expect(stale).toEqual(['b', 'c', 'self']);
    expect(members.pick(stale, 0).map(({ name, status, version }) => [name, status, version])).toEqual([
      ['b', 'removed', 0],
      ['c', 'up', 3],
      ['self', 'up', 1],
    ]);
    expect(merge(members, members.snapshot(0)).stale).toEqual([]);
  });

  it('makes any two tables equal in one exchange, sending only what differs', () => {
    const record = fc.record({
      name: fc.constantFrom('c', 'd', 'e', 'f', 'g', 'h'),
      incarnation: fc.integer({ min: 1, max: 3 }),
      status: fc.constantFrom<MemberStatus>(...memberStatuses),
      version: fc.integer({ min: 1, max: 3 }),
      zone: fc.constantFrom('x', undefined),
    });
    const records = fc
      .array(record, { maxLength: 12 })
      .map(list => list.map(({ name, ...patch }) => member(name, patch)));
    fc.assert(
      fc.property(records, records, records, (common, ours, theirs) => {
        const one = table('a');
        const other = table('b');
        for (const members of [one, other]) merge(members, [...common, member('a'), member('b')]);
        merge(one, ours);
        merge(other, theirs);
        const touched = new Set([...ours, ...theirs].map(({ name }) => name));
        expect(exchange(one, other)).toBeLessThanOrEqual(2 * touched.size);
        expect(one.digest()).toEqual(other.digest());
        expect(exchange(one, other)).toBe(0);
      }),
    );
  });

  /** As the shell does it; returns how many records crossed. */
  function exchange(one: MembershipTable, other: MembershipTable): number {
    if (other.matches(one.digest())) return 0;
    const rows = summaryFromWire(JSON.parse(JSON.stringify(summaryToWire(other.summary())))).records;
    const { send, want } = one.diff(rows, 0);
    const answer = other.pick(want, 0);
    const { stale } = merge(other, [...fromWire(JSON.parse(JSON.stringify(toWire(send)))).records], 'one');
    answer.push(...other.pick(stale, 0));
    merge(one, [...fromWire(JSON.parse(JSON.stringify(toWire(answer)))).records], 'other');
    return send.length + answer.length;
  }
});
