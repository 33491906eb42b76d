/** Length of a text that is sent, bytes. */
const textBytes = 64;
export const text: string = 'x'.repeat(textBytes);
export const mib: Uint8Array = new Uint8Array(1024 * 1024).fill(1);

/** The other process tells how many casts it has handled each time it has handled so many. */
export const toldEach = 10_000;

/** What the other process does: the same, whatever carries the messages. */
export class Work {
  #casts = 0;

  /** Answers a call with the length of what it brings. */
  answer(payload: string | Uint8Array): number {
    return payload.length;
  }

  /** Handles a cast; true when the sender is to be told. */
  take(_payload: string): boolean {
    this.#casts += 1;
    return this.#casts % toldEach === 0;
  }
}
