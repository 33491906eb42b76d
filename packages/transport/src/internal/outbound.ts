import type { EncodedParts } from '../codec.js';
import { MAX_INTERLEAVED } from '../defaults.js';
import type { SendResult } from '../peer.js';
import { BatchBuffer, stampBatch } from './batch-buffer.js';
import { BATCH_HEADER, FRAGMENT_HEADER } from './frames.js';
import { LargeMessage } from './large-message.js';

/** What an {@link Outbound} writes its frames to; numbers them. */
export interface FrameSink {
  nextSequence(): number;
  /** @returns false: wait for `unblock` */
  write(frame: Uint8Array): boolean;
}

export interface OutboundInit {
  readonly sink: FrameSink;
  readonly queueBytes: number;
  /** Credit that the receiver granted to begin with. */
  readonly credit: number;
  readonly fragmentBytes: number;
  readonly turnBytes: number;
}

type Partition = string | number | undefined;

/** Messages of one partition from its first large one on: they wait for each other, and for nobody else. */
interface Lane {
  readonly partition: Partition;
  readonly queue: (LargeMessage | Uint8Array)[];
  head: number;
}

/**
 * What one connection of a channel has to send: small messages packed into batches, large ones as fragments, all under
 * the receiver's credit. A small message passes a large one of another partition, never one of its own.
 */
export class Outbound {
  readonly #sink: FrameSink;
  readonly #queueBytes: number;
  readonly #turnBytes: number;
  readonly #payload: number;
  readonly #smallLimit: number;
  readonly #batch: BatchBuffer;
  readonly #sealed: Uint8Array[] = [];
  readonly #sealedCounts: number[] = [];
  /** Batches written since the beginning. */
  #batchesSent = 0;
  readonly #lanes = new Map<Partition, Lane>();
  readonly #ring: Lane[] = [];
  #turn = 0;
  #nextId = 0;
  #blocked = false;
  /** Bytes that may be written. */
  credit: number;
  queuedBytes = 0;
  queuedMessages = 0;
  messagesSent = 0;
  bytesSent = 0;
  refused = 0;

  constructor(init: OutboundInit) {
    this.#sink = init.sink;
    this.#queueBytes = init.queueBytes;
    this.#turnBytes = init.turnBytes;
    this.credit = init.credit;
    // No frame may be longer than half the window, or it could wait for credit that never comes.
    const longest = Math.min(init.fragmentBytes + FRAGMENT_HEADER, init.credit >> 1);
    this.#payload = longest - FRAGMENT_HEADER;
    this.#batch = new BatchBuffer(longest);
    this.#smallLimit = longest - BATCH_HEADER;
  }

  get idle(): boolean {
    return this.queuedMessages === 0;
  }

  /** Takes an encoded message, which is copied. */
  push(parts: EncodedParts, partition: Partition): SendResult {
    const { bytes } = parts;
    if (this.queuedBytes + bytes > this.#queueBytes && this.queuedMessages > 0) {
      this.refused++;
      return 'full';
    }
    this.queuedBytes += bytes;
    this.queuedMessages++;
    if (bytes > this.#smallLimit || parts.externals !== undefined) {
      this.#pushLarge(new LargeMessage(parts, this.#nextId, this.#payload), partition);
      return 'sent';
    }
    const lane = this.#lanes.size === 0 ? undefined : this.#lanes.get(partition);
    if (lane !== undefined) {
      lane.queue.push(parts.buffer.slice(parts.start, parts.end));
    } else {
      if (!this.#batch.fits(bytes)) this.#seal();
      this.#batch.addParts(parts);
    }
    return 'sent';
  }

  /** Gives up everything that is queued. @returns how many messages */
  clear(): number {
    const dropped = this.queuedMessages;
    this.#sealed.length = 0;
    this.#sealedCounts.length = 0;
    if (this.#batch.count > 0) this.#batch.seal();
    this.#lanes.clear();
    this.#ring.length = 0;
    this.queuedMessages = 0;
    this.queuedBytes = 0;
    return dropped;
  }

  /** The receiver lets us send more. */
  grant(bytes: number): void {
    this.credit += bytes;
  }

  /** The connection takes more again. */
  unblock(): void {
    this.#blocked = false;
  }

  /**
   * Writes what credit, the connection and the turn's share allow.
   * @returns whether it stopped only because of the turn's share
   */
  flush(): boolean {
    let written = 0;
    while (!this.#blocked) {
      const before = written;
      if (written < this.#turnBytes) written += this.#writeBatch();
      if (written < this.#turnBytes && !this.#blocked) written += this.#writeFragment();
      if (written === before) break;
    }
    return written >= this.#turnBytes && !this.#blocked && this.queuedMessages > 0;
  }

  #pushLarge(message: LargeMessage, partition: Partition): void {
    this.#nextId = (this.#nextId + 1) >>> 0;
    const lane = this.#lanes.get(partition);
    if (lane !== undefined) {
      lane.queue.push(message);
      return;
    }
    const opened: Lane = { partition, queue: [message], head: 0 };
    message.barrier = this.#barrier();
    this.#lanes.set(partition, opened);
    this.#ring.push(opened);
  }

  /** How many batches hold what was sent before now. */
  #barrier(): number {
    return this.#batchesSent + this.#sealed.length + (this.#batch.count > 0 ? 1 : 0);
  }

  #seal(): void {
    this.#sealedCounts.push(this.#batch.count);
    this.#sealed.push(this.#batch.seal());
  }

  /** @returns bytes written */
  #writeBatch(): number {
    const sealed = this.#sealed[0];
    const bytes = sealed === undefined ? this.#batch.bytes : sealed.length;
    if (bytes === 0 || bytes > this.credit) return 0;
    if (sealed === undefined) this.#seal();
    const frame = this.#sealed.shift() as Uint8Array;
    const count = this.#sealedCounts.shift() as number;
    stampBatch(frame, this.#sink.nextSequence());
    this.#batchesSent++;
    this.messagesSent += count;
    this.queuedMessages -= count;
    this.queuedBytes -= bytes - BATCH_HEADER;
    this.#write(frame);
    return bytes;
  }

  /** @returns bytes written */
  #writeFragment(): number {
    const share = Math.min(this.#ring.length, MAX_INTERLEAVED);
    for (let tried = 0; tried < share; tried++) {
      const index = (this.#turn + tried) % share;
      const lane = this.#ring[index] as Lane;
      const message = lane.queue[lane.head] as LargeMessage;
      if (message.barrier > this.#batchesSent) continue;
      const bytes = message.nextBytes;
      if (bytes > this.credit) return 0;
      this.queuedBytes -= message.nextPayload;
      const frame = message.next(this.#sink.nextSequence());
      this.#turn = index + 1;
      if (message.done) this.#finished(lane, index);
      this.#write(frame);
      return bytes;
    }
    return 0;
  }

  #finished(lane: Lane, index: number): void {
    this.messagesSent++;
    this.queuedMessages--;
    lane.queue[lane.head++] = EMPTY;
    while (lane.head < lane.queue.length) {
      const next = lane.queue[lane.head];
      if (next instanceof LargeMessage) {
        next.barrier = this.#barrier();
        return;
      }
      const small = next as Uint8Array;
      if (!this.#batch.fits(small.length)) this.#seal();
      this.#batch.addBytes(small);
      lane.queue[lane.head++] = EMPTY;
    }
    this.#lanes.delete(lane.partition);
    this.#ring.splice(index, 1);
    this.#turn = index;
  }

  #write(frame: Uint8Array): void {
    this.credit -= frame.length;
    this.bytesSent += frame.length;
    if (!this.#sink.write(frame)) this.#blocked = true;
  }
}

const EMPTY = new Uint8Array(0);
