import type { Socket } from 'node:net';

/** Shorter chunks don't begin the count. */
const COUNTED_BYTES = 8 * 1024;

/** Reads of a socket that makes its own memory (TLS), of which one turn of the event loop takes no more than its share. */
export class DataReads {
  /** Takes what was read, for good. */
  receive: (chunk: Buffer) => void = () => {};
  /** Goes on reading in the next turn. */
  resume: () => void = () => {};
  readonly #socket: Socket;
  readonly #turnBytes: number;
  #read = 0;
  readonly #endTurn = (): void => {
    const stopped = this.#read >= this.#turnBytes;
    this.#read = 0;
    if (stopped) this.resume();
  };

  /** @param turnBytes - what one turn reads at most, and what one chunk brings with it */
  constructor(socket: Socket, turnBytes: number) {
    this.#socket = socket;
    this.#turnBytes = turnBytes;
    socket.on('data', chunk => this.#onData(chunk as Buffer));
  }

  #onData(chunk: Buffer): void {
    if (this.#read > 0 || chunk.length >= COUNTED_BYTES) {
      if (this.#read === 0) setImmediate(this.#endTurn);
      this.#read += chunk.length;
      if (this.#read >= this.#turnBytes) this.#socket.pause();
    }
    this.receive(chunk);
  }
}
