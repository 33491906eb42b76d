import {
  AwLwwMap,
  AwMap,
  DisableWinsFlag,
  EnableWinsFlag,
  GCounter,
  hlcOf,
  LwwRegister,
  MvRegister,
  OrSet,
  PnCounter,
  type Stamped,
} from '@foundation-ts/crdt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

interface Replicated<D> {
  join(delta: D): boolean;
  toPlain(): D;
}

const script = fc.array(
  fc.record({
    on: fc.nat(2),
    op: fc.nat(2),
    arg: fc.nat(9),
    lost: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    late: fc.boolean(),
  }),
  { maxLength: 40 },
);

/** Three replicas, deltas lost, late, repeated and reordered; at the end whole states are joined, and all must agree. */
function converges<D, C extends Replicated<D>>(
  make: (replica: string) => C,
  act: (crdt: C, op: number, arg: number, time: number) => D,
  read: (crdt: C) => unknown,
): void {
  fc.assert(
    fc.property(script, steps => {
      const all = ['a#1', 'b#1', 'c#1'].map(make);
      const late: D[] = [];
      steps.forEach(({ on, op, arg, lost, late: isLate }, time) => {
        const delta = JSON.parse(JSON.stringify(act(all[on] as C, op, arg, time))) as D;
        if (isLate) late.unshift(delta);
        else
          all.forEach((crdt, i) => {
            if (!lost[i]) crdt.join(delta);
          });
      });
      for (const crdt of all) for (const delta of late) crdt.join(delta);
      const forward = make('x#1');
      for (const crdt of all) forward.join(crdt.toPlain());
      const backward = make('y#1');
      for (const crdt of [...all].reverse()) {
        backward.join(crdt.toPlain());
        backward.join(crdt.toPlain());
      }
      expect(read(backward)).toEqual(read(forward));
      for (const crdt of all) {
        crdt.join(forward.toPlain());
        expect(read(crdt)).toEqual(read(forward));
        expect(crdt.join(forward.toPlain())).toBe(false);
      }
    }),
    { numRuns: 150 },
  );
}

describe('LwwRegister', () => {
  it('converges', () => {
    converges(
      r => new LwwRegister<number>(r),
      (register, _op, arg, time) => register.set(arg, hlcOf(time + (arg % 3))),
      register => [register.value, register.timestamp],
    );
  });

  it('takes the later write, ties by the replica', () => {
    const [a, b] = [new LwwRegister<string>('a#1'), new LwwRegister<string>('b#1')];
    const first = a.set('a', hlcOf(5));
    b.set('b', hlcOf(5));
    expect(b.join(first)).toBe(false);
    expect(a.join(b.toPlain())).toBe(true);
    expect(a.value).toBe('b');
  });

  it('lets a write beat what its replica saw, though that came from a clock far ahead', () => {
    const [a, b] = [new LwwRegister<string>('a#1'), new LwwRegister<string>('b#1')];
    a.join(b.set('from the future', hlcOf(1e12)));
    b.join(a.set('now', hlcOf(5)));
    expect([a.value, b.value]).toEqual(['now', 'now']);
  });
});

describe('MvRegister', () => {
  it('converges', () => {
    converges(
      r => new MvRegister<number>(r),
      (register, op, arg) => (op === 0 ? register.clear() : register.set(arg)),
      register => register.values,
    );
  });

  it('keeps concurrent values until one replaces them, and drops those of a dropped replica', () => {
    const [a, b] = [new MvRegister<string>('a#1'), new MvRegister<string>('b#1')];
    const [fromA, fromB] = [a.set('a'), b.set('b')];
    a.join(fromB);
    b.join(fromA);
    expect(b.values).toEqual(['a', 'b']);
    const drop = b.dropReplica('a#1');
    expect(b.values).toEqual(['b']);
    expect(b.join(a.set('late'))).toBe(true);
    expect(b.values).toEqual([]);
    a.join(drop);
    expect(a.values).toEqual([]);
    expect(() => a.set('more')).toThrow(/new incarnation/);
  });

  it('notices dots of its own incarnation that it never made', () => {
    const [a, impostor] = [new MvRegister<string>('a#1'), new MvRegister<string>('a#1')];
    expect(a.hasUnseenDotsOf(a.set('x'))).toBe(false);
    impostor.set('y');
    expect(a.hasUnseenDotsOf(impostor.set('z'))).toBe(true);
  });
});

describe('flags', () => {
  it('converge', () => {
    converges(
      r => new EnableWinsFlag(r),
      (flag, op) => (op === 0 ? flag.disable() : flag.enable()),
      flag => flag.enabled,
    );
    converges(
      r => new DisableWinsFlag(r),
      (flag, op) => (op === 0 ? flag.disable() : flag.enable()),
      flag => flag.enabled,
    );
  });

  it('decide concurrent calls by their name', () => {
    const [a, b] = [new EnableWinsFlag('a#1'), new EnableWinsFlag('b#1')];
    b.join(a.enable());
    const [on, off] = [a.enable(), b.disable()];
    a.join(off);
    b.join(on);
    expect([a.enabled, b.enabled]).toEqual([true, true]);
    const [c, d] = [new DisableWinsFlag('c#1'), new DisableWinsFlag('d#1')];
    expect(c.enabled).toBe(true);
    d.join(c.disable());
    const [down, up] = [c.disable(), d.enable()];
    c.join(up);
    d.join(down);
    expect([c.enabled, d.enabled]).toEqual([false, false]);
    expect(DisableWinsFlag.fromPlain('e#1', d.toPlain()).enabled).toBe(false);
    expect(EnableWinsFlag.fromPlain('e#1', a.toPlain()).enabled).toBe(true);
  });
});

describe('counters', () => {
  it('converge to the sum of all operations', () => {
    converges(
      r => new GCounter(r),
      (counter, _op, arg) => counter.increment(arg),
      counter => counter.value,
    );
    converges(
      r => new PnCounter(r),
      (counter, op, arg) => (op === 0 ? counter.decrement(arg) : counter.increment(arg)),
      counter => counter.value,
    );
    fc.assert(
      fc.property(script, steps => {
        const all = ['a#1', 'b#1', 'c#1'].map(r => new PnCounter(r));
        let sum = 0;
        for (const { on, op, arg } of steps) {
          sum += op === 0 ? -arg : arg;
          if (op === 0) all[on]?.decrement(arg);
          else all[on]?.increment(arg);
        }
        const total = new PnCounter('x#1');
        for (const counter of [...all, ...all]) total.join(counter.toPlain());
        expect(total.value).toBe(sum);
        expect(PnCounter.fromPlain('y#1', total.toPlain()).value).toBe(sum);
      }),
    );
  });

  it('refuse nonsense', () => {
    expect(() => new GCounter('a#1').increment(-1)).toThrow(RangeError);
    expect(() => new GCounter('a#1').join([['b#1', 0.5]])).toThrow(TypeError);
    expect(GCounter.fromPlain('a#1', [['b#1', 3]]).value).toBe(3);
  });
});

describe('AwLwwMap', () => {
  const pair = (): AwLwwMap<string>[] =>
    ['a#1', 'b#1'].map(replica => new AwLwwMap(new AwMap<Stamped<string>>({ replica, bucketCount: 4 })));

  it('decides concurrent writes by time, then replica, and causal ones by causality', () => {
    const [a, b] = pair() as [AwLwwMap<string>, AwLwwMap<string>];
    const [early, late] = [a.set('k', 'early', hlcOf(1)), b.set('k', 'late', hlcOf(2))];
    a.store.join(late);
    b.store.join(early);
    expect([a.get('k'), b.get('k')]).toEqual(['late', 'late']);
    b.store.join(a.set('k', 'after, by a slow clock', hlcOf(0)));
    expect([a.get('k'), b.get('k')]).toEqual(['after, by a slow clock', 'after, by a slow clock']);
    const [x, y] = [a.set('t', 'a', hlcOf(5)), b.set('t', 'b', hlcOf(5))];
    a.store.join(y);
    b.store.join(x);
    expect([a.get('t'), b.get('t')]).toEqual(['b', 'b']);
    expect([...a.entries()].sort()).toEqual([...b.entries()].sort());
    expect(a.getEntry('t')?.replica).toBe('b#1');
  });

  it('keeps a write concurrent to a removal, however old its timestamp', () => {
    const [a, b] = pair() as [AwLwwMap<string>, AwLwwMap<string>];
    b.store.join(a.set('k', 'v', hlcOf(10)));
    const [removal, write] = [b.delete('k'), a.set('k', 'w', hlcOf(1))];
    a.store.join(removal);
    b.store.join(write);
    expect([a.get('k'), b.get('k')]).toEqual(['w', 'w']);
    expect(a.size).toBe(1);
    expect(a.has('k')).toBe(true);
  });
});

describe('OrSet', () => {
  it('lets an addition win over a concurrent removal, and removes what was seen', () => {
    const [a, b] = ['a#1', 'b#1'].map(replica => new OrSet(new AwMap<true>({ replica, bucketCount: 4 }))) as [
      OrSet,
      OrSet,
    ];
    b.store.join(a.add('x'));
    const [removal, addition] = [b.delete('x'), a.add('x')];
    a.store.join(removal);
    b.store.join(addition);
    expect([...a.values()]).toEqual(['x']);
    expect([...b.values()]).toEqual(['x']);
    a.store.join(b.delete('x'));
    expect([a.has('x'), b.has('x'), a.size]).toEqual([false, false, 0]);
  });
});
