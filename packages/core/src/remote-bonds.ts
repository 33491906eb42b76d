import { MAX_LINKS_PER_PEER, MAX_MONITORS_PER_PEER, MAX_MONITORS_SOUGHT } from './defaults.js';
import { FoundationError } from './errors.js';
import type { Pid } from './pid.js';
import { Process, type Watcher } from './process.js';
import type { MonitorRef } from './types.js';

/** A monitor of something here on an actor of another node. */
export interface RemoteWatch {
  readonly watcher: Process | Watcher;
  readonly pid: Pid;
}

/** A link between an actor here and one of another node. */
export interface RemoteLink {
  readonly process: Process;
  readonly pid: Pid;
}

/** What binds the actors of this node with those of others, by the incarnation that they are of: its loss ends all of it. */
export class RemoteBonds {
  /** By the actor that is watched, too: an exit signal looks for those on its target. */
  readonly #watches = new Map<string, Map<number, Map<MonitorRef, RemoteWatch>>>();
  readonly #links = new Map<string, Map<string, RemoteLink>>();
  /** How many monitors each other incarnation has on actors here. */
  readonly #watchedBy = new Map<string, number>();

  addLink(process: Process, remote: Pid): void {
    put(this.#links, nodeKey(remote), linkKey(process.pid, remote), { process, pid: remote });
  }

  removeLink(local: Pid, remote: Pid): void {
    take(this.#links, nodeKey(remote), linkKey(local, remote));
  }

  /** @throws FoundationError `protocol` when the node of `from` may have no more links here */
  checkLinks(from: Pid): void {
    if ((this.#links.get(nodeKey(from))?.size ?? 0) >= MAX_LINKS_PER_PEER)
      throw tooMany(from, 'links', MAX_LINKS_PER_PEER);
  }

  addWatch(monitor: MonitorRef, watcher: Process | Watcher, pid: Pid): void {
    const key = nodeKey(pid);
    let actors = this.#watches.get(key);
    if (actors === undefined) {
      actors = new Map();
      this.#watches.set(key, actors);
    }
    put(actors, pid.id, monitor, { watcher, pid });
  }

  /** @returns whether there was one */
  removeWatch(monitor: MonitorRef, pid: Pid): boolean {
    const key = nodeKey(pid);
    const actors = this.#watches.get(key);
    if (actors === undefined || !take(actors, pid.id, monitor)) return false;
    if (actors.size === 0) this.#watches.delete(key);
    return true;
  }

  /** Who set that monitor on `pid`, which fires now; undefined when nobody did, or it has fired. */
  fireWatch(monitor: MonitorRef, pid: Pid): Process | Watcher | undefined {
    const watch = this.#watches.get(nodeKey(pid))?.get(pid.id)?.get(monitor);
    if (watch === undefined) return undefined;
    this.removeWatch(monitor, pid);
    return watch.watcher;
  }

  /** The monitors on `to` of an actor, or of the host (undefined); undefined when it would take long to find them. */
  monitorsOn(to: Pid, by: Process | undefined): MonitorRef[] | undefined {
    const found: MonitorRef[] = [];
    const watches = this.#watches.get(nodeKey(to))?.get(to.id);
    if (watches === undefined) return found;
    if (watches.size > MAX_MONITORS_SOUGHT) return undefined;
    for (const [monitor, { watcher }] of watches)
      if ((watcher instanceof Process ? watcher : undefined) === by) found.push(monitor);
    return found;
  }

  /** An actor of another node watches one here. @throws FoundationError `protocol` when its node may have no more monitors here */
  watched(by: Pid): void {
    const key = nodeKey(by);
    const count = this.#watchedBy.get(key) ?? 0;
    if (count >= MAX_MONITORS_PER_PEER) throw tooMany(by, 'monitors', MAX_MONITORS_PER_PEER);
    this.#watchedBy.set(key, count + 1);
  }

  unwatched(by: Pid): void {
    const key = nodeKey(by);
    const count = this.#watchedBy.get(key) ?? 0;
    if (count > 1) this.#watchedBy.set(key, count - 1);
    else this.#watchedBy.delete(key);
  }

  /** That incarnation is lost. @returns what was bound to it */
  lost(
    node: string,
    incarnation: number,
  ): { readonly watches: Iterable<[MonitorRef, RemoteWatch]>; readonly links: Iterable<RemoteLink> } {
    const key = `${node}#${incarnation}`;
    const watches = this.#watches.get(key);
    const links = this.#links.get(key);
    this.#watches.delete(key);
    this.#links.delete(key);
    this.#watchedBy.delete(key);
    return { watches: [...(watches?.values() ?? [])].flatMap(each => [...each]), links: links?.values() ?? [] };
  }
}

function put<T, K, V>(tables: Map<T, Map<K, V>>, key: T, entry: K, value: V): void {
  let table = tables.get(key);
  if (table === undefined) {
    table = new Map();
    tables.set(key, table);
  }
  table.set(entry, value);
}

/** Takes an entry out of a table of tables, and the inner table with its last one. @returns whether it was there */
function take<T, K>(tables: Map<T, Map<K, unknown>>, key: T, entry: K): boolean {
  const table = tables.get(key);
  if (table?.delete(entry) !== true) return false;
  if (table.size === 0) tables.delete(key);
  return true;
}

function tooMany(from: Pid, what: string, limit: number): FoundationError {
  return new FoundationError('protocol', `Actors of '${from.node}' have ${limit} ${what} here, and may have no more.`);
}

function nodeKey(pid: Pid): string {
  return `${pid.node}#${pid.incarnation}`;
}

function linkKey(local: Pid, remote: Pid): string {
  return `${local.id} ${remote.key}`;
}
