import { invalidOption } from '@foundation-ts/core';

/** What is sent or comes in one go up to this length is short, bytes. */
export const SHORT_BYTES: number = 16 * 1024;
/** Turns of the event loop that it stays awake for, some 50 µs: about what it takes to be put to sleep and woken up. */
export const DEFAULT_BUSY_WAIT = 32;
export const MAX_BUSY_WAIT = 10_000;
/** Waits in vain, one after the other, after which it is tried more and more seldom. */
const PATIENCE = 4;
/** It is tried at least at each of so many occasions. */
const MOST_SELDOM = 256;

/**
 * Keeps the event loop awake for a moment after something short was sent or has come, since the answer, or the next question, often comes sooner than
 * the operating system wakes a process that sleeps. A process that waits awake for as long as sleeping would cost never takes more than
 * twice the time of one that knows the future (Karlin, Li, Manasse, Owicki, 1991, "Empirical studies of competitive spinning for a shared-memory
 * multiprocessor"); Erlang's schedulers do the same (`+sbwt`). Where nothing comes meanwhile, because the other side is far or
 * shares the processor, it hardly waits at all.
 */
export class BusyWait {
  readonly #turns: number;
  readonly #nextTurn: (run: () => void) => unknown;
  /** Kept, so that V8 does not forget its form, and the code that knows it, at a full garbage collection. */
  latest: unknown;
  #left = 0;
  #awake = false;
  /** Something has come while this waited. */
  #hit = false;
  #misses = 0;
  /** Occasions to let pass. */
  #skip = 0;

  /**
   * @param turns - of the event loop; 0: it never waits
   * @param nextTurn - calls back in the next turn, which begins at once
   */
  constructor(turns: number, nextTurn: (run: () => void) => unknown = setImmediate) {
    this.#turns = turns;
    this.#nextTurn = nextTurn;
  }

  /** Something short was sent. */
  sent(): void {
    this.#wait();
  }

  /** Something short has come. */
  received(): void {
    if (this.#awake) {
      this.#hit = true;
      this.#left = this.#turns;
    } else {
      this.#wait();
    }
  }

  #wait(): void {
    if (this.#awake || this.#turns === 0) return;
    if (this.#skip > 0) {
      this.#skip--;
      return;
    }
    this.#awake = true;
    this.#hit = false;
    this.#left = this.#turns;
    this.latest = this.#nextTurn(this.#turn);
  }

  readonly #turn = (): void => {
    if (--this.#left > 0) {
      this.latest = this.#nextTurn(this.#turn);
      return;
    }
    this.#awake = false;
    if (this.#hit) this.#misses = 0;
    else if (++this.#misses >= PATIENCE) this.#skip = Math.min(MOST_SELDOM, 2 ** (this.#misses - PATIENCE + 1));
  };
}

/** As the option of a transport says. @throws FoundationError `invalid-option` */
export function busyWaitOf(turns: number = DEFAULT_BUSY_WAIT): BusyWait {
  if (!Number.isInteger(turns) || turns < 0 || turns > MAX_BUSY_WAIT) {
    throw invalidOption('busyWait', turns, `turns of the event loop, an integer from 0 to ${MAX_BUSY_WAIT}`);
  }
  return new BusyWait(turns);
}
