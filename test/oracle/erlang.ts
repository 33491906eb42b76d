import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { debianMissing } from '../support/debian.js';

/** Makes sure that Erlang is there. @returns why it is not, or undefined */
export function erlangMissing(): string | undefined {
  return debianMissing({ erl: 'erlang-base', erlc: 'erlang-base' });
}

/** OTP's own supervisors, at the other end of a pipe. */
export class Erlang implements Disposable {
  readonly #folder: string;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  #lines: string[] = [];
  #waiting: { resolve(lines: string[]): void; reject(error: Error): void } | undefined = undefined;
  #ended: Error | undefined = undefined;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'oracle-'));
    const source = fileURLToPath(new URL('oracle.erl', import.meta.url));
    execFileSync('erlc', ['-o', this.#folder, source], { stdio: ['ignore', 'inherit', 'inherit'] });
    const args = ['-noshell', '+S', '1:1', '-pa', this.#folder, '-s', 'oracle', 'main'];
    this.#process = spawn('erl', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#process.stdout }).on('line', line => this.#read(line));
    this.#process.on('error', error => this.#end(error));
    this.#process.on('exit', code => this.#end(new Error(`erl has ended with ${code}`)));
    this.#process.stdin.on('error', error => this.#end(error));
  }

  /** Sends one line; resolves with the lines up to `done`. */
  ask(line: string): Promise<string[]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      this.#waiting = { resolve, reject };
      this.#process.stdin.write(`${line}\n`);
    });
  }

  #read(line: string): void {
    if (line !== 'done') {
      this.#lines.push(line);
      return;
    }
    const lines = this.#lines;
    this.#lines = [];
    this.#waiting?.resolve(lines);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#waiting?.reject(this.#ended);
  }

  [Symbol.dispose](): void {
    this.#process.stdin.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
