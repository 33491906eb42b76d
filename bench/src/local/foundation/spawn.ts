import { ActorSystem, actor, silentLog } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { rate } from '../rate.js';

export async function start(): Promise<Running> {
  const Counter = actor({
    name: 'counter',
    init: (start: number) => ({ count: start }),
    casts: {
      add: (state, value: number) => {
        state.count += value;
      },
    },
  });
  return {
    round: async size => {
      const system = new ActorSystem({ node: 'bench', log: silentLog });
      const values = await rate('spawn', size, async () => {
        for (let index = 0; index < size; index++) await system.spawn(Counter(0));
      });
      await system.shutdown();
      return values;
    },
  };
}
