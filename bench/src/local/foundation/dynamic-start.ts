import { ActorSystem, actor, dynamicSupervisor, silentLog } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { rate } from '../rate.js';

export async function start(): Promise<Running> {
  const Counter = actor({ name: 'counter', init: (start: number) => ({ count: start }) });
  return {
    round: async size => {
      const system = new ActorSystem({ node: 'bench', log: silentLog });
      const children = await system.spawn(dynamicSupervisor());
      const values = await rate('dynamic.start', size, async () => {
        for (let index = 0; index < size; index++) await children.call('startChild', Counter(0));
      });
      await system.shutdown();
      return values;
    },
  };
}
