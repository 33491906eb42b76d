import { type ActorSystem, type Address, actor, type Context, FoundationError } from '@foundation-ts/core';
import type { Advertised, DiscoveryContext, DiscoveryStrategy } from '@foundation-ts/discovery';
import { DISCOVERY_RESTART_MS } from './defaults.js';

/** What a discovery actor is started with. Functions and all: it never leaves its node. */
export interface DiscoveryArgument {
  readonly strategy: DiscoveryStrategy;
  readonly system: ActorSystem;
  readonly advertised: Advertised | undefined;
  readonly clusterId: string;
  /** The first seals; all are accepted. */
  readonly secret: readonly Uint8Array[] | undefined;
  readonly found: (addresses: readonly Address[]) => void;
}

/** Runs one discovery strategy; its crash is its own, and its supervisor starts it again. */
export const DiscoveryRunner = actor({
  name: 'discovery-runner',
  localOnly: true,
  init: (argument: DiscoveryArgument, ctx: Context) => {
    const { strategy, system, advertised, clusterId, secret } = argument;
    const context: DiscoveryContext = {
      self: { name: system.node, clusterId, address: advertised?.address },
      secret: secret?.[0],
      accepts: secret,
      clock: system.clock,
      random: system.random,
      log: system.log,
      telemetry: system.telemetry,
      signal: ctx.signal,
      failed: error => {
        system.telemetry.emit('discovery.failed', { count: 1 }, { strategy: strategy.name, error });
        system.log.warn({ node: system.node, strategy: strategy.name }, `discovery failed: ${error.message}`);
      },
    };
    const state: { advertisement: AsyncDisposable | undefined } = { advertisement: undefined };
    ctx.after(0, 'run', { argument, context });
    return state;
  },
  casts: {
    run: (state, run: { readonly argument: DiscoveryArgument; readonly context: DiscoveryContext }, ctx) => {
      const failed = (error: unknown): void => {
        if (ctx.signal.aborted) return;
        run.context.failed(error instanceof Error ? error : new Error(String(error)));
        ctx.after(DISCOVERY_RESTART_MS, 'again', error);
      };
      void advertise(state, run.argument, run.context).catch(failed);
      void watch(run.argument, run.context, ctx).catch(failed);
    },
    again: (_state, error: unknown) => {
      throw error instanceof Error ? error : new FoundationError('stopped', 'The discovery strategy ended.');
    },
  },
  terminate: async state => {
    await state.advertisement?.[Symbol.asyncDispose]();
  },
});

async function advertise(
  state: { advertisement: AsyncDisposable | undefined },
  argument: DiscoveryArgument,
  context: DiscoveryContext,
): Promise<void> {
  if (argument.advertised === undefined || argument.strategy.advertise === undefined) return;
  const advertisement = await argument.strategy.advertise(argument.advertised, context);
  if (context.signal.aborted) await advertisement[Symbol.asyncDispose]();
  else state.advertisement = advertisement;
}

async function watch(argument: DiscoveryArgument, context: DiscoveryContext, ctx: Context<unknown>): Promise<void> {
  for await (const addresses of argument.strategy.watch(context)) {
    if (ctx.signal.aborted) return;
    argument.found(addresses);
  }
}
