import { ActorSystem, actor, silentLog } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { heapPerItem } from '../heap.js';

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
    round: size =>
      heapPerItem('idle.heap', size, async alive => {
        const system = new ActorSystem({ node: 'bench', log: silentLog });
        for (let index = 0; index < size; index++) alive.push(await system.spawn(Counter(0)));
      }),
  };
}
