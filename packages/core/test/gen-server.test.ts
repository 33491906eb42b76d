import {
  type Context,
  child,
  type Down,
  type Exit,
  type ExitReason,
  failure,
  GenServer,
  genServer,
  noReply,
  type Pid,
  type ReplyTo,
  supervisor,
} from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { bench, gate, Puppet, rejection } from './support.js';

class StackServer extends GenServer<readonly string[]> {
  #items: string[] = [];
  readonly waiting: ReplyTo<string>[] = [];
  size = 0;

  init(items: readonly string[]) {
    this.#items = [...items];
  }
  pop(_: void, ctx: Context): string | typeof noReply {
    const item = this.#items.pop();
    if (item !== undefined) return item;
    this.waiting.push(ctx.from as ReplyTo<string>);
    return noReply;
  }
  push(item: string, ctx: Context) {
    const next = this.waiting.shift();
    if (next === undefined) this.#items.push(item);
    else ctx.reply(next, item);
  }
  async count() {
    await Promise.resolve();
    return this.#items.length;
  }
  refuse(why: string) {
    return failure(new RangeError(why));
  }
  crash(why: string): number {
    throw new Error(why);
  }
  secret() {
    return 'not an operation';
  }
}
const Stack = genServer(StackServer, { calls: ['pop', 'count', 'refuse', 'crash'], casts: ['push'] });

test('a class behaves as an actor: calls answer, casts do not, each actor has an instance', async () => {
  const { system } = bench();
  const stack = await system.spawn(Stack(['hello']));
  const other = await system.spawn(Stack([]));
  expect(await stack.call('pop')).toBe('hello');
  stack.cast('push', 'world');
  stack.cast('push', 'again');
  expect(await stack.call('count')).toBe(2);
  expect(await other.call('count')).toBe(0);
});

test('a call is answered later by the context', async () => {
  const { system } = bench();
  const stack = await system.spawn(Stack([]));
  const popped = stack.call('pop');
  await settle();
  stack.cast('push', 'late');
  expect(await popped).toBe('late');
});

test('a method that throws crashes its actor, a failure only its caller', async () => {
  const { system } = bench();
  const stack = await system.spawn(Stack([]));
  const ended = system.whenEnded(stack);
  expect(await rejection(stack.call('refuse', 'full'))).toBeInstanceOf(RangeError);
  const error = await rejection(stack.call('crash', 'broken'));
  expect(error).toMatchObject({ code: 'handler-failed', cause: { message: 'broken' } });
  expect(await ended).toMatchObject({ message: 'broken' });
});

test.each(['secret', 'init', 'constructor', 'terminate', 'toString', '__proto__', 'size'])(
  "'%s', which is not declared, can't be reached",
  async op => {
    const { system } = bench();
    const stack = await system.spawn(Stack(['kept']));
    expect((await rejection(stack.call(op as never))).code).toBe('invalid-operation');
    stack.cast(op as never);
    await settle();
    expect(system.deadLetters.count).toBe(1);
    expect(await stack.call('count')).toBe(1);
  },
);

test.each(['init', 'constructor', 'onDown', 'handOff', 'toString', '__proto__', 'size', 'nope'])(
  "'%s' is refused as an operation",
  op => {
    expect(() => genServer(StackServer, { calls: [op as never] })).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    );
    expect(() => genServer(StackServer, { casts: [op as never] })).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    );
  },
);

test('what is no server class, and options that do not exist, are refused', () => {
  expect(() => genServer(class {} as never)).toThrow(/a class that extends GenServer/);
  expect(() => genServer(undefined as never)).toThrow(/a class that extends GenServer/);
  expect(() => genServer(StackServer, { call: ['pop'] } as never)).toThrow(/did you mean 'calls'/);
  expect(() => genServer(StackServer, { mailbox: { capacity: 0 } })).toThrow(/mailbox.capacity/);
});

describe('lifecycle', () => {
  class Log extends GenServer<(line: string) => void> {
    say: (line: string) => void = () => {};
    init(say: (line: string) => void) {
      this.say = say;
    }
    watch(pid: Pid, ctx: Context) {
      ctx.monitor(pid);
    }
    bind(pid: Pid, ctx: Context) {
      ctx.link(pid);
    }
    end(reason: ExitReason, ctx: Context) {
      ctx.stop(reason);
    }
    override onDown(down: Down) {
      this.say(`down ${String(down.reason)}`);
    }
    override onExit(exit: Exit) {
      this.say(`exit ${String(exit.reason)}`);
    }
    override terminate(reason: ExitReason) {
      this.say(`terminate ${String(reason)}`);
    }
  }
  const LogActor = genServer(Log, { name: 'log', calls: ['watch', 'bind'], casts: ['end'] });

  test('downs, trapped exits and the end reach their methods, on the instance', async () => {
    const { system } = bench();
    const lines: string[] = [];
    const log = await system.spawn(LogActor(line => lines.push(line)));
    const puppet = await system.spawn(Puppet(undefined));
    await log.call('watch', puppet.pid);
    await log.call('bind', puppet.pid);
    system.exit(puppet.pid, 'shutdown');
    await settle();
    log.cast('end', 'normal');
    expect(await system.whenEnded(log)).toBe('normal');
    expect(lines.sort()).toEqual(['down shutdown', 'exit shutdown', 'terminate normal']);
  });

  test('an init that fails fails the spawn; an async one is awaited', async () => {
    const { system } = bench();
    const opened = gate();
    class Slow extends GenServer<boolean> {
      ready = false;
      async init(well: boolean) {
        await opened.promise;
        if (!well) throw new Error('not well');
        this.ready = true;
      }
      isReady() {
        return this.ready;
      }
    }
    const SlowActor = genServer(Slow, { calls: ['isReady'] });
    const good = system.spawn(SlowActor(true));
    const bad = rejection(system.spawn(SlowActor(false)));
    opened.open();
    expect(await (await good).call('isReady')).toBe(true);
    expect(await bad).toMatchObject({ code: 'start-failed', cause: { message: 'not well' } });
  });

  test('an instance is handed over as an actor is', async () => {
    const { system } = bench();
    class Tally extends GenServer {
      count = 0;
      init() {}
      add(by: number) {
        this.count += by;
        return this.count;
      }
      override handOff() {
        return this.count;
      }
      override resume(handed: number) {
        this.count = handed;
      }
    }
    const { program } = genServer(Tally, { calls: ['add'], version: 3 });
    const next = system.launch(genServer(Tally, { calls: ['add'] })(), { resume: { handed: 40, fromVersion: 3 } });
    expect(program.version).toBe(3);
    expect(program.handOff?.(next.state)).toBe(40);
    expect(await system.refTo(next).call('add' as never, 2 as never)).toBe(42);
  });
});

test('a class inherits operations, and is supervised and named as an actor is', async () => {
  const { system } = bench();
  class Counting extends StackServer {
    override crash(why: string): number {
      throw new Error(`counting: ${why}`);
    }
    twice(n: number) {
      return n * 2;
    }
  }
  const CountingActor = genServer(Counting, { calls: ['pop', 'twice', 'crash'], casts: ['push'] });
  expect(CountingActor.name).toBe('Counting');
  const tree = await system.supervise(supervisor({ children: [child(CountingActor(['a']), { id: 'c' })] }));
  const counting = tree.ref(CountingActor, 'c');
  expect(await counting.call('twice', 4)).toBe(8);
  expect(await counting.call('pop')).toBe('a');
  expect((await rejection(counting.call('crash', 'x'))).cause).toMatchObject({ message: 'counting: x' });
  await settle();
  expect(await counting.call('pop')).toBe('a');
  await tree.stop();
});
