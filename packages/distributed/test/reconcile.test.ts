import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reconcile, type Situation } from '../src/reconcile.js';

const base: Situation = {
  wanted: true,
  local: 'none',
  sameBirth: false,
  claim: 'none',
  assigned: 'taking-part',
  chooser: false,
  open: true,
};
const running = { local: 'running', sameBirth: true, claim: 'here', assigned: 'here' } as const;

describe('reconcile', () => {
  test.each<[string, Partial<Situation>, string]>([
    ['starts what is assigned here and runs nowhere', { assigned: 'here' }, 'start'],
    ['never starts a child with a live claim in view', { assigned: 'here', claim: 'elsewhere' }, 'nothing'],
    ['lets the chooser make the table follow the one who runs it', { claim: 'elsewhere', chooser: true }, 'follow'],
    ['waits for the node that it is assigned to', { chooser: true }, 'nothing'],
    ['waits for an unreachable one within the margin', { assigned: 'waiting', chooser: true }, 'nothing'],
    ['assigns anew what was assigned to one that is gone', { assigned: 'gone', chooser: true }, 'assign'],
    ['leaves that to the chooser', { assigned: 'gone' }, 'nothing'],
    ['passes on what is assigned to a node that leaves', { assigned: 'here', open: false }, 'assign'],
    ['leaves what runs where it should alone', running, 'nothing'],
    ['stops what was terminated', { ...running, wanted: false }, 'stop'],
    ['stops what the table does not know', { ...running, wanted: undefined }, 'stop'],
    ['does not stop a live child because it is assigned elsewhere', { ...running, assigned: 'taking-part' }, 'reclaim'],
    ['does not stop the winner of a name because of another birth', { ...running, sameBirth: false }, 'reclaim'],
    ['leaves a loser to the registry', { ...running, claim: 'elsewhere' }, 'nothing'],
    [
      'keeps its hands off a child that starts, moves or stops',
      { ...running, local: 'busy', wanted: false },
      'nothing',
    ],
    ['has nothing to do with a child that is given up', { wanted: false, assigned: 'here' }, 'nothing'],
    ['does not start beside an actor of this node that has the name', { assigned: 'here', claim: 'here' }, 'nothing'],
  ])('%s', (_rule, over, step) => {
    expect(reconcile({ ...base, ...over })).toBe(step);
  });

  test('in no situation starts what is claimed, stops what is wanted and claimed here, or assigns what is claimed', () => {
    const arbitrary = fc.record<Situation>({
      wanted: fc.constantFrom(true, false, undefined),
      local: fc.constantFrom('none', 'running', 'busy'),
      sameBirth: fc.boolean(),
      claim: fc.constantFrom('none', 'here', 'assigned', 'elsewhere'),
      assigned: fc.constantFrom('here', 'taking-part', 'waiting', 'gone'),
      chooser: fc.boolean(),
      open: fc.boolean(),
    });
    fc.assert(
      fc.property(arbitrary, now => {
        const step = reconcile(now);
        if (now.claim !== 'none') expect(['start', 'assign']).not.toContain(step);
        if (now.wanted === true && now.local !== 'none') expect(step).not.toBe('stop');
        if (step === 'start') expect(now.local).toBe('none');
        if (now.local === 'busy') expect(step).toBe('nothing');
      }),
    );
  });
});
