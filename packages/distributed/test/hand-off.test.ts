import { Pid } from '@foundation-ts/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type HandOffEvent, type HandOffState, handOffStart, handOffStep } from '../src/hand-off.js';

const pid = new Pid('t', 1, 1);
const there: HandOffEvent = { type: 'runs-there', pid };
type Name = Exclude<HandOffEvent['type'], 'runs-there'>;

function play(...events: (Name | 'there')[]): { readonly state: HandOffState; readonly effects: string[] } {
  let state = handOffStart;
  const effects: string[] = [];
  for (const event of events) {
    const step = handOffStep(state, event === 'there' ? there : { type: event });
    state = step.state;
    effects.push(...step.effects.map(effect => effect.type));
  }
  return { state, effects };
}

describe('a hand-off', () => {
  test.each<[string, (Name | 'there')[], HandOffState['phase'], HandOffState['outcome'], string[]]>([
    ['goes through', ['sealed', 'captured', 'there'], 'done', 'moved', ['capture', 'send', 'complete']],
    [
      'is refused: the child goes on',
      ['sealed', 'captured', 'refused'],
      'done',
      'resumed',
      ['capture', 'send', 'resume'],
    ],
    ['has state that can not go', ['sealed', 'capture-failed'], 'done', 'resumed', ['capture', 'resume']],
    ['loses its target', ['sealed', 'captured', 'target-gone'], 'done', 'resumed', ['capture', 'send', 'resume']],
    [
      'has lost the answer: asks, never guesses',
      ['sealed', 'captured', 'unknown'],
      'asking',
      undefined,
      ['capture', 'send', 'ask'],
    ],
    [
      'hears that it runs',
      ['sealed', 'captured', 'unknown', 'there'],
      'done',
      'moved',
      ['capture', 'send', 'ask', 'complete'],
    ],
    [
      'hears that it was never taken',
      ['sealed', 'captured', 'unknown', 'refused'],
      'done',
      'resumed',
      ['capture', 'send', 'ask', 'resume'],
    ],
    [
      'asks again while it starts',
      ['sealed', 'captured', 'unknown', 'still-starting', 'ask-failed'],
      'asking',
      undefined,
      ['capture', 'send', 'ask', 'ask-later', 'ask-later'],
    ],
    [
      'waits for a target out of reach',
      ['sealed', 'captured', 'target-unreachable', 'unknown'],
      'waiting',
      undefined,
      ['capture', 'send', 'start-margin'],
    ],
    [
      'asks when it is back',
      ['sealed', 'captured', 'target-unreachable', 'target-reachable'],
      'asking',
      undefined,
      ['capture', 'send', 'start-margin', 'ask'],
    ],
    [
      'gives it up after the margin',
      ['sealed', 'captured', 'target-unreachable', 'margin-passed'],
      'done',
      'resumed',
      ['capture', 'send', 'start-margin', 'resume'],
    ],
    ['finds its child dead', ['died'], 'done', 'died', ['report-death']],
    [
      'loses its child while the state is taken',
      ['sealed', 'died', 'captured'],
      'done',
      'died',
      ['capture', 'report-death'],
    ],
    [
      'goes through although the child died here meanwhile',
      ['sealed', 'captured', 'died', 'there'],
      'done',
      'moved',
      ['capture', 'send', 'complete'],
    ],
    [
      'reports the death when the target refuses',
      ['sealed', 'captured', 'died', 'refused'],
      'done',
      'died',
      ['capture', 'send', 'report-death'],
    ],
    [
      'hears nothing any more when it is over',
      ['sealed', 'captured', 'there', 'refused', 'there', 'died'],
      'done',
      'moved',
      ['capture', 'send', 'complete'],
    ],
    [
      'is not ended by its target before it was asked',
      ['target-gone', 'refused', 'margin-passed'],
      'sealing',
      undefined,
      [],
    ],
  ])('%s', (_what, events, phase, outcome, effects) => {
    const played = play(...events);
    expect(played.state).toMatchObject({ phase, outcome });
    expect(played.effects).toEqual(effects);
  });

  test('under any events ends once at most, and lets go and goes on never both', () => {
    const names: (Name | 'there')[] = [
      'sealed',
      'died',
      'captured',
      'capture-failed',
      'there',
      'refused',
      'target-gone',
      'unknown',
      'still-starting',
      'ask-failed',
      'target-unreachable',
      'target-reachable',
      'margin-passed',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...names), { maxLength: 30 }), events => {
        const { state, effects } = play(...events);
        const ends = effects.filter(
          effect => effect === 'complete' || effect === 'resume' || effect === 'report-death',
        );
        expect(ends).toHaveLength(state.phase === 'done' ? 1 : 0);
        expect(effects.filter(effect => effect === 'send').length).toBeLessThanOrEqual(1);
      }),
    );
  });
});
