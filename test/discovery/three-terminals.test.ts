import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { namespacesMissing } from '../support/netns.js';
import { until } from '../support/until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const within = 3_000;
const alone = namespacesMissing();
if (alone !== undefined) console.warn(`three terminals without a network: skipped, ${alone}`);

/** `npx tsx examples/counter/node.ts` in a terminal of its own, with nothing configured. */
class Terminal {
  readonly #process: ChildProcess;
  output = '';
  /** When its program said its first line; when it knew of two others. */
  began: number | undefined;
  formed: number | undefined;

  constructor(before: readonly string[], home: string) {
    const [command = 'npx', ...args] = [...before, 'npx', 'tsx', 'examples/counter/node.ts'];
    this.#process = spawn(command, args, { cwd: root, env: surroundings(home), detached: true });
    for (const stream of [this.#process.stdout, this.#process.stderr]) stream?.on('data', data => this.#heard(data));
  }

  #heard(data: Buffer): void {
    this.output += data.toString();
    if (this.output.includes('cluster:')) this.began ??= performance.now();
    const others = new Set([...this.output.matchAll(/member (\S+) is up/g)].map(([, name]) => name));
    if (others.size === 2) this.formed ??= performance.now();
  }

  /** What the counter said here. */
  get counts(): number[] {
    return [...this.output.matchAll(/^(\d+)$/gm)].map(([, count]) => Number(count));
  }

  close(): Promise<unknown> {
    const ended = new Promise(resolve => this.#process.once('exit', resolve));
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return Promise.resolve();
    process.kill(-(this.#process.pid as number), 'SIGKILL');
    return ended;
  }
}

/** This process's, without what configures nodes, and with folders that no other run has. */
function surroundings(home: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(FOUNDATION_|NODE_|VITEST|KUBERNETES_|FLY_)/.test(name),
  );
  return { ...Object.fromEntries(own), HOME: home, XDG_RUNTIME_DIR: home, XDG_CONFIG_HOME: home };
}

describe('three terminals, with nothing configured', () => {
  let home: string;
  let terminals: Terminal[];

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'foundation-terminals-'));
    terminals = [];
  });
  afterEach(async () => {
    await Promise.all(terminals.map(terminal => terminal.close()));
    rmSync(home, { recursive: true, force: true });
  });

  const open = async (before: readonly string[] = []): Promise<void> => {
    terminals.push(...[1, 2, 3].map(() => new Terminal(before, home)));
    const outputs = (): string => terminals.map(terminal => terminal.output).join('\n---\n');
    await until(() => terminals.every(({ formed }) => formed !== undefined), outputs, 30_000);
    const began = Math.max(...terminals.map(terminal => terminal.began as number));
    const took = Math.max(...terminals.map(terminal => terminal.formed as number)) - began;
    expect(took).toBeLessThan(within);
    // One counter for all: while each adds one a second, the same number is never said twice.
    const soFar = terminals.map(({ counts }) => counts.length);
    const since = (): number[] => terminals.flatMap(({ counts }, index) => counts.slice(soFar[index] as number));
    await until(() => since().length >= 6, outputs, 15_000);
    const said = since();
    expect(new Set(said).size).toBe(said.length);
  };

  test('form one cluster within 3 s', () => open());

  test.skipIf(alone !== undefined)('form one on a host without any network', async () => {
    const name = `fnd-${process.pid}-alone`;
    const ip = (...args: string[]): void => {
      const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
    };
    ip('netns', 'add', name);
    try {
      ip('-n', name, 'link', 'set', 'lo', 'up');
      await open(['ip', 'netns', 'exec', name]);
    } finally {
      await Promise.all(terminals.map(terminal => terminal.close()));
      ip('netns', 'delete', name);
    }
  });
});

test('what packages export can be run as source, without a build', () => {
  // As TypeScript reads it: with comments.
  const text = readFileSync(join(root, 'tsconfig.json'), 'utf8').replaceAll(/^\s*\/\/.*$/gm, '');
  const { paths } = (JSON.parse(text) as { compilerOptions: { paths: Record<string, [string]> } }).compilerOptions;
  const resolved = (name: string): string | undefined => {
    const fits = Object.keys(paths)
      .filter(pattern => pattern === name || (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1))))
      .sort((left, right) => right.length - left.length)[0];
    return fits === undefined ? undefined : paths[fits]?.[0].replace('*', name.slice(fits.length - 1));
  };
  const wrong: string[] = [];
  for (const folder of readdirSync(join(root, 'packages'))) {
    const { name, exports } = JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8')) as {
      readonly name: string;
      readonly exports: Readonly<Record<string, Readonly<Record<string, string>> | string>>;
    };
    for (const [subpath, targets] of Object.entries(exports)) {
      if (typeof targets === 'string') continue;
      const source = `./packages/${folder}/${targets['@foundation-ts/source']?.slice(2)}`;
      const mapped = resolved(name + subpath.slice(1));
      if (mapped !== source) wrong.push(`${name + subpath.slice(1)}: ${mapped}, not ${source}`);
    }
  }
  expect(wrong).toEqual([]);
});
