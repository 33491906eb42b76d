import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FoundationError } from '@foundation-ts/core';
import { HOSTS_FILE_MAX_BYTES, MAX_NODES } from './defaults.js';

/** What stands in a `.hosts.erlang`. */
export interface ErlangHosts {
  readonly path: string;
  readonly hosts: readonly string[];
}

/**
 * Reads the first `.hosts.erlang` of some folders: host names as Erlang atoms, each with a full stop behind it, and comments after `%`.
 * @returns undefined when there is none
 * @throws FoundationError `too-large`, `invalid-operation` when it can't be read
 */
export function readErlangHosts(folders: readonly string[]): ErlangHosts | undefined {
  for (const folder of folders) {
    const path = join(folder, '.hosts.erlang');
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) continue;
    if (size > HOSTS_FILE_MAX_BYTES)
      throw new FoundationError('too-large', `${path} is longer than ${HOSTS_FILE_MAX_BYTES} bytes.`);
    return { path, hosts: parseErlangHosts(read(path)) };
  }
  return undefined;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new FoundationError('invalid-operation', `${path} can't be read: ${(cause as Error).message}`, { cause });
  }
}

/** The hosts of a `.hosts.erlang`'s text. */
export function parseErlangHosts(text: string): readonly string[] {
  const bare = text.replace(/%.*$/gm, '');
  const atoms = bare.matchAll(/'([^'\n]+)'\s*\.(?=\s|$)|(?:^|\s)([a-z][A-Za-z0-9_@]*)\s*\.(?=\s|$)/g);
  return [...new Set([...atoms].map(([, quoted, plain]) => quoted ?? (plain as string)))].slice(0, MAX_NODES);
}
