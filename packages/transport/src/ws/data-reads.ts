import type { Socket } from 'node:net';
import { TurnReads } from '../internal/turn-reads.js';

/** Shorter chunks don't begin the count. */
const COUNTED_BYTES = 8 * 1024;

/** Reads of a socket that makes its own memory (TLS); what is received is for good. */
export class DataReads extends TurnReads {
  /** @param turnBytes - what one turn reads at most, and what one chunk brings with it */
  constructor(socket: Socket, turnBytes: number) {
    super(turnBytes, COUNTED_BYTES);
    socket.on('data', chunk => {
      if (!this.goesOn(chunk.length)) socket.pause();
      this.receive(chunk as Buffer);
    });
  }
}
