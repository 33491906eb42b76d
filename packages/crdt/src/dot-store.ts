import { CausalContext, type CausalContextPlain } from './causal-context.js';
import { compareDots, type Dot, type Entry, sameDot } from './dot.js';

/** State and delta of a {@link DotStore} alike: `[context, entries]`, an entry being `[replica, counter, value]`. */
export type DotStorePlain<V> = readonly [
  context: CausalContextPlain,
  entries: readonly (readonly [replica: string, counter: number, value: V])[],
];

/**
 * Live dots with values under one causal context: what {@link MvRegister} and the flags are made of. A delta is a state: its context
 * holds exactly the dots that it accounts for.
 */
export class DotStore<V> {
  readonly replica: string;
  #entries: readonly Entry<V>[] = [];
  readonly #context = new CausalContext();

  constructor(replica: string) {
    this.replica = replica;
  }

  /** The live entries, in dot order. */
  get entries(): readonly Entry<V>[] {
    return this.#entries;
  }

  /** Writes a value in place of all that are here. @throws RangeError if this replica was dropped. */
  put(value: V): DotStorePlain<V> {
    const counter = this.#context.next(this.replica);
    const context = contextOf(this.#entries);
    this.#context.add(this.replica, counter);
    context.add(this.replica, counter);
    this.#entries = [{ replica: this.replica, counter, value }];
    return [context.toPlain(), [[this.replica, counter, value]]];
  }

  /** Removes all that are here; concurrent writes survive. */
  clear(): DotStorePlain<V> {
    const context = contextOf(this.#entries);
    this.#entries = [];
    return [context.toPlain(), []];
  }

  /** Drops what a replica wrote and refuses its writes from now on. */
  dropReplica(replica: string): DotStorePlain<V> {
    this.#context.close(replica);
    this.#entries = this.#entries.filter(entry => entry.replica !== replica);
    const context = new CausalContext();
    context.close(replica);
    return [context.toPlain(), []];
  }

  /** True if the live entries changed. @throws TypeError if the delta is malformed. */
  join(delta: DotStorePlain<V>): boolean {
    const context = CausalContext.fromPlain(delta[0]);
    const remote = delta[1].map(([replica, counter, value]): Entry<V> => ({ replica, counter, value }));
    const kept = this.#entries.filter(
      entry => !context.contains(entry.replica, entry.counter) || remote.some(other => sameDot(other, entry)),
    );
    const fresh = remote.filter(entry => !this.#context.contains(entry.replica, entry.counter));
    this.#context.join(context);
    if (fresh.length === 0 && kept.length === this.#entries.length) return false;
    this.#entries = [...kept, ...fresh].sort(compareDots);
    return true;
  }

  /** Whether a delta holds dots of `replica` that aren't known here. */
  hasUnseenDotsOf(delta: DotStorePlain<V>, replica: string = this.replica): boolean {
    return !this.#context.includesReplica(CausalContext.fromPlain(delta[0]), replica);
  }

  toPlain(): DotStorePlain<V> {
    return [
      this.#context.toPlain(),
      this.#entries.map(({ replica, counter, value }) => [replica, counter, value] as const),
    ];
  }
}

function contextOf(dots: readonly Dot[]): CausalContext {
  const context = new CausalContext();
  for (const { replica, counter } of dots) context.add(replica, counter);
  return context;
}
