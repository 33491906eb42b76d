/** Of an {@link Arena}. */
export const ARENA_BYTES: number = 64 * 1024;
/** So many are kept while nobody uses them. */
const SPARE_ARENAS = 4;

export type Bytes = Buffer & { utf8Write(text: string, at: number): number };

/** Memory for encoded messages, one behind the other. It is written again from its beginning when nobody holds what stands in it. */
export class Arena {
  readonly buffer: Bytes = Buffer.allocUnsafeSlow(ARENA_BYTES) as Bytes;
  readonly view: DataView = new DataView(this.buffer.buffer);
  readonly #arenas: Arenas;
  #holds = 0;

  constructor(arenas: Arenas) {
    this.#arenas = arenas;
  }

  /** Whether somebody holds it beside the encoder that writes here now. */
  get shared(): boolean {
    return this.#holds > 1;
  }

  /** What stands there now has to stay until {@link release}; without one it is never written again. */
  hold(): void {
    this.#holds++;
  }

  /** Once for each {@link hold}. */
  release(): void {
    if (--this.#holds === 0) this.#arenas.give(this);
  }
}

/** The memory of one encoder. */
export class Arenas {
  readonly #spare: Arena[] = [];

  /** An arena to write from its beginning in place of `full`; the encoder holds it until then. */
  next(full: Arena | undefined): Arena {
    if (full?.shared === false) return full;
    full?.release();
    const arena = this.#spare.pop() ?? new Arena(this);
    arena.hold();
    return arena;
  }

  give(arena: Arena): void {
    if (this.#spare.length < SPARE_ARENAS) this.#spare.push(arena);
  }
}
