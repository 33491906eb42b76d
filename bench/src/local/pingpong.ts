import type { Bench } from '../bench.js';
import { FloorActor, QueuedActor, Ring } from './floor.js';
import { Gate } from './gate.js';
import { play } from './work.js';

const id = 'pingpong';

export const pingpong: Bench = {
  id,
  group: 'local',
  title: 'Ping-pong of two actors, beside a timer of 1 ms',
  metrics: [
    { id, unit: 'messages/s', higherIsBetter: true, goal: { floor: 0.6, peer: 2 } },
    { id: 'pingpong.timer', unit: 'ms of our own work late, at most', higherIsBetter: false, goal: { value: 10 } },
    { id: 'pingpong.timer.wall', unit: 'ms late, at most', higherIsBetter: false },
  ],
  size: { full: 10_000_000 },
  contenders: [
    { name: 'foundation', kind: 'ours', start: async () => await (await import('./foundation/pingpong.js')).start() },
    {
      name: 'ring and microtask',
      kind: 'floor',
      share: 0.2,
      start: async () => {
        const gate = new Gate();
        const left: FloorActor<number> = new FloorActor(hops => (hops === 0 ? gate.hit() : right.send(hops - 1)));
        const right: FloorActor<number> = new FloorActor(hops => (hops === 0 ? gate.hit() : left.send(hops - 1)));
        return { round: size => play(size, gate, hops => left.send(hops)) };
      },
    },
    {
      name: 'one run queue',
      kind: 'reference',
      start: async () => {
        const gate = new Gate();
        const queue = new Ring<QueuedActor<number>>();
        const left: QueuedActor<number> = new QueuedActor(queue, hops =>
          hops === 0 ? gate.hit() : right.send(hops - 1),
        );
        const right: QueuedActor<number> = new QueuedActor(queue, hops =>
          hops === 0 ? gate.hit() : left.send(hops - 1),
        );
        return { round: size => play(size, gate, hops => left.send(hops)) };
      },
    },
    {
      name: 'nact',
      kind: 'peer',
      share: 0.02,
      start: async () => {
        const { dispatch, spawnStateless, start } = await import('nact');
        type Player = Parameters<typeof dispatch<number>>[0];
        const gate = new Gate();
        const system = start();
        const players: Player[] = [];
        const player = (other: number) => (hops: number) => {
          if (hops === 0) gate.hit();
          else dispatch(players[other] as Player, hops - 1);
        };
        players.push(spawnStateless(system, player(1), 'left'), spawnStateless(system, player(0), 'right'));
        return { round: size => play(size, gate, hops => dispatch(players[0] as Player, hops)) };
      },
    },
    {
      name: 'xstate',
      kind: 'reference',
      share: 0.05,
      start: async () => {
        const { createActor, fromTransition } = await import('xstate');
        type Ball = { type: 'ball'; hops: number };
        const gate = new Gate();
        const players: { send(ball: Ball): void }[] = [];
        const player = (other: number) =>
          createActor(
            fromTransition((state: object, ball: Ball) => {
              if (ball.hops === 0) gate.hit();
              else players[other]?.send({ type: 'ball', hops: ball.hops - 1 });
              return state;
            }, {}),
          ).start();
        players.push(player(1), player(0));
        return { round: size => play(size, gate, hops => players[0]?.send({ type: 'ball', hops })) };
      },
    },
    {
      name: 'comedy',
      kind: 'peer',
      share: 0.02,
      start: async () => {
        const { default: comedySystem } = await import('comedy');
        const gate = new Gate();
        const root = await comedySystem.createSystem({ test: true }).rootActor();
        const players: Awaited<ReturnType<typeof root.createChild>>[] = [];
        const player = (other: number) =>
          root.createChild({
            ball: (hops: number) => {
              if (hops === 0) gate.hit();
              else void players[other]?.send('ball', hops - 1);
            },
          });
        players.push(await player(1), await player(0));
        return { round: size => play(size, gate, hops => void players[0]?.send('ball', hops)) };
      },
    },
  ],
};
