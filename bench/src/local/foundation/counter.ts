import { ActorSystem, actor, silentLog } from '@foundation-ts/core';

const Counter = actor({
  name: 'counter',
  init: (start: number) => ({ count: start }),
  calls: { get: state => state.count },
});

/** A counter that answers `get`, as a function that asks it. */
export async function openCounter(): Promise<() => Promise<number>> {
  const system = new ActorSystem({ node: 'bench', log: silentLog });
  const counter = await system.spawn(Counter(0));
  return () => counter.call('get');
}
