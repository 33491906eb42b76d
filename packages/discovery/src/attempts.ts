import { FoundationError } from '@foundation-ts/core';
import { STORE_RETRY_MAX, STORE_RETRY_MIN } from './defaults.js';
import type { DiscoveryContext } from './strategy.js';

/**
 * Runs `session` again and again until `signal` aborts. What it throws is reported to the context, and followed by a pause
 * that grows until `session` calls its argument.
 * @param what - for messages: `'etcd discovery at 10.0.0.1:2379'`
 */
export async function keepTrying(
  what: string,
  ctx: DiscoveryContext,
  signal: AbortSignal,
  session: (succeeded: () => void) => Promise<void>,
): Promise<void> {
  let failures = 0;
  const succeeded = (): void => {
    failures = 0;
  };
  while (!signal.aborted) {
    try {
      await session(succeeded);
    } catch (cause) {
      if (signal.aborted) return;
      const message = cause instanceof Error ? cause.message : String(cause);
      ctx.failed(new FoundationError('noconnection', `${what} failed: ${message}`, { cause }));
      const longest = Math.min(STORE_RETRY_MIN * 2 ** Math.min(failures++, 16), STORE_RETRY_MAX);
      await pause(ctx, jittered(ctx, longest), signal);
    }
  }
}

/** Resolves after `ms`, or when `signal` aborts. */
export function pause(ctx: DiscoveryContext, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = ctx.clock.setTimeout(end, ms, { unref: true });
    signal.addEventListener('abort', end, { once: true });
  });
}

/**
 * The result of `work`, for which nobody waits any longer once `signal` aborts.
 * @throws FoundationError `aborted`
 */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new FoundationError('aborted', 'The node stopped.'));
  });
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** `ms` × 0.8 to 1.2, so that many nodes don't do the same at once. */
export function jittered(ctx: DiscoveryContext, ms: number): number {
  return ms * (0.8 + 0.4 * ctx.random.next());
}

/** A controller that aborts with `signal`, or by itself; dispose of it to let go of `signal`. */
export function linked(signal: AbortSignal): Disposable & { readonly signal: AbortSignal; abort(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    abort,
    [Symbol.dispose]: () => signal.removeEventListener('abort', abort),
  };
}
