import type { Values } from '../bench.js';

function heapUsed(): number {
  for (let pass = 0; pass < 3; pass++) globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** Bytes of heap that stay with each of `size` items that `make` puts into the array that it is given. */
export async function heapPerItem(
  metric: string,
  size: number,
  make: (alive: unknown[]) => Promise<void>,
): Promise<Values> {
  const alive: unknown[] = [];
  const before = heapUsed();
  await make(alive);
  const after = heapUsed();
  return alive.length === size ? { [metric]: (after - before) / size } : {};
}

/** Bytes of heap that each of `count` repetitions of some work leaves behind. */
export async function heapLeft(count: number, work: () => Promise<void>): Promise<number> {
  const before = heapUsed();
  await work();
  return (heapUsed() - before) / count;
}
