import { describe, expect, test } from 'vitest';
import { MAX_HELD_BYTES, MAX_HELD_SIGNALS } from '../src/defaults.js';
import { HeldSignals } from '../src/internal/held-signals.js';

function holding(): { held: HeldSignals; told: string[]; say(what: string): () => void } {
  const told: string[] = [];
  return { held: new HeldSignals(), told, say: what => () => void told.push(what) };
}

describe('signals that arrived early', () => {
  test('wait until each copy of their fence is there, whichever comes first', () => {
    const { held, told, say } = holding();
    held.arrived(1);
    held.signal(7, { fence: 1, copies: 3 }, 'shutdown', say('one'));
    held.signal(8, { fence: 2, copies: 1 }, 'shutdown', say('two'));
    held.arrived(2);
    held.arrived(1);
    expect(told).toEqual(['two']);
    held.arrived(1);
    expect(told).toEqual(['two', 'one']);
    expect(held.size).toBe(0);
  });

  test('of one sender keep their order, and nobody waits for another sender', () => {
    const { held, told, say } = holding();
    held.signal(7, { fence: 1, copies: 1 }, 'shutdown', say('first'));
    held.signal(7, { fence: 2, copies: 1 }, 'shutdown', say('second'));
    held.signal(7, undefined, 'shutdown', say('third'));
    held.signal(8, undefined, 'shutdown', say('other'));
    held.arrived(2);
    expect(told).toEqual(['other']);
    held.arrived(1);
    expect(told).toEqual(['other', 'first', 'second', 'third']);
    held.signal(7, undefined, 'shutdown', say('fourth'));
    expect(told.at(-1)).toBe('fourth');
  });

  test('are told in order when nothing more can come', () => {
    const { held, told, say } = holding();
    for (const number of [1, 2, 3]) held.signal(7, { fence: number, copies: 1 }, 'shutdown', say(`${number}`));
    held.arrived(2);
    held.release();
    expect(told).toEqual(['1', '2', '3']);
    held.release();
    expect(told).toHaveLength(3);
  });

  test('are bounded: by number, by what they hold, and fences without signals too', () => {
    const crowd = holding();
    for (let number = 0; number < MAX_HELD_SIGNALS; number++) crowd.held.arrived(number);
    expect(() => crowd.held.arrived(MAX_HELD_SIGNALS)).toThrow(expect.objectContaining({ code: 'protocol' }));
    expect(() => crowd.held.arrived(1)).not.toThrow();

    const heavy = holding();
    const reason = { shutdown: 'x'.repeat(MAX_HELD_BYTES / 4) };
    const send = (number: number) => () =>
      heavy.held.signal(7, { fence: number, copies: 1 }, reason, heavy.say(`${number}`));
    send(1)();
    send(2)();
    send(3)();
    expect(send(4)).toThrow(expect.objectContaining({ code: 'protocol' }));
  });

  test('may not use a number twice', () => {
    const { held, say } = holding();
    held.signal(7, { fence: 1, copies: 2 }, 'shutdown', say('one'));
    expect(() => held.signal(8, { fence: 1, copies: 2 }, 'shutdown', say('two'))).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    );
  });
});
