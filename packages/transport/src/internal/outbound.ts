import { FoundationError } from '@foundation-ts/core';
import type { ChannelCompression, WhenFull } from '../channel.js';
import type { EncodedParts } from '../codec.js';
import { MAX_INTERLEAVED } from '../defaults.js';
import type { SendResult } from '../peer.js';
import { Backlog, type Partition, type Waiting } from './backlog.js';
import { type Batch, BatchBuffer, stampBatch } from './batch-buffer.js';
import { ALGORITHM_GZIP, ALGORITHM_ZSTD, type Compressed, deflate } from './compression.js';
import type { FrameSink } from './frame-sink.js';
import { BATCH_HEADER, FRAGMENT_HEADER } from './frames.js';
import { LargeMessage } from './large-message.js';
import { Queue } from './queue.js';
import { Retained } from './retained.js';
import { encodedOf, isIntact, type Unwritten } from './unwritten.js';

/** What an {@link Outbound} has done. */
export interface Counters {
  readonly messagesSent: number;
  readonly bytesSent: number;
  readonly refused: number;
  readonly dropped: number;
  readonly retransmitted: number;
}

export interface OutboundInit {
  readonly sink: FrameSink;
  readonly queueBytes: number;
  readonly queueMessages: number;
  readonly whenFull: WhenFull;
  readonly monotonic: boolean;
  readonly acknowledged: boolean;
  readonly compression: ChannelCompression | undefined;
  /** Credit that the receiver granted to begin with. */
  readonly credit: number;
  readonly fragmentBytes: number;
  readonly turnBytes: number;
}

/** A message that arrives after what waits in several lanes: the last of them lets it through. */
class Fence {
  readonly bytes: Uint8Array;
  lanes: number;

  constructor(bytes: Uint8Array, lanes: number) {
    this.bytes = bytes;
    this.lanes = lanes;
  }
}

/** Messages of one partition from its first large one on: they wait for each other, and for nobody else. */
interface Lane {
  readonly partition: Partition;
  readonly queue: Queue<LargeMessage | Uint8Array | Fence>;
}

/**
 * What one connection of a channel has to send: small messages packed into batches, large ones as fragments, all under
 * the receiver's credit. A small message passes a large one of another partition, never one of its own.
 *
 * What the channel's policy may still give up waits in front of that, one by one. On an acknowledged channel what was written is
 * kept until the other side has it, and the whole outlives its connection.
 */
export class Outbound {
  readonly #init: OutboundInit;
  /** Of a frame, bytes. */
  readonly #longest: number;
  readonly #payload: number;
  readonly #smallLimit: number;
  readonly #batch: BatchBuffer;
  readonly #backlog: Backlog | undefined;
  readonly #retained: Retained | undefined;
  readonly #compressAbove: number;
  readonly #algorithm: number;
  /** So that what was compressed can be told of when it is given up. */
  readonly #compressed = new WeakMap<LargeMessage, Compressed>();
  readonly #sealed: Batch[] = [];
  /** Batches written since the beginning. */
  #batchesSent = 0;
  readonly #lanes = new Map<Partition, Lane>();
  readonly #ring: Lane[] = [];
  #sink: FrameSink | undefined;
  /** Something that had to wait for its compression can be written now. */
  onReady: () => void = () => {};
  #turn = 0;
  #nextId = 0;
  #blocked = false;
  /** Bytes that were taken although the queue was full, since it had room. */
  #beyond = 0;
  /** Bytes that may be written. */
  credit: number;
  /** The most that {@link credit} has been. */
  mostCredit: number;
  queuedBytes = 0;
  queuedMessages = 0;
  messagesSent = 0;
  bytesSent = 0;
  refused = 0;
  dropped = 0;

  constructor(init: OutboundInit) {
    this.#init = init;
    this.credit = init.credit;
    this.mostCredit = init.credit;
    // No frame may be longer than half the window, or it could wait for credit that never comes.
    this.#longest = Math.min(init.fragmentBytes + FRAGMENT_HEADER, init.credit >> 1);
    this.#payload = this.#longest - FRAGMENT_HEADER;
    this.#batch = new BatchBuffer(this.#longest);
    this.#smallLimit = this.#longest - BATCH_HEADER;
    this.#backlog = init.monotonic || init.whenFull === 'drop-oldest' ? new Backlog(init.monotonic) : undefined;
    this.#retained = init.acknowledged ? new Retained() : undefined;
    this.#compressAbove = init.compression?.above ?? Number.POSITIVE_INFINITY;
    this.#algorithm = init.compression?.algorithm === 'zstd' ? ALGORITHM_ZSTD : ALGORITHM_GZIP;
    // An acknowledged channel waits until both sides have said where they stand.
    if (!init.acknowledged) this.#sink = init.sink;
  }

  /** Nothing waits, and nothing is missing its acknowledgement. */
  get idle(): boolean {
    return this.queuedMessages === 0 && (this.#retained === undefined || this.#retained.messages === 0);
  }

  /** Written, not acknowledged; 0 where nothing is acknowledged. */
  get unacknowledged(): number {
    return this.#retained?.messages ?? 0;
  }

  get retransmitted(): number {
    return this.#retained?.retransmitted ?? 0;
  }

  /** Takes an encoded message, which is copied but for large binary values. */
  push(parts: EncodedParts, partition: Partition, onDropped?: () => void): SendResult {
    if (this.#backlog !== undefined) return this.#pushWaiting(this.#backlog, parts, partition, onDropped);
    const { bytes } = parts;
    if (this.#isFull(bytes)) {
      if (this.#init.whenFull === 'drop-newest') {
        this.dropped++;
        return 'dropped';
      }
      this.refused++;
      return 'full';
    }
    this.queuedBytes += bytes;
    this.queuedMessages++;
    this.#beyond = 0;
    this.#commit(this.#owned(parts), partition);
    return 'sent';
  }

  /**
   * Takes a message that {@link push} has refused because the queue is full.
   * @returns false when too many such, and fences, wait already
   */
  pushBeyond(parts: EncodedParts, partition: Partition): boolean {
    if (this.#backlog !== undefined || !this.#takesBeyond(parts.bytes)) return false;
    this.refused--;
    this.queuedBytes += parts.bytes;
    this.queuedMessages++;
    this.#commit(this.#owned(parts), partition);
    return true;
  }

  /** What may have to be sent again must not change meanwhile: on an acknowledged channel large binary values are copied too. */
  #owned(parts: EncodedParts): EncodedParts {
    const { externals } = parts;
    if (this.#retained === undefined || externals === undefined) return parts;
    return { ...parts, externals: externals.map(external => Uint8Array.prototype.slice.call(external)) };
  }

  /** Whether something is to be taken although the queue is full. */
  #takesBeyond(bytes: number): boolean {
    if (this.#beyond > BEYOND_BYTES) return false;
    this.#beyond += BATCH_HEADER + bytes;
    return true;
  }

  /** Whether what is pushed now may be written before some of what was pushed already, of another partition. */
  get overtakes(): boolean {
    return this.#lanes.size > 0 || this.#backlog !== undefined;
  }

  /**
   * Takes a short message that is written after all that was taken before it, of whatever partition, and that no policy gives up.
   * @returns false when too many of them wait, for their acknowledgement too, in a queue that is full
   */
  pushFence(parts: EncodedParts): boolean {
    if (this.idle || this.#heldBytes <= this.#init.queueBytes) this.#beyond = 0;
    if (!this.#takesBeyond(parts.bytes)) return false;
    this.queuedBytes += parts.bytes;
    this.queuedMessages++;
    if (this.#backlog === undefined || this.#backlog.count === 0) this.#commitFence(parts);
    else this.#backlog.addFence(parts);
    return true;
  }

  /** Whether the frames that it has made fit into a window of another connection. */
  fits(window: number): boolean {
    return this.#longest <= window >> 1;
  }

  /** A connection takes the place of a lost one: goes on after what the other side has. @returns the number of the first message that follows */
  resume(sink: FrameSink, credit: number, received: number): number {
    const first = (this.#retained as Retained).restart(received);
    this.#sink = sink;
    this.credit = credit;
    this.mostCredit = credit;
    this.#blocked = false;
    return first;
  }

  /** Counts on where an earlier one ended, which is idle. */
  continueAfter(earlier: Outbound): this {
    const before = earlier.#retained;
    if (before !== undefined) this.#retained?.continueAfter(before);
    this.messagesSent += earlier.messagesSent;
    this.bytesSent += earlier.bytesSent;
    return this;
  }

  /** What has been done so far, over all sessions. */
  get counters(): Counters {
    const { messagesSent, bytesSent, refused, dropped, retransmitted } = this;
    return { messagesSent, bytesSent, refused, dropped, retransmitted };
  }

  /** The connection is lost. What an acknowledged channel has begun to write is begun again on the next. */
  detach(): void {
    this.#sink = undefined;
    const again = this.#retained?.again?.message;
    if (again?.begun === true && !again.done) again.restart(this.#takeId());
    for (const { queue } of this.#ring) {
      const message = queue.first;
      if (!(message instanceof LargeMessage) || !message.begun) continue;
      this.queuedBytes += message.bytes - message.left;
      message.restart(this.#takeId());
    }
  }

  /** @throws FoundationError `protocol` */
  acknowledge(received: number): void {
    this.#retained?.acknowledge(received);
  }

  /** Gives up everything that is queued. */
  clear(): Unwritten[] {
    if (this.#batch.count > 0) this.#seal();
    const dropped: Unwritten[] = this.#sealed.map(batch => ({ count: batch.count, batch: batch.joined() }));
    this.#sealed.length = 0;
    for (const { queue } of this.#ring) {
      for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
        if (message instanceof Fence) continue;
        dropped.push(this.#given(1, message));
        if (message instanceof LargeMessage) message.ready = true;
      }
    }
    for (let waiting = this.#backlog?.shift(); waiting !== undefined; waiting = this.#backlog?.shift()) {
      if (waiting.fence) continue;
      const { parts } = waiting;
      dropped.push({ count: 1, message: isIntact(parts) ? encodedOf(parts) : undefined });
    }
    this.#lanes.clear();
    this.#ring.length = 0;
    this.queuedMessages = 0;
    this.queuedBytes = 0;
    return dropped;
  }

  /** Gives up what was written and not acknowledged. */
  clearUnacknowledged(): Unwritten[] {
    const units = this.#retained?.clear() ?? [];
    return units.map(({ count, frame, message }) =>
      frame === undefined ? this.#given(count, message as LargeMessage) : { count, batch: frame },
    );
  }

  #given(count: number, message: LargeMessage | Uint8Array): Unwritten {
    return message instanceof LargeMessage
      ? { count, message, compressed: this.#compressed.get(message) }
      : { count, message };
  }

  /** The receiver lets us send more. */
  grant(bytes: number): void {
    this.credit += bytes;
    if (this.credit > this.mostCredit) this.mostCredit = this.credit;
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
    const sink = this.#sink;
    if (sink === undefined) {
      this.#batch.settle();
      return false;
    }
    const { turnBytes } = this.#init;
    let written = 0;
    while (!this.#blocked) {
      const before = written;
      if (this.#retained?.again !== undefined) {
        if (written < turnBytes) written += this.#writeAgain(sink, this.#retained);
      } else {
        if (this.#backlog !== undefined) this.#feed(this.#backlog);
        if (written < turnBytes) written += this.#writeBatch(sink);
        if (written < turnBytes && !this.#blocked) written += this.#writeFragment(sink);
      }
      if (written === before) break;
    }
    this.#batch.settle();
    return written >= turnBytes && !this.#blocked && (this.queuedMessages > 0 || this.#retained?.again !== undefined);
  }

  #isFull(bytes: number): boolean {
    const messages = this.queuedMessages + this.unacknowledged;
    if (messages === 0) return false;
    return this.#heldBytes + bytes > this.#init.queueBytes || messages >= this.#init.queueMessages;
  }

  /** Whether a newer message may take the place of one that waits. */
  #hasRoomInPlaceOf(stale: number, bytes: number): boolean {
    if (bytes <= stale || this.queuedMessages + this.unacknowledged === 1) return true;
    return this.#heldBytes - stale + bytes <= this.#init.queueBytes;
  }

  /** What waits to be written, or for its acknowledgement. */
  get #heldBytes(): number {
    return this.queuedBytes + (this.#retained?.bytes ?? 0);
  }

  #pushWaiting(
    backlog: Backlog,
    parts: EncodedParts,
    partition: Partition,
    onDropped: (() => void) | undefined,
  ): SendResult {
    const stale = backlog.staleBy(partition);
    if (stale !== undefined && this.#hasRoomInPlaceOf(stale.parts.bytes, parts.bytes))
      return this.#replace(backlog, stale, parts, onDropped);
    const told = this.#init.whenFull === 'drop-oldest' ? this.#dropOldest(backlog, parts.bytes) : [];
    const result = this.#wait(backlog, parts, partition, onDropped);
    // Who hears of it may send at once, which overwrites the parts.
    for (const each of told) each();
    return result;
  }

  #wait(backlog: Backlog, parts: EncodedParts, partition: Partition, onDropped: (() => void) | undefined): SendResult {
    if (this.#isFull(parts.bytes)) {
      if (this.#init.whenFull === 'reject') {
        this.refused++;
        return 'full';
      }
      this.dropped++;
      return 'dropped';
    }
    const stale = backlog.staleBy(partition);
    if (stale !== undefined) return this.#replace(backlog, stale, parts, onDropped);
    backlog.add(this.#owned(parts), partition, onDropped);
    this.queuedBytes += parts.bytes;
    this.queuedMessages++;
    this.#beyond = 0;
    return 'sent';
  }

  #replace(backlog: Backlog, stale: Waiting, parts: EncodedParts, onDropped: (() => void) | undefined): SendResult {
    this.queuedBytes += parts.bytes - stale.parts.bytes;
    this.dropped++;
    backlog.replace(stale, this.#owned(parts), onDropped)?.();
    return 'sent';
  }

  /** Gives up what has waited longest until there is room. @returns who is to be told */
  #dropOldest(backlog: Backlog, bytes: number): readonly (() => void)[] {
    const told: (() => void)[] = [];
    while (this.#isFull(bytes) && backlog.count > 0) {
      const oldest = backlog.shift() as Waiting;
      if (oldest.fence) {
        this.#commitFence(oldest.parts);
        continue;
      }
      this.queuedBytes -= oldest.parts.bytes;
      this.queuedMessages--;
      this.dropped++;
      if (oldest.onDropped !== undefined) told.push(oldest.onDropped);
    }
    return told;
  }

  /** Takes from the backlog what can be written soon: not more, since it can't be given up any longer then. */
  #feed(backlog: Backlog): void {
    for (let waiting = backlog.peek(); waiting !== undefined; waiting = backlog.peek()) {
      if (this.#sealed.length > 0 || this.#ring.length >= MAX_INTERLEAVED || this.credit <= this.#batch.bytes) return;
      if (!waiting.fence && this.#lanes.has(waiting.partition)) return;
      backlog.shift();
      if (!isIntact(waiting.parts)) throw changedBeforeWritten();
      if (waiting.fence) this.#commitFence(waiting.parts);
      else this.#commit(waiting.parts, waiting.partition);
    }
  }

  #commit(parts: EncodedParts, partition: Partition): void {
    const { bytes } = parts;
    if (bytes > this.#compressAbove) {
      const message = new LargeMessage(parts, this.#takeId(), this.#payload);
      this.#pushLarge(message, partition);
      this.#compress(message, parts);
      return;
    }
    if (bytes > this.#smallLimit || parts.externals !== undefined) {
      this.#pushLarge(new LargeMessage(parts, this.#takeId(), this.#payload), partition);
      return;
    }
    const lane = this.#lanes.size === 0 ? undefined : this.#lanes.get(partition);
    if (lane !== undefined) {
      lane.queue.push(Uint8Array.prototype.slice.call(parts.buffer, parts.start, parts.end));
    } else {
      if (!this.#batch.fits(bytes)) this.#seal();
      this.#batch.addParts(parts);
    }
  }

  #commitFence(parts: EncodedParts): void {
    const bytes = Uint8Array.prototype.slice.call(parts.buffer, parts.start, parts.end);
    if (this.#ring.length === 0) {
      this.#addSmall(bytes);
      return;
    }
    const fence = new Fence(bytes, this.#ring.length);
    for (const lane of this.#ring) lane.queue.push(fence);
  }

  #addSmall(bytes: Uint8Array): void {
    if (!this.#batch.fits(bytes.length)) this.#seal();
    this.#batch.addBytes(bytes);
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0;
    return id;
  }

  /** The message keeps its place; whatever is not of its partition passes it meanwhile. */
  #compress(message: LargeMessage, parts: EncodedParts): void {
    message.ready = false;
    let atOnce = true;
    deflate(this.#algorithm, encodedOf(parts), compressed => {
      // Given up meanwhile.
      if (message.ready) return;
      message.ready = true;
      if (compressed !== undefined) {
        const length = message.bytes;
        message.compressedTo(compressed, this.#algorithm);
        this.#compressed.set(message, { algorithm: this.#algorithm, bytes: compressed, length });
        this.queuedBytes += message.bytes - length;
      }
      if (!atOnce) this.onReady();
    });
    atOnce = false;
  }

  #pushLarge(message: LargeMessage, partition: Partition): void {
    const lane = this.#lanes.get(partition);
    if (lane !== undefined) {
      lane.queue.push(message);
      return;
    }
    const opened: Lane = { partition, queue: new Queue() };
    opened.queue.push(message);
    message.barrier = this.#barrier();
    this.#lanes.set(partition, opened);
    this.#ring.push(opened);
  }

  /** How many batches hold what was sent before now. */
  #barrier(): number {
    return this.#batchesSent + this.#sealed.length + (this.#batch.count > 0 ? 1 : 0);
  }

  #seal(): void {
    this.#sealed.push(this.#batch.seal());
  }

  /** @returns bytes written */
  #writeBatch(sink: FrameSink): number {
    const bytes = this.#sealed[0]?.bytes ?? this.#batch.bytes;
    if (bytes === 0 || bytes > this.credit) return 0;
    if (this.#sealed.length === 0) this.#seal();
    const batch = this.#sealed.shift() as Batch;
    const { count, head, body } = batch;
    batch.stamp(sink.nextSequence());
    this.#batchesSent++;
    this.messagesSent += count;
    this.queuedMessages -= count;
    this.queuedBytes -= bytes - BATCH_HEADER;
    if (body !== undefined && sink.gathers && this.#retained === undefined) {
      this.#wrote(
        bytes,
        sink.writePieces(head, body, () => batch.release()),
      );
    } else {
      const frame = batch.joined();
      this.#retained?.add({ count, bytes, frame, message: undefined });
      this.#wrote(bytes, sink.write(frame));
    }
    return bytes;
  }

  /** @returns bytes written */
  #writeFragment(sink: FrameSink): number {
    const share = Math.min(this.#ring.length, MAX_INTERLEAVED);
    for (let tried = 0; tried < share; tried++) {
      const index = (this.#turn + tried) % share;
      const lane = this.#ring[index] as Lane;
      const message = lane.queue.first as LargeMessage;
      if (!message.ready || message.barrier > this.#batchesSent) continue;
      const bytes = message.nextBytes;
      if (bytes > this.credit) return 0;
      this.queuedBytes -= message.nextPayload;
      this.#wrote(bytes, message.writeTo(sink));
      this.#turn = index + 1;
      if (message.done) this.#finished(lane, index, message);
      return bytes;
    }
    return 0;
  }

  #finished(lane: Lane, index: number, message: LargeMessage): void {
    this.messagesSent++;
    this.queuedMessages--;
    this.#retained?.add({ count: 1, bytes: message.bytes, frame: undefined, message });
    const { queue } = lane;
    queue.shift();
    for (let next = queue.first; next !== undefined; next = queue.first) {
      if (next instanceof LargeMessage) {
        next.barrier = this.#barrier();
        return;
      }
      if (!(next instanceof Fence)) this.#addSmall(next);
      else if (--next.lanes === 0) this.#addSmall(next.bytes);
      queue.shift();
    }
    this.#lanes.delete(lane.partition);
    this.#ring.splice(index, 1);
    this.#turn = index;
  }

  /** @returns bytes written */
  #writeAgain(sink: FrameSink, retained: Retained): number {
    const { frame, message } = retained.again as NonNullable<Retained['again']>;
    if (frame !== undefined) {
      if (frame.length > this.credit) return 0;
      // The frame as it was may still be on its way through the lost connection.
      const copy = Uint8Array.prototype.slice.call(frame);
      stampBatch(copy, sink.nextSequence());
      retained.wroteAgain();
      this.#wrote(copy.length, sink.write(copy));
      return copy.length;
    }
    const large = message as LargeMessage;
    if (large.done) large.restart(this.#takeId());
    const bytes = large.nextBytes;
    if (bytes > this.credit) return 0;
    this.#wrote(bytes, large.writeTo(sink));
    if (large.done) retained.wroteAgain();
    return bytes;
  }

  #wrote(bytes: number, takesMore: boolean): void {
    this.credit -= bytes;
    this.bytesSent += bytes;
    if (!takesMore) this.#blocked = true;
  }
}

/** What may be taken, of what has to arrive, while the queue is full, bytes. */
const BEYOND_BYTES = 1024 * 1024;

function changedBeforeWritten(): FoundationError {
  return new FoundationError(
    'invalid-operation',
    'A binary value was transferred or resized before it was written. Copy it before sending.',
  );
}
