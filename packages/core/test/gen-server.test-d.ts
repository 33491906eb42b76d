import {
  type ActorSystem,
  type Context,
  child,
  failure,
  GenServer,
  genServer,
  noReply,
  type Pid,
  type Ref,
  type Start,
  supervisor,
} from '@foundation-ts/core';
import { expectTypeOf, test } from 'vitest';

class CounterServer extends GenServer<number> {
  count = 0;
  readonly log: string[] = [];
  init(start: number, ctx: Context) {
    expectTypeOf(ctx.pid).toEqualTypeOf<Pid>();
    this.count = start;
  }
  get() {
    return this.count;
  }
  async add(n: number) {
    this.count += n;
    return `${this.count}`;
  }
  maybe(n?: number) {
    return this.count + (n ?? 0);
  }
  later(_: void, ctx: Context): boolean | typeof noReply {
    return ctx.from === undefined ? true : noReply;
  }
  lazy() {
    return this.count > 0 ? `${this.count}` : noReply;
  }
  checked(n: number) {
    return n < 0 ? failure(new Error('negative')) : this.count;
  }
  reset(to: number) {
    this.count = to;
  }
  clear() {
    this.count = 0;
  }
  two(left: number, right: number) {
    return left + right;
  }
  protected hidden() {
    return 1;
  }
  private own() {
    return this.hidden();
  }
  uses() {
    return this.own();
  }
  override terminate() {}
}
const Counter = genServer(CounterServer, {
  name: 'counter',
  calls: ['get', 'add', 'maybe', 'later', 'lazy', 'checked'],
  casts: ['reset', 'clear'],
});
class BareServer extends GenServer {
  init() {}
}
const Bare = genServer(BareServer);

declare const system: ActorSystem;
declare const c: Ref<typeof Counter>;

test('payloads, replies and the argument are those of the methods', () => {
  expectTypeOf(c.call('get')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(c.call('add', 2)).toEqualTypeOf<Promise<string>>();
  expectTypeOf(c.call('maybe')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(c.call('maybe', 1)).toEqualTypeOf<Promise<number>>();
  expectTypeOf(c.call('later')).toEqualTypeOf<Promise<boolean>>();
  expectTypeOf(c.call('lazy')).toEqualTypeOf<Promise<string>>();
  expectTypeOf(c.call('checked', 1, { timeout: 5 })).toEqualTypeOf<Promise<number>>();
  expectTypeOf(Counter(3)).toEqualTypeOf<Start<typeof Counter>>();
  expectTypeOf(system.spawn(Counter(3))).toEqualTypeOf<Promise<Ref<typeof Counter>>>();
  c.cast('reset', 0);
  c.cast('clear');
  Bare();
  supervisor({ children: [child(Counter(1)), Bare()] });
});

test('mistakes are compile errors', () => {
  // @ts-expect-error wrong payload
  c.call('add', 'two');
  // @ts-expect-error missing payload
  c.call('add');
  // @ts-expect-error a payload where none is taken
  c.call('get', 1);
  // @ts-expect-error a call is not a cast
  c.cast('get');
  // @ts-expect-error a cast is not a call
  c.call('reset', 1);
  // @ts-expect-error a method that was not declared
  c.call('uses');
  // @ts-expect-error lifecycle
  c.call('init', 1);
  // @ts-expect-error wrong argument
  Counter('three');
  // @ts-expect-error missing argument
  Counter();
  // @ts-expect-error no argument taken
  Bare(1);
  // @ts-expect-error no such method
  genServer(CounterServer, { calls: ['gett'] });
  // @ts-expect-error lifecycle
  genServer(CounterServer, { calls: ['init'] });
  // @ts-expect-error lifecycle
  genServer(CounterServer, { casts: ['terminate'] });
  // @ts-expect-error not public
  genServer(CounterServer, { calls: ['hidden'] });
  // @ts-expect-error not public
  genServer(CounterServer, { calls: ['own'] });
  // @ts-expect-error a field
  genServer(CounterServer, { calls: ['count'] });
  // @ts-expect-error takes more than a payload
  genServer(CounterServer, { calls: ['two'] });
  // @ts-expect-error no such option
  genServer(CounterServer, { call: ['get'] });
  // @ts-expect-error no server
  genServer(class {});
  class Wrong extends GenServer<number> {
    // @ts-expect-error another argument than the class says
    init(_start: string) {}
  }
  void Wrong;
});
