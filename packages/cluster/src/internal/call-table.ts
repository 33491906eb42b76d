import type { CallKeeper, PendingCall } from '@foundation-ts/core';

const LEAST_SLOTS = 64;
/** A table of so many keeps its size when it empties: it will fill again. */
const KEPT_SLOTS = 1_024;

/**
 * The calls that wait for an answer, by number: a hash table in two arrays. A `Map` that many entries pass through leaves its former tables
 * linked one to the next, and once the oldest of them has grown old, every collection of the young generation keeps all calls that were
 * ever in them.
 */
export class CallTable implements CallKeeper {
  #numbers: number[] = new Array<number>(LEAST_SLOTS).fill(0);
  #calls: (PendingCall | undefined)[] = new Array<undefined>(LEAST_SLOTS).fill(undefined);
  #mask = LEAST_SLOTS - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param number - of no call that is in the table */
  add(number: number, call: PendingCall): void {
    if (this.#size * 2 > this.#mask) this.#resize(this.#calls.length * 2);
    this.#put(number, call);
    this.#size++;
  }

  get(number: number): PendingCall | undefined {
    return this.#calls[this.#slotOf(number)];
  }

  delete(number: number): void {
    let hole = this.#slotOf(number);
    if (this.#calls[hole] === undefined) return;
    const mask = this.#mask;
    // What was pushed on by others moves back, so that no search ends at the hole.
    for (let slot = (hole + 1) & mask; this.#calls[slot] !== undefined; slot = (slot + 1) & mask) {
      const other = this.#numbers[slot] as number;
      if (((slot - (other & mask)) & mask) < ((slot - hole) & mask)) continue;
      this.#numbers[hole] = other;
      this.#calls[hole] = this.#calls[slot];
      hole = slot;
    }
    this.#calls[hole] = undefined;
    this.#size--;
    if (this.#calls.length > KEPT_SLOTS && this.#size * 8 < this.#calls.length) this.#resize(this.#calls.length / 2);
  }

  values(): PendingCall[] {
    return this.#calls.filter(call => call !== undefined);
  }

  /** Where the call of that number is, or the free slot that says there is none. */
  #slotOf(number: number): number {
    const mask = this.#mask;
    let slot = number & mask;
    while (this.#calls[slot] !== undefined && this.#numbers[slot] !== number) slot = (slot + 1) & mask;
    return slot;
  }

  #put(number: number, call: PendingCall): void {
    const slot = this.#slotOf(number);
    this.#numbers[slot] = number;
    this.#calls[slot] = call;
  }

  #resize(slots: number): void {
    const numbers = this.#numbers;
    const calls = this.#calls;
    this.#numbers = new Array<number>(slots).fill(0);
    this.#calls = new Array<undefined>(slots).fill(undefined);
    this.#mask = slots - 1;
    for (let slot = 0; slot < calls.length; slot++) {
      const call = calls[slot];
      if (call !== undefined) this.#put(numbers[slot] as number, call);
    }
  }
}
