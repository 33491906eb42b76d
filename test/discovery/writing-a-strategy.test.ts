import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

// The guide's strategy through the guide's suite, word for word; here, so that their imports resolve.
const folder = mkdtempSync(join(import.meta.dirname, '.guide-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const guide = readFileSync(new URL('../../docs/guide/writing-a-strategy.md', import.meta.url), 'utf8');
const files = [...guide.matchAll(/^```ts (?:run|sketch)\n\/\/ (shared-folder\S*\.ts)\n(.*?)^```/gms)];
for (const [, name, text] of files) writeFileSync(join(folder, name as string), text as string);

test('the guide has a strategy and its suite', () => {
  expect(files.map(([, name]) => name)).toEqual(['shared-folder.ts', 'shared-folder.test.ts']);
  expect(files[1]?.[2]?.trim().split('\n').length).toBeLessThan(15);
});

await import(join(folder, 'shared-folder.test.ts'));
