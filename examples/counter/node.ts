import { actor, child, startNode } from 'foundation-ts';

const Counter = actor({
  name: 'counter',
  init: () => ({ count: 0 }),
  calls: { add: (state, n: number) => (state.count += n) },
  handOff: state => state,
  resume: (state: { count: number }) => state,
});
const node = await startNode({ cluster: true, definitions: [Counter] });
const counters = await node.distributedSupervisor('counters');
await counters.startChild(child(Counter(), { id: 'hits' })).catch(error => {
  if (error.code !== 'already-started') throw error; // another terminal was first
});
setInterval(() => node.via(Counter, 'hits').call('add', 1).then(console.log, console.error), 1_000);
