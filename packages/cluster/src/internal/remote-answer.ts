import { type ActorSystem, type Answer, FoundationError, type Sender } from '@foundation-ts/core';
import type { Peer, SendResult } from '@foundation-ts/transport';
import { DATA, wire } from '../wire.js';
import { answerLost, rerooted, withoutPayload } from './routing-errors.js';
import type { Trails } from './trails.js';

/** A call from another node that waits for its answer. */
export class RemoteAnswer implements Answer {
  by: Sender | undefined = undefined;
  readonly #system: ActorSystem;
  readonly #peer: Peer;
  readonly #channel: string;
  readonly #id: number;
  readonly #deadline: number;
  readonly #trails: Trails | undefined;
  #answered = false;

  constructor(system: ActorSystem, peer: Peer, channel: string, id: number, remaining: number, trails?: Trails) {
    this.#trails = trails;
    this.#system = system;
    this.#peer = peer;
    this.#channel = channel;
    this.#id = id;
    this.#deadline = remaining < 0 ? Number.POSITIVE_INFINITY : system.clock.now() + remaining;
  }

  /** Answered, or nobody waits any more: the caller has given up, or its node is gone. */
  get settled(): boolean {
    return this.#answered || !this.#peer.open || this.remaining() === 0;
  }

  remaining(): number {
    if (this.#deadline === Number.POSITIVE_INFINITY) return this.#deadline;
    return Math.max(0, this.#deadline - this.#system.clock.now());
  }

  succeed(value: unknown): void {
    if (this.#answered) return;
    this.#answered = true;
    try {
      this.#send([wire.reply, this.#id, value]);
    } catch (error) {
      this.#send([wire.fail, this.#id, rerooted(error, 2, 'reply')]);
    }
  }

  fail(error: Error): void {
    if (this.#answered) return;
    this.#answered = true;
    try {
      this.#send([wire.fail, this.#id, error]);
    } catch (encoding) {
      this.#send([wire.fail, this.#id, withoutPayload(error, encoding)]);
    }
  }

  #send(message: unknown[]): void {
    const peer = this.#peer;
    let result =
      this.#channel === DATA
        ? peer.send(DATA, message, this.#partition)
        : peer.send(this.#channel, message, this.#partition, () => this.#lost());
    if (result === 'dropped' || (result === 'full' && this.#channel !== DATA))
      result = peer.send(DATA, message, this.#partition);
    if (result === 'full' || result === 'dropped') result = this.#lost();
    if (this.by !== undefined) this.#trails?.sent(this.by, peer, false);
    if (result !== 'full') return;
    void peer.close(
      new FoundationError(
        'not-delivered',
        `The queue to '${peer.identity.name}' is full: an answer could not be sent.`,
      ),
    );
  }

  /** Of its own: those of messages are the numbers of actors, and a channel may let the newer of a partition take the place of the older. */
  get #partition(): number {
    return -this.#id;
  }

  /** The answer was given up. */
  #lost(): SendResult {
    return this.#peer.send(DATA, [wire.fail, this.#id, answerLost()], this.#partition);
  }
}
