import { ActorSystem, actor, silentLog } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { callRepeatedly } from '../work.js';

const Counter = actor({
  name: 'counter',
  init: (start: number) => ({ count: start }),
  calls: {
    get: async state => {
      await undefined;
      return state.count;
    },
  },
});

export async function start(): Promise<Running> {
  const system = new ActorSystem({ node: 'bench', log: silentLog });
  const counter = await system.spawn(Counter(0));
  return { round: size => callRepeatedly('call.async', size, 100, () => counter.call('get')) };
}
