import type { Bench } from '../bench.js';
import { FloorActor } from './floor.js';
import { rate } from './rate.js';

const id = 'spawn';

export const spawn: Bench = {
  id,
  group: 'local',
  title: 'Spawn 100,000 actors, each up before the next',
  metrics: [{ id, unit: 'actors/s', higherIsBetter: true, goal: { floor: 0.5, peer: 1.5 } }],
  size: { full: 100_000 },
  contenders: [
    { name: 'foundation', kind: 'ours', start: async () => await (await import('./foundation/spawn.js')).start() },
    {
      name: 'ring and microtask',
      kind: 'floor',
      start: async () => ({
        round: size =>
          rate(id, size, async () => {
            const table = new Map<number, FloorActor<number>>();
            for (let index = 0; index < size; index++) {
              const state = { count: 0 };
              const actor = new FloorActor<number>(value => {
                state.count += value;
              });
              await Promise.resolve();
              table.set(index, actor);
            }
          }),
      }),
    },
    {
      name: 'nact',
      kind: 'peer',
      start: async () => {
        const { spawn, start, stop } = await import('nact');
        return {
          round: async size => {
            const system = start();
            const values = await rate(id, size, async () => {
              const count = (state: number, value: number) => state + value;
              for (let index = 0; index < size; index++) {
                spawn(system, count, `actor-${index}`, { initialState: 0 });
              }
            });
            stop(system);
            return values;
          },
        };
      },
    },
    {
      name: 'xstate',
      kind: 'reference',
      start: async () => {
        const { createActor, fromTransition } = await import('xstate');
        const counter = fromTransition(
          (state: { count: number }, event: { type: 'add'; value: number }) => {
            state.count += event.value;
            return state;
          },
          { count: 0 },
        );
        return {
          round: size =>
            rate(id, size, async () => {
              const alive = [];
              for (let index = 0; index < size; index++) alive.push(createActor(counter).start());
            }),
        };
      },
    },
    {
      name: 'comedy',
      kind: 'peer',
      share: 0.05,
      start: async () => {
        const { default: comedySystem } = await import('comedy');
        return {
          round: async size => {
            const system = comedySystem.createSystem({ test: true });
            const root = await system.rootActor();
            const values = await rate(id, size, async () => {
              for (let index = 0; index < size; index++) await root.createChild({ add: () => {} });
            });
            await system.destroy();
            return values;
          },
        };
      },
    },
  ],
};
