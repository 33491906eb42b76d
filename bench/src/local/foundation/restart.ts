import { ActorSystem, actor, silentLog, supervisor } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { spreadOf } from '../../stats.js';
import { heapLeft } from '../heap.js';

export async function start(): Promise<Running> {
  let restarted: () => void = () => {};
  let thrown = 0;
  const Fragile = actor({
    name: 'fragile',
    init: () => {
      restarted();
      return {};
    },
    casts: {
      crash: () => {
        thrown = performance.now();
        throw new Error('crash');
      },
    },
  });
  const system = new ActorSystem({ node: 'bench', log: silentLog });
  const tree = await system.supervise(supervisor({ maxRestarts: 1e9, within: 1, children: [Fragile()] }));
  const fragile = tree.ref(Fragile, 'fragile');
  const crashOften = async (times: number, delays: Float64Array) => {
    for (let index = 0; index < times; index++) {
      const over = new Promise<void>(resolve => {
        restarted = () => {
          delays[index] = (performance.now() - thrown) * 1_000;
          resolve();
        };
      });
      fragile.cast('crash');
      await over;
    }
    restarted = () => {};
  };
  return {
    round: async size => {
      const delays = new Float64Array(size);
      const left = await heapLeft(size, () => crashOften(size, delays));
      return { restart: spreadOf([...delays]).median, 'restart.leak': left };
    },
  };
}
