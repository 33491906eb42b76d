import { ActorSystem, actor, silentLog } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { Gate } from '../gate.js';
import { keepBusy } from '../work.js';

interface Worker {
  cast(op: 'work', left: number): void;
}

export async function start(actors: number): Promise<Running> {
  const gate = new Gate();
  const system = new ActorSystem({ node: 'bench', log: silentLog });
  const Busy = actor({
    name: 'busy',
    init: () => ({}),
    casts: {
      work: (_, left: number, ctx) => {
        gate.hit();
        if (left > 1) (ctx.self as unknown as Worker).cast('work', left - 1);
      },
    },
  });
  const workers: Worker[] = [];
  for (let index = 0; index < actors; index++) workers.push(await system.spawn(Busy()));
  return { round: size => keepBusy(size, gate, actors, (index, times) => workers[index]?.cast('work', times)) };
}
