import type { EncodedParts } from '../codec.js';
import { Queue } from './queue.js';

export type Partition = string | number | undefined;

/** A message that may still be given up. */
export interface Waiting {
  readonly partition: Partition;
  parts: EncodedParts;
  onDropped: (() => void) | undefined;
  /** It comes behind what waits before it, of whatever partition, and is never given up. */
  readonly fence: boolean;
}

/** Messages of a channel that gives up what is old or stale, in the order in which they will be sent. */
export class Backlog {
  readonly #queue = new Queue<Waiting>();
  /** The one of each partition that still waits, where only the newest counts. */
  readonly #newest: Map<Partition, Waiting> | undefined;
  bytes = 0;
  count = 0;

  constructor(monotonic: boolean) {
    this.#newest = monotonic ? new Map() : undefined;
  }

  /** What a message of that partition would replace. */
  staleBy(partition: Partition): Waiting | undefined {
    return this.#newest?.get(partition);
  }

  /** Puts a newer message where `stale` waits. @returns who is told of the older one */
  replace(stale: Waiting, parts: EncodedParts, onDropped: (() => void) | undefined): (() => void) | undefined {
    const told = stale.onDropped;
    this.bytes += parts.bytes - stale.parts.bytes;
    stale.parts = snapshot(parts);
    stale.onDropped = onDropped;
    return told;
  }

  add(parts: EncodedParts, partition: Partition, onDropped: (() => void) | undefined): void {
    const waiting: Waiting = { partition, parts: snapshot(parts), onDropped, fence: false };
    this.#newest?.set(partition, waiting);
    this.#push(waiting);
  }

  addFence(parts: EncodedParts): void {
    this.#push({ partition: undefined, parts: snapshot(parts), onDropped: undefined, fence: true });
  }

  #push(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.bytes += waiting.parts.bytes;
    this.count++;
  }

  peek(): Waiting | undefined {
    return this.#queue.first;
  }

  shift(): Waiting | undefined {
    const waiting = this.#queue.shift();
    if (waiting === undefined) return undefined;
    if (!waiting.fence) this.#newest?.delete(waiting.partition);
    this.bytes -= waiting.parts.bytes;
    this.count--;
    return waiting;
  }
}

/** The encoder reuses the parts object, and its buffer is larger than one message. A `Buffer`'s own `slice` would hold all of it. */
function snapshot(parts: EncodedParts): EncodedParts {
  const { buffer, start, end, externals, bytes } = parts;
  return { buffer: Uint8Array.prototype.slice.call(buffer, start, end), start: 0, end: end - start, externals, bytes };
}
