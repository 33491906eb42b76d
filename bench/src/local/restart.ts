import type { Bench } from '../bench.js';

const start = async () => await (await import('./foundation/restart.js')).start();

export const restart: Bench = {
  id: 'restart',
  group: 'local',
  title: 'Supervisor: from the throw of a child to the init of the next, 10,000 in a row',
  metrics: [
    { id: 'restart', unit: 'µs, median', higherIsBetter: false, goal: { value: 20 } },
    { id: 'restart.leak', unit: 'B left by a crash', higherIsBetter: false, goal: { value: 100 } },
  ],
  size: { full: 10_000 },
  contenders: [{ name: 'foundation', kind: 'ours', start }],
};
