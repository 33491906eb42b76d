import type { Bench } from '../bench.js';

export const dynamicStart: Bench = {
  id: 'dynamic.start',
  group: 'local',
  title: 'Dynamic supervisor: start a child, one after another',
  metrics: [{ id: 'dynamic.start', unit: 'children/s', higherIsBetter: true, goal: { value: 300_000 } }],
  size: { full: 100_000 },
  contenders: [
    {
      name: 'foundation',
      kind: 'ours',
      start: async () => await (await import('./foundation/dynamic-start.js')).start(),
    },
  ],
};
