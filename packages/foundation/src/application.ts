import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FALLBACK_CLUSTER_ID } from './defaults.js';

/** The program that a node is part of. */
export interface Application {
  readonly name: string;
  /** Where its `package.json` is. */
  readonly folder: string;
}

/**
 * The application: the nearest `package.json` with a name above the script that was started, else above the working folder. Two
 * applications on one machine have different names, and so don't meet.
 */
export function applicationOf(script: string | undefined, cwd: string): Application {
  const above = script === undefined ? undefined : applicationAbove(dirname(script));
  return above ?? applicationAbove(cwd) ?? { name: FALLBACK_CLUSTER_ID, folder: cwd };
}

function applicationAbove(start: string): Application | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    const name = nameIn(join(folder, 'package.json'));
    if (name !== undefined) return { name, folder };
    if (dirname(folder) === folder) return undefined;
  }
}

/** undefined also for a file that can't be read or is no JSON: it is not ours to judge. */
function nameIn(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const name: unknown = (JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown } | null)?.name;
    return typeof name === 'string' && name.length > 0 ? name : undefined;
  } catch {
    return undefined;
  }
}
