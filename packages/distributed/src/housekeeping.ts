import type { Timer } from '@foundation-ts/core';
import type { ChildTable } from './child-table.js';
import { STOPPED_KEPT } from './defaults.js';
import type { HostNode } from './host-node.js';
import { parseReplicaId, replicaId } from './internal/replica-id.js';

/** Buckets of the table searched for forgotten writers at a time. */
const SEARCHED_BUCKETS = 64;

/** What {@link Housekeeping} works with. */
export interface HousekeepingInit {
  readonly node: HostNode;
  readonly table: ChildTable;
  /** Whether this node decides about a key now. */
  isChooser(key: string): boolean;
  /** Whether nothing of a child is left, here or in the registry. */
  isOver(id: string): boolean;
}

/**
 * Keeps the replicated table from growing: takes out the entries of children that were terminated, the announcements of nodes that are gone, and what
 * the table remembers of the writes of dead incarnations. All that only while every known member is in view: one that was away might bring back
 * what the others have forgotten.
 */
export class Housekeeping {
  readonly #init: HousekeepingInit;
  readonly #stoppedAt = new Map<string, number>();
  readonly #goneAt = new Map<string, number>();
  #timer: Timer | undefined = undefined;

  constructor(init: HousekeepingInit) {
    this.#init = init;
  }

  start(): void {
    this.#timer = this.#init.node.clock.setTimeout(() => void this.#sweep(), STOPPED_KEPT / 2, { unref: true });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A child's entry was looked at. */
  noteEntry(id: string, stopped: boolean, now: number): void {
    if (!stopped) this.#stoppedAt.delete(id);
    else if (!this.#stoppedAt.has(id)) this.#stoppedAt.set(id, now);
  }

  /** An incarnation is gone for good. */
  noteGone(name: string, incarnation: number, now: number): void {
    this.#goneAt.set(replicaId(name, incarnation), now);
  }

  async #sweep(): Promise<void> {
    const { node, table } = this.#init;
    for (const { node: name, incarnation } of [...table.participants()]) {
      if ((node.member(name)?.incarnation ?? 0) > incarnation) table.withdraw(replicaId(name, incarnation));
    }
    try {
      if (this.#allInView()) {
        this.#removeStopped(node.clock.now());
        this.#findOldWriters(node.clock.now());
        await this.#forgetWriters(node.clock.now());
      }
    } catch (error) {
      node.log.error({ error: error as Error }, 'the table of a distributed supervisor could not be tidied');
    }
    if (this.#timer !== undefined) this.start();
  }

  #allInView(): boolean {
    return this.#init.node.members().every(member => member.reachable);
  }

  #removeStopped(now: number): void {
    const { table } = this.#init;
    for (const [id, at] of [...this.#stoppedAt]) {
      if (table.get(id) === undefined) this.#stoppedAt.delete(id);
      if (now - at < STOPPED_KEPT || !this.#init.isOver(id) || !this.#init.isChooser(id)) continue;
      this.#stoppedAt.delete(id);
      table.remove(id);
    }
  }

  /** Those who saw an incarnation go may be gone themselves: a few of the buckets are searched for writers whose node has come back as another. */
  #findOldWriters(now: number): void {
    const { table, node } = this.#init;
    const { map } = table.replica;
    const from = Math.floor(node.random.next() * map.bucketCount);
    const some = Array.from({ length: SEARCHED_BUCKETS }, (_, index) => (from + index) % map.bucketCount);
    for (const { context } of map.extract(some).buckets) {
      context.forEach(writer => {
        const owner = parseReplicaId(writer);
        if (owner === undefined || this.#goneAt.has(writer)) return;
        if ((node.member(owner.node)?.incarnation ?? 0) > owner.incarnation) this.#goneAt.set(writer, now);
      });
    }
  }

  /** Live entries that a dead incarnation wrote are written again by their choosers; when there are none anywhere, its writes are forgotten. */
  async #forgetWriters(now: number): Promise<void> {
    const { table, node } = this.#init;
    for (const [writer, at] of [...this.#goneAt]) {
      if (table.replica.map.isGone(writer)) this.#goneAt.delete(writer);
      if (now - at < STOPPED_KEPT || !this.#goneAt.has(writer)) continue;
      const ids = table.writtenBy(writer);
      for (const id of ids) {
        const entry = table.get(id);
        if (entry !== undefined && this.#init.isChooser(id)) table.put(entry);
      }
      // Whoever knows of the death may do it, for the chooser may have come later; by chance it is rarely all of them at once.
      if (ids.length > 0 || node.random.next() < 0.5) continue;
      const others = table.replica.peers();
      await Promise.all(others.map(other => table.replica.compareWith(other)));
      if (table.writtenBy(writer).length > 0 || !this.#allInView()) continue;
      this.#goneAt.delete(writer);
      table.replica.drop(writer);
      node.telemetry.emit('distributed.forgot', { count: 1 }, { writer });
    }
  }
}
