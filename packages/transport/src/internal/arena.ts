const ARENA_BYTES = 64 * 1024;
/** So many are kept while nobody uses them. */
const SPARE_ARENAS = 4;

type Bytes = Buffer & { utf8Write(text: string, at: number): number };

/** Memory for encoded messages, one behind the other. It is written again from its beginning when nobody holds what stands in it. */
export class Arena {
  readonly buffer: Bytes = Buffer.allocUnsafeSlow(ARENA_BYTES) as Bytes;
  readonly view: DataView = new DataView(this.buffer.buffer);
  readonly #arenas: Arenas;
  #holds = 0;
  /** Messages are written here now. */
  current = false;

  constructor(arenas: Arenas) {
    this.#arenas = arenas;
  }

  get held(): boolean {
    return this.#holds > 0;
  }

  /** What stands there now has to stay until {@link release}; without one it is never written again. */
  hold(): void {
    this.#holds++;
  }

  /** Once for each {@link hold}. */
  release(): void {
    this.#holds--;
    if (this.#holds === 0 && !this.current) this.#arenas.give(this);
  }
}

/** The memory of one encoder. */
export class Arenas {
  readonly #spare: Arena[] = [];

  /** An arena to write from its beginning in place of `full`. */
  next(full: Arena | undefined): Arena {
    if (full?.held === false) return full;
    if (full !== undefined) full.current = false;
    const arena = this.#spare.pop() ?? new Arena(this);
    arena.current = true;
    return arena;
  }

  give(arena: Arena): void {
    if (this.#spare.length < SPARE_ARENAS) this.#spare.push(arena);
  }
}
