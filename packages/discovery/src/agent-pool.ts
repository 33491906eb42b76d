import { type Address, FoundationError } from '@foundation-ts/core';
import { Latest } from './latest.js';
import type { Advertised, DiscoveryContext, DiscoveryStrategy } from './strategy.js';

/** What hears and speaks for one node, shared by its watches and its advertisement. */
export interface Agent {
  /** Resolves after the first attempt to open the sockets, also when it failed (it is repeated then). */
  opened(): Promise<void>;
  addWatch(watch: Latest<readonly Address[]>): void;
  removeWatch(watch: Latest<readonly Address[]>): void;
  /** @throws FoundationError when the node can't be advertised, or is already */
  advertise(self: Advertised): void;
  /** Says goodbye, and resolves when that has left. */
  withdraw(): Promise<void>;
  close(): void;
}

/**
 * The strategy that agents make: one agent a node, for as long as its watch or its advertisement lasts.
 * @param check - throws, for `watch` and `advertise` alike, when the node may not use the strategy
 */
export function agentStrategy(
  name: string,
  make: (ctx: DiscoveryContext) => Agent,
  check: (ctx: DiscoveryContext) => void = () => {},
): DiscoveryStrategy {
  const agents = new AgentPool(make);
  return {
    name,
    async *watch(ctx) {
      check(ctx);
      const agent = agents.take(ctx);
      const latest = new Latest<readonly Address[]>(ctx.signal);
      agent.addWatch(latest);
      try {
        await agent.opened();
        yield* latest;
      } finally {
        agent.removeWatch(latest);
        agents.giveBack(ctx);
      }
    },
    async advertise(self, ctx) {
      check(ctx);
      return await advertise(agents, self, ctx);
    },
  };
}

async function advertise(agents: AgentPool, self: Advertised, ctx: DiscoveryContext): Promise<AsyncDisposable> {
  const agent = agents.take(ctx);
  try {
    await agent.opened();
    if (ctx.signal.aborted) {
      throw new FoundationError('aborted', `Node '${self.name}' stopped before it was advertised.`);
    }
    agent.advertise(self);
  } catch (error) {
    agents.giveBack(ctx);
    throw error;
  }
  let ending: Promise<void> | undefined;
  const end = (): Promise<void> => {
    ending ??= agent.withdraw().finally(() => agents.giveBack(ctx));
    return ending;
  };
  const aborted = (): void => void end();
  ctx.signal.addEventListener('abort', aborted, { once: true });
  return {
    [Symbol.asyncDispose]: () => {
      ctx.signal.removeEventListener('abort', aborted);
      return end();
    },
  };
}

class AgentPool {
  readonly #make: (ctx: DiscoveryContext) => Agent;
  readonly #agents = new Map<DiscoveryContext, { readonly agent: Agent; users: number }>();

  constructor(make: (ctx: DiscoveryContext) => Agent) {
    this.#make = make;
  }

  take(ctx: DiscoveryContext): Agent {
    const held = this.#agents.get(ctx) ?? { agent: this.#make(ctx), users: 0 };
    held.users++;
    this.#agents.set(ctx, held);
    return held.agent;
  }

  giveBack(ctx: DiscoveryContext): void {
    const held = this.#agents.get(ctx);
    if (held === undefined || --held.users > 0) return;
    this.#agents.delete(ctx);
    held.agent.close();
  }
}
