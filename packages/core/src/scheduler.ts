import type { Clock } from './clock.js';
import { SLICE_MESSAGES, TURN_MESSAGES, TURN_MS } from './defaults.js';

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

/** Messages between two looks at the clock: few while handlers take long, more while they are quick. */
const FEWEST_BETWEEN_CHECKS = 1;
const MOST_BETWEEN_CHECKS = 64;

/**
 * Runs what is ready, in turn, a slice each. Work that follows from work runs in the same turn of the event loop (a microtask)
 * until the turn's budget of messages or time is spent; then timers and sockets get theirs before it goes on.
 */
export class Scheduler {
  readonly #clock: Clock;
  readonly #queue: Runnable[] = [];
  readonly #run = (): void => this.#turn();
  readonly #macrotask = (): void => this.#newTurn();
  readonly #onTurnEnd: () => void;
  #first = 0;
  #armed = false;
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
    return this.#first === this.#queue.length && !this.#running;
  }

  schedule(runnable: Runnable): void {
    if (runnable.queued) return;
    runnable.queued = true;
    this.#queue.push(runnable);
    if (!this.#armed && !this.#running) this.#arm();
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
      queueMicrotask(this.#run);
    }
  }

  #newTurn(): void {
    this.#macrotaskArmed = false;
    this.#left = TURN_MESSAGES;
    this.#timed = this.#timedSlices;
    this.#onTurnEnd();
    if (this.#first < this.#queue.length && !this.#armed) {
      this.touch();
      this.#turn();
    }
  }

  #turn(): void {
    this.#armed = false;
    this.#running = true;
    const queue = this.#queue;
    this.#pure = false;
    if (this.#timed > 0) this.#sliceStart = this.#clock.now();
    while (this.#first < queue.length && this.#left > 0) {
      if (this.#schedule !== undefined) this.#choose(this.#schedule);
      const next = queue[this.#first] as Runnable;
      this.#first++;
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
      if (this.#first >= 1024 && this.#first * 2 >= queue.length) {
        queue.copyWithin(0, this.#first);
        queue.length -= this.#first;
        this.#first = 0;
      }
    }
    if (this.#first === queue.length) {
      queue.length = 0;
      this.#first = 0;
    } else {
      this.touch();
    }
    this.#running = false;
  }

  /** Brings the one who is to run next to the front of the queue. */
  #choose(schedule: Schedule): void {
    const queue = this.#queue;
    const at = this.#first + schedule.pick(queue.length - this.#first);
    const chosen = queue[at] as Runnable;
    queue[at] = queue[this.#first] as Runnable;
    queue[this.#first] = chosen;
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
