import { type Address, type Clock, systemClock } from '@foundation-ts/core';
import { type DiscoveryStrategy, Latest } from '@foundation-ts/discovery';
import { MemoryNetwork, memory } from '@foundation-ts/transport/memory';
import type { StartOptions } from './start-options.js';

/** What makes a node part of a cluster within this process. */
export type InProcessOptions = Required<Pick<StartOptions, 'transport' | 'discovery'>>;

/**
 * A network of memory, for tests: each call of the result gives the options of one more node. The nodes whose options come from
 * the same network find each other; no socket is opened.
 */
export function inProcess(init: { readonly clock?: Clock } = {}): () => InProcessOptions {
  const network = new MemoryNetwork({ clock: init.clock ?? systemClock });
  const addresses = new Set<Address>();
  const watching = new Set<Latest<readonly Address[]>>();
  const tell = (): void => {
    for (const latest of watching) latest.push([...addresses]);
  };
  const strategy: DiscoveryStrategy = {
    name: 'in-process',
    async *watch(ctx) {
      const latest = new Latest<readonly Address[]>(ctx.signal);
      watching.add(latest);
      latest.push([...addresses]);
      try {
        yield* latest;
      } finally {
        watching.delete(latest);
      }
    },
    async advertise({ address }) {
      addresses.add(address);
      tell();
      return {
        async [Symbol.asyncDispose]() {
          addresses.delete(address);
          tell();
        },
      };
    },
  };
  let count = 0;
  return () => ({ transport: memory({ network, host: `node-${++count}` }), discovery: [strategy] });
}
