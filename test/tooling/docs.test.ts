import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

function check(markdown: string) {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const tree = mkdtempSync(join(cache, 'documents-'));
  try {
    const document = join(tree, 'page.md');
    writeFileSync(document, markdown);
    const tool = join(root, 'test/tooling/docs.ts');
    const child = spawnSync(process.execPath, ['--import', 'tsx', tool, relative(root, document)], {
      cwd: root,
      encoding: 'utf8',
    });
    return { status: child.status, output: child.stdout + child.stderr };
  } finally {
    rmSync(tree, { recursive: true });
  }
}

const page = (mark: string, code: string) => `# Page\n\n\`\`\`ts${mark}\n${code}\n\`\`\`\n`;

it('passes a block that compiles and runs', () => {
  const { status, output } = check(
    page(
      ' run',
      "import { systemClock } from '@foundation-ts/core';\nconst now: number = systemClock.now();\nif (now < 0) throw new Error('no');",
    ),
  );
  expect(output).toContain('1 blocks type-checked, 1 run');
  expect(status).toBe(0);
});

it('fails a block that does not compile, and says where it stands', () => {
  const { status, output } = check(page('', "const count: number = 'one';\nconsole.log(count);"));
  expect(output).toMatch(/page\.md \(block at line 3\)/);
  expect(status).toBe(1);
});

it('fails a block that compiles and throws', () => {
  const { status, output } = check(page(' run', "throw new Error('on purpose');"));
  expect(output).toContain('on purpose');
  expect(status).toBe(1);
});

it('leaves a sketch alone', () => {
  expect(check(page(' sketch', 'const = ;'))).toMatchObject({ status: 0 });
});

it('refuses a mark that it does not know', () => {
  expect(check(page(' rnu', '1;'))).not.toMatchObject({ status: 0 });
});
