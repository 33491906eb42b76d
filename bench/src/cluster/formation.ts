import type { Bench, Contender, Running } from '../bench.js';
import { type Crowd, openCrowd } from './crowd.js';

/** New processes for every round: it is the cold start that counts. */
function formation(side: 'foundation' | 'sockets'): () => Promise<Running> {
  return async () => {
    let next: Crowd | undefined = await openCrowd(side, 20);
    return {
      round: async size => {
        const crowd = next ?? (await openCrowd(side, size));
        next = undefined;
        try {
          return { 'formation.20': await crowd.form() };
        } finally {
          await crowd.close();
        }
      },
      close: () => next?.close(),
    };
  };
}

const contenders: readonly Contender[] = [
  { name: 'foundation', kind: 'ours', start: formation('foundation') },
  { name: 'sockets in a full mesh', kind: 'floor', start: formation('sockets') },
];

export const formationBench: Bench = {
  id: 'formation.20',
  group: 'cluster',
  title:
    'Formation of 20 processes on one machine, cold: until each is connected with all others and holds them for up',
  metrics: [{ id: 'formation.20', unit: 'ms', higherIsBetter: false, goal: { value: 3_000 } }],
  size: { full: 20 },
  contenders,
};
