import { setMaxListeners } from 'node:events';
import { type Address, FoundationError, type Timer } from '@foundation-ts/core';
import { DNS_LOOKUP_TIMEOUT } from './defaults.js';
import { Latest } from './latest.js';
import { initialLookupState, type LookupParts, type LookupRules, stepLookup } from './lookup-state.js';
import type { DiscoveryContext } from './strategy.js';

export interface LookupWatchInit extends LookupRules {
  /** The strategy's name. */
  readonly strategy: string;
  readonly query: string;
  /** Asks everything once; rejects, or leaves an error in a part, when `signal` aborts, with its reason. */
  readonly lookUp: (signal: AbortSignal, drop: (reason: string, count: number) => void) => Promise<LookupParts>;
}

/** The shell around {@link stepLookup}: looks up again and again until the node stops or the reader leaves. */
export async function* watchLookups(
  ctx: DiscoveryContext,
  init: LookupWatchInit,
): AsyncGenerator<readonly Address[], void, undefined> {
  if (ctx.signal.aborted) return;
  const loop = new LookupLoop(ctx, init);
  const stop = (): void => loop.stop();
  ctx.signal.addEventListener('abort', stop, { once: true });
  try {
    loop.start();
    yield* loop.latest;
  } finally {
    ctx.signal.removeEventListener('abort', stop);
    loop.stop();
  }
}

class LookupLoop {
  readonly latest: Latest<readonly Address[]>;
  readonly #ctx: DiscoveryContext;
  readonly #init: LookupWatchInit;
  readonly #logged = new Set<string>();
  #state = initialLookupState;
  #next: Timer | undefined;
  #underWay: AbortController | undefined;
  #stopped = false;

  constructor(ctx: DiscoveryContext, init: LookupWatchInit) {
    this.latest = new Latest(ctx.signal);
    this.#ctx = ctx;
    this.#init = init;
  }

  start(): void {
    void this.#turn();
  }

  stop(): void {
    this.#stopped = true;
    this.#next?.cancel();
    const { query } = this.#init;
    this.#underWay?.abort(new FoundationError('aborted', `The look-up of '${query}' ended with its watch.`));
  }

  async #turn(): Promise<void> {
    const { clock, random, self } = this.#ctx;
    const result = await this.#lookUp();
    if (this.#stopped) return;
    const [state, effects] = stepLookup(this.#state, result, this.#init, self.address);
    this.#state = state;
    const wait = effects.wait * (0.8 + 0.4 * random.next());
    this.#next = clock.setTimeout(() => void this.#turn(), wait, { unref: true });
    if (effects.excess > 0) this.#drop('too-many', effects.excess);
    if (effects.partlyFailed !== undefined) this.#warnPartly(effects.partlyFailed);
    if (effects.publish !== undefined) this.latest.push(effects.publish);
    if (effects.failed !== undefined) this.#ctx.failed(effects.failed);
  }

  async #lookUp(): Promise<LookupParts | Error> {
    const { query, lookUp } = this.#init;
    const controller = new AbortController();
    setMaxListeners(0, controller.signal); // each question listens
    const late = new FoundationError('timeout', `The look-up of '${query}' took more than ${DNS_LOOKUP_TIMEOUT} ms.`);
    const limit = this.#ctx.clock.setTimeout(() => controller.abort(late), DNS_LOOKUP_TIMEOUT, { unref: true });
    this.#underWay = controller;
    try {
      return await lookUp(controller.signal, (reason, count) => this.#drop(reason, count));
    } catch (error) {
      return error as Error;
    } finally {
      limit.cancel();
    }
  }

  #warnPartly(error: Error): void {
    const { strategy, query } = this.#init;
    this.#ctx.log.warn(
      { strategy, query, error },
      'discovery: a part of the look-up failed; what was known of it stands',
    );
  }

  /** Once a kind in the log, always in the telemetry. */
  #drop(reason: string, count: number): void {
    const { strategy, query } = this.#init;
    this.#ctx.telemetry.emit('discovery.dns.dropped', { count }, { strategy, reason });
    if (this.#logged.has(reason)) return;
    this.#logged.add(reason);
    this.#ctx.log.warn({ strategy, query, reason }, 'discovery: dropped what a name server sent');
  }
}
