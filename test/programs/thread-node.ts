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
  const until = async (condition: () => Promise<boolean> | boolean): Promise<void> => {
    const end = performance.now() + 20_000;
    while (!(await condition())) {
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
  const spread = async (): Promise<boolean> =>
    new Set(await places()).size === 3 && !(await places()).includes('nowhere');
  const onThread = async (name: string): Promise<string> => ids[(await places()).indexOf(name)] as string;
  const count = (event: string): number => events.filter(one => one === event).length;

  await until(() => node.members().length === 3);
  for (const id of ids) await workers.startChild(child(Worker(id), { id }));
  await until(spread);
  say('spread', { places: await places() });

  node.via(Worker, await onThread('main-thread-1')).cast('spin');
  await until(() => count('down main-thread-1') === 1);
  await until(spread);
  say('hung', { places: await places() });

  node.via(Worker, await onThread('main-thread-2')).cast('eat');
  await until(() => count('down main-thread-2') === 1);
  await until(spread);
  say('out of memory', { places: await places() });

  await node.stop();
  say('stopped', { events });
  process.exit(0);
}
