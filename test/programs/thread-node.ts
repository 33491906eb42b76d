import { isMainThread } from 'node:worker_threads';
import { actor, child, startNode } from 'foundation-ts';

/** Works on demand, or misbehaves: never ends, or eats all memory. */
const Worker = actor({
  name: 'worker',
  init: (id: string) => ({ id, hoard: [] as unknown[] }),
  calls: { where: (_s, _: void, ctx) => ctx.pid.node },
  casts: {
    spin: () => {
      for (;;);
    },
    eat: s => {
      for (;;) s.hoard.push(new Array(100_000).fill(s.hoard.length));
    },
  },
});

const ids = Array.from({ length: 12 }, (_, index) => `worker-${index}`);
const node = await startNode({
  name: 'main',
  definitions: [Worker],
  log: isMainThread ? 'error' : 'silent',
  threads: {
    count: 2,
    entry: new URL('./thread-entry.mjs', import.meta.url),
    hangTimeout: 1_000,
    maxOldGenerationSizeMb: 64,
  },
});
const workers = await node.distributedSupervisor('workers');

if (isMainThread) {
  const events: string[] = [];
  void (async () => {
    for await (const event of node.membership()) events.push(`${event.type} ${event.member.name}`);
  })();
  const say = (step: string, facts: object = {}): void => {
    process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);
  };
  const until = async <T>(condition: () => Promise<T | false> | T | false): Promise<T> => {
    const end = performance.now() + 20_000;
    for (;;) {
      const held = await condition();
      if (held !== false) return held;
      if (performance.now() > end) throw new Error(`not in time: ${condition}; ${events.join(', ')}`);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  };
  const places = async (): Promise<string[]> => {
    const answers = await Promise.allSettled(
      ids.map(id => node.via(Worker, id).call('where', undefined, { timeout: 500 })),
    );
    return answers.map(answer => (answer.status === 'fulfilled' ? answer.value : 'nowhere'));
  };
  // Judged and told from one look: between two looks actors move.
  const spread = async (): Promise<string[] | false> => {
    const seen = await places();
    return new Set(seen).size === 3 && !seen.includes('nowhere') && seen;
  };
  const onThread = async (name: string): Promise<string> => ids[(await places()).indexOf(name)] as string;
  const count = (event: string): number => events.filter(one => one === event).length;

  await until(() => node.members().length === 3);
  for (const id of ids) await workers.startChild(child(Worker(id), { id }));
  say('spread', { places: await until(spread) });

  const { system } = node.cluster;
  const runners = [...system.processes()].filter(({ program }) => program.name === 'thread');
  for (const { pid } of runners) system.ref(pid).cast('ended' as never, new Error('no') as never);
  await new Promise(resolve => setTimeout(resolve, 50));
  say('told to end', { alive: runners.filter(({ alive }) => alive).length });

  node.via(Worker, await onThread('main-thread-1')).cast('spin');
  await until(() => count('down main-thread-1') === 1);
  say('hung', { places: await until(spread) });

  node.via(Worker, await onThread('main-thread-2')).cast('eat');
  await until(() => count('down main-thread-2') === 1);
  say('out of memory', { places: await until(spread) });

  await node.stop();
  say('stopped', { events });
  process.exit(0);
}
