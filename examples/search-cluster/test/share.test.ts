import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { listCorpus } from '../src/corpus.js';
import { writeManifest } from '../src/manifest.js';
import { placeOf } from '../src/place.js';
import { parseQuery } from '../src/query.js';
import { Share, type ShareArgument } from '../src/share.js';
import { makeTree } from './tree.js';

const query = parseQuery('word');

test('reads the files of its own shard only, and all shards together read every file once', async () => {
  const { folder, manifest } = await makeShares({ files: 40, bytes: 100 });
  const paths: string[] = [];
  for (const shard of [0, 1, 2]) {
    const share = Share.begin({ manifest, shard, shards: 3 });
    await indexAll(share);
    paths.push(...(share.search(query, 100)?.hits.map(hit => hit.path) ?? []));
  }
  const corpus = await listCorpus(folder);
  expect(paths.sort()).toEqual(corpus.files.map(file => file.path));
});

test('indexes in slices and gives no answer before the last one', async () => {
  const { argument } = await makeShares({ files: 3, bytes: 200 * 1024 });
  const share = Share.begin(argument);
  expect(share.status()).toMatchObject({
    files: 3,
    indexedFiles: 0,
    indexedBytes: 0,
    place: placeOf(process.pid, threadId),
  });
  await share.indexSlice();
  expect(share.status()).toMatchObject({ files: 3, indexedFiles: 2 });
  expect(share.search(query, 10)).toBeNull();
  await share.indexSlice();
  expect(share.complete).toBe(true);
  expect(share.search(query, 10)?.matches).toBe(3);
});

test('goes on elsewhere with its index, without reading a file again', async () => {
  const { folder, argument } = await makeShares({ files: 5, bytes: 100 });
  const share = Share.begin(argument);
  await indexAll(share);
  const before = share.search(query, 10);
  await rm(join(folder, '0.md'));
  const resumed = Share.resume(structuredClone(share.handOver()), argument);
  expect(resumed.search(query, 10)).toEqual(before);
  expect(resumed.status()).toEqual({ ...share.status(), resumed: 1 });
});

test('finishes elsewhere what was half indexed', async () => {
  const { argument } = await makeShares({ files: 3, bytes: 200 * 1024 });
  const share = Share.begin(argument);
  await share.indexSlice();
  const resumed = Share.resume(structuredClone(share.handOver()), argument);
  await indexAll(resumed);
  await indexAll(share);
  expect(resumed.search(query, 10)).toEqual(share.search(query, 10));
  expect(resumed.status().indexedBytes).toBe(share.status().indexedBytes);
});

test('has another build id when it starts from the files again', async () => {
  const { argument } = await makeShares({ files: 1, bytes: 10 });
  expect(Share.begin(argument).status().buildId).not.toBe(Share.begin(argument).status().buildId);
});

test('rejects when a listed file is gone', async () => {
  const { folder, argument } = await makeShares({ files: 1, bytes: 10 });
  await rm(join(folder, '0.md'));
  await expect(Share.begin(argument).indexSlice()).rejects.toThrow(/ENOENT.*0\.md/);
});

async function makeShares(size: { files: number; bytes: number }) {
  const names = Array.from({ length: size.files }, (_, number) => `${number}.md`);
  const folder = await makeTree(Object.fromEntries(names.map(name => [name, 'word '.repeat(size.bytes / 5)])));
  const manifest = join(await makeTree({}), 'manifest.json');
  writeManifest(manifest, await listCorpus(folder));
  const argument: ShareArgument = { manifest, shard: 0, shards: 1 };
  return { folder, manifest, argument };
}

async function indexAll(share: Share): Promise<void> {
  while (!share.complete) await share.indexSlice();
}
