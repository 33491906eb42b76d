import { ActorSystem, actor, silentLog } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { Gate } from '../gate.js';
import { castAtOnce } from '../work.js';

export async function start(): Promise<Running> {
  return {
    round: async size => {
      const gate = new Gate();
      const Counter = actor({
        name: 'counter',
        init: (start: number) => ({ sum: start }),
        casts: {
          add: (state, value: number) => {
            state.sum += value;
            gate.hit();
          },
        },
      });
      const system = new ActorSystem({ node: 'bench', log: silentLog });
      const counter = await system.spawn(Counter(0));
      const values = await castAtOnce(size, gate, value => counter.cast('add', value));
      await system.shutdown();
      return values;
    },
  };
}
