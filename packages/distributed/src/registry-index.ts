import { Pid, type Ref } from '@foundation-ts/core';
import { type Claim, type ClaimValue, winnerOf } from './claims.js';
import { parseReplicaId } from './internal/replica-id.js';

/** Who holds a name, as seen from here. */
export interface NameEntry {
  readonly pid: Pid;
  /** The id of the incarnation that claims it. */
  readonly owner: string;
  readonly claim: ClaimValue;
  /** Filled by the first lookup. */
  ref: Ref | undefined;
}

/** A name has another holder than before. */
export interface NameChange {
  readonly name: string;
  readonly before: Pid | undefined;
  readonly after: Pid | undefined;
}

/** The names in view with their winners: what lookups read. Pure; claims come in as arguments. */
export class RegistryIndex {
  readonly #entries = new Map<string, NameEntry>();

  get size(): number {
    return this.#entries.size;
  }

  get(name: string): NameEntry | undefined {
    return this.#entries.get(name);
  }

  entries(): IterableIterator<[string, NameEntry]> {
    return this.#entries.entries();
  }

  /** Takes in the claims to a name; answers the change of holder, if there is one. A new value alone is none. */
  update(name: string, claims: readonly Claim[], isVisible: (replica: string) => boolean): NameChange | undefined {
    const before = this.#entries.get(name);
    const winner = winnerOf(claims, isVisible);
    if (winner === undefined) {
      if (before === undefined) return undefined;
      this.#entries.delete(name);
      return { name, before: before.pid, after: undefined };
    }
    if (before !== undefined && before.owner === winner.replica && before.pid.id === winner.value[0]) {
      if (before.claim !== winner.value) {
        this.#entries.set(name, { pid: before.pid, owner: before.owner, claim: winner.value, ref: before.ref });
      }
      return undefined;
    }
    const owner = parseReplicaId(winner.replica);
    if (owner === undefined) return undefined;
    const pid = new Pid(owner.node, owner.incarnation, winner.value[0]);
    this.#entries.set(name, { pid, owner: winner.replica, claim: winner.value, ref: undefined });
    return { name, before: before?.pid, after: pid };
  }
}
