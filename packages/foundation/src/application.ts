import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FALLBACK_CLUSTER_ID } from './defaults.js';

/** A named package, and where its `package.json` is. */
interface Application {
  readonly name: string;
  readonly folder: string;
}

/**
 * The name of the application: that of the nearest `package.json` above the script that was started (else above the working
 * folder). Two applications on one machine have different names, and so don't meet.
 */
export function applicationName(): string {
  return application(process.argv[1], process.cwd())?.name ?? FALLBACK_CLUSTER_ID;
}

/** The folder of the `package.json` that {@link applicationName} takes the name from. */
export function applicationFolder(script: string | undefined, cwd: string): string | undefined {
  return application(script, cwd)?.folder;
}

function application(script: string | undefined, cwd: string): Application | undefined {
  return (script === undefined ? undefined : applicationAbove(dirname(script))) ?? applicationAbove(cwd);
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
