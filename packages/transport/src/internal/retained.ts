import { FoundationError } from '@foundation-ts/core';
import type { LargeMessage } from './large-message.js';

/** What was written at once: a frame of several messages, or one large message. */
export interface Unit {
  readonly count: number;
  readonly bytes: number;
  readonly frame: Uint8Array | undefined;
  readonly message: LargeMessage | undefined;
}

/**
 * What was written on an acknowledged channel and not acknowledged yet. Messages count from 1 in the order in which they were
 * written, over all sessions between the same two incarnations.
 */
export class Retained {
  readonly #units: Unit[] = [];
  /** The unit to be written again next; at the end when nothing is. */
  #next = 0;
  /** Messages before the first unit. */
  #base = 0;
  /** What the other side had acknowledged when the rest was given up; undefined when nothing was, or it has said since how far it came. */
  #certain: number | undefined;
  /** Messages that the other side has handled. */
  acknowledged = 0;
  /** Messages written. */
  written = 0;
  bytes = 0;
  retransmitted = 0;

  get messages(): number {
    return this.written - this.acknowledged;
  }

  /** Counts on where an earlier one ended, of which nothing is kept. */
  continueAfter(earlier: Retained): void {
    this.acknowledged = earlier.acknowledged;
    this.written = earlier.written;
    this.#base = earlier.written;
    this.#certain = earlier.#certain;
    this.retransmitted = earlier.retransmitted;
  }

  /** What is to be written again before anything new. */
  get again(): Unit | undefined {
    return this.#units[this.#next];
  }

  add(unit: Unit): void {
    this.#units.push(unit);
    this.#next = this.#units.length;
    this.written += unit.count;
    this.bytes += unit.bytes;
  }

  /** {@link again} has been written. */
  wroteAgain(): void {
    this.retransmitted += (this.#units[this.#next] as Unit).count;
    this.#next++;
  }

  /** @throws FoundationError `protocol` for more than was written, or less than before */
  acknowledge(received: number): void {
    if (received > this.written || received < (this.#certain ?? this.acknowledged)) {
      throw new FoundationError('protocol', `The peer acknowledged message ${received} of ${this.written}.`);
    }
    this.acknowledged = received;
    let units = 0;
    for (const { count, bytes } of this.#units) {
      if (this.#base + count > received) break;
      this.#base += count;
      units++;
      this.bytes -= bytes;
    }
    this.#units.splice(0, units);
    this.#next = Math.max(0, this.#next - units);
  }

  /**
   * Begins to write again what the other side has not received.
   * @returns the number of the first message that follows
   */
  restart(received: number): number {
    this.acknowledge(received);
    if (this.#certain !== undefined) {
      // Of what was given up nothing more arrives: the numbers go on behind what did.
      this.#certain = undefined;
      this.written = received;
      this.#base = received;
    }
    this.#next = 0;
    return this.#base + 1;
  }

  /** Gives everything up. */
  clear(): readonly Unit[] {
    this.#certain ??= this.acknowledged;
    this.acknowledged = this.written;
    this.#base = this.written;
    this.bytes = 0;
    this.#next = 0;
    return this.#units.splice(0);
  }
}
