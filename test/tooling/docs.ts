/**
 * Keeps the code in the documents true. Every ```ts block of README.md and docs/guide/*.md is type-checked on its own;
 * a block marked ```ts run is run as well and must end by itself with exit code 0; a block marked ```ts sketch shows a
 * shape only and is neither. Arguments name other documents to check instead.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

interface Block {
  readonly document: string;
  /** Of the fence, counted from 1. */
  readonly line: number;
  readonly mark: '' | 'run' | 'sketch';
  readonly text: string;
}

const runTimeout = 30_000;
const root = join(import.meta.dirname, '../..');
// Inside the workspace, so that a block's imports resolve as they do for a user; one for each run, so that two don't meet.
const folder = join(root, `node_modules/.cache/docs-${process.pid}`);

function blocksOf(document: string): readonly Block[] {
  const blocks: Block[] = [];
  const lines = readFileSync(join(root, document), 'utf8').split('\n');
  for (let index = 0; index < lines.length; index++) {
    const fence = /^```(\S*) *(.*)$/.exec(lines[index] ?? '');
    if (fence === null) continue;
    const start = index + 1;
    const end = lines.indexOf('```', start);
    if (end === -1) throw new Error(`${document}:${start}: this code block never ends.`);
    index = end;
    if (fence[1] !== 'ts' && fence[1] !== 'typescript') continue;
    const mark = fence[2] ?? '';
    if (mark !== '' && mark !== 'run' && mark !== 'sketch') {
      throw new Error(`${document}:${start}: a ts block is marked '${mark}'; allowed: run, sketch, or nothing.`);
    }
    blocks.push({ document, line: start, mark, text: lines.slice(start, end).join('\n') });
  }
  return blocks;
}

function defaultDocuments(): readonly string[] {
  const guide = join(root, 'docs/guide');
  const pages = existsSync(guide) ? readdirSync(guide).filter(name => name.endsWith('.md')) : [];
  return ['README.md', ...pages.sort().map(name => join('docs/guide', name))];
}

const fileOf = (block: Block) => `${block.document.replaceAll('/', '-').replace(/\.md$/, '')}-${block.line}.ts`;

function typeErrors(blocks: readonly Block[]): string {
  const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
    encoding: 'utf8',
  });
  if (tsc.status === 0) return '';
  return blocks.reduce((text, block) => {
    const path = relative(process.cwd(), join(folder, fileOf(block)));
    return text.replaceAll(path, `${block.document} (block at line ${block.line}) `);
  }, tsc.stdout + tsc.stderr);
}

/** Runs one block; what it printed when it failed, nothing when it ended well. */
function failureOf(block: Block): Promise<string | undefined> {
  return new Promise(resolve => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', '-C', '@foundation-ts/source', join(folder, fileOf(block))],
      { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: runTimeout, killSignal: 'SIGKILL' },
    );
    let output = '';
    child.stdout.on('data', chunk => {
      output += chunk;
    });
    child.stderr.on('data', chunk => {
      output += chunk;
    });
    child.on('close', (code, signal) => {
      if (code === 0) resolve(undefined);
      else resolve(`${signal === null ? `exit code ${code}` : `not ended after ${runTimeout} ms`}\n${output}`);
    });
  });
}

const documents = process.argv.length > 2 ? process.argv.slice(2) : defaultDocuments();
const blocks = documents.flatMap(blocksOf);
const checked = blocks.filter(block => block.mark !== 'sketch');
const runnable = blocks.filter(block => block.mark === 'run');

rmSync(folder, { recursive: true, force: true });
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
writeFileSync(
  join(folder, 'tsconfig.json'),
  JSON.stringify({
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      noEmit: true,
      moduleDetection: 'force',
      customConditions: ['@foundation-ts/source'],
      typeRoots: [join(root, 'node_modules/@types')],
    },
    files: checked.map(fileOf),
  }),
);
for (const block of checked) writeFileSync(join(folder, fileOf(block)), `${block.text}\n`);

const errors = checked.length === 0 ? '' : typeErrors(checked);
if (errors !== '') {
  console.error(errors);
  process.exitCode = 1;
}
for (const block of runnable) {
  const failure = await failureOf(block);
  if (failure === undefined) continue;
  console.error(`${block.document} (block at line ${block.line}): ${failure}`);
  process.exitCode = 1;
}
console.log(
  `${documents.map(document => basename(document)).join(', ')}: ${checked.length} blocks type-checked, ` +
    `${runnable.length} run, ${blocks.length - checked.length} sketches left out${process.exitCode === 1 ? '; FAILED' : ''}`,
);
