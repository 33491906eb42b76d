import type { Bench } from '../bench.js';
import { FloorActor } from './floor.js';
import { heapPerItem } from './heap.js';

const id = 'idle.heap';

export const idleHeap: Bench = {
  id,
  group: 'local',
  title: 'Heap of an idle actor, 1,000,000 alive, each held by a ref',
  metrics: [{ id, unit: 'B', higherIsBetter: false, goal: { value: 600, peer: 0.5 } }],
  size: { full: 1_000_000 },
  contenders: [
    { name: 'foundation', kind: 'ours', start: async () => await (await import('./foundation/idle-heap.js')).start() },
    {
      name: 'ring and microtask',
      kind: 'floor',
      start: async () => ({
        round: size =>
          heapPerItem(id, size, async alive => {
            for (let index = 0; index < size; index++) {
              const state = { count: 0 };
              const actor = new FloorActor<number>(value => {
                state.count += value;
              });
              alive.push(actor);
            }
          }),
      }),
    },
    {
      name: 'nact',
      kind: 'peer',
      share: 0.1,
      start: async () => {
        const { spawn, start } = await import('nact');
        const count = (state: number, value: number) => state + value;
        return {
          round: size =>
            heapPerItem(id, size, async alive => {
              const system = start();
              for (let index = 0; index < size; index++) {
                alive.push(spawn(system, count, `actor-${index}`, { initialState: 0 }));
              }
            }),
        };
      },
    },
    {
      name: 'xstate',
      kind: 'reference',
      share: 0.1,
      start: async () => {
        const { createActor, fromTransition } = await import('xstate');
        const counter = fromTransition(
          (count: number, event: { type: 'add'; value: number }) => count + event.value,
          0,
        );
        return {
          round: size =>
            heapPerItem(id, size, async alive => {
              for (let index = 0; index < size; index++) alive.push(createActor(counter).start());
            }),
        };
      },
    },
    {
      name: 'comedy',
      kind: 'peer',
      share: 0.01,
      start: async () => {
        const { default: comedySystem } = await import('comedy');
        return {
          round: async size => {
            const system = comedySystem.createSystem({ test: true });
            const root = await system.rootActor();
            const values = await heapPerItem(id, size, async alive => {
              for (let index = 0; index < size; index++) alive.push(await root.createChild({ add: () => {} }));
            });
            await system.destroy();
            return values;
          },
        };
      },
    },
  ],
};
