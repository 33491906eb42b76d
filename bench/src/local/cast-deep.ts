import type { Bench } from '../bench.js';
import { FloorActor } from './floor.js';
import { Gate } from './gate.js';
import { castAtOnce } from './work.js';

const id = 'cast.deep';

export const castDeep: Bench = {
  id,
  group: 'local',
  title: 'Cast 1,000,000 messages before the first is handled',
  metrics: [{ id, unit: 'messages/s', higherIsBetter: true, goal: { floor: 0.8, peer: 1.2 } }],
  size: { full: 1_000_000 },
  contenders: [
    {
      name: 'foundation',
      kind: 'ours',
      start: async () => await (await import('./foundation/cast-deep.js')).start(),
    },
    {
      name: 'ring and microtask',
      kind: 'floor',
      start: async () => ({
        round: size => {
          const gate = new Gate();
          const state = { sum: 0 };
          const actor = new FloorActor<{ readonly op: 'add'; readonly payload: number }>(message => {
            if (message.op === 'add') state.sum += message.payload;
            gate.hit();
          });
          return castAtOnce(size, gate, payload => actor.send({ op: 'add', payload }));
        },
      }),
    },
    {
      name: 'nact',
      kind: 'peer',
      share: 0.1,
      start: async () => {
        const { dispatch, spawn, start } = await import('nact');
        const gate = new Gate();
        const count = (sum: number, value: number) => {
          gate.hit();
          return sum + value;
        };
        const actor = spawn(start(), count, 'counter', { initialState: 0 });
        return { round: size => castAtOnce(size, gate, value => dispatch(actor, value)) };
      },
    },
    {
      name: 'comedy',
      kind: 'peer',
      share: 0.1,
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
        return { round: size => castAtOnce(size, gate, value => void actor.send('add', value)) };
      },
    },
  ],
};
