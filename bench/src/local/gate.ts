/** Lets a bench await the moment when its actors have handled a number of messages. */
export class Gate {
  #left = 0;
  #open: () => void = () => {};

  /** Resolves after `count` more hits. */
  after(count: number): Promise<void> {
    this.#left = count;
    return new Promise(resolve => {
      this.#open = resolve;
    });
  }

  hit(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#open();
  }
}
