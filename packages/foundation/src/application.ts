import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FALLBACK_CLUSTER_ID } from './defaults.js';

/**
 * The name of the application: that of the nearest `package.json` above the script that was started (else above the working
 * folder). Two applications on one machine have different names, and so don't meet.
 */
export function applicationName(): string {
  const script = process.argv[1];
  return (
    nameAbove(script === undefined ? process.cwd() : dirname(script)) ?? nameAbove(process.cwd()) ?? FALLBACK_CLUSTER_ID
  );
}

function nameAbove(folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    const name = nameIn(join(current, 'package.json'));
    if (name !== undefined) return name;
    if (dirname(current) === current) return undefined;
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
