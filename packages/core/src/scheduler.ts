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

  constructor(clock: Clock, onTurnEnd: () => void) {
    this.#clock = clock;
    this.#onTurnEnd = onTurnEnd;
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
    while (this.#first < queue.length && this.#left > 0) {
      const next = queue[this.#first] as Runnable;
      this.#first++;
      next.queued = false;
      const handled = next.run(Math.min(SLICE_MESSAGES, this.#left, this.#stride));
      if (next.ready && !next.queued) {
        next.queued = true;
        queue.push(next);
      }
      this.#left -= handled;
      this.#untilCheck -= handled > 0 ? handled : 1;
      if (this.#untilCheck <= 0) this.#check();
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

  /** Ends the turn when its time is spent, and looks again after about a quarter of that time. */
  #check(): void {
    const now = this.#clock.now();
    if (now - this.#turnStart > TURN_MS) this.#left = 0;
    const quick = now - this.#checked < TURN_MS / 4;
    this.#checked = now;
    this.#stride = quick
      ? Math.min(MOST_BETWEEN_CHECKS, this.#stride * 2)
      : Math.max(FEWEST_BETWEEN_CHECKS, this.#stride >> 2);
    this.#untilCheck = this.#stride;
  }
}
