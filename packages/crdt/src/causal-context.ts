/** One element a replica: `[replica, max, ...cloud]`, where 1..max were all seen, and each dot of the cloud besides. */
export type CausalContextPlain = readonly (readonly [replica: string, max: number, ...cloud: number[]])[];

/** The counter of a closed replica: every dot that it ever wrote or will write counts as seen. */
const ALL = Number.MAX_SAFE_INTEGER;

/**
 * The set of dots that a state has seen, live or removed since: a version vector (per replica, the length of the run 1..max without a gap)
 * and a cloud of the dots beyond a gap. Nothing is ever rounded up to a maximum: a dot that was not seen is not in the set, whatever
 * later dots of its replica are. (delta_crdt compresses to a maximum per node while its diffs are partial, and loses keys.)
 *
 * Mutable; the join is set union. After "Delta State Replicated Data Types" (Almeida, Shoker, Baquero 2018), section 7.2.
 */
export class CausalContext {
  readonly #max = new Map<string, number>();
  #cloud: Map<string, Set<number>> | undefined;

  /** The length of the run without a gap: 1..max(replica) were all seen. 0 when nothing was. */
  max(replica: string): number {
    return this.#max.get(replica) ?? 0;
  }

  /** The highest counter seen of this replica, plus one: what the replica itself may write next. @throws RangeError if it is closed. */
  next(replica: string): number {
    let highest = this.max(replica);
    const cloud = this.#cloud?.get(replica);
    if (cloud !== undefined) for (const counter of cloud) if (counter > highest) highest = counter;
    if (highest >= ALL)
      throw new RangeError(`replica ${replica} was dropped: it can't write any more, use a new incarnation`);
    return highest + 1;
  }

  contains(replica: string, counter: number): boolean {
    return counter <= (this.#max.get(replica) ?? 0) || (this.#cloud?.get(replica)?.has(counter) ?? false);
  }

  /** Adds one dot; false if it was there already. */
  add(replica: string, counter: number): boolean {
    const max = this.#max.get(replica) ?? 0;
    if (counter <= max) return false;
    const cloud = this.#cloud?.get(replica);
    if (counter !== max + 1) {
      if (cloud !== undefined) {
        if (cloud.has(counter)) return false;
        cloud.add(counter);
      } else {
        this.#cloud ??= new Map();
        this.#cloud.set(replica, new Set([counter]));
      }
      return true;
    }
    this.#max.set(replica, counter);
    if (cloud !== undefined) this.#compact(replica, cloud);
    return true;
  }

  /** Adds all of 1..max. */
  addRun(replica: string, max: number): void {
    if (max <= this.max(replica)) return;
    this.#max.set(replica, max);
    const cloud = this.#cloud?.get(replica);
    if (cloud === undefined) return;
    for (const counter of cloud) if (counter <= max) cloud.delete(counter);
    this.#compact(replica, cloud);
  }

  /** Set union, into this one. */
  join(other: CausalContext): void {
    for (const [replica, max] of other.#max) this.addRun(replica, max);
    if (other.#cloud === undefined) return;
    for (const [replica, cloud] of other.#cloud) for (const counter of cloud) this.add(replica, counter);
  }

  /** Whether every dot of `other` is in this set. */
  includes(other: CausalContext): boolean {
    for (const replica of other.#max.keys()) if (!this.includesReplica(other, replica)) return false;
    if (other.#cloud !== undefined)
      for (const replica of other.#cloud.keys()) if (!this.includesReplica(other, replica)) return false;
    return true;
  }

  /** Whether every dot of `other` that `replica` wrote is in this set. */
  includesReplica(other: CausalContext, replica: string): boolean {
    const max = other.max(replica);
    const own = this.#cloud?.get(replica);
    let reached = this.max(replica);
    while (reached < max && own?.has(reached + 1)) reached++;
    if (reached < max) return false;
    const cloud = other.#cloud?.get(replica);
    if (cloud !== undefined) for (const counter of cloud) if (!this.contains(replica, counter)) return false;
    return true;
  }

  /** Whether any dot of this replica was seen. */
  knows(replica: string): boolean {
    return this.#max.has(replica) || (this.#cloud?.has(replica) ?? false);
  }

  /** Whether both are the same set. */
  equals(other: CausalContext): boolean {
    return this.includes(other) && other.includes(this);
  }

  /** Marks every dot of this replica, past and future, as seen. */
  close(replica: string): void {
    this.addRun(replica, ALL);
  }

  /** Forgets all dots of a replica. Only sound when none of its writes can arrive any more, or when something else refuses them. */
  removeReplica(replica: string): void {
    this.#max.delete(replica);
    if (this.#cloud?.delete(replica) && this.#cloud.size === 0) this.#cloud = undefined;
  }

  get isEmpty(): boolean {
    return this.#max.size === 0 && this.#cloud === undefined;
  }

  /** How many dots wait beyond a gap; for tests and telemetry. */
  get cloudSize(): number {
    let size = 0;
    if (this.#cloud !== undefined) for (const cloud of this.#cloud.values()) size += cloud.size;
    return size;
  }

  /** Calls back once for each replica seen; the cloud must not be changed. */
  forEach(visit: (replica: string, max: number, cloud: ReadonlySet<number> | undefined) => void): void {
    const clouds = this.#cloud;
    for (const [replica, max] of this.#max) visit(replica, max, clouds?.get(replica));
    if (clouds !== undefined)
      for (const [replica, cloud] of clouds) if (!this.#max.has(replica)) visit(replica, 0, cloud);
  }

  clone(): CausalContext {
    const copy = new CausalContext();
    for (const [replica, max] of this.#max) copy.#max.set(replica, max);
    if (this.#cloud !== undefined) {
      copy.#cloud = new Map();
      for (const [replica, cloud] of this.#cloud) copy.#cloud.set(replica, new Set(cloud));
    }
    return copy;
  }

  toPlain(): CausalContextPlain {
    const plain: [string, number, ...number[]][] = [];
    this.forEach((replica, max, cloud) => {
      plain.push(cloud === undefined ? [replica, max] : [replica, max, ...cloud]);
    });
    return plain;
  }

  /** @throws TypeError if the value is not of the plain form. */
  static fromPlain(plain: CausalContextPlain): CausalContext {
    const context = new CausalContext();
    for (const [replica, max, ...cloud] of plain) {
      if (typeof replica !== 'string' || !Number.isSafeInteger(max) || max < 0) {
        throw new TypeError(`malformed causal context: ${JSON.stringify([replica, max])} is not [replica, max, ...]`);
      }
      if (max > 0) context.addRun(replica, max);
      for (const counter of cloud) {
        if (!Number.isSafeInteger(counter) || counter < 1)
          throw new TypeError(`malformed causal context: counter ${String(counter)}`);
        context.add(replica, counter);
      }
    }
    return context;
  }

  #compact(replica: string, cloud: Set<number>): void {
    let max = this.max(replica);
    while (cloud.delete(max + 1)) max++;
    this.#max.set(replica, max);
    if (cloud.size > 0 || this.#cloud === undefined) return;
    this.#cloud.delete(replica);
    if (this.#cloud.size === 0) this.#cloud = undefined;
  }
}
