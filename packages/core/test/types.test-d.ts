import {
  type ActorSystem,
  actor,
  child,
  dynamicSupervisor,
  type ExitReason,
  failure,
  noReply,
  type Pid,
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
const Impostor = actor({ name: 'impostor', init: () => ({}), calls: { get: () => 'text' } });
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

  test('the state is inferred when init uses its context, and so is what is handed off', () => {
    const Ticker = actor({
      name: 'ticker',
      init: (every: number, ctx) => {
        expectTypeOf(ctx.self).toEqualTypeOf<Ref>();
        ctx.after(every, 'tick');
        return { ticks: 0 };
      },
      calls: { ticks: s => s.ticks },
      casts: {
        tick: (s, _: void, ctx) => {
          s.ticks++;
          ctx.setState({ ticks: s.ticks });
          // @ts-expect-error not a state
          ctx.setState({ tocks: 1 });
        },
      },
      onDown: (s, down) => {
        expectTypeOf(s).toEqualTypeOf<{ ticks: number }>();
        expectTypeOf(down.reason).toEqualTypeOf<ExitReason>();
      },
      handOff: s => s.ticks,
      resume: (ticks, every, info, ctx) => {
        expectTypeOf(ticks).toEqualTypeOf<number>();
        expectTypeOf(every).toEqualTypeOf<number>();
        expectTypeOf(info.fromVersion).toEqualTypeOf<number>();
        ctx.after(every, 'tick');
        return { ticks };
      },
    });
    expectTypeOf(system.spawn(Ticker(10))).toEqualTypeOf<Promise<Ref<typeof Ticker>>>();
    const Later = actor({
      name: 'later',
      init: async (_: void, ctx) => ({ id: ctx.pid.id }),
      calls: { id: s => s.id },
    });
    expectTypeOf((null as unknown as Ref<typeof Later>).call('id')).toEqualTypeOf<Promise<number>>();
    Later();
  });

  test('trees: refs by child id and the operations of supervisors', async () => {
    const app = await system.supervise(supervisor({ children: [Counter(1)] }));
    expectTypeOf(app.ref(Counter, 'counter')).toEqualTypeOf<Ref<typeof Counter>>();
    expectTypeOf(app.startChild(child(Bare(), { name: 'b' }))).toEqualTypeOf<Promise<Pid>>();
    const dynamic = await system.spawn(dynamicSupervisor({ maxChildren: 3 }));
    expectTypeOf(dynamic.call('startChild', Counter(1))).toEqualTypeOf<Promise<Pid>>();
    // @ts-expect-error no such option
    dynamicSupervisor({ children: [] });
    // @ts-expect-error a definition that was not called
    supervisor({ children: [Counter] });
    // @ts-expect-error an actor is no tree
    await system.supervise(Counter(1));
  });

  test('a handler that only puts its answer off may answer with anything', () => {
    const Deferring = actor({
      name: 'deferring',
      init: () => ({ waiting: [] as ReplyTo[] }),
      calls: {
        wait: (s, _: void, ctx) => {
          s.waiting.push(ctx.from);
          return noReply;
        },
        fail: (): never => {
          throw new Error('always');
        },
      },
    });
    const deferring = null as unknown as Ref<typeof Deferring>;
    const wait = () => deferring.call('wait');
    expectTypeOf<Awaited<ReturnType<typeof wait>>>().toBeUnknown();
    const fail = () => deferring.call('fail');
    expectTypeOf<Awaited<ReturnType<typeof fail>>>().toBeNever();
  });

  test('a ref on one definition is none on another; one on any, as ctx.self, passes for either', () => {
    const Client = actor({ name: 'client', init: (server: Ref<typeof Counter>) => ({ server }) });
    Client(c);
    Client(null as unknown as Ref);
    const any: Ref = c;
    // @ts-expect-error it can't be asked anything
    any.call('get');
    // @ts-expect-error another definition, with the same operation but another reply
    Client(null as unknown as Ref<typeof Impostor>);
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
