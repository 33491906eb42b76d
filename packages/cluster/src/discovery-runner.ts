import {
  type ActorSystem,
  type Address,
  actor,
  type Context,
  child,
  FoundationError,
  supervisor,
} from '@foundation-ts/core';
import type { Advertised, DiscoveryContext, DiscoveryStrategy } from '@foundation-ts/discovery';
import {
  DISCOVERY_FAILURE_MS,
  DISCOVERY_RESTART_JITTER,
  DISCOVERY_RESTART_MAX_MS,
  DISCOVERY_RESTART_MS,
  DISCOVERY_STOP_MS,
} from './defaults.js';

/** What a discovery actor is started with. Functions and all: it never leaves its node. */
export interface DiscoveryArgument {
  /** The name of the topology that the strategy belongs to. */
  readonly topology: string;
  readonly strategy: DiscoveryStrategy;
  readonly system: ActorSystem;
  readonly advertised: Advertised | undefined;
  readonly clusterId: string;
  /** The first seals; all are accepted. */
  readonly secret: readonly Uint8Array[] | undefined;
  readonly found: (addresses: readonly Address[]) => void;
  /** What failed last, and when, beyond restarts. */
  readonly failures: { last: { readonly message: string; readonly at: number } | undefined };
}

interface RunnerState {
  /** Until it runs. */
  run: { readonly argument: DiscoveryArgument; readonly context: DiscoveryContext } | undefined;
  failed: boolean;
  advertisement: AsyncDisposable | undefined;
}

/**
 * Runs one discovery strategy. Whether its watch or its advertisement throws, or the watch ends although the node runs: it ends, and its
 * supervisor starts it again, after growing and jittered pauses. The set that it named last stands meanwhile.
 */
export const DiscoveryRunner = actor({
  name: 'discovery-runner',
  localOnly: true,
  init: (argument: DiscoveryArgument, ctx: Context) => {
    const { topology, strategy, system, advertised, clusterId, secret } = argument;
    const { failures } = argument;
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
        system.telemetry.emit('discovery.failed', { count: 1 }, { topology, strategy: strategy.name, error });
        // What fails for the same reason all day is said once, until something else is to be said. Who works again without a new set says nothing.
        const now = system.clock.now();
        const { last } = failures;
        const isKnown = last?.message === error.message && now - last.at < DISCOVERY_FAILURE_MS;
        const level = isKnown ? 'debug' : 'warn';
        failures.last = { message: error.message, at: now };
        system.log[level](
          { node: system.node, topology, strategy: strategy.name },
          `discovery failed: ${error.message}`,
        );
      },
    };
    const state: RunnerState = { run: { argument, context }, failed: false, advertisement: undefined };
    ctx.after(0, 'run');
    return state;
  },
  // Other nodes can send these too: what they do is in the state alone.
  casts: {
    run: (state, _payload: undefined, ctx) => {
      const { run } = state;
      if (run === undefined) return;
      state.run = undefined;
      const failed = (error: unknown): void => {
        if (ctx.signal.aborted) return;
        run.context.failed(error instanceof Error ? error : new Error(String(error)));
        state.failed = true;
        ctx.after(0, 'again');
      };
      void advertise(state, run.argument, run.context).catch(failed);
      void watch(run.argument, run.context, ctx).catch(failed);
    },
    // In order: the failure has been told.
    again: ({ failed }, _payload: undefined, ctx) => {
      if (failed) ctx.stop('shutdown');
    },
  },
  terminate: async state => {
    await state.advertisement?.[Symbol.asyncDispose]();
  },
});

/** The supervisor of one topology's strategies. */
export function discoveryTree(strategies: readonly DiscoveryArgument[]): ReturnType<typeof supervisor> {
  return supervisor({
    maxRestarts: strategies.length * 100,
    within: 10_000,
    backoff: { initial: DISCOVERY_RESTART_MS, max: DISCOVERY_RESTART_MAX_MS, jitter: DISCOVERY_RESTART_JITTER },
    children: strategies.map((argument, index) =>
      child(DiscoveryRunner(argument), { id: `${index} ${argument.strategy.name}`, shutdown: DISCOVERY_STOP_MS }),
    ),
  });
}

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
  const { strategy, topology } = argument;
  for await (const addresses of strategy.watch(context)) {
    if (ctx.signal.aborted) return;
    try {
      argument.found(addresses);
      argument.failures.last = undefined;
    } catch (error) {
      // The list hook is the user's.
      context.failed(error instanceof Error ? error : new Error(String(error)));
    }
  }
  if (ctx.signal.aborted) return;
  throw new FoundationError(
    'stopped',
    `The watch of strategy '${strategy.name}' (topology '${topology}') ended although the node runs. It is started again.`,
  );
}
