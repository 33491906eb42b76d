/** Packs every published package and holds the tarball against publint and attw: what users get, not what lies here. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = join(import.meta.dirname, '../..');
const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');

function pack(destination: string): readonly string[] {
  const filter = ['--filter', './packages/*'];
  execFileSync('npx', ['-y', 'pnpm@10', '--recursive', ...filter, 'pack', '--pack-destination', destination], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return readdirSync(destination)
    .filter(name => name.endsWith('.tgz'))
    .sort();
}

/** What is wrong with one tarball, a line each. */
async function problems(tarball: string): Promise<readonly string[]> {
  const bytes = readFileSync(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) },
    strict: true,
  });
  const found = messages
    .filter(message => message.type !== 'suggestion')
    .map(message => `publint: ${formatMessage(message, pkg, { color: false })}`);
  const types = spawnSync(process.execPath, [attw, '--profile', 'esm-only', '--format', 'ascii', tarball], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  if (types.status !== 0) found.push(`attw:\n${types.stdout}${types.stderr}`);
  return found;
}

const destination = mkdtempSync(join(tmpdir(), 'packages-'));
try {
  const tarballs = pack(destination);
  if (tarballs.length === 0) throw new Error('Nothing was packed; packages/ holds no published package.');
  for (const name of tarballs) {
    const found = await problems(join(destination, name));
    console.log(`${found.length === 0 ? 'ok  ' : 'FAIL'} ${name}`);
    for (const line of found) console.log(`  ${line}`);
    if (found.length > 0) process.exitCode = 1;
  }
} finally {
  rmSync(destination, { recursive: true });
}
