import type { Values } from '../bench.js';

/** Does `size` units of work and returns how many were done in a second. */
export async function rate(metric: string, size: number, work: () => Promise<void>): Promise<Values> {
  const start = performance.now();
  await work();
  return { [metric]: (size * 1_000) / (performance.now() - start) };
}
