/** Frames up to this length that span chunks are collected in memory that is used again, bytes. */
export const SPARE_BYTES: number = 64 * 1024 + 64;
/** So much of that memory is kept, pieces. */
const SPARE_PIECES = 4;

/** Memory for frames that span chunks, for all connections of one transport. */
export class SpareMemory {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SPARE_BYTES);
  }

  give(memory: Buffer): void {
    if (this.#free.length < SPARE_PIECES) this.#free.push(memory);
  }
}
