import type { MemberView } from '@foundation-ts/cluster';
import type { ChildTable } from './child-table.js';
import type { HostNode } from './host-node.js';
import { replicaId } from './internal/replica-id.js';

/** What an assignment to a node is worth, as seen from here. */
export type AssignedState = 'here' | 'taking-part' | 'waiting' | 'gone';

/** Incarnations remembered as gone; older ones are told by the newer incarnation of their node. */
const MAX_GONE = 10_000;

/** Who of the members in view runs the supervisor, and what became of those who don't any more. */
export class Participants {
  readonly #node: HostNode;
  readonly #table: ChildTable;
  readonly #failoverAfter: number;
  readonly #lostAt = new Map<string, number>();
  readonly #gone = new Set<string>();
  readonly #states = new Map<string, AssignedState>();
  #members: readonly MemberView[] = [];
  #names: readonly string[] = [];

  constructor(node: HostNode, table: ChildTable, failoverAfter: number) {
    this.#node = node;
    this.#table = table;
    this.#failoverAfter = failoverAfter;
  }

  /** Members that new children can go to, by name. */
  get members(): readonly MemberView[] {
    return this.#members;
  }

  get names(): readonly string[] {
    return this.#names;
  }

  /** Looks again. @returns the participants that were not there before */
  refresh(): readonly MemberView[] {
    this.#states.clear();
    const announced = new Set<string>();
    for (const { node, incarnation } of this.#table.participants()) announced.add(replicaId(node, incarnation));
    const before = new Set(this.#members.map(member => replicaId(member.name, member.incarnation)));
    this.#members = this.#node
      .members()
      .filter(member => canTakePart(member) && announced.has(replicaId(member.name, member.incarnation)));
    this.#names = this.#members.map(member => member.name);
    return this.#members.filter(member => !before.has(replicaId(member.name, member.incarnation)));
  }

  /** A member's incarnation has become unreachable at `now`, or can be reached again. */
  noteReachable(name: string, incarnation: number, reachable: boolean, now: number): void {
    const id = replicaId(name, incarnation);
    if (reachable) this.#lostAt.delete(id);
    else if (!this.#lostAt.has(id)) this.#lostAt.set(id, now);
    this.#states.clear();
  }

  /** A member's incarnation is gone for good. */
  noteGone(name: string, incarnation: number): void {
    const id = replicaId(name, incarnation);
    this.#lostAt.delete(id);
    if (this.#gone.size >= MAX_GONE) this.#gone.clear();
    this.#gone.add(id);
    this.#states.clear();
  }

  /** What an assignment to this incarnation is worth now. One that was never heard of gets the margin of an unreachable one. */
  stateOf(name: string, incarnation: number, now: number): AssignedState {
    if (name === this.#node.name) return incarnation === this.#node.incarnation ? 'here' : 'gone';
    const id = replicaId(name, incarnation);
    const known = this.#states.get(id);
    if (known !== undefined) return known;
    const state = this.#look(name, incarnation, now);
    this.#states.set(id, state);
    return state;
  }

  #look(name: string, incarnation: number, now: number): AssignedState {
    const id = replicaId(name, incarnation);
    const known = this.#node.member(name)?.incarnation ?? 0;
    if (this.#gone.has(id) || known > incarnation) return 'gone';
    // One in view that does not take part, as far as is known here, may be about to, or is handing its children over.
    if (this.#node.isVisible(name, incarnation) && this.#takesPart(name, incarnation)) return 'taking-part';
    const lostAt = this.#lostAt.get(id) ?? now;
    this.#lostAt.set(id, lostAt);
    return now - lostAt >= this.#failoverAfter ? 'gone' : 'waiting';
  }

  #takesPart(name: string, incarnation: number): boolean {
    for (const each of this.#table.participants())
      if (each.node === name && each.incarnation === incarnation) return true;
    return false;
  }

  /** Time has passed: what waited may be gone. */
  recheck(): void {
    this.#states.clear();
  }
}

/** Who announces that it takes part is up by its own account, even if that has not come here yet. */
function canTakePart(member: MemberView): boolean {
  return member.reachable && (member.status === 'up' || member.status === 'joining');
}
