import type { DiscoveryContext } from './strategy.js';

/** What a {@link DropLog} is made of. */
export interface DropLogInit<Drop extends string> {
  readonly strategy: 'gossip' | 'mdns';
  /** What is dropped, for the log. */
  readonly what: string;
  /** What any network sees all day: logged at debug level. */
  readonly usual: ReadonlySet<Drop>;
  /** More for the log line of a reason. */
  readonly advice: Partial<Record<Drop, { readonly hint: string }>>;
  /** How often counts go to telemetry at most, ms. */
  readonly interval: number;
}

/** What arrives and is not used: logged once a kind, counted in telemetry. */
export class DropLog<Drop extends string> {
  readonly #init: DropLogInit<Drop>;
  readonly #ctx: DiscoveryContext;
  readonly #drops = new Map<Drop, number>();
  readonly #logged = new Set<Drop>();
  readonly #reported: (unusual: number) => void;
  #report: { cancel(): void } | undefined;

  /** @param reported - told with each report how many of them were not {@link DropLogInit.usual} */
  constructor(init: DropLogInit<Drop>, ctx: DiscoveryContext, reported: (unusual: number) => void = () => {}) {
    this.#init = init;
    this.#ctx = ctx;
    this.#reported = reported;
  }

  drop(reason: Drop, from: string | undefined, count = 1): void {
    const { strategy, what, usual, advice, interval } = this.#init;
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + count);
    if (!this.#logged.has(reason)) {
      this.#logged.add(reason);
      const level = usual.has(reason) ? 'debug' : 'warn';
      this.#ctx.log[level](
        { reason, from, ...advice[reason] },
        `${strategy} discovery: dropped ${what}; more of this kind are only counted`,
      );
    }
    this.#report ??= this.#ctx.clock.setTimeout(() => this.flush(), interval, { unref: true });
  }

  /** How many that are not {@link DropLogInit.usual} were counted since the last report. */
  get unusual(): number {
    let unusual = 0;
    for (const [reason, count] of this.#drops) if (!this.#init.usual.has(reason)) unusual += count;
    return unusual;
  }

  /** Tells telemetry what was counted, now and not later. */
  flush(): void {
    this.#report?.cancel();
    this.#report = undefined;
    const { unusual } = this;
    for (const [reason, count] of this.#drops) {
      this.#ctx.telemetry.emit(`discovery.${this.#init.strategy}.dropped`, { count }, { reason });
    }
    this.#drops.clear();
    this.#reported(unusual);
  }
}
