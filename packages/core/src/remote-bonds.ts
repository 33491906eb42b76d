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
  readonly #watches = new Map<string, Map<MonitorRef, RemoteWatch>>();
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
    put(this.#watches, nodeKey(pid), monitor, { watcher, pid });
  }

  /** @returns whether there was one */
  removeWatch(monitor: MonitorRef, pid: Pid): boolean {
    return take(this.#watches, nodeKey(pid), monitor);
  }

  /** Who set that monitor on `pid`, which fires now; undefined when nobody did, or it has fired. */
  fireWatch(monitor: MonitorRef, pid: Pid): Process | Watcher | undefined {
    const watch = this.#watches.get(nodeKey(pid))?.get(monitor);
    if (watch === undefined || !watch.pid.equals(pid)) return undefined;
    this.removeWatch(monitor, pid);
    return watch.watcher;
  }

  /** The monitors that no actor but the host has on `to`; undefined when it would take long to find them. */
  hostMonitorsOn(to: Pid): MonitorRef[] | undefined {
    const found: MonitorRef[] = [];
    const watches = this.#watches.get(nodeKey(to));
    if (watches === undefined) return found;
    if (watches.size > MAX_MONITORS_SOUGHT) return undefined;
    for (const [monitor, { watcher, pid }] of watches)
      if (!(watcher instanceof Process) && pid.equals(to)) found.push(monitor);
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
    return { watches: watches ?? [], links: links?.values() ?? [] };
  }
}

function put<K, V>(tables: Map<string, Map<K, V>>, key: string, entry: K, value: V): void {
  let table = tables.get(key);
  if (table === undefined) {
    table = new Map();
    tables.set(key, table);
  }
  table.set(entry, value);
}

/** Takes an entry out of a table of tables, and the inner table with its last one. @returns whether it was there */
function take<K>(tables: Map<string, Map<K, unknown>>, key: string, entry: K): boolean {
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
