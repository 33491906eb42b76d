import type { MemberView } from '@foundation-ts/cluster';
import type { Timer } from '@foundation-ts/core';
import { isWanted } from './child-entry.js';
import type { ChildTable } from './child-table.js';
import { LEAVE_CONCURRENCY, LEAVE_LINGER, REBALANCE_CONCURRENCY } from './defaults.js';
import type { HandOffs } from './hand-offs.js';
import type { HostNode } from './host-node.js';
import type { LocalChild, LocalChildren } from './local-children.js';
import type { Participants } from './participants.js';
import type { Placement, PlacementReason } from './placement.js';
import { rebalanceMoves } from './rebalance.js';
import type { Registry } from './registry.js';

/** What {@link Migration} works with. */
export interface MigrationInit {
  readonly node: HostNode;
  readonly registry: Registry;
  readonly table: ChildTable;
  readonly participants: Participants;
  readonly local: LocalChildren;
  readonly handOffs: HandOffs;
  readonly options: {
    readonly placement: Placement;
    readonly rebalance: 'active' | 'passive';
    readonly rebalanceAfter: number;
  };
  isOpen(): boolean;
  place(id: string, reason: PlacementReason, without?: readonly string[]): MemberView | undefined;
  /** Looks again who takes part. */
  refresh(): void;
  /** Does now what the table asks for. */
  reconcileNow(id: string): void;
}

/** Moves the children of this node: some to members that join, all when the node leaves. */
export class Migration {
  readonly #init: MigrationInit;
  readonly #newcomers = new Set<string>();
  #timer: Timer | undefined = undefined;

  constructor(init: MigrationInit) {
    this.#init = init;
  }

  /** Members have come into view; once they have stayed for a while they get their share. */
  joined(newcomers: readonly MemberView[]): void {
    const { node, local, options } = this.#init;
    if (options.rebalance === 'passive' || local.size === 0) return;
    for (const member of newcomers) if (member.name !== node.name) this.#newcomers.add(member.name);
    if (this.#newcomers.size === 0) return;
    this.#timer?.cancel();
    this.#timer = node.clock.setTimeout(() => void this.#rebalance(), options.rebalanceAfter, { unref: true });
  }

  async #rebalance(): Promise<void> {
    this.#timer = undefined;
    const { node, table, participants, local, options } = this.#init;
    // One that comes back may run children itself: first both know of each other's.
    await Promise.all([...this.#newcomers].map(name => this.#compareWith(name)));
    const newcomers = participants.members.filter(member => this.#newcomers.has(member.name));
    this.#newcomers.clear();
    if (newcomers.length === 0 || !this.#init.isOpen()) return;
    const moves = rebalanceMoves({
      self: node.name,
      running: [...local.values()].filter(child => child.phase === 'running').map(child => child.id),
      members: participants.members,
      newcomers,
      placement: options.placement,
      ctx: { reason: 'rebalance', load: member => table.load(member), random: node.random },
    });
    await eachLimited(moves, REBALANCE_CONCURRENCY, ({ id, to }) => this.#moveIfStill(id, to));
  }

  async #compareWith(member: string): Promise<void> {
    await Promise.all([this.#init.table.replica.compareWith(member), this.#init.registry.compareWith(member)]);
  }

  async #moveIfStill(id: string, to: MemberView): Promise<void> {
    const { participants, local, handOffs } = this.#init;
    const child = local.get(id);
    const there = participants.members.some(
      ({ name, incarnation }) => name === to.name && incarnation === to.incarnation,
    );
    if (child?.phase === 'running' && there && this.#init.isOpen()) await handOffs.move(child, to);
  }

  /** Hands everything over. Never rejects. */
  async leave(): Promise<void> {
    const { node, table, participants, local } = this.#init;
    this.cancel();
    table.withdraw();
    this.#init.refresh();
    await Promise.allSettled([...local.values()].map(child => child.started));
    const children = [...local.values()];
    await eachLimited(children, LEAVE_CONCURRENCY, child => this.#giveAway(child));
    if (children.length > 0 && participants.names.length > 0) {
      await new Promise<void>(resolve => node.clock.setTimeout(resolve, LEAVE_LINGER));
    }
    try {
      await table.replica.acked(1, { timeout: 1_000 });
    } catch (error) {
      node.log.warn({ error: error as Error }, 'the last changes of a leaving node were not confirmed');
    }
  }

  /** Hands a child over to the first who takes it; one that nobody takes ends here and starts anew elsewhere. */
  async #giveAway(child: LocalChild): Promise<void> {
    const { local, handOffs, table } = this.#init;
    await handOffs.idle(child.id);
    const refused: string[] = [];
    while (local.get(child.id) === child && child.phase === 'running') {
      const target = this.#init.place(child.id, 'leave', refused);
      if (target === undefined) break;
      if ((await handOffs.move(child, target)) !== 'resumed') return;
      refused.push(target.name);
      this.#init.refresh();
    }
    const left = local.get(child.id);
    if (left === undefined) return;
    await local.stop(left);
    const entry = table.get(child.id);
    if (entry?.birth === child.birth && isWanted(entry)) this.#init.reconcileNow(child.id);
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}

/** Works through a list, so many at a time. */
async function eachLimited<T>(items: readonly T[], limit: number, work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++] as T);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}
