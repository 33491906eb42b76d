import type { Clock, Timer } from './clock.js';

/** Something with a deadline; a node of an intrusive list, so that a deadline costs no object. */
export interface Expiring {
  /** By the clock; undefined while it has none. Not a number from the start, so that a number is not allocated for each. */
  deadline: number | undefined;
  previous: Expiring | undefined;
  next: Expiring | undefined;
  list: DeadlineList | undefined;
  expire(): void;
}

/** The deadlines of one duration, in order, under one timer. */
class DeadlineList {
  readonly #clock: Clock;
  readonly #onFire = (): void => this.#fire();
  #first: Expiring | undefined = undefined;
  #last: Expiring | undefined = undefined;
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get empty(): boolean {
    return this.#first === undefined;
  }

  add(item: Expiring, duration: number): void {
    const now = this.#clock.now();
    item.deadline = now + duration;
    item.list = this;
    item.previous = this.#last;
    item.next = undefined;
    if (this.#last === undefined) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
    this.#timer ??= this.#clock.setTimeout(this.#onFire, duration);
  }

  remove(item: Expiring): void {
    if (item.previous === undefined) this.#first = item.next;
    else item.previous.next = item.next;
    if (item.next === undefined) this.#last = item.previous;
    else item.next.previous = item.previous;
    item.previous = undefined;
    item.next = undefined;
    item.list = undefined;
  }

  /** Gives the timer back when nothing waits for it. */
  rest(): void {
    if (this.#first !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #fire(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    while (this.#first !== undefined && (this.#first.deadline as number) <= now) {
      const due = this.#first;
      this.remove(due);
      due.expire();
    }
    if (this.#first !== undefined && this.#timer === undefined) {
      this.#timer = this.#clock.setTimeout(this.#onFire, (this.#first.deadline as number) - now);
    }
  }
}

export type { DeadlineList };

/** Deadlines by the thousand: adding and removing one costs a few pointers, and durations share a timer each. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #lists = new Map<number, DeadlineList>();
  /** The duration asked for last, which most calls have in common. */
  #latest = -1;
  #latestList: DeadlineList | undefined = undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param duration - milliseconds, finite; rounded up to whole ones, so that durations have few values */
  add(item: Expiring, duration: number): void {
    const rounded = Math.ceil(Math.max(0, duration));
    if (rounded !== this.#latest || this.#latestList === undefined) this.#choose(rounded);
    this.#latestList?.add(item, rounded);
  }

  #choose(duration: number): void {
    let list = this.#lists.get(duration);
    if (list === undefined) {
      list = new DeadlineList(this.#clock);
      this.#lists.set(duration, list);
    }
    this.#latest = duration;
    this.#latestList = list;
  }

  /** To be called once a turn of the event loop: lets go of timers that nobody waits for. */
  rest(): void {
    this.#latestList = undefined;
    for (const [duration, list] of this.#lists) {
      list.rest();
      if (list.empty && this.#lists.size > 64) this.#lists.delete(duration);
    }
  }
}
