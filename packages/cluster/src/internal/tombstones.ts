import type { GossipRecord } from '../member-wire.js';

interface Tombstone {
  readonly incarnation: number;
  readonly since: number;
}

/**
 * The dead incarnations that a table remembers: name → greatest dead incarnation. Bounded; what is known by hearsay
 * alone (the member was never listed here) makes room first.
 */
export class Tombstones {
  readonly #witnessed = new Map<string, Tombstone>();
  readonly #hearsay = new Map<string, Tombstone>();
  readonly #limit: number;
  readonly #ttl: number;

  constructor(limit: number, ttl: number) {
    this.#limit = limit;
    this.#ttl = ttl;
  }

  get size(): number {
    return this.#witnessed.size + this.#hearsay.size;
  }

  /** Whether that incarnation of the name, or a later one, is dead. */
  covers(name: string, incarnation: number): boolean {
    return (this.#find(name)?.incarnation ?? -1) >= incarnation;
  }

  bury(name: string, incarnation: number, since: number, witnessed: boolean): void {
    this.delete(name);
    if (this.size >= this.#limit) {
      const victims = this.#hearsay.size > 0 ? this.#hearsay : this.#witnessed;
      if (victims === this.#witnessed && !witnessed) return;
      const victim = victims.keys().next().value;
      if (victim !== undefined) victims.delete(victim);
    }
    (witnessed ? this.#witnessed : this.#hearsay).set(name, { incarnation, since });
  }

  /** Learns that a death was earlier than thought, so that an age never starts anew by being passed on. */
  backdate(name: string, incarnation: number, since: number): void {
    const tombstone = this.#find(name);
    if (tombstone === undefined || tombstone.incarnation !== incarnation || tombstone.since <= since) return;
    (this.#witnessed.has(name) ? this.#witnessed : this.#hearsay).set(name, { incarnation, since });
  }

  delete(name: string): void {
    this.#witnessed.delete(name);
    this.#hearsay.delete(name);
  }

  prune(now: number): void {
    for (const tombstones of [this.#witnessed, this.#hearsay]) {
      for (const [name, { since }] of tombstones) if (now - since >= this.#ttl) tombstones.delete(name);
    }
  }

  record(name: string, now: number): GossipRecord | undefined {
    const tombstone = this.#find(name);
    return tombstone === undefined ? undefined : toRecord(name, tombstone, now);
  }

  records(now: number): GossipRecord[] {
    return [...this.#witnessed, ...this.#hearsay].map(([name, tombstone]) => toRecord(name, tombstone, now));
  }

  #find(name: string): Tombstone | undefined {
    return this.#witnessed.get(name) ?? this.#hearsay.get(name);
  }
}

function toRecord(name: string, tombstone: Tombstone, now: number): GossipRecord {
  return {
    name,
    incarnation: tombstone.incarnation,
    status: 'removed',
    version: 0,
    address: undefined,
    roles: [],
    zone: undefined,
    metadata: {},
    age: Math.max(0, now - tombstone.since),
  };
}
