import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

/** What a test asks a member process to do. */
export type Command =
  | { readonly do: 'members' | 'events' | 'children' | 'local' }
  | { readonly do: 'names'; readonly ids: readonly string[] }
  | { readonly do: 'start' | 'report' | 'applied'; readonly id: string }
  | { readonly do: 'add'; readonly id: string; readonly entry: string; readonly timeout?: number }
  | { readonly do: 'note'; readonly id: string; readonly entry: string };

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly message: string; readonly code: string | undefined };
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const program = fileURLToPath(new URL('../programs/member.ts', import.meta.url));
const flags = ['--import', 'tsx', '-C', '@foundation-ts/source'];

/** One node of a real cluster: an operating-system process of its own. */
export class Member {
  readonly name: string;
  readonly process: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals | null>;
  output = '';
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  private constructor(name: string, clusterId: string, env: NodeJS.ProcessEnv) {
    this.name = name;
    this.process = fork(program, [name, clusterId], { execArgv: flags, silent: true, env: { ...process.env, ...env } });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.output += data.toString();
      });
    }
    this.process.on('message', (message: Answer) => {
      const waiting = this.#waiting.get(message.id);
      if (waiting === undefined) return;
      this.#waiting.delete(message.id);
      if (message.error === undefined) waiting.resolve(message.value);
      else waiting.reject(Object.assign(new Error(message.error.message), { code: message.error.code }));
    });
    this.exited = new Promise(resolve => {
      this.process.once('exit', (code, signal) => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${name} has ended`));
        this.#waiting.clear();
        resolve(signal ?? code);
      });
    });
  }

  static async start(name: string, clusterId: string, env: NodeJS.ProcessEnv): Promise<Member> {
    const member = new Member(name, clusterId, env);
    await new Promise<void>((resolve, reject) => {
      member.process.once('message', () => resolve());
      void member.exited.then(code => reject(new Error(`${name} ended with ${code}: ${member.output}`)));
    });
    return member;
  }

  ask<T = unknown>(command: Command): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.process.send({ id, command }, error => {
        if (error === null) return;
        this.#waiting.delete(id);
        reject(error);
      });
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }
}

/** Real processes that form a cluster of their own; all are killed at the end. */
export class RealCluster implements AsyncDisposable {
  readonly members: Member[] = [];
  readonly clusterId = `test-${randomBytes(6).toString('hex')}`;
  readonly #home = mkdtempSync(join(tmpdir(), 'foundation-test-'));

  async start(...names: string[]): Promise<Member[]> {
    const env = { XDG_CONFIG_HOME: this.#home };
    const started = await Promise.all(names.map(name => Member.start(name, this.clusterId, env)));
    this.members.push(...started);
    return started;
  }

  /** Until each of these members sees exactly these. */
  async formed(members: readonly Member[], within = 15_000): Promise<void> {
    const names = members.map(member => member.name).sort();
    await until(
      async () => {
        for (const member of members) {
          const seen = await member.ask<{ name: string; reachable: boolean; status: string }[]>({ do: 'members' });
          const alive = seen.filter(one => one.reachable && one.status === 'up').map(one => one.name);
          if (alive.sort().join() !== names.join()) return false;
        }
        return true;
      },
      () => `${names.join()} to see each other; ${this.members.map(member => member.output).join('\n')}`,
      within,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) {
      member.signal('SIGCONT');
      member.signal('SIGKILL');
    }
    await Promise.all(this.members.map(member => member.exited));
    rmSync(this.#home, { recursive: true, force: true });
  }
}
