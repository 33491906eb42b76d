/** Reads of one socket, of which one turn of the event loop takes no more than its share: others have theirs. */
export class TurnReads {
  /** Takes what was read. */
  receive: (chunk: Buffer) => void = () => {};
  /** Goes on reading in the next turn. */
  resume: () => void = () => {};
  readonly #turnBytes: number;
  readonly #countedBytes: number;
  #read = 0;
  readonly #endTurn = (): void => {
    const stopped = this.#read >= this.#turnBytes;
    this.#read = 0;
    if (stopped) this.resume();
  };

  /**
   * @param turnBytes - what one turn reads at most, and what one read brings with it
   * @param countedBytes - shorter reads don't begin the count
   */
  constructor(turnBytes: number, countedBytes: number) {
    this.#turnBytes = turnBytes;
    this.#countedBytes = countedBytes;
  }

  /** So much was read. @returns false: no more in this turn */
  protected goesOn(bytes: number): boolean {
    if (this.#read === 0) {
      if (bytes < this.#countedBytes) return true;
      setImmediate(this.#endTurn);
    }
    this.#read += bytes;
    return this.#read < this.#turnBytes;
  }
}
