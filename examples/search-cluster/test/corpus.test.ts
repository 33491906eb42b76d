import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { defaultLimits, listCorpus, shardOf } from '../src/corpus.js';
import { makeTree } from './tree.js';

test('lists markdown, type declarations and json, sorted by path', async () => {
  const folder = await makeTree({ 'z.md': 'a', 'b/x.d.ts': 'bb', 'b/a.json': '{}', 'b/x.ts': 'no', 'c.txt': 'no' });
  const corpus = await listCorpus(folder);
  expect(corpus.files).toEqual([
    { path: 'b/a.json', bytes: 2 },
    { path: 'b/x.d.ts', bytes: 2 },
    { path: 'z.md', bytes: 1 },
  ]);
  expect(corpus).toMatchObject({ folder, bytes: 5, tooLarge: 0, overLimit: 0 });
});

test('counts a package once although links lead to it, and skips hidden entries other than .pnpm', async () => {
  const folder = await makeTree({
    '.pnpm/a@1/node_modules/a/readme.md': 'a',
    '.cache/x.md': 'no',
    '.state.json': 'no',
  });
  await symlink(join(folder, '.pnpm/a@1/node_modules/a'), join(folder, 'a'));
  await symlink(folder, join(folder, 'loop'));
  const { files } = await listCorpus(folder);
  expect(files.map(file => file.path)).toEqual(['.pnpm/a@1/node_modules/a/readme.md']);
});

test('leaves out files over the size limit and says how many', async () => {
  const folder = await makeTree({ 'a.md': 'x'.repeat(11), 'b.md': 'x'.repeat(10) });
  const corpus = await listCorpus(folder, { ...defaultLimits, maxFileBytes: 10 });
  expect(corpus.files.map(file => file.path)).toEqual(['b.md']);
  expect(corpus.tooLarge).toBe(1);
});

test('ends the list at the first file over the total and says how many are missing', async () => {
  const folder = await makeTree({ 'a.md': 'xxxx', 'b.md': 'xxxx', 'c.md': 'xxxx', 'd.md': 'x' });
  const byBytes = await listCorpus(folder, { ...defaultLimits, maxBytes: 9 });
  expect(byBytes.files.map(file => file.path)).toEqual(['a.md', 'b.md']);
  expect(byBytes.overLimit).toBe(2);
  const byCount = await listCorpus(folder, { ...defaultLimits, maxFiles: 3 });
  expect(byCount.files).toHaveLength(3);
  expect(byCount.overLimit).toBe(1);
});

test('refuses a folder without such files', async () => {
  const folder = await makeTree({ 'a.txt': 'no' });
  await expect(listCorpus(folder)).rejects.toThrow(/Found no \.md, \.d\.ts, \.json file/);
});

test('refuses a folder that does not exist', async () => {
  const folder = await makeTree({});
  await expect(listCorpus(join(folder, 'none'))).rejects.toThrow(/Can't list the files under .*none \(ENOENT/);
});

test('gives each path one shard, and every shard some paths', () => {
  const counts = new Array<number>(24).fill(0);
  for (let number = 0; number < 2400; number++) {
    const shard = shardOf(`package-${number}/readme.md`, 24);
    expect(shardOf(`package-${number}/readme.md`, 24)).toBe(shard);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  expect(Math.min(...counts)).toBeGreaterThan(50);
  expect(Math.max(...counts)).toBeLessThan(200);
});
