import type { Bench } from '../bench.js';
import { FloorActor, QueuedActor, Ring } from './floor.js';
import { Gate } from './gate.js';
import { places, sendRound } from './work.js';

const id = 'ring';
const after = (place: number) => (place + 1) % places;

export const ring: Bench = {
  id,
  group: 'local',
  title: 'Ring of 1,000 actors, one token, 100 laps and more',
  metrics: [{ id, unit: 'messages/s', higherIsBetter: true, goal: { floor: 0.6, peer: 2 } }],
  // Ten times 100 laps, or a round of ours is over before it can be timed.
  size: { full: 1_000 * places },
  contenders: [
    { name: 'foundation', kind: 'ours', start: async () => await (await import('./foundation/ring.js')).start() },
    {
      name: 'ring and microtask',
      kind: 'floor',
      share: 0.5,
      start: async () => {
        const gate = new Gate();
        const actors: FloorActor<number>[] = [];
        for (let place = 0; place < places; place++) {
          const next = after(place);
          actors.push(new FloorActor<number>(hops => (hops === 0 ? gate.hit() : actors[next]?.send(hops - 1))));
        }
        return { round: size => sendRound(size, gate, hops => actors[0]?.send(hops)) };
      },
    },
    {
      name: 'one run queue',
      kind: 'reference',
      start: async () => {
        const gate = new Gate();
        const queue = new Ring<QueuedActor<number>>();
        const actors: QueuedActor<number>[] = [];
        for (let place = 0; place < places; place++) {
          const next = after(place);
          const pass = (hops: number) => (hops === 0 ? gate.hit() : actors[next]?.send(hops - 1));
          actors.push(new QueuedActor<number>(queue, pass));
        }
        return { round: size => sendRound(size, gate, hops => actors[0]?.send(hops)) };
      },
    },
    {
      name: 'nact',
      kind: 'peer',
      share: 0.1,
      start: async () => {
        const { dispatch, spawnStateless, start } = await import('nact');
        type Member = Parameters<typeof dispatch<number>>[0];
        const gate = new Gate();
        const system = start();
        const actors: Member[] = [];
        for (let place = 0; place < places; place++) {
          const next = after(place);
          const pass = (hops: number) => {
            if (hops === 0) gate.hit();
            else dispatch(actors[next] as Member, hops - 1);
          };
          actors.push(spawnStateless(system, pass, `member-${place}`));
        }
        return { round: size => sendRound(size, gate, hops => dispatch(actors[0] as Member, hops)) };
      },
    },
    {
      name: 'xstate',
      kind: 'reference',
      share: 0.2,
      start: async () => {
        const { createActor, fromTransition } = await import('xstate');
        type Token = { type: 'token'; hops: number };
        const gate = new Gate();
        const actors: { send(token: Token): void }[] = [];
        for (let place = 0; place < places; place++) {
          const next = after(place);
          const pass = fromTransition((state: object, token: Token) => {
            if (token.hops === 0) gate.hit();
            else actors[next]?.send({ type: 'token', hops: token.hops - 1 });
            return state;
          }, {});
          actors.push(createActor(pass).start());
        }
        return { round: size => sendRound(size, gate, hops => actors[0]?.send({ type: 'token', hops })) };
      },
    },
    {
      name: 'comedy',
      kind: 'peer',
      share: 0.1,
      start: async () => {
        const { default: comedySystem } = await import('comedy');
        const gate = new Gate();
        const root = await comedySystem.createSystem({ test: true }).rootActor();
        const actors: Awaited<ReturnType<typeof root.createChild>>[] = [];
        for (let place = 0; place < places; place++) {
          const next = after(place);
          const pass = (hops: number) => {
            if (hops === 0) gate.hit();
            else void actors[next]?.send('pass', hops - 1);
          };
          actors.push(await root.createChild({ pass }));
        }
        return { round: size => sendRound(size, gate, hops => void actors[0]?.send('pass', hops)) };
      },
    },
  ],
};
