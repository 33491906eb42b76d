import { DotStore, type DotStorePlain } from './dot-store.js';

/** The part that both flags share: a set of dots that says yes or no by being empty. */
class DotFlag {
  readonly #store: DotStore<true>;

  constructor(replica: string) {
    this.#store = new DotStore(replica);
  }

  protected get raised(): boolean {
    return this.#store.entries.length > 0;
  }

  protected raise(): DotStorePlain<true> {
    return this.#store.put(true);
  }

  protected lower(): DotStorePlain<true> {
    return this.#store.clear();
  }

  /** Drops what a replica wrote, for good. */
  dropReplica(replica: string): DotStorePlain<true> {
    return this.#store.dropReplica(replica);
  }

  /** True if the flag changed. @throws TypeError if the delta is malformed. */
  join(delta: DotStorePlain<true>): boolean {
    const before = this.raised;
    this.#store.join(delta);
    return this.raised !== before;
  }

  toPlain(): DotStorePlain<true> {
    return this.#store.toPlain();
  }
}

/** A flag, off at first; of concurrent `enable` and `disable`, `enable` wins. */
export class EnableWinsFlag extends DotFlag {
  get enabled(): boolean {
    return this.raised;
  }

  enable(): DotStorePlain<true> {
    return this.raise();
  }

  disable(): DotStorePlain<true> {
    return this.lower();
  }

  static fromPlain(replica: string, plain: DotStorePlain<true>): EnableWinsFlag {
    const flag = new EnableWinsFlag(replica);
    flag.join(plain);
    return flag;
  }
}

/** A flag, on at first; of concurrent `enable` and `disable`, `disable` wins. */
export class DisableWinsFlag extends DotFlag {
  get enabled(): boolean {
    return !this.raised;
  }

  enable(): DotStorePlain<true> {
    return this.lower();
  }

  disable(): DotStorePlain<true> {
    return this.raise();
  }

  static fromPlain(replica: string, plain: DotStorePlain<true>): DisableWinsFlag {
    const flag = new DisableWinsFlag(replica);
    flag.join(plain);
    return flag;
  }
}
