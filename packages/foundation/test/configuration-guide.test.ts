import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runCommand } from '../src/command.js';
import { optionTable } from '../src/configuration-table.js';

const path = fileURLToPath(new URL('../../../docs/guide/configuration.md', import.meta.url));

function block(fence: string): string {
  const found = new RegExp(`\`\`\`${fence}\n([\\s\\S]*?)\n\`\`\``).exec(readFileSync(path, 'utf8'));
  if (found === null) throw new Error(`there is no block of ${fence} in ${path}`);
  return found[1] as string;
}

test("the guide's table is made from the code; UPDATE_GUIDE=1 writes it", () => {
  const page = readFileSync(path, 'utf8');
  const table = /^\| Option \| Variable \|[\s\S]*?\n(?=\n)/m;
  if (process.env.UPDATE_GUIDE === '1')
    writeFileSync(
      path,
      page.replace(table, () => `${optionTable()}\n`),
    );
  expect(table.exec(readFileSync(path, 'utf8'))?.[0]).toBe(`${optionTable()}\n`);
});

test('what the guide shows of the command is what it prints for the file in the guide', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'foundation-guide-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{ "name": "shop" }');
    writeFileSync(join(folder, 'foundation.config.json'), block('json'));
    let printed = '';
    const print = (text: string): void => {
      printed += text;
    };
    const env = { FOUNDATION_SECRET: '0123456789abcdef0123456789abcdef', FOUNDATION_ZONE: 'eu-1' };
    const args = ['config', '--profile', 'production'];
    expect(await runCommand(args, { env, cwd: folder, out: print, err: print })).toBe(0);
    const columns = (text: string): string[] =>
      text
        .replaceAll(folder, '/srv/shop')
        .split('\n')
        .map(line => line.replace(/ {2,}/g, '  '));
    const shown = columns(block('text')).filter(line => line !== '…' && !line.startsWith('$'));
    expect(shown.length).toBeGreaterThan(8);
    expect(columns(printed)).toEqual(expect.arrayContaining(shown));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
