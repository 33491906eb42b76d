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

const CHECK_EVERY = 128;

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
  #untilCheck = CHECK_EVERY;
  #turnStart = 0;

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
      const handled = next.run(Math.min(SLICE_MESSAGES, this.#left));
      if (next.ready && !next.queued) {
        next.queued = true;
        queue.push(next);
      }
      this.#left -= handled;
      this.#untilCheck -= handled + 1;
      if (this.#untilCheck <= 0) {
        this.#untilCheck = CHECK_EVERY;
        if (this.#clock.now() - this.#turnStart > TURN_MS) this.#left = 0;
      }
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
}
