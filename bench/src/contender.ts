/** The process of one contender: sets it up, then measures a round for each order; ends when the harness lets go. */
import { benches } from './benches.js';
import type { Answer, Order } from './harness.js';

const [benchId, name] = process.argv.slice(2);
const contender = benches.find(bench => bench.id === benchId)?.contenders.find(candidate => candidate.name === name);

function answer(message: Answer): void {
  process.send?.(message);
}

async function attempt(work: () => Promise<Answer>): Promise<void> {
  try {
    answer(await work());
  } catch (error) {
    answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

await attempt(async () => {
  if (contender === undefined) throw new Error(`No contender '${name}' in a bench '${benchId}'.`);
  const running = await contender.start();
  process.on('message', (order: Order) =>
    attempt(async () => {
      globalThis.gc?.();
      return { values: await running.round(order.size) };
    }),
  );
  process.once('disconnect', async () => {
    await running.close?.();
    process.exit();
  });
  return { values: {} };
});
