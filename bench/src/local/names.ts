import type { Bench } from '../bench.js';

const start = async () => await (await import('./foundation/names.js')).start();

export const names: Bench = {
  id: 'names',
  group: 'local',
  title: 'Local names: register 100,000 actors, look each up ten times',
  metrics: [
    { id: 'names.lookup', unit: 'lookups/s', higherIsBetter: true, goal: { value: 10_000_000 } },
    { id: 'names.register', unit: 'registrations/s', higherIsBetter: true, goal: { value: 2_000_000 } },
  ],
  size: { full: 100_000 },
  contenders: [{ name: 'foundation', kind: 'ours', start }],
};
