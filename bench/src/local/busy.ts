import type { Bench } from '../bench.js';
import { FloorActor } from './floor.js';
import { Gate } from './gate.js';
import { keepBusy } from './work.js';

const actors = 1_000;

export const busy: Bench = {
  id: 'busy',
  group: 'local',
  title: '1,000 actors that always have a message, beside a timer of 1 ms',
  metrics: [
    { id: 'busy', unit: 'messages/s', higherIsBetter: true },
    { id: 'busy.timer', unit: 'ms of our own work late, at most', higherIsBetter: false, goal: { value: 10 } },
    { id: 'busy.timer.wall', unit: 'ms late, at most', higherIsBetter: false },
  ],
  size: { full: 10_000_000 },
  contenders: [
    { name: 'foundation', kind: 'ours', start: async () => await (await import('./foundation/busy.js')).start(actors) },
    {
      name: 'ring and microtask',
      kind: 'floor',
      start: async () => ({
        round: size => {
          const gate = new Gate();
          const all = Array.from({ length: actors }, () => {
            const actor: FloorActor<number> = new FloorActor(left => {
              gate.hit();
              if (left > 1) actor.send(left - 1);
            });
            return actor;
          });
          return keepBusy(size, gate, all.length, (index, times) => all[index]?.send(times));
        },
      }),
    },
  ],
};
