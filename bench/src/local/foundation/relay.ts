import { type ActorSystem, actor } from '@foundation-ts/core';
import type { Gate } from '../gate.js';

interface Next {
  cast(op: 'pass', hops: number): void;
}

/** Spawns `count` actors in a circle: each passes what it gets to the next one, one hop less, and hits the gate at 0. */
export async function spawnCircle(system: ActorSystem, count: number, gate: Gate): Promise<Next> {
  const Relay = actor({
    name: 'relay',
    init: () => ({ next: undefined as Next | undefined }),
    calls: {
      meet: (state, next: Next) => {
        state.next = next;
      },
    },
    casts: {
      pass: (state, hops: number) => {
        if (hops === 0) gate.hit();
        else state.next?.cast('pass', hops - 1);
      },
    },
  });
  const first = await system.spawn(Relay());
  let last = first;
  for (let made = 1; made < count; made++) {
    const relay = await system.spawn(Relay());
    await last.call('meet', relay);
    last = relay;
  }
  await last.call('meet', first);
  return first;
}
