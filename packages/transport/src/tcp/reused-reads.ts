import { type OnReadOpts, Socket } from 'node:net';

/** What one read of a socket takes at most, bytes. */
const READ_BYTES = 256 * 1024;

/** Memory that all connections of one transport read into, one after the other. */
export class ReadMemory {
  readonly buffer: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
}

/**
 * Reads of one socket into memory that is used again: without it each read makes an `ArrayBuffer` of 64 KiB, and those of a bulk transfer
 * keep the garbage collector busy with mark-sweeps.
 */
export class ReusedReads {
  /** Takes what was read; the bytes are valid until it returns. */
  receive: (chunk: Buffer) => void = () => {};
  /** For `connect`. */
  readonly onread: OnReadOpts;

  constructor(memory: ReadMemory) {
    this.onread = {
      buffer: memory.buffer,
      callback: (bytes, buffer) => {
        this.receive((buffer as Buffer).subarray(0, bytes));
        return true;
      },
    };
  }

  /**
   * A server's sockets can't be made with `onread`: a new socket takes over the handle of the accepted one, in the turn in which it was accepted.
   * @returns undefined on a Node that does not let it: the socket is as it was
   */
  adopt(accepted: Socket): Socket | undefined {
    const owner = accepted as unknown as { _handle: { useUserBuffer?: unknown } | null };
    const handle = owner._handle;
    if (typeof handle?.useUserBuffer !== 'function') return undefined;
    owner._handle = null;
    accepted.destroy();
    // As `net.Server` makes its own.
    return new Socket({ handle, onread: this.onread, readable: true, writable: true } as unknown as { fd?: number });
  }
}
