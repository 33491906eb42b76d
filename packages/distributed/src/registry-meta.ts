import { FoundationError } from '@foundation-ts/core';
import { Hlc } from '@foundation-ts/crdt';
import type { HostNode } from './host-node.js';
import { checkSendable } from './internal/sendable.js';
import { Replica } from './replica.js';

type Stamped = readonly [at: number, value: unknown];

/** Small facts about the registry as a whole: a replicated map in which the last write wins, by hybrid logical time. Outlives its writers. */
export class RegistryMeta {
  readonly #node: HostNode;
  readonly #replica: Replica<Stamped>;
  readonly #hlc = new Hlc();

  private constructor(node: HostNode, replica: Replica<Stamped>) {
    this.#node = node;
    this.#replica = replica;
  }

  /** Starts a node's part of it. */
  static async start(node: HostNode): Promise<RegistryMeta> {
    return new RegistryMeta(node, await Replica.start<Stamped>(node, { name: 'registry-meta' }));
  }

  /** The value of a key, as known here. */
  get(key: string): unknown {
    return this.#latest(key)?.[1];
  }

  /** Sets a key. @throws FoundationError `invalid-option`, `not-sendable` */
  put(key: string, value: unknown): void {
    if (typeof key !== 'string' || key.length === 0) {
      throw new FoundationError(
        'invalid-option',
        `A key of the registry's meta is a non-empty string; given: ${String(key)}.`,
      );
    }
    checkSendable(value, `The meta value '${key}'`);
    const latest = this.#latest(key);
    if (latest !== undefined) this.#hlc.receive(latest[0], this.#node.clock.wallTime());
    const at = this.#hlc.tick(this.#node.clock.wallTime());
    this.#replica.mutate(map => map.put(key, [at, value]));
  }

  /** Takes a key out. */
  delete(key: string): void {
    this.#replica.mutate(map => map.remove(key));
  }

  /** All keys, in no particular order. */
  keys(): string[] {
    return [...this.#replica.map.keys()];
  }

  /** Ends this node's part of it. */
  stop(): Promise<void> {
    return this.#replica.stop();
  }

  #latest(key: string): Stamped | undefined {
    let best: { readonly stamped: Stamped; readonly replica: string } | undefined;
    for (const { value, replica } of this.#replica.map.get(key)) {
      if (!Array.isArray(value) || typeof value[0] !== 'number') continue;
      if (
        best === undefined ||
        value[0] > best.stamped[0] ||
        (value[0] === best.stamped[0] && replica > best.replica)
      ) {
        best = { stamped: value, replica };
      }
    }
    return best?.stamped;
  }
}
