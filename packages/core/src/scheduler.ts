import type { Clock } from './clock.js';
import { SLICE_MESSAGES, TURN_MESSAGES, TURN_MS } from './defaults.js';
import { Fifo } from './fifo.js';

/** What the scheduler runs. */
export interface Runnable {
  /** Kept by the scheduler: whether it waits in the run queue. */
  queued: boolean;
  /** Handles up to `limit` messages; returns how many it handled. */
  run(limit: number): number;
  /** Whether it has a message that it could handle now. */
  readonly ready: boolean;
}

/** Decides who of those that wait runs next, and for how long: for tests. */
export interface Schedule {
  /** @returns an integer from 0 up to, not including, `waiting` */
  pick(waiting: number): number;
  /** @returns how many messages the next may handle, from 1 up to `most`; default `most` */
  slice?(most: number): number;
}

/** What a scheduler takes beside its clock; each has a default. */
export interface SchedulerInit {
  /** Default: first come, first served. */
  readonly schedule?: Schedule | undefined;
  /** Milliseconds; `Infinity` for never. */
  readonly slowAfter?: number;
  /** One slice took longer than `slowAfter`; undefined when it is not known whose of several it was. */
  readonly onSlow?: (runnable: Runnable | undefined, ms: number, messages: number) => void;
}

/** Slices of a turn of the event loop that are timed one by one; later ones are timed together. */
const TIMED_SLICES = 64;

/** What follows it follows in a microtask: `queueMicrotask` of Node costs several times as much. */
const resolved = Promise.resolve();

/** Messages between two looks at the clock: few while handlers take long, more while they are quick. */
const FEWEST_BETWEEN_CHECKS = 1;
const MOST_BETWEEN_CHECKS = 64;

/**
 * Runs what is ready, in turn, a slice each. Work that follows from work runs in the same turn of the event loop (a microtask)
 * until the turn's budget of messages or time is spent; then timers and sockets get theirs before it goes on.
 */
export class Scheduler {
  readonly #clock: Clock;
  readonly #queue = new Fifo<Runnable>();
  readonly #run = (): void => this.#turnSafely();
  readonly #macrotask = (): void => this.#newTurn();
  readonly #onTurnEnd: () => void;
  #armed = false;
  /** The caller brings a microtask of its own, which calls {@link flush}. */
  #lent = false;
  #borrowed = false;
  #running = false;
  #macrotaskArmed = false;
  #left = TURN_MESSAGES;
  #stride = 16;
  #untilCheck = 16;
  #turnStart = 0;
  #checked = 0;
  readonly #schedule: Schedule | undefined;
  readonly #slowAfter: number;
  readonly #onSlow: ((runnable: Runnable | undefined, ms: number, messages: number) => void) | undefined;
  #timed = 0;
  #sliceStart = 0;
  /** Nothing but handlers ran since the last look at the clock. */
  #pure = false;

  constructor(clock: Clock, onTurnEnd: () => void, init: SchedulerInit = {}) {
    this.#clock = clock;
    this.#onTurnEnd = onTurnEnd;
    this.#schedule = init.schedule;
    this.#slowAfter = init.slowAfter ?? Number.POSITIVE_INFINITY;
    this.#onSlow = init.onSlow;
    this.#timed = this.#timedSlices;
  }

  get #timedSlices(): number {
    return this.#slowAfter === Number.POSITIVE_INFINITY ? 0 : TIMED_SLICES;
  }

  /** Whether nothing waits to run. */
  get idle(): boolean {
    return this.#queue.length === 0 && !this.#running;
  }

  schedule(runnable: Runnable): void {
    if (runnable.queued) return;
    runnable.queued = true;
    this.#queue.push(runnable);
    if (!this.#armed && !this.#running) this.#arm();
  }

  /** As {@link schedule}, from a microtask that has nothing else to do: runs what is ready at once. */
  resume(runnable: Runnable): void {
    if (runnable.queued) return;
    runnable.queued = true;
    this.#queue.push(runnable);
    if (this.#armed || this.#running) return;
    this.touch();
    if (this.#left > 0) this.#turnSafely();
  }

  /** Makes sure that `onTurnEnd` is called at the end of this turn of the event loop. */
  touch(): void {
    if (this.#macrotaskArmed) return;
    this.#macrotaskArmed = true;
    this.#turnStart = this.#clock.now();
    this.#checked = this.#turnStart;
    setImmediate(this.#macrotask);
  }

  #arm(): void {
    this.touch();
    if (this.#left > 0) {
      this.#armed = true;
      if (this.#lent) this.#borrowed = true;
      else void resolved.then(this.#run);
    }
  }

  /** From now until {@link unlend} the caller promises to call {@link flush} in a microtask that it has queued already. */
  lend(): void {
    this.#lent = true;
  }

  unlend(): void {
    this.#lent = false;
  }

  /** Runs what is ready if that waits for a microtask that was lent. */
  flush(): void {
    if (this.#borrowed) this.#turnSafely();
  }

  /** A failure of the runtime is an uncaught exception, not the rejection of a promise that someone may or may not look at. */
  #turnSafely(): void {
    try {
      this.#turn();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #newTurn(): void {
    this.#macrotaskArmed = false;
    this.#left = TURN_MESSAGES;
    this.#timed = this.#timedSlices;
    this.#onTurnEnd();
    if (this.#queue.length > 0 && !this.#armed) {
      this.touch();
      this.#turn();
    }
  }

  #turn(): void {
    this.#armed = false;
    this.#borrowed = false;
    this.#running = true;
    const queue = this.#queue;
    this.#pure = false;
    if (this.#timed > 0) this.#sliceStart = this.#clock.now();
    while (queue.length > 0 && this.#left > 0) {
      if (this.#schedule !== undefined) this.#choose(this.#schedule);
      const next = queue.shift();
      next.queued = false;
      const limit = Math.min(SLICE_MESSAGES, this.#left, this.#stride);
      const handled = next.run(this.#schedule?.slice?.(limit) ?? limit);
      if (this.#timed > 0) this.#time(next, handled);
      if (next.ready && !next.queued) {
        next.queued = true;
        queue.push(next);
      }
      this.#left -= handled;
      this.#untilCheck -= handled > 0 ? handled : 1;
      if (this.#untilCheck <= 0) this.#check(next, handled);
    }
    if (queue.length > 0) this.touch();
    this.#running = false;
  }

  /** Brings the one who is to run next to the front of the queue. */
  #choose(schedule: Schedule): void {
    this.#queue.toFront(schedule.pick(this.#queue.length));
  }

  #time(runnable: Runnable, handled: number): void {
    this.#timed--;
    const now = this.#clock.now();
    const took = now - this.#sliceStart;
    this.#sliceStart = now;
    if (took >= this.#slowAfter) this.#onSlow?.(runnable, took, handled);
  }

  /** Ends the turn when its time is spent, and looks again after about a quarter of that time. */
  #check(last: Runnable, handled: number): void {
    const now = this.#clock.now();
    const took = now - Math.max(this.#checked, this.#sliceStart);
    if (this.#timed === 0 && this.#pure && took >= this.#slowAfter) {
      this.#onSlow?.(handled >= this.#stride ? last : undefined, took, handled);
      this.#timed = this.#timedSlices;
      this.#sliceStart = now;
    }
    this.#pure = true;
    if (now - this.#turnStart > TURN_MS) this.#left = 0;
    const quick = now - this.#checked < TURN_MS / 4;
    this.#checked = now;
    this.#stride = quick
      ? Math.min(MOST_BETWEEN_CHECKS, this.#stride * 2)
      : Math.max(FEWEST_BETWEEN_CHECKS, this.#stride >> 2);
    this.#untilCheck = this.#stride;
  }
}
