import {
  type ActorSystem,
  actor,
  child,
  failure,
  noReply,
  type Ref,
  type ReplyTo,
  supervisor,
} from '@foundation-ts/core';
import { describe, expectTypeOf, test } from 'vitest';

const Counter = actor({
  name: 'counter',
  init: (start: number) => ({ count: start }),
  calls: {
    get: s => s.count,
    add: (s, n: number) => (s.count += n),
    slow: async (s, n: number) => `${s.count + n}`,
    maybe: (s, n?: number) => s.count + (n ?? 0),
    later: (_s, _p: void, ctx): number | typeof noReply => {
      expectTypeOf(ctx.from).toEqualTypeOf<ReplyTo>();
      return noReply;
    },
    checked: (s, n: number) => (n < 0 ? failure(new Error('negative')) : s.count),
  },
  casts: {
    reset: (s, to: number) => {
      s.count = to;
    },
    clear: s => {
      s.count = 0;
    },
  },
});
const Bare = actor({ name: 'bare', init: () => ({}) });

declare const system: ActorSystem;
declare const c: Ref<typeof Counter>;

describe('inference', () => {
  test('payloads, replies and arguments need no annotation beyond payloads', () => {
    expectTypeOf(c.call('get')).toEqualTypeOf<Promise<number>>();
    expectTypeOf(c.call('add', 2)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(c.call('slow', 2, { timeout: 3 })).toEqualTypeOf<Promise<string>>();
    expectTypeOf(c.call('maybe')).toEqualTypeOf<Promise<number>>();
    expectTypeOf(c.call('later')).toEqualTypeOf<Promise<number>>();
    expectTypeOf(c.call('checked', 1)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(system.spawn(Counter(3))).toEqualTypeOf<Promise<Ref<typeof Counter>>>();
    expectTypeOf(c.with({ timeout: 1 }).call('get')).toEqualTypeOf<Promise<number>>();
    c.cast('reset', 0);
    c.cast('clear');
    Bare();
    child(Counter(1), { restart: 'transient' });
    supervisor({ strategy: 'rest_for_one', children: [Counter(1), child(Bare(), { id: 'b' })] });
  });

  test('mistakes are compile errors', () => {
    // @ts-expect-error unknown operation
    c.call('nope');
    // @ts-expect-error wrong payload
    c.call('add', 'two');
    // @ts-expect-error missing payload
    c.call('add');
    // @ts-expect-error a payload where none is taken
    c.call('get', 1);
    // @ts-expect-error a call is not a cast
    c.cast('get');
    // @ts-expect-error wrong cast payload
    c.cast('reset', 'zero');
    // @ts-expect-error wrong argument
    Counter('three');
    // @ts-expect-error missing argument
    Counter();
    // @ts-expect-error no argument taken
    Bare(1);
    // @ts-expect-error unknown strategy
    supervisor({ strategy: 'all_for_none' });
    // @ts-expect-error wrong child argument
    supervisor({ children: [Counter('x')] });
    // @ts-expect-error unknown option
    child(Counter(1), { restrat: 'permanent' });
  });
});
