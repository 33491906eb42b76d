/**
 * The identity of one write: the `counter`-th write of `replica`. A dot is never used twice, which is why `replica` must name an
 * incarnation (`name#incarnation`) and not only a node.
 *
 * In an {@link AwMap} the counter counts the writes of the replica *in the bucket of the key*, so that a dot is unique together with its key.
 */
export interface Dot {
  readonly replica: string;
  /** From 1 on. */
  readonly counter: number;
}

/** A live value and the dot of the write that put it there. Immutable, and shared between state and deltas. */
export interface Entry<V> extends Dot {
  readonly value: V;
}

/** Total order on dots: by replica (code units), then by counter. */
export function compareDots(a: Dot, b: Dot): number {
  if (a.replica !== b.replica) return a.replica < b.replica ? -1 : 1;
  return a.counter - b.counter;
}

/** Whether both name the same write. */
export function sameDot(a: Dot, b: Dot): boolean {
  return a.counter === b.counter && a.replica === b.replica;
}
