import type { Bench } from '../bench.js';
import { FloorActor } from './floor.js';
import { Gate } from './gate.js';
import { castInBatches } from './work.js';

const id = 'cast.batched';
export const castBatched: Bench = {
  id,
  group: 'local',
  title: 'Cast in batches of 1,000 to one actor',
  metrics: [{ id, unit: 'messages/s', higherIsBetter: true, goal: { floor: 0.5, peer: 2.5 } }],
  size: { full: 5_000_000, smoke: 1_000_000 },
  contenders: [
    {
      name: 'foundation',
      kind: 'ours',
      start: async () => await (await import('./foundation/cast-batched.js')).start(),
    },
    {
      name: 'ring and microtask',
      kind: 'floor',
      start: async () => {
        const gate = new Gate();
        const state = { sum: 0 };
        // A cast names an operation and carries a payload, so the floor's message does too.
        const actor = new FloorActor<{ readonly op: 'add'; readonly payload: number }>(message => {
          if (message.op === 'add') state.sum += message.payload;
          gate.hit();
        });
        return { round: size => castInBatches(size, gate, payload => actor.send({ op: 'add', payload })) };
      },
    },
    {
      name: 'nact',
      kind: 'peer',
      share: 0.05,
      start: async () => {
        const { dispatch, spawn, start } = await import('nact');
        const gate = new Gate();
        const actor = spawn(
          start(),
          (sum: number, value: number) => {
            gate.hit();
            return sum + value;
          },
          'counter',
          { initialState: 0 },
        );
        return { round: size => castInBatches(size, gate, value => dispatch(actor, value)) };
      },
    },
    {
      name: 'xstate',
      kind: 'reference',
      share: 0.2,
      start: async () => {
        const { createActor, fromTransition } = await import('xstate');
        const gate = new Gate();
        const counter = fromTransition(
          (state: { sum: number }, event: { type: 'add'; value: number }) => {
            state.sum += event.value;
            gate.hit();
            return state;
          },
          { sum: 0 },
        );
        const actor = createActor(counter).start();
        return { round: size => castInBatches(size, gate, value => actor.send({ type: 'add', value })) };
      },
    },
    {
      name: 'comedy',
      kind: 'peer',
      share: 0.02,
      start: async () => {
        const { default: comedySystem } = await import('comedy');
        const gate = new Gate();
        const state = { sum: 0 };
        const root = await comedySystem.createSystem({ test: true }).rootActor();
        const actor = await root.createChild({
          add: (value: number) => {
            state.sum += value;
            gate.hit();
          },
        });
        return { round: size => castInBatches(size, gate, value => void actor.send('add', value)) };
      },
    },
  ],
};
