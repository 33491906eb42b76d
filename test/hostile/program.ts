import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const flags = ['--expose-gc', '--import', 'tsx', '-C', '@foundation-ts/source'];

/** A node in an operating-system process of its own, which does what it is told. */
export class Program implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals | null>;
  output = '';
  alive = true;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  private constructor(file: string | URL, args: readonly string[], prefix: readonly string[]) {
    const path = fileURLToPath(file instanceof URL ? file : new URL(`./programs/${file}.ts`, import.meta.url));
    const [command = '', ...rest] = [...prefix, process.execPath, ...flags, path, ...args];
    this.process = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], serialization: 'advanced' });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (data: Buffer) => {
        if (this.output.length < 100_000) this.output += data.toString();
      });
    }
    this.process.on('message', (message: Answer) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error === undefined) waiting?.resolve(message.value);
      else waiting?.reject(new Error(message.error));
    });
    this.exited = new Promise(resolve => {
      this.process.once('exit', (code, signal) => {
        this.alive = false;
        for (const { reject } of this.#waiting.values()) reject(new Error(`${file} has ended: ${this.output}`));
        this.#waiting.clear();
        resolve(signal ?? code);
      });
    });
  }

  /** @param file - a program of this folder's `programs`, without `.ts`; or where one lies */
  static start(file: string | URL, ...args: readonly string[]): Promise<Program> {
    return Program.startWithin([], file, ...args);
  }

  /** @param prefix - the front of the command line, such as that which enters a network namespace */
  static async startWithin(
    prefix: readonly string[],
    file: string | URL,
    ...args: readonly string[]
  ): Promise<Program> {
    const program = new Program(file, args, prefix);
    await new Promise<void>((resolve, reject) => {
      program.process.once('message', () => resolve());
      void program.exited.then(code => reject(new Error(`${file} ended with ${code}: ${program.output}`)));
    });
    return program;
  }

  /** Lets the program run one of its commands. */
  ask<T = unknown>(command: string, argument?: unknown): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.process.send({ id, command, argument }, error => {
        if (error === null) return;
        this.#waiting.delete(id);
        reject(error);
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.alive) {
      this.process.kill('SIGCONT');
      this.process.kill('SIGKILL');
    }
    await this.exited;
  }
}

/** In a program: runs the commands that come. */
export function serve(commands: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on('message', (message: { id: number; command: string; argument: unknown }) => {
    const { id, command, argument } = message;
    Promise.resolve()
      .then(() => (commands[command] as (argument: unknown) => unknown)(argument))
      .then(
        value => process.send?.({ id, value }),
        error => process.send?.({ id, error: String((error as Error).stack) }),
      );
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ id: 0 });
}
