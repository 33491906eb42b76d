import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { HOSTS_FILE_MAX_BYTES, MAX_NODES } from './defaults.js';

/** What stands in a `.hosts.erlang`. */
export interface ErlangHosts {
  readonly path: string;
  readonly hosts: readonly string[];
}

/**
 * Reads the first `.hosts.erlang` of some folders: host names as Erlang atoms, each with a full stop behind it, and comments after `%`.
 * @returns undefined when there is none
 */
export function readErlangHosts(folders: readonly string[]): ErlangHosts | undefined {
  for (const folder of folders) {
    const path = join(folder, '.hosts.erlang');
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) continue;
    if (size > HOSTS_FILE_MAX_BYTES) throw new RangeError(`${path} is longer than ${HOSTS_FILE_MAX_BYTES} bytes.`);
    return { path, hosts: parseErlangHosts(readFileSync(path, 'utf8')) };
  }
  return undefined;
}

/** The hosts of a `.hosts.erlang`'s text. */
export function parseErlangHosts(text: string): readonly string[] {
  const bare = text.replace(/%.*$/gm, '');
  const atoms = bare.matchAll(/'([^'\n]+)'\s*\.(?=\s|$)|(?:^|\s)([a-z][A-Za-z0-9_@]*)\s*\.(?=\s|$)/g);
  return [...new Set([...atoms].map(([, quoted, plain]) => quoted ?? (plain as string)))].slice(0, MAX_NODES);
}
