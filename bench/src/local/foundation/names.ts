import { ActorSystem, actor, silentLog } from '@foundation-ts/core';
import type { Running } from '../../bench.js';
import { rate } from '../rate.js';

const lookups = 10;

export async function start(): Promise<Running> {
  const Named = actor({ name: 'named', init: () => ({}) });
  return {
    round: async size => {
      const system = new ActorSystem({ node: 'bench', log: silentLog });
      for (let index = 0; index < size; index++) await system.spawn(Named());
      const processes = [...system.processes()];
      const names = processes.map((_, index) => `actor-${index}`);
      const registered = await rate('names.register', size, async () => {
        for (let index = 0; index < size; index++) {
          system.names.register(names[index] as string, processes[index] as (typeof processes)[0]);
        }
      });
      let found = 0;
      const looked = await rate('names.lookup', size * lookups, async () => {
        for (let pass = 0; pass < lookups; pass++) {
          for (let index = 0; index < size; index++) if (system.whereis(names[index] as string) !== undefined) found++;
        }
      });
      await system.shutdown();
      if (found !== size * lookups) throw new Error(`${size * lookups - found} names were not found.`);
      return { ...registered, ...looked };
    },
  };
}
