import {
  type ActorSystem,
  child,
  failure,
  type MachineContext,
  machine,
  noReply,
  type Ref,
  type Start,
  supervisor,
} from '@foundation-ts/core';
import { expectTypeOf, test } from 'vitest';

const Door = machine({
  name: 'door',
  init: (code: string) => ({ state: 'locked', data: { code, tries: 0 } }),
  states: {
    locked: {
      enter: (data, previous, m) => {
        expectTypeOf(data).toEqualTypeOf<{ code: string; tries: number }>();
        expectTypeOf(previous).toEqualTypeOf<'locked' | 'open'>();
        expectTypeOf(m.state).toEqualTypeOf<'locked' | 'open'>();
        // @ts-expect-error no such event
        m.timeout(10, 'nope');
      },
      calls: {
        unlock: (data, code: string, m) => {
          if (code !== data.code) return false;
          m.next('open');
          // @ts-expect-error no such state
          m.next('ajar');
          m.stateTimeout(1_000, 'lock', 'late');
          // @ts-expect-error no such event
          m.nextEvent('unlock');
          m.setData({ code, tries: 1 });
          // @ts-expect-error not the data
          m.setData({ code });
          return true;
        },
        enter: (_data, _: void, m) => m.postpone(),
      },
    },
    open: {
      calls: {
        unlock: () => failure(new Error('open already')),
        enter: async (data, _: void) => data.tries,
        ring: (_data, times?: number) => (times === undefined ? noReply : `rung ${times}`),
      },
      casts: {
        close: (_data, _: void, m) => m.next('locked'),
      },
      internal: {
        lock: (_data, why: string, m) => {
          m.nextEvent('slam', why);
          m.next('locked');
        },
      },
    },
  },
  internal: { slam: (data, _: string) => data.tries++ },
  calls: { tries: data => data.tries },
  casts: { break: (_data, how: { hard: boolean }, m) => m.stop(new Error(String(how.hard))) },
  onDown: (data, down) => {
    expectTypeOf(data.tries).toEqualTypeOf<number>();
    expectTypeOf(down.pid.id).toEqualTypeOf<number>();
  },
  terminate: (data, _reason, m) => {
    expectTypeOf(m).toEqualTypeOf<
      MachineContext<{ code: string; tries: number }, 'locked' | 'open', 'lock' | 'slam'>
    >();
    expectTypeOf(data.code).toEqualTypeOf<string>();
  },
  handOff: (data, state) => ({ tries: data.tries, state }),
  resume: (handed, code) => ({ state: handed.state, data: { code, tries: handed.tries } }),
});

declare const system: ActorSystem;
declare const door: Ref<typeof Door>;

test('states, data, payloads and replies are inferred', () => {
  expectTypeOf(door.call('unlock', '1234')).toEqualTypeOf<Promise<boolean>>();
  expectTypeOf(door.call('enter')).toEqualTypeOf<Promise<number>>();
  expectTypeOf(door.call('ring')).toEqualTypeOf<Promise<string>>();
  expectTypeOf(door.call('ring', 2, { timeout: 1 })).toEqualTypeOf<Promise<string>>();
  expectTypeOf(door.call('tries')).toEqualTypeOf<Promise<number>>();
  door.cast('close');
  door.cast('break', { hard: true });
  expectTypeOf(Door('1234')).toEqualTypeOf<Start<typeof Door>>();
  expectTypeOf(system.spawn(Door('1234'))).toEqualTypeOf<Promise<Ref<typeof Door>>>();
  supervisor({ children: [child(Door('1'))] });
});

test('payloads that states take differently are all asked for, replies may be any', () => {
  const Both = machine({
    name: 'both',
    init: (_: void, m) => {
      m.timeout(10, 'tick');
      m.nextEvent('tick');
      return { state: 'left', data: { n: 0 } };
    },
    states: {
      left: {
        calls: { go: (data, by: { x: number }) => data.n + by.x, none: () => 1 },
        casts: { cast: (_data, _: number) => {} },
      },
      right: {
        calls: { go: (_data, by: { y: string }) => by.y, none: (_data, _: number) => 'one' },
        casts: { cast: () => {} },
        internal: { tick: (_data, _: void, m) => m.next('left') },
      },
    },
  });
  const both = null as unknown as Ref<typeof Both>;
  expectTypeOf(both.call('go', { x: 1, y: '2' })).toEqualTypeOf<Promise<number | string>>();
  expectTypeOf(both.call('none', 1)).toEqualTypeOf<Promise<number | string>>();
  both.cast('cast', 1);
  Both();
  // @ts-expect-error not what one of the states takes
  both.call('go', { x: 1 });
});

test('mistakes are compile errors', () => {
  // @ts-expect-error wrong payload
  door.call('unlock', 1234);
  // @ts-expect-error missing payload
  door.call('unlock');
  // @ts-expect-error no payload taken
  door.call('enter', 1);
  // @ts-expect-error a cast is no call
  door.call('close');
  // @ts-expect-error unknown operation
  door.cast('open');
  // @ts-expect-error an internal event can't be sent
  door.cast('lock', 'x');
  // @ts-expect-error wrong payload
  door.cast('break', { hard: 'yes' });
  // @ts-expect-error wrong argument
  Door(1234);
  // @ts-expect-error missing argument
  Door();
  machine({
    name: 'wrong',
    // @ts-expect-error no such state to start in
    init: () => ({ state: 'nowhere', data: {} }),
    states: { somewhere: {} },
  });
  machine({
    name: 'wrong',
    init: () => ({ state: 'somewhere', data: {} }),
    states: {
      somewhere: {
        // @ts-expect-error no such key of a state
        cast: { go: () => {} },
      },
    },
  });
  machine({
    name: 'wrong',
    init: (_: void, m) => {
      // @ts-expect-error no such event
      m.nextEvent('tock');
      return { state: 'somewhere', data: {} };
    },
    states: { somewhere: { internal: { tick: () => {} } } },
  });
  machine({
    name: 'wrong',
    init: () => ({ state: 'somewhere', data: { n: 1 } }),
    states: { somewhere: {} },
    calls: {
      // @ts-expect-error no such data
      get: data => data.m,
    },
  });
});
