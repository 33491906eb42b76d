import type { Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { FoundationError } from '@foundation-ts/core';
import { HOSTS_FILE_MAX_BYTES } from './defaults.js';

/**
 * What stands in a hosts file.
 * @throws (rejects) FoundationError `not-found`, `too-large`, `invalid-operation` when it is no file or can't be read
 */
export async function readHostsFile(path: string): Promise<string> {
  // before it is opened: opening a pipe would wait for a writer
  const before = await stat(path).catch(cause => {
    throw unreadable(path, cause as Error);
  });
  checkFile(path, before);
  const file = await open(path).catch(cause => {
    throw unreadable(path, cause as Error);
  });
  try {
    const bytes = Buffer.alloc(HOSTS_FILE_MAX_BYTES + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === bytes.length) break;
    }
    if (length > HOSTS_FILE_MAX_BYTES) throw tooLong(path);
    return bytes.toString('utf8', 0, length);
  } finally {
    await file.close();
  }
}

function checkFile(path: string, stats: Stats): void {
  if (!stats.isFile()) throw new FoundationError('invalid-operation', `The hosts file '${path}' is not a file.`);
  if (stats.size > HOSTS_FILE_MAX_BYTES) throw tooLong(path);
}

const tooLong = (path: string): FoundationError =>
  new FoundationError('too-large', `The hosts file '${path}' has more than ${HOSTS_FILE_MAX_BYTES} bytes.`);

function unreadable(path: string, cause: Error): FoundationError {
  const code = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'not-found' : 'invalid-operation';
  const message = `The hosts file '${path}' can't be read (${cause.message}); its last addresses stand.`;
  return new FoundationError(code, message, { cause });
}
