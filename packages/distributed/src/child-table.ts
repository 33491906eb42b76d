import { deltaToPlain } from '@foundation-ts/crdt';
import { type ChildEntry, type ChildValue, entryFromValue, entryToValue, isWanted, standing } from './child-entry.js';
import type { HostNode } from './host-node.js';
import { parseReplicaId, replicaId } from './internal/replica-id.js';
import { type Mutation, Replica } from './replica.js';

const CHILD = 'c';
const PARTICIPANT = 'p';

/** Told about what changed, whoever changed it. */
export interface ChildTableListener {
  child(id: string): void;
  participants(): void;
}

/** The replicated table of one distributed supervisor: its children, and the nodes that take part. */
export class ChildTable {
  readonly replica: Replica<ChildValue | 1>;
  readonly #self: string;
  readonly #listener: ChildTableListener;
  readonly #entries = new Map<string, ChildEntry>();
  readonly #participants = new Map<string, { readonly node: string; readonly incarnation: number }>();
  readonly #loads = new Map<string, number>();

  private constructor(self: string, replica: Replica<ChildValue | 1>, listener: ChildTableListener) {
    this.#self = self;
    this.replica = replica;
    this.#listener = listener;
    replica.onChange(keys => {
      for (const key of keys) this.#changed(key);
    });
    for (const key of [...replica.map.keys()]) this.#changed(key);
  }

  /** Goes on with the table of a supervisor that was stopped on this node. */
  static resume(node: HostNode, { replica }: ChildTable, listener: ChildTableListener): ChildTable {
    replica.resume();
    return new ChildTable(replicaId(node.name, node.incarnation), replica, listener);
  }

  static async start(node: HostNode, name: string, listener: ChildTableListener): Promise<ChildTable> {
    const replica = await Replica.start<ChildValue | 1>(node, {
      name: `children:${name}`,
      needs: { read: 'supervise', write: 'supervise' },
    });
    return new ChildTable(replicaId(node.name, node.incarnation), replica, listener);
  }

  get(id: string): ChildEntry | undefined {
    return this.#entries.get(id);
  }

  ids(): IterableIterator<string> {
    return this.#entries.keys();
  }

  entries(): IterableIterator<ChildEntry> {
    return this.#entries.values();
  }

  /** Who takes part, in view or not. */
  participants(): IterableIterator<{ readonly node: string; readonly incarnation: number }> {
    return this.#participants.values();
  }

  /** How many children are assigned to a node. */
  load(node: string): number {
    return this.#loads.get(node) ?? 0;
  }

  /** Writes an entry in place of all that are here. */
  put(entry: ChildEntry): Mutation {
    return this.replica.mutate(map => map.put(CHILD + entry.id, entryToValue(entry)));
  }

  /** Takes an entry out for good. */
  remove(id: string): Mutation {
    return this.replica.mutate(map => map.remove(CHILD + id));
  }

  /** The entry in a sendable form, for nodes that may not have it yet; see `Replica.join`. */
  fragment(id: string): unknown {
    const key = CHILD + id;
    return deltaToPlain({ changes: [{ key, added: this.replica.map.get(key), removed: [] }] });
  }

  /** The children whose entries, or some of them, were written by an incarnation. */
  writtenBy(writer: string): string[] {
    const ids: string[] = [];
    for (const [key, entries] of this.replica.map.entries()) {
      if (key.startsWith(CHILD) && entries.some(entry => entry.replica === writer)) ids.push(key.slice(1));
    }
    return ids;
  }

  /** Whether more than one entry of the id is here, because two nodes wrote at once. */
  isContested(id: string): boolean {
    return this.replica.map.get(CHILD + id).length > 1;
  }

  announce(): Mutation {
    return this.replica.mutate(map => map.put(PARTICIPANT + this.#self, 1));
  }

  withdraw(participant: string = this.#self): Mutation {
    return this.replica.mutate(map => map.remove(PARTICIPANT + participant));
  }

  #changed(key: string): void {
    const name = key.slice(1);
    if (key.startsWith(PARTICIPANT)) {
      const participant = parseReplicaId(name);
      if (participant === undefined) return;
      if (this.replica.map.has(key)) this.#participants.set(name, participant);
      else this.#participants.delete(name);
      this.#listener.participants();
    } else if (key.startsWith(CHILD)) {
      this.#childChanged(name, key);
    }
  }

  #childChanged(id: string, key: string): void {
    const found: ChildEntry[] = [];
    for (const { value } of this.replica.map.get(key)) {
      const entry = entryFromValue(id, value);
      if (entry !== undefined) found.push(entry);
    }
    const after = found.length === 1 ? found[0] : standing(found);
    const before = this.#entries.get(id);
    if (isWanted(before)) this.#count(before.node, -1);
    if (isWanted(after)) this.#count(after.node, 1);
    if (after === undefined) this.#entries.delete(id);
    else this.#entries.set(id, after);
    this.#listener.child(id);
  }

  #count(node: string, by: number): void {
    const load = (this.#loads.get(node) ?? 0) + by;
    if (load > 0) this.#loads.set(node, load);
    else this.#loads.delete(node);
  }
}
