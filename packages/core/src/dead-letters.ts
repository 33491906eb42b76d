import { DEAD_LETTER_BYTES, DEAD_LETTERS_KEPT } from './defaults.js';
import { footprint } from './footprint.js';

/** Why a message was not delivered. */
export type DeadLetterReason =
  | 'noproc'
  | 'noconnection'
  | 'not-delivered'
  /** Sent, and its node was lost before it acknowledged: it may have been handled. */
  | 'unknown-outcome'
  | 'invalid-operation'
  | 'mailbox-full'
  | 'moved'
  | 'stopped';

/** A message that nobody handled. */
export interface DeadLetter {
  /** Whom it was for, as text. */
  readonly to: string;
  readonly op: string;
  readonly payload: unknown;
  readonly reason: DeadLetterReason;
}

/** Where undeliverable casts go: counted always, the last ones kept, subscribers told. */
export class DeadLetters {
  readonly #listeners = new Set<(letter: DeadLetter) => void>();
  readonly #recent: DeadLetter[] = [];
  readonly #onError: (error: unknown) => void;
  #count = 0;
  #telling = false;

  /** @param onError - told what a subscriber threw; the sender of the message must not suffer from it */
  constructor(onError: (error: unknown) => void = () => {}) {
    this.#onError = onError;
  }

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /** The last ones (100 at most), oldest first. Of a payload over 64 KiB only a text is kept that says so. */
  get recent(): readonly DeadLetter[] {
    return this.#recent;
  }

  /**
   * Calls `listener` for each dead letter until the result is called. Those that listeners themselves bring about are counted and
   * kept, but told to nobody.
   */
  subscribe(listener: (letter: DeadLetter) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(letter: DeadLetter): void {
    this.#count++;
    if (this.#recent.length === DEAD_LETTERS_KEPT) this.#recent.shift();
    this.#recent.push(isLarge(letter.payload) ? { ...letter, payload: TOO_LARGE } : letter);
    if (this.#telling || this.#listeners.size === 0) return;
    this.#telling = true;
    try {
      for (const listener of this.#listeners) this.#tell(listener, letter);
    } finally {
      this.#telling = false;
    }
  }

  #tell(listener: (letter: DeadLetter) => void, letter: DeadLetter): void {
    try {
      listener(letter);
    } catch (error) {
      this.#onError(error);
    }
  }
}

const TOO_LARGE = `(over ${DEAD_LETTER_BYTES} bytes: not kept)`;

function isLarge(payload: unknown): boolean {
  return footprint(payload, DEAD_LETTER_BYTES) > DEAD_LETTER_BYTES;
}
