import { setTimeout as sleep } from 'node:timers/promises';
import { isFoundationError } from 'foundation-ts';

/** A step did not get done in its time. */
export class TimeoutError extends Error {}

/**
 * Tries until `attempt` gives something other than `undefined`, and returns that. An error from Foundation counts as "not yet":
 * the attempts here only read, so that trying again is safe whatever became of the last one. Any other error passes through.
 * @param what - completes the message "Gave up after 5 s: …"
 * @param timeout - milliseconds
 * @throws TimeoutError, with the last error from Foundation as its cause
 */
export async function until<T>(
  what: string,
  timeout: number,
  attempt: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + timeout;
  for (;;) {
    let notYet: Error | undefined;
    try {
      const result = await attempt();
      if (result !== undefined) return result;
    } catch (error) {
      if (!isFoundationError(error)) throw error;
      notYet = error;
    }
    if (performance.now() >= deadline) {
      const why = notYet === undefined ? '' : ` (${notYet.message})`;
      throw new TimeoutError(`Gave up after ${timeout / 1000} s: ${what}${why}`, { cause: notYet });
    }
    await sleep(50);
  }
}
