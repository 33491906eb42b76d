import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The files to search: fixed once a run, so that every shard and the check see the same list. */
export interface Corpus {
  /** The folder that the paths start from. */
  readonly folder: string;
  /** Sorted by path. */
  readonly files: readonly CorpusFile[];
  readonly bytes: number;
  /** Files that were left out because they are larger than `maxFileBytes`. */
  readonly tooLarge: number;
  /** Files that were left out because the corpus was full. */
  readonly overLimit: number;
}

export interface CorpusFile {
  /** Relative to the folder, with `/` between its parts. */
  readonly path: string;
  readonly bytes: number;
}

export interface CorpusLimits {
  /** Larger files are left out. */
  readonly maxFileBytes: number;
  /** The list ends before the file that would exceed this … */
  readonly maxBytes: number;
  /** … or this. */
  readonly maxFiles: number;
}

/** Keeps a run under a minute on two cores. */
export const defaultLimits: CorpusLimits = {
  maxFileBytes: 1024 * 1024,
  maxBytes: 48 * 1024 * 1024,
  maxFiles: 10_000,
};

const endings = ['.md', '.d.ts', '.json'];

/**
 * Lists every `.md`, `.d.ts` and `.json` file under `folder`, sorted by path. Symbolic links are not followed: pnpm
 * keeps each package once under `.pnpm` and links to it from everywhere else. Other hidden entries (caches, state of tools)
 * are left out because they change by themselves.
 * @throws if the folder can't be read or holds no such file
 */
export async function listCorpus(folder: string, limits: CorpusLimits = defaultLimits): Promise<Corpus> {
  const paths: string[] = [];
  await collect(folder, '', paths).catch(error => {
    throw new Error(`Can't list the files under ${folder} (${error.message}); name a folder that you may read.`, {
      cause: error,
    });
  });
  paths.sort();
  const files: CorpusFile[] = [];
  let bytes = 0;
  let tooLarge = 0;
  let overLimit = 0;
  for (const path of paths) {
    const { size } = await stat(join(folder, path));
    if (size > limits.maxFileBytes) tooLarge += 1;
    else if (overLimit > 0 || files.length === limits.maxFiles || bytes + size > limits.maxBytes) overLimit += 1;
    else {
      files.push({ path, bytes: size });
      bytes += size;
    }
  }
  if (files.length === 0) {
    throw new Error(`Found no ${endings.join(', ')} file under ${folder}; name a folder that holds some.`);
  }
  return { folder, files, bytes, tooLarge, overLimit };
}

async function collect(folder: string, prefix: string, paths: string[]): Promise<void> {
  for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
    if (entry.name.startsWith('.') && entry.name !== '.pnpm') continue;
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) await collect(folder, path, paths);
    else if (entry.isFile() && endings.some(ending => entry.name.endsWith(ending))) paths.push(path);
  }
}

/** Which shard a file belongs to: the same on every node and in every run (FNV-1a over the path). */
export function shardOf(path: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < path.length; at++) {
    hash = Math.imul(hash ^ path.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0) % shards;
}
