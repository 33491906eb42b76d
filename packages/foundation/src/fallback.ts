import { FoundationError } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';

/**
 * A strategy, until it fails for the `reason` given; from then on another one. What the first named last stands until the other has
 * something to say.
 * @param switched - told once, with the failure
 */
export function withFallback(
  first: DiscoveryStrategy,
  second: DiscoveryStrategy,
  reason: (error: Error) => boolean,
  switched: (error: Error) => void,
): DiscoveryStrategy {
  return {
    name: first.name,
    async *watch(ctx) {
      const over = new AbortController();
      const signal = AbortSignal.any([ctx.signal, over.signal]);
      const told: { failure: Error | undefined } = { failure: undefined };
      const failed = (error: Error): void => {
        if (reason(error)) {
          told.failure ??= error;
          over.abort();
        } else ctx.failed(error);
      };
      yield* first.watch({ ...ctx, signal, failed });
      if (ctx.signal.aborted) return;
      if (told.failure === undefined)
        throw new FoundationError('stopped', `The watch of strategy '${first.name}' ended although the node runs.`);
      switched(told.failure);
      yield* second.watch(ctx);
    },
  };
}
