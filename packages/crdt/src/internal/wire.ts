/** Gives each replica name a small number, so that a message holds every name once. */
export class ReplicaTable {
  readonly names: string[] = [];
  readonly #index = new Map<string, number>();

  indexOf(name: string): number {
    let index = this.#index.get(name);
    if (index === undefined) {
      index = this.names.length;
      this.names.push(name);
      this.#index.set(name, index);
    }
    return index;
  }
}

/** Reads a flat array and refuses what isn't of the agreed form. */
export class FlatReader {
  readonly #what: string;
  readonly #items: readonly unknown[];
  #position = 0;

  constructor(what: string, items: unknown) {
    if (!Array.isArray(items)) throw new TypeError(`malformed ${what}: expected an array, got ${typeof items}`);
    this.#what = what;
    this.#items = items;
  }

  get done(): boolean {
    return this.#position >= this.#items.length;
  }

  any(): unknown {
    if (this.done) throw this.malformed('it ends early');
    return this.#items[this.#position++];
  }

  text(): string {
    const item = this.any();
    if (typeof item !== 'string') throw this.malformed(`expected a text at ${this.#position - 1}`);
    return item;
  }

  /** A safe integer of at least `min`. */
  integer(min: number): number {
    const item = this.any();
    if (typeof item !== 'number' || !Number.isSafeInteger(item) || item < min) {
      throw this.malformed(`expected an integer from ${min} at ${this.#position - 1}`);
    }
    return item;
  }

  list(): readonly unknown[] {
    const item = this.any();
    if (!Array.isArray(item)) throw this.malformed(`expected an array at ${this.#position - 1}`);
    return item;
  }

  replica(table: readonly string[]): string {
    const name = table[this.integer(0)];
    if (name === undefined) throw this.malformed(`no such replica at ${this.#position - 1}`);
    return name;
  }

  malformed(why: string): TypeError {
    return new TypeError(`malformed ${this.#what}: ${why}`);
  }
}

/** Reads the table itself. */
export function readTable(what: string, items: unknown): readonly string[] {
  const reader = new FlatReader(what, items);
  const names: string[] = [];
  while (!reader.done) names.push(reader.text());
  return names;
}
