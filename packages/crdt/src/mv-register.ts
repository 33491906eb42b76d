import { DotStore, type DotStorePlain } from './dot-store.js';

/** A register that keeps all concurrent writes until a later one replaces them. */
export class MvRegister<V> {
  readonly #store: DotStore<V>;

  constructor(replica: string) {
    this.#store = new DotStore(replica);
  }

  /** All concurrent values, in dot order; empty before the first write. */
  get values(): readonly V[] {
    return this.#store.entries.map(entry => entry.value);
  }

  /** Replaces every value seen here; answers the delta. */
  set(value: V): DotStorePlain<V> {
    return this.#store.put(value);
  }

  /** Removes every value seen here. */
  clear(): DotStorePlain<V> {
    return this.#store.clear();
  }

  /** Drops what a replica wrote, for good. */
  dropReplica(replica: string): DotStorePlain<V> {
    return this.#store.dropReplica(replica);
  }

  /** True if the values changed. @throws TypeError if the delta is malformed. */
  join(delta: DotStorePlain<V>): boolean {
    return this.#store.join(delta);
  }

  /** See {@link DotStore.hasUnseenDotsOf}. */
  hasUnseenDotsOf(delta: DotStorePlain<V>, replica?: string): boolean {
    return this.#store.hasUnseenDotsOf(delta, replica);
  }

  toPlain(): DotStorePlain<V> {
    return this.#store.toPlain();
  }

  static fromPlain<V>(replica: string, plain: DotStorePlain<V>): MvRegister<V> {
    const register = new MvRegister<V>(replica);
    register.join(plain);
    return register;
  }
}
