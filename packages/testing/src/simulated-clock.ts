import type { Clock, Timer } from '@foundation-ts/core';

interface Entry extends Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
  readonly unref: boolean;
  readonly origin: string | undefined;
}

/** A timer that is set. */
export interface PendingTimer {
  readonly timer: Timer;
  /** Simulated milliseconds until it fires. */
  readonly dueIn: number;
  /** It alone would not keep a program alive. */
  readonly unref: boolean;
  /** The stack of who set it, while {@link SimulatedClock.trace} is on. */
  readonly origin: string | undefined;
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
  /** Whether to note where timers are set; slow, default false. */
  trace = false;

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

  /** The timers that are set, in no order. */
  timers(): PendingTimer[] {
    return this.#heap
      .filter(({ cancelled }) => !cancelled)
      .map(entry => ({ timer: entry, dueIn: entry.at - this.#now, unref: entry.unref, origin: entry.origin }));
  }

  setTimeout(callback: () => void, ms: number, options?: { readonly unref?: boolean }): Timer {
    const entry: Entry = {
      at: this.#now + Math.max(0, Number.isFinite(ms) ? ms : 0),
      order: this.#order++,
      callback,
      cancelled: false,
      unref: options?.unref === true,
      origin: this.trace ? new Error('timer').stack : undefined,
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

  /**
   * Moves time to the next timer that is due within `ms`, and lets it take its effect.
   * @param ms - default: however far it is
   * @returns whether there was one
   */
  async step(ms: number = Number.POSITIVE_INFINITY): Promise<boolean> {
    await settle();
    const fired = this.#fireNext(this.#now + ms);
    if (fired) await settle();
    return fired;
  }

  /**
   * Moves time forward until no timer is set but those that alone would not keep a program alive (`unref`).
   * @param options.within - simulated milliseconds after which it gives up, for timers that set themselves anew; default 60,000
   * @returns the simulated milliseconds that it took
   * @throws Error when time is up
   */
  async runUntilIdle(options: { readonly within?: number } = {}): Promise<number> {
    const { within = 60_000 } = options;
    const start = this.#now;
    await settle();
    while (this.timers().some(({ unref }) => !unref)) {
      if (!this.#fireNext(start + within)) {
        throw new Error(`not idle within ${within} simulated ms: ${this.pending} timers are set`);
      }
      await settle();
    }
    return this.#now - start;
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
