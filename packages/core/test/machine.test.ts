import { type MachineContext, machine, noReply, type Pid, type ReplyTo } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bench, gate, Puppet, rejection } from './support.js';

type M = MachineContext<{ readonly log: string[] }, 'a' | 'b' | 'c', 'in' | 'out' | 'again'>;
type Work = (m: M, log: string[]) => unknown;

/** A machine of three states that does what it is told, and says in which state it was told, and when a state was entered. */
const Puppeteer = machine({
  name: 'puppeteer',
  init: ({ log, first }: { readonly log: string[]; readonly first?: Work | undefined }, m) => {
    first?.(m as unknown as M, log);
    return { state: 'a', data: { log } };
  },
  states: {
    a: {
      enter: ({ log }, previous) => {
        log.push(`enter a from ${previous}`);
      },
      casts: {
        work: ({ log }, { name, work }: { readonly name: string; readonly work?: Work | undefined }, m) => {
          log.push(`${name} in a`);
          return work?.(m as M, log);
        },
      },
      calls: {
        ask: ({ log }, { name, work }: { readonly name: string; readonly work?: Work | undefined }, m) => {
          log.push(`${name} in a`);
          return work?.(m as M, log);
        },
        onlyA: () => 'a',
      },
    },
    b: {
      enter: ({ log }, previous) => {
        log.push(`enter b from ${previous}`);
      },
    },
    c: {},
  },
  calls: {
    ask: ({ log }, { name, work }: { readonly name: string; readonly work?: Work | undefined }, m) => {
      log.push(`${name} in ${m.state}`);
      return work?.(m as M, log);
    },
    state: (_data, _: void, m) => m.state as string,
  },
  casts: {
    work: ({ log }, { name, work }: { readonly name: string; readonly work?: Work | undefined }, m) => {
      log.push(`${name} in ${m.state}`);
      return work?.(m as M, log);
    },
  },
  internal: {
    in: ({ log }, name: string | undefined, m) => {
      log.push(`in ${name} in ${m.state}`);
    },
    out: ({ log }, work: Work, m) => {
      log.push(`out in ${m.state}`);
      return work?.(m as M, log);
    },
    again: () => {},
  },
});

async function puppeteer(first?: Work) {
  const { system, clock } = bench();
  const log: string[] = [];
  const ref = await system.spawn(Puppeteer({ log, first }));
  await settle();
  const tell = (name: string, work?: Work): void => ref.cast('work', { name, work });
  const ask = (name: string, work?: Work): Promise<unknown> => ref.call('ask', { name, work });
  return { system, clock, log, ref, tell, ask };
}

describe('states', () => {
  test('enter is called at the start, from the state itself, and at each change', async () => {
    const { log, tell } = await puppeteer();
    tell('one', m => m.next('b'));
    tell('two', m => m.next('a'));
    await settle();
    expect(log).toEqual(['enter a from a', 'one in a', 'enter b from a', 'two in b', 'enter a from b']);
  });

  test('going to the same state is no change', async () => {
    const { log, tell } = await puppeteer();
    tell('one', m => m.next('a'));
    await settle();
    expect(log).toEqual(['enter a from a', 'one in a']);
  });

  test('repeat calls enter again and is no change: what is postponed stays, the state time-out runs on', async () => {
    const { log, tell, clock } = await puppeteer();
    tell('later', m => {
      m.postpone();
      m.stateTimeout(10, 'in', 'time-out');
    });
    tell('again', m => m.repeat());
    await settle();
    expect(log).toEqual(['enter a from a', 'later in a', 'again in a', 'enter a from a']);
    await clock.advance(10);
    expect(log.at(-1)).toBe('in time-out in a');
  });

  test('enter may repeat itself; the previous state is then the state itself', async () => {
    const { system } = bench();
    const seen: string[] = [];
    const Repeating = machine({
      name: 'repeating',
      init: () => ({ state: 'start', data: { n: 0 } }),
      states: {
        start: { casts: { go: (_d, _: void, m) => m.next('wait') } },
        wait: {
          enter: (data, previous, m) => {
            seen.push(`${previous} ${data.n}`);
            if (++data.n < 3) m.repeat();
          },
        },
      },
    });
    (await system.spawn(Repeating())).cast('go');
    await settle();
    expect(seen).toEqual(['start 0', 'wait 1', 'wait 2']);
  });

  test('the machine handles what its state does not; what neither does is an error of the sender', async () => {
    const { system } = bench();
    const dimmed = 'dimmed';
    const Lamp = machine({
      name: 'lamp',
      init: () => ({ state: 'off', data: { flips: 0 } }),
      states: {
        off: { calls: { dim: () => dimmed }, casts: { on: (_d, _: void, m) => m.next('on') } },
        on: { casts: { off: (_d, _: void, m) => m.next('off') } },
      },
      calls: { flips: data => data.flips },
    });
    const lamp = await system.spawn(Lamp());
    expect(await lamp.call('dim')).toBe('dimmed');
    lamp.cast('on');
    expect(await rejection(lamp.call('dim'))).toMatchObject({
      code: 'invalid-operation',
      message: expect.stringContaining("in its state 'on'"),
    });
    lamp.cast('on');
    expect(await lamp.call('flips')).toBe(0);
    expect(system.deadLetters.count).toBe(1);
  });

  test('a state that does not exist crashes the machine that goes there, or does not start it', async () => {
    const { system, ref, tell } = await puppeteer();
    const ended = system.whenEnded(ref);
    tell('wrong', m => m.next('d' as never));
    expect(await ended).toMatchObject({ code: 'invalid-option' });
    const Nowhere = machine({ name: 'nowhere', init: () => ({ state: 'x' as never, data: {} }), states: { y: {} } });
    expect((await rejection(system.spawn(Nowhere()))).code).toBe('start-failed');
  });

  test('setData replaces the data', async () => {
    const { system } = bench();
    const Tally = machine({
      name: 'tally',
      init: (n: number) => ({ state: 'only', data: { n } }),
      states: {
        only: {
          calls: {
            add: (data, by: number, m) => {
              m.setData({ n: data.n + by });
              return data.n;
            },
          },
        },
      },
      calls: { get: data => data.n },
    });
    const tally = await system.spawn(Tally(1));
    expect(await tally.call('add', 2)).toBe(1);
    expect(await tally.call('get')).toBe(3);
  });
});

describe('order', () => {
  test('inserted events come before messages that wait, in their order', async () => {
    const { log, tell } = await puppeteer();
    tell('one', m => {
      m.nextEvent('in', 'first');
      m.nextEvent('in', 'second');
    });
    tell('two');
    await settle();
    expect(log.slice(1)).toEqual(['one in a', 'in first in a', 'in second in a', 'two in a']);
  });

  test('an event inserted by an inserted one comes before its siblings', async () => {
    const { log, tell } = await puppeteer();
    tell('one', m => {
      m.nextEvent('out', ((inner: M) => inner.nextEvent('in', 'inner')) satisfies Work);
      m.nextEvent('in', 'sibling');
    });
    await settle();
    expect(log.slice(1)).toEqual(['one in a', 'out in a', 'in inner in a', 'in sibling in a']);
  });

  test('postponed events are tried again after a change of state, oldest first, after inserted ones, before the mailbox', async () => {
    const { log, tell } = await puppeteer();
    const postponeInA: Work = m => (m.state === 'a' ? m.postpone() : undefined);
    tell('p1', postponeInA);
    tell('p2', postponeInA);
    tell('stay');
    tell('go', m => {
      m.next('b');
      m.nextEvent('in', 'x');
    });
    tell('last');
    await settle();
    expect(log.slice(1)).toEqual([
      'p1 in a',
      'p2 in a',
      'stay in a',
      'go in a',
      'enter b from a',
      'in x in b',
      'p1 in b',
      'p2 in b',
      'last in b',
    ]);
  });

  test('an event that is postponed while the state changes is tried again at once, after those before it', async () => {
    const { log, tell } = await puppeteer();
    tell('p1', m => (m.state === 'a' ? m.postpone() : undefined));
    tell('p2', m => {
      if (m.state !== 'a') return;
      m.postpone();
      m.next('b');
    });
    await settle();
    expect(log.slice(1)).toEqual(['p1 in a', 'p2 in a', 'enter b from a', 'p1 in b', 'p2 in b']);
  });

  test('an event tried again may change the state again: those behind it follow', async () => {
    const { log, tell } = await puppeteer();
    tell('p1', m => (m.state === 'a' ? m.postpone() : m.state === 'b' ? m.next('c') : undefined));
    tell('p2', m => (m.state === 'c' ? undefined : m.postpone()));
    tell('go', m => m.next('b'));
    await settle();
    expect(log.slice(1)).toEqual(['p1 in a', 'p2 in a', 'go in a', 'enter b from a', 'p1 in b', 'p2 in c']);
  });

  test('a time-out of 0 comes after inserted events and before messages that wait', async () => {
    const { log, tell } = await puppeteer();
    tell('one', m => {
      m.stateTimeout(0, 'in', 'state');
      m.timeout(0, 'again');
      m.nextEvent('in', 'inserted');
    });
    tell('two');
    await settle();
    expect(log.slice(1)).toEqual(['one in a', 'in inserted in a', 'in state in a', 'two in a']);
  });

  test('events inserted by init are handled after the first enter, before any message', async () => {
    const { system } = bench();
    const log: string[] = [];
    const opened = gate();
    const Slow = machine({
      name: 'slow',
      init: async (_: void, m) => {
        await opened.promise;
        m.nextEvent('first');
        m.timeout(0, 'zero');
        return { state: 'only', data: {} };
      },
      states: {
        only: {
          enter: async () => {
            await Promise.resolve();
            log.push('enter');
          },
        },
      },
      casts: { hello: () => log.push('hello') },
      internal: { first: () => log.push('first'), zero: () => log.push('zero') },
    });
    const spawned = system.spawn(Slow(), { name: 'slow' });
    (system.whereis('slow') as Awaited<typeof spawned>).cast('hello');
    opened.open();
    await spawned;
    await settle();
    expect(log).toEqual(['enter', 'first', 'zero', 'hello']);
  });

  test('random scripts: events keep their order within a state, and nothing that is postponed is lost or repeated', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ postpones: fc.nat(3), goes: fc.boolean() }), { maxLength: 30 }),
        async script => {
          const { tell, log } = await puppeteer();
          const handled: number[] = [];
          const expected: number[] = [];
          // The reference: a plain model of one queue and one list of postponed events.
          const tries = script.map(step => step.postpones);
          let queue = script.map((_, index) => index);
          let later: number[] = [];
          while (queue.length > 0) {
            const index = queue.shift() as number;
            if ((tries[index] as number) > 0) {
              tries[index] = (tries[index] as number) - 1;
              later.push(index);
            } else {
              expected.push(index);
              if (script[index]?.goes === true) {
                queue = [...later, ...queue];
                later = [];
              }
            }
          }
          script.forEach((step, index) => {
            let left = step.postpones;
            tell(`${index}`, m => {
              if (left-- > 0) return m.postpone();
              handled.push(index);
              if (step.goes) m.next(m.state === 'a' ? 'b' : 'a');
              return undefined;
            });
          });
          await settle();
          expect(handled).toEqual(expected);
          expect(log[0]).toBe('enter a from a');
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('time-outs', () => {
  test('a state time-out fires in its state', async () => {
    const { log, tell, clock } = await puppeteer();
    tell('one', m => m.stateTimeout(10, 'in', 'late'));
    await clock.advance(9);
    expect(log.length).toBe(2);
    await clock.advance(1);
    expect(log.at(-1)).toBe('in late in a');
    expect(clock.pending).toBe(0);
  });

  test('a change of state cancels the state time-out; one asked for with the change belongs to the new state', async () => {
    const { log, tell, clock } = await puppeteer();
    tell('one', m => m.stateTimeout(10, 'in', 'old'));
    tell('two', m => {
      m.next('b');
      m.stateTimeout(20, 'in', 'new');
    });
    await clock.advance(50);
    expect(log.slice(3)).toEqual(['enter b from a', 'in new in b']);
  });

  test('a state time-out whose time is up is still cancelled by an event before it', async () => {
    const { log, tell, clock } = await puppeteer();
    const opened = gate();
    tell('one', m => m.stateTimeout(10, 'in', 'never'));
    tell('slow', () => opened.promise);
    tell('change', m => m.next('b'));
    await clock.advance(20);
    opened.open();
    await settle();
    expect(log.slice(2)).toEqual(['slow in a', 'change in a', 'enter b from a']);
  });

  test('a state time-out of 0 that waits behind an event is cancelled when that changes the state', async () => {
    const { log, tell, ref } = await puppeteer();
    tell('one', m => {
      m.stateTimeout(0, 'in', 'never');
      m.nextEvent('out', ((inner: M) => inner.next('b')) satisfies Work);
    });
    await settle();
    expect(log.slice(1)).toEqual(['one in a', 'out in a', 'enter b from a']);
    expect(await ref.call('state')).toBe('b');
  });

  test('time-outs of 0 come in the order in which they were asked for last', async () => {
    const { log, tell } = await puppeteer();
    tell('one', m => {
      m.stateTimeout(0, 'in', 'first');
      m.timeout(0, 'out', (() => {}) satisfies Work);
      m.stateTimeout(0, 'in', 'second');
    });
    await settle();
    expect(log.slice(1)).toEqual(['one in a', 'out in a', 'in second in a']);
  });

  test('set again, a time-out starts anew; cancelled, it does not fire', async () => {
    const { log, tell, clock } = await puppeteer();
    tell('one', m => m.stateTimeout(10, 'in', 'first'));
    await clock.advance(5);
    tell('two', m => m.stateTimeout(10, 'in', 'second'));
    await clock.advance(9);
    expect(log.length).toBe(3);
    await clock.advance(1);
    expect(log.at(-1)).toBe('in second in a');
    tell('three', m => {
      m.stateTimeout(10, 'in', 'x');
      m.timeout(10, 'in', 'y');
    });
    tell('four', m => {
      m.cancelStateTimeout();
      m.timeout(Number.POSITIVE_INFINITY, 'in');
    });
    tell('five', m => m.timeout(5, 'in', 'z'));
    tell('six', m => m.cancelTimeout('in'));
    await clock.advance(50);
    expect(log.at(-1)).toBe('six in a');
    expect(clock.pending).toBe(0);
  });

  test('any event cancels an event time-out, one of 0 as well', async () => {
    const { log, tell, clock } = await puppeteer();
    tell('one', m => m.eventTimeout(10, 'in', 'idle'));
    await clock.advance(9);
    tell('two');
    await clock.advance(20);
    expect(log.slice(1)).toEqual(['one in a', 'two in a']);
    tell('three', m => m.eventTimeout(10, 'in', 'idle'));
    await clock.advance(10);
    expect(log.at(-1)).toBe('in idle in a');
    tell('four', m => {
      m.eventTimeout(0, 'in', 'never');
      m.nextEvent('in', 'before');
    });
    tell('five', m => m.eventTimeout(0, 'in', 'at once'));
    tell('six');
    await settle();
    expect(log.slice(5)).toEqual(['four in a', 'in before in a', 'five in a', 'in at once in a', 'six in a']);
  });

  test('named time-outs run side by side and over changes of state', async () => {
    const { log, tell, clock } = await puppeteer();
    tell('one', m => {
      m.timeout(10, 'in', 'named');
      m.timeout(20, 'out', ((_m: M, inner: string[]) => inner.push('other')) as never);
      m.next('b');
    });
    await clock.advance(20);
    expect(log.slice(2)).toEqual(['enter b from a', 'in named in b', 'out in b', 'other']);
  });

  test('enter may set time-outs', async () => {
    const { system, clock } = bench();
    const Blinker = machine({
      name: 'blinker',
      init: () => ({ state: 'off', data: { flips: 0 } }),
      states: {
        off: {
          enter: (_d, _p, m) => m.stateTimeout(10, 'flip'),
          internal: {
            flip: (data, _: void, m) => {
              data.flips++;
              m.next('on');
            },
          },
        },
        on: {
          enter: (_d, _p, m) => m.stateTimeout(5, 'flip'),
          internal: {
            flip: (data, _: void, m) => {
              data.flips++;
              m.next('off');
            },
          },
        },
      },
      calls: { flips: data => data.flips },
    });
    const blinker = await system.spawn(Blinker());
    await clock.advance(31);
    expect(await blinker.call('flips', undefined, { timeout: Number.POSITIVE_INFINITY })).toBe(4);
    expect(clock.pending).toBe(1);
    system.exit(blinker.pid, 'kill');
    expect(clock.pending).toBe(0);
  });

  test('a time-out that nobody handles, and a delay that is none, crash the machine', async () => {
    const { system, ref, tell, clock } = await puppeteer();
    const ended = system.whenEnded(ref);
    tell('one', m => m.timeout(10, 'nobody' as never));
    await clock.advance(10);
    expect(await ended).toMatchObject({ code: 'invalid-operation' });
    const other = await puppeteer();
    const crashed = other.system.whenEnded(other.ref);
    other.tell('one', m => m.timeout(Number.NaN, 'in'));
    expect(await crashed).toMatchObject({ code: 'invalid-option' });
  });
});

describe('calls', () => {
  test('a postponed call is answered by the state that takes it', async () => {
    const { ask, tell, log } = await puppeteer();
    const asked = ask('q', m => (m.state === 'a' ? m.postpone() : `from ${m.state}`));
    tell('go', m => m.next('b'));
    expect(await asked).toBe('from b');
    expect(log.slice(1)).toEqual(['q in a', 'go in a', 'enter b from a', 'q in b']);
  });

  test('a call that is postponed and changes the state itself is answered once', async () => {
    const { ask } = await puppeteer();
    const answer = await ask('q', m => {
      if (m.state === 'b') return 'answered';
      m.next('b');
      return m.postpone();
    });
    expect(answer).toBe('answered');
  });

  test('a call is answered later, also after it was postponed', async () => {
    const { ask, tell } = await puppeteer();
    let from: ReplyTo | undefined;
    const asked = ask('q', m => {
      if (m.state === 'a') return m.postpone();
      from = m.from;
      return noReply;
    });
    tell('go', m => m.next('b'));
    await settle();
    tell('answer', m => m.reply(from as ReplyTo, 'late'));
    expect(await asked).toBe('late');
  });

  test('one that was postponed and is to be answered later hears of the end', async () => {
    const { ask, tell, system, ref } = await puppeteer();
    const asked = rejection(ask('q', m => (m.state === 'a' ? m.postpone() : noReply)));
    tell('go', m => m.next('b'));
    await settle();
    expect(system.process(ref.pid)?.timers?.size).toBe(0);
    await system.stop(ref);
    expect((await asked).code).toBe('unknown-outcome');
  });

  test('the answer leaves before enter is called', async () => {
    const { system } = bench();
    const opened = gate();
    const Slow = machine({
      name: 'slow',
      init: () => ({ state: 'one', data: {} }),
      states: {
        one: {
          calls: {
            go: (_d, _: void, m) => {
              m.next('two');
              return 'gone';
            },
          },
        },
        two: { enter: () => opened.promise },
      },
    });
    const slow = await system.spawn(Slow());
    expect(await slow.call('go')).toBe('gone');
    opened.open();
  });

  test('a handler that throws fails the caller whose call it handles, also one that was postponed', async () => {
    const { ask, ref, system } = await puppeteer();
    const ended = system.whenEnded(ref);
    const postponed = rejection(
      ask('q', m => {
        if (m.state === 'a') return m.postpone();
        throw new Error('no');
      }),
    );
    const other = ask('go', m => {
      m.next('b');
      return 'went';
    });
    expect(await other).toBe('went');
    expect(await postponed).toMatchObject({ code: 'handler-failed', cause: { message: 'no' } });
    expect(await ended).toMatchObject({ message: 'no' });
  });

  test('stop answers, and nothing else is handled: no enter, no inserted event', async () => {
    const { ask, log, system, ref } = await puppeteer();
    const ended = system.whenEnded(ref);
    const answer = await ask('q', m => {
      m.next('b');
      m.nextEvent('in', 'never');
      m.stop('shutdown');
      return 'bye';
    });
    expect(answer).toBe('bye');
    expect(await ended).toBe('shutdown');
    expect(log).toEqual(['enter a from a', 'q in a']);
  });

  test('m.from exists in a call only', async () => {
    const { tell, ref, system } = await puppeteer();
    const ended = system.whenEnded(ref);
    tell('x', m => m.from);
    expect(await ended).toMatchObject({ code: 'invalid-operation' });
  });
});

describe('asynchronous handlers', () => {
  test('one event at a time, its awaits included; what it asks for takes effect at its end', async () => {
    const { tell, log } = await puppeteer();
    const opened = gate();
    tell('slow', async m => {
      m.nextEvent('in', 'x');
      await opened.promise;
      m.next('b');
    });
    tell('next');
    await settle();
    expect(log.slice(1)).toEqual(['slow in a']);
    opened.open();
    await settle();
    expect(log.slice(1)).toEqual(['slow in a', 'enter b from a', 'in x in b', 'next in b']);
  });

  test('a machine that is killed meanwhile handles nothing more', async () => {
    const { tell, log, system, ref } = await puppeteer();
    const opened = gate();
    tell('slow', async m => {
      m.nextEvent('in', 'never');
      m.next('b');
      await opened.promise;
    });
    await settle();
    system.exit(ref.pid, 'kill');
    opened.open();
    await settle();
    expect(log.slice(1)).toEqual(['slow in a']);
  });

  test('a rejection crashes it', async () => {
    const { ask, system, ref } = await puppeteer();
    const ended = system.whenEnded(ref);
    const error = await rejection(ask('slow', () => Promise.reject(new Error('later'))));
    expect(error).toMatchObject({ code: 'handler-failed', cause: { message: 'later' } });
    expect(await ended).toMatchObject({ message: 'later' });
  });
});

describe('the end', () => {
  test('postponed casts become dead letters, postponed calls reject', async () => {
    const { tell, ask, system, ref } = await puppeteer();
    tell('cast', m => m.postpone());
    const asked = rejection(ask('call', m => m.postpone()));
    await settle();
    expect(await system.stop(ref)).toBe('normal');
    expect((await asked).code).toBe('noproc');
    expect(system.deadLetters.count).toBe(1);
  });

  test('so does a cast that is postponed while its machine stops', async () => {
    const { tell, system, ref } = await puppeteer();
    const ended = system.whenEnded(ref);
    tell('cast', m => {
      m.stop();
      return m.postpone();
    });
    expect(await ended).toBe('normal');
    expect(system.deadLetters.recent).toMatchObject([{ op: 'work', reason: 'noproc' }]);
  });

  test('terminate gets the data and the state', async () => {
    const { system } = bench();
    const seen: unknown[] = [];
    const Ending = machine({
      name: 'ending',
      init: (n: number) => ({ state: 'up', data: { n } }),
      states: { up: {} },
      terminate: (data, reason, m) => seen.push([data.n, reason, m.state, m.signal.aborted]),
    });
    await system.stop(await system.spawn(Ending(7)), 'shutdown');
    expect(seen).toEqual([[7, 'shutdown', 'up', true]]);
  });

  test.each<[string, Work]>([
    ['next', m => m.next('b')],
    ['postpone', m => m.postpone()],
    ['nextEvent', m => m.nextEvent('in')],
  ])('enter may not %s', async (_name, work) => {
    const { system } = bench();
    const Wrong = machine({
      name: 'wrong',
      init: () => ({ state: 'a', data: {} }),
      states: {
        a: { casts: { go: (_d, _: void, m) => m.next('c') } },
        b: {},
        c: { enter: (_d, _p, m) => work(m as unknown as M, []) },
      },
    });
    const wrong = await system.spawn(Wrong());
    const ended = system.whenEnded(wrong);
    wrong.cast('go');
    expect(await ended).toMatchObject({ code: 'invalid-operation' });
  });

  test('what is asked for outside a handler is refused', async () => {
    const { tell } = await puppeteer();
    let kept: M | undefined;
    tell('x', m => {
      kept = m;
    });
    await settle();
    expect(() => kept?.next('b')).toThrow(expect.objectContaining({ code: 'invalid-operation' }));
  });

  test('a handed-over machine goes on in its state', async () => {
    const { system } = bench();
    const Kept = machine({
      name: 'kept',
      init: () => ({ state: 'one', data: { n: 0 } }),
      states: {
        one: {
          calls: {
            go: (data, _: void, m) => {
              data.n++;
              m.next('two');
            },
          },
        },
        two: {},
      },
      calls: { where: (data, _: void, m) => `${m.state} ${data.n}` },
      handOff: (data, state) => ({ n: data.n, state }),
      resume: handed => ({ state: handed.state, data: { n: handed.n + 10 } }),
    });
    const kept = await system.spawn(Kept());
    await kept.call('go');
    const process = system.process(kept.pid);
    const handed = Kept.program.handOff?.(process?.state);
    const next = system.launch(Kept(), { resume: { handed, fromVersion: 0 } });
    expect(await system.refTo<typeof Kept>(next).call('where')).toBe('two 11');
  });
});

test('downs and exits are events of the state', async () => {
  const { system } = bench();
  const seen: string[] = [];
  const Watching = machine({
    name: 'watching',
    init: (pids: readonly Pid[], m) => {
      for (const pid of pids) m.monitor(pid);
      m.link(pids[0] as Pid);
      return { state: 'calm', data: {} };
    },
    states: {
      calm: {
        onDown: (_d, down, m) => {
          seen.push(`calm down ${String(down.reason)}`);
          m.next('alarmed');
        },
      },
      alarmed: { onDown: (_d, down) => seen.push(`alarmed down ${String(down.reason)}`) },
    },
    onExit: (_d, exit, m) => seen.push(`${m.state} exit ${String(exit.reason)}`),
  });
  const one = await system.spawn(Puppet(undefined));
  const two = await system.spawn(Puppet(undefined));
  await system.spawn(Watching([one.pid, two.pid]));
  await settle();
  system.exit(one.pid, 'shutdown');
  system.exit(two.pid, 'kill');
  await settle();
  expect(seen).toEqual(['calm down shutdown', 'alarmed exit shutdown', 'alarmed down killed']);
});

test('wrong options are refused', () => {
  const good = { name: 'm', init: () => ({ state: 'a', data: {} }), states: { a: {} } } as const;
  for (const wrong of [
    { ...good, states: {} },
    { ...good, states: { a: 1 } },
    { ...good, states: { a: { cals: {} } } },
    { ...good, states: { a: { calls: { x: 1 } } } },
    { ...good, states: { a: { enter: 1 } } },
    { ...good, casts: 1 },
    { ...good, init: undefined },
    { ...good, init: 3 },
    { ...good, name: '' },
    { ...good, onTimeout: () => {} },
  ]) {
    expect(() => machine(wrong as never)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  }
  expect(() => machine({ ...good, state: {} } as never)).toThrow(/did you mean 'states'/);
});
