import type { Stats } from 'node:fs';
import { lstat, mkdir } from 'node:fs/promises';
import { FoundationError } from '@foundation-ts/core';

/** Creates `path` (and what is missing above it) readable by its owner alone, unless it exists, then {@link checkPrivateFolder}. */
export async function makePrivateFolder(path: string, what: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  checkPrivateFolder(path, await lstat(path), what);
}

/**
 * Refuses a folder in which somebody else (root aside) could put or replace files.
 * @param what - what the folder is for, as the message should say it
 * @throws FoundationError `insecure` when it is no folder, belongs to another user, or others may write to it
 */
export function checkPrivateFolder(path: string, stats: Stats, what: string): void {
  if (!stats.isDirectory()) {
    throw new FoundationError('insecure', `${path} (${what}) is not a folder; remove it or choose another path.`);
  }
  const uid = process.getuid?.();
  if (uid === undefined) return;
  if (stats.uid !== uid && stats.uid !== 0) {
    throw new FoundationError(
      'insecure',
      `${path} (${what}) belongs to user ${stats.uid}, and this process runs as user ${uid}; remove it or choose another path.`,
    );
  }
  if ((stats.mode & 0o022) !== 0) {
    throw new FoundationError('insecure', `${path} (${what}) can be written by other users; run: chmod 700 '${path}'`);
  }
}
