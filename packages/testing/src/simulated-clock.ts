import type { Clock, Timer } from '@foundation-ts/core';

interface Entry extends Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/**
 * A clock that stands still until told to move. Timers fire in the order of their time, and those of the same time in
 * the order in which they were set. After each timer everything that follows from it (promises, macrotasks) is let run
 * before the next, so a simulation without real I/O is deterministic.
 */
export class SimulatedClock implements Clock {
  readonly #heap: Entry[] = [];
  #now: number;
  #order = 0;
  #skew = 0;
  readonly #epoch: number;

  /** @param init.epoch - wall time at the start, milliseconds since 1970; default 1,700,000,000,000 */
  constructor(init: { readonly epoch?: number } = {}) {
    this.#epoch = init.epoch ?? 1_700_000_000_000;
    this.#now = 0;
  }

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#epoch + Math.floor(this.#now) + this.#skew;
  }

  /** Steps the wall clock by `ms` (either way), as an administrator or NTP would; {@link now} is unaffected. */
  stepWallTime(ms: number): void {
    this.#skew += ms;
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#heap.reduce((count, entry) => count + (entry.cancelled ? 0 : 1), 0);
  }

  setTimeout(callback: () => void, ms: number): Timer {
    const entry: Entry = {
      at: this.#now + Math.max(0, Number.isFinite(ms) ? ms : 0),
      order: this.#order++,
      callback,
      cancelled: false,
      cancel() {
        this.cancelled = true;
      },
    };
    push(this.#heap, entry);
    return entry;
  }

  /** Moves time forward by `ms`, firing what falls due on the way and letting each take its effect. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    while (this.#fireNext(until)) await settle();
    this.#now = until;
  }

  /**
   * Moves time forward until `condition` holds.
   * @param options.within - simulated milliseconds after which it gives up; default 60,000
   * @throws Error naming `options.what` when time is up
   */
  async advanceUntil(
    condition: () => boolean,
    options: { readonly within?: number; readonly what?: string } = {},
  ): Promise<void> {
    const within = options.within ?? 60_000;
    const until = this.#now + within;
    await settle();
    while (!condition()) {
      if (!this.#fireNext(until)) {
        throw new Error(`not within ${within} simulated ms: ${options.what ?? condition.toString()}`);
      }
      await settle();
    }
  }

  #fireNext(until: number): boolean {
    for (;;) {
      const entry = this.#heap[0];
      if (entry === undefined || entry.at > until) return false;
      pop(this.#heap);
      if (entry.cancelled) continue;
      this.#now = Math.max(this.#now, entry.at);
      entry.cancelled = true;
      entry.callback();
      return true;
    }
  }
}

/** Lets all promises and two rounds of macrotasks run. */
export async function settle(): Promise<void> {
  await new Promise<void>(resolve => setImmediate(resolve));
  await new Promise<void>(resolve => setImmediate(resolve));
}

const before = (left: Entry, right: Entry): boolean =>
  left.at < right.at || (left.at === right.at && left.order < right.order);

function push(heap: Entry[], entry: Entry): void {
  let index = heap.length;
  heap.push(entry);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const other = heap[parent] as Entry;
    if (!before(entry, other)) break;
    heap[index] = other;
    index = parent;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = index * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child] as Entry)) child++;
    const other = heap[child] as Entry;
    if (!before(other, last)) break;
    heap[index] = other;
    index = child;
  }
  heap[index] = last;
}
