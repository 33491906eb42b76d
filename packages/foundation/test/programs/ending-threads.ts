/** A node with one thread, which loses its node, and then the actor that keeps it; tells what became of it. Ends by itself. */
import { isMainThread } from 'node:worker_threads';
import { actor, startNode } from 'foundation-ts';

const Guest = actor({
  name: 'guest',
  init: () => ({}),
  casts: {
    stopNode: (_s, _: void, ctx) => {
      void ctx.node.stop();
    },
  },
});

const node = await startNode({
  name: 'main',
  definitions: [Guest],
  log: 'silent',
  threads: { count: 1, entry: new URL('./ending-threads-entry.mjs', import.meta.url) },
});

if (isMainThread) {
  const { system } = node;
  const incarnation = (): number | undefined =>
    node.members().find(({ name, reachable }) => name === 'main-thread-1' && reachable)?.incarnation;
  const next = async (after: number): Promise<number> => {
    const end = performance.now() + 15_000;
    for (;;) {
      const now = incarnation();
      if (now !== undefined && now > after) return now;
      if (performance.now() > end) throw new Error('no new thread in time');
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  };
  const first = await next(0);
  const guest = await node.spawn(Guest(), { on: 'main-thread-1' });
  guest.cast('stopNode');
  const second = await next(first);
  const runner = [...system.processes()].find(({ program }) => program.name === 'thread');
  if (runner === undefined) throw new Error('no actor keeps the thread');
  system.exit(runner.pid, 'kill');
  await next(second);
  await node.stop();
  process.stdout.write('both came back\n');
}
