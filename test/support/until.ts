/** Waits for a condition, looking again in each turn after a short pause, up to a deadline. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: () => string,
  within = 15_000,
): Promise<number> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > within) throw new Error(`not within ${within} ms: ${what()}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  return performance.now() - start;
}
