/** What frames are written to; numbers them. */
export interface FrameSink {
  nextSequence(): number;
  /** @returns false: wait for `unblock` */
  write(frame: Uint8Array): boolean;
  /** Whether {@link FrameSink.writePieces} can be used. */
  readonly gathers: boolean;
  /**
   * A frame that is `head` and then `body`, which is not copied.
   * @param left - called when the body is not needed any more
   * @returns as of `write`
   */
  writePieces(head: Uint8Array, body: Uint8Array, left?: () => void): boolean;
}
