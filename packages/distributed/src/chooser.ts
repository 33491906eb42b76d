import { Rendezvous } from './rendezvous.js';

/**
 * Who decides about a child: the participant that rendezvous hashing of the child's id and the nodes' stable names puts first. Every node that
 * sees the same participants names the same one, without asking; when it goes, the next is known at once.
 */
export class Chooser {
  readonly #hash = new Rendezvous();

  /** @param participants - names of the nodes that take part, as seen from here */
  of(id: string, participants: readonly string[]): string | undefined {
    return this.#hash.top(id, participants);
  }
}
