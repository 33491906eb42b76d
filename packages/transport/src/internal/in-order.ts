import { FoundationError } from '@foundation-ts/core';
import { COMPRESSED_HEADER, inflate } from './compression.js';
import { readUint32 } from './frames.js';
import type { ReassemblyBudget } from './inbound.js';

export interface InOrderEvents {
  /** A message that was compressed. What it throws ends the connection. */
  message(bytes: Uint8Array): void;
  /** A message that waited. */
  decoded(message: unknown): void;
  /** Nothing waits any more. */
  caughtUp(): void;
  failed(error: Error): void;
}

interface Entry {
  readonly message: unknown;
  /** 0: {@link Entry.message} is the message itself; else its compressed bytes. */
  readonly algorithm: number;
}

/** Inflates the messages of a connection one after the other, and holds back those behind, so that order is kept. */
export class InOrder {
  readonly #budget: ReassemblyBudget;
  readonly #messageBytes: number;
  readonly #events: InOrderEvents;
  #queue: Entry[] = [];
  #head = 0;
  #inflating = false;
  #ended = false;

  constructor(budget: ReassemblyBudget, messageBytes: number, events: InOrderEvents) {
    this.#budget = budget;
    this.#messageBytes = messageBytes;
    this.#events = events;
  }

  /** Whether something is being inflated: what comes now has to queue. */
  get waiting(): boolean {
    return this.#inflating;
  }

  add(message: unknown): void {
    this.#queue.push({ message, algorithm: 0 });
  }

  /** @throws FoundationError `protocol`, `too-large` */
  addCompressed(bytes: Uint8Array, algorithm: number): void {
    if (this.#inflating) this.#queue.push({ message: bytes, algorithm });
    else if (this.#begin(bytes, algorithm)) this.#events.caughtUp();
  }

  /** The connection is over: what is still being inflated is not wanted. */
  end(): void {
    this.#ended = true;
    this.#queue = [];
    this.#head = 0;
  }

  /** @returns whether it is done already */
  #begin(bytes: Uint8Array, algorithm: number): boolean {
    const length = readUint32(bytes, 0);
    if (length === 0 || length > this.#messageBytes)
      throw new FoundationError(
        'too-large',
        `The peer sent a compressed message of ${length} bytes; at most ${this.#messageBytes} are accepted.`,
      );
    if (length > this.#budget.left)
      throw new FoundationError('too-large', 'The unfinished messages of the peer exceed the memory for them.');
    this.#budget.left -= length;
    this.#inflating = true;
    let atOnce = true;
    inflate(algorithm, bytes.subarray(COMPRESSED_HEADER), length, result => {
      this.#budget.left += length;
      this.#inflating = false;
      if (atOnce) {
        if (result instanceof FoundationError) throw result;
        this.#events.message(result);
      } else {
        this.#later(result);
      }
    });
    atOnce = false;
    return !this.#inflating;
  }

  #later(result: Uint8Array | FoundationError): void {
    if (this.#ended) return;
    try {
      if (result instanceof FoundationError) throw result;
      this.#events.message(result);
      this.#catchUp();
    } catch (error) {
      this.#events.failed(error as Error);
    }
  }

  #catchUp(): void {
    while (this.#head < this.#queue.length) {
      const { message, algorithm } = this.#queue[this.#head++] as Entry;
      if (algorithm === 0) this.#events.decoded(message);
      else if (!this.#begin(message as Uint8Array, algorithm)) return;
    }
    this.#queue = [];
    this.#head = 0;
    this.#events.caughtUp();
  }
}
