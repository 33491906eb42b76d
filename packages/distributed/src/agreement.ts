import { AGREE_WITHIN } from './defaults.js';
import type { HostNode } from './host-node.js';

/** A set of facts that is shared with others: the table of children, the registry. */
export interface Shared {
  /** Resolves when this node holds what the member held, or the member was lost. Never rejects. */
  compareWith(member: string): Promise<void>;
}

/**
 * Whether this node knows what the others decided before it decides itself. Who decides about a child changes when members come and go, and not
 * everybody hears of that at the same moment: the new one first takes in what the others hold, for the one before him may have told only them.
 */
export class Agreement {
  readonly #node: HostNode;
  readonly #shared: readonly Shared[];
  readonly #reached: () => void;
  #waiting = 0;
  #round = 0;
  #timer: { cancel(): void } | undefined = undefined;

  /** @param reached - called whenever nothing is waited for any more */
  constructor(node: HostNode, shared: readonly Shared[], reached: () => void) {
    this.#node = node;
    this.#shared = shared;
    this.#reached = reached;
  }

  get isReached(): boolean {
    return this.#waiting === 0;
  }

  /** Compares with these members. However many come and go meanwhile, after {@link AGREE_WITHIN} ms it is over. */
  seek(members: readonly string[]): void {
    const others = members.filter(name => name !== this.#node.name);
    if (others.length === 0) return;
    const round = this.#round;
    this.#waiting++;
    this.#timer ??= this.#node.clock.setTimeout(() => this.#over(), AGREE_WITHIN, { unref: true });
    const compared = others.flatMap(name => this.#shared.map(shared => shared.compareWith(name)));
    void Promise.all(compared).then(() => {
      if (round !== this.#round || --this.#waiting > 0) return;
      this.#over();
    });
  }

  #over(): void {
    this.stop();
    this.#reached();
  }

  /** Waits for nothing any more. */
  stop(): void {
    this.#round++;
    this.#waiting = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
