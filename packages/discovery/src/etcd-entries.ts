/** What etcd sends of a key; revisions are 64-bit numbers as texts. */
export interface EtcdKeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly mod_revision: string;
}

/** The keys under a prefix, from lists and a watch whose answers may overtake each other. */
export class EtcdEntries {
  readonly #entries = new Map<string, string>();
  /** Of the newest list kept. */
  #listed = -1n;
  /** Of the newest that is known. */
  #revision = -1n;

  get values(): Iterable<string> {
    return this.#entries.values();
  }

  /** The whole as of a revision; one older than what is known is ignored. */
  list(revision: string, pairs: readonly EtcdKeyValue[]): void {
    if (BigInt(revision) < this.#revision) return;
    this.#listed = BigInt(revision);
    this.#revision = this.#listed;
    this.#entries.clear();
    for (const { key, value } of pairs) this.#entries.set(key.toString(), value.toString());
  }

  put({ key, value, mod_revision }: EtcdKeyValue): void {
    if (this.#isNew(mod_revision)) this.#entries.set(key.toString(), value.toString());
  }

  delete({ key, mod_revision }: EtcdKeyValue): void {
    if (this.#isNew(mod_revision)) this.#entries.delete(key.toString());
  }

  /** Several keys may change in one revision, of which the events come one by one. */
  #isNew(revision: string): boolean {
    const change = BigInt(revision);
    if (change <= this.#listed) return false;
    if (change > this.#revision) this.#revision = change;
    return true;
  }
}
