import { readFileSync, writeFileSync } from 'node:fs';
import { type Corpus, shardOf } from './corpus.js';

/**
 * Writes the list of files down for the shards to read: every node of the cluster keeps the argument of every shard, so the
 * argument names the list instead of holding it.
 */
export function writeManifest(path: string, corpus: Corpus): void {
  writeFileSync(path, JSON.stringify(corpus));
}

/** The folder of the corpus, and the files in it that belong to one shard. */
export function readManifest(path: string, shard: number, shards: number): Pick<Corpus, 'folder' | 'files'> {
  const { folder, files } = JSON.parse(readFileSync(path, 'utf8')) as Corpus;
  return { folder, files: files.filter(file => shardOf(file.path, shards) === shard) };
}
