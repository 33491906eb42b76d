import { type ExitReason, FoundationError, footprint } from '@foundation-ts/core';
import { MAX_HELD_BYTES, MAX_HELD_SIGNALS } from '../defaults.js';

/** What a signal is to arrive behind: so many copies of the fence of that number. */
export interface FenceMark {
  readonly fence: number;
  readonly copies: number;
}

interface Held {
  readonly deliver: () => void;
  readonly bytes: number;
  ready: boolean;
}

/** A fence of which copies have arrived, or whose signal has. */
interface Fence {
  arrived: number;
  signal: { readonly from: number; readonly copies: number; readonly held: Held } | undefined;
}

/** What a signal that waits takes without its reason, about. */
const HELD_BYTES = 256;

/**
 * The signals of one session's peer that have arrived before messages which their senders sent earlier on other channels. Each waits for the copies of
 * its fence, which come behind those messages; signals of one sender keep their order.
 */
export class HeldSignals {
  readonly #fences = new Map<number, Fence>();
  /** By the sender's number, in the order of their arrival. */
  readonly #held = new Map<number, Held[]>();
  #bytes = 0;

  /** How many signals wait. */
  get size(): number {
    let size = 0;
    for (const held of this.#held.values()) size += held.length;
    return size;
  }

  /** A copy of a fence has arrived. @throws FoundationError `protocol` */
  arrived(number: number): void {
    const fence = this.#fence(number);
    fence.arrived++;
    this.#check(number, fence);
  }

  /**
   * A signal has arrived: `deliver` is called now, or once its time has come.
   * @param mark - undefined: it is behind all that it has to be behind, but for earlier signals of its sender
   * @throws FoundationError `protocol`
   */
  signal(from: number, mark: FenceMark | undefined, reason: ExitReason, deliver: () => void): void {
    const earlier = this.#held.get(from);
    if (mark === undefined && earlier === undefined) {
      deliver();
      return;
    }
    const bytes = HELD_BYTES + footprint(reason, MAX_HELD_BYTES);
    this.#bytes += bytes;
    if (this.#bytes > MAX_HELD_BYTES)
      throw new FoundationError('protocol', 'The peer sent signals that wait for messages, and no such messages.');
    const held: Held = { deliver, bytes, ready: mark === undefined };
    if (earlier === undefined) this.#held.set(from, [held]);
    else earlier.push(held);
    if (mark === undefined) return;
    const fence = this.#fence(mark.fence);
    if (fence.signal !== undefined) throw new FoundationError('protocol', 'The peer used the number of a fence twice.');
    fence.signal = { from, copies: mark.copies, held };
    this.#check(mark.fence, fence);
  }

  /** Nothing more arrives: delivers what waits, in its order. */
  release(): void {
    const held = [...this.#held.values()];
    this.#held.clear();
    this.#fences.clear();
    this.#bytes = 0;
    for (const signals of held) for (const { deliver } of signals) deliver();
  }

  #fence(number: number): Fence {
    let fence = this.#fences.get(number);
    if (fence === undefined) {
      if (this.#fences.size >= MAX_HELD_SIGNALS)
        throw new FoundationError(
          'protocol',
          `The peer has ${MAX_HELD_SIGNALS} signals under way that wait for others.`,
        );
      fence = { arrived: 0, signal: undefined };
      this.#fences.set(number, fence);
    }
    return fence;
  }

  #check(number: number, { arrived, signal }: Fence): void {
    if (signal === undefined || arrived < signal.copies) return;
    this.#fences.delete(number);
    signal.held.ready = true;
    const queue = this.#held.get(signal.from) ?? [];
    let count = 0;
    while (queue[count]?.ready === true) count++;
    const ready = queue.splice(0, count);
    if (queue.length === 0) this.#held.delete(signal.from);
    for (const { bytes } of ready) this.#bytes -= bytes;
    for (const { deliver } of ready) deliver();
  }
}
