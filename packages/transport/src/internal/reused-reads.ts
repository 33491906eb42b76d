import { type OnReadOpts, Socket } from 'node:net';
import { SpareMemory } from './spare-memory.js';
import { TurnReads } from './turn-reads.js';

/** What one read of a socket takes at most, bytes. */
const READ_BYTES = 256 * 1024;

/**
 * What one socket reads in one turn of the event loop at most, bytes: libuv would read 32 times, and a sender as quick as we are can always have
 * something more to read, while every other connection waits.
 */
const TURN_BYTES = 512 * 1024;

/** Memory that all connections of one transport read into, one after the other. */
export class ReadMemory {
  readonly buffer: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly spares: SpareMemory = new SpareMemory();
}

/**
 * Reads of one socket into memory that is used again: without it each read makes an `ArrayBuffer` of 64 KiB, and those of a bulk transfer
 * keep the garbage collector busy with mark-sweeps.
 */
export class ReusedReads extends TurnReads {
  /** For `connect`. What it gives is valid until `receive` returns. */
  readonly onread: OnReadOpts;
  readonly spares: SpareMemory;

  /** @param turnBytes - what one turn reads at most, and what one read brings with it */
  constructor(memory: ReadMemory, turnBytes: number = TURN_BYTES) {
    // What fills less than the memory was the last of what there is.
    super(turnBytes, READ_BYTES);
    this.spares = memory.spares;
    this.onread = {
      buffer: memory.buffer,
      callback: (bytes, buffer) => {
        this.receive((buffer as Buffer).subarray(0, bytes));
        return this.goesOn(bytes);
      },
    };
  }

  /**
   * The sockets of a server, and those that something else has read from first, can't be made with `onread`: a new socket takes over the handle of such
   * a one. What it has read and not given must have been taken.
   * @returns undefined on a Node that does not let it, or when writes wait: the socket is as it was
   */
  adopt(socket: Socket): Socket | undefined {
    const owner = socket as unknown as { _handle: { useUserBuffer?: unknown } | null };
    const handle = owner._handle;
    if (typeof handle?.useUserBuffer !== 'function' || socket.writableLength > 0) return undefined;
    owner._handle = null;
    socket.destroy();
    // As `net.Server` makes its own.
    return new Socket({ handle, onread: this.onread, readable: true, writable: true } as unknown as { fd?: number });
  }
}
