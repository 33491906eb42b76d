import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { TimeoutError } from './patience.js';
import type { ConnectionSetup, WorkerSetup } from './worker-protocol.js';

/** How long a worker may take to start. */
const startTimeout = 20_000;
/** How long a worker may take to end; longer than a node takes to drain. */
const endTimeout = 20_000;

/** The worker processes of a run. None outlives the run, however it ends. */
export class Workers {
  readonly #clusterId: string;
  readonly #connection: (name: string) => Promise<ConnectionSetup>;
  readonly #print: (line: string) => void;
  readonly #running = new Map<string, ChildProcess>();
  readonly #killAll = () => {
    for (const child of this.#running.values()) child.kill('SIGKILL');
  };

  /**
   * @param connection - how the worker of a name talks with the others
   * @param print - takes the lines that workers write, each with the worker's name in front
   */
  constructor(
    clusterId: string,
    connection: (name: string) => Promise<ConnectionSetup>,
    print: (line: string) => void,
  ) {
    this.#clusterId = clusterId;
    this.#connection = connection;
    this.#print = print;
    process.once('exit', this.#killAll);
  }

  /** Names of those that run. */
  names(): string[] {
    return [...this.#running.keys()];
  }

  /** The name of the worker with this process id. */
  nameOf(processId: number): string | undefined {
    return this.names().find(name => this.#running.get(name)?.pid === processId);
  }

  /**
   * Starts a worker process; resolves once its node runs.
   * @throws if it ends or stays silent instead
   */
  async start(name: string): Promise<void> {
    const setup: WorkerSetup = { name, clusterId: this.#clusterId, ...(await this.#connection(name)) };
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [JSON.stringify(setup)], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#running.set(name, child);
    child.once('exit', () => this.#running.delete(name));
    for (const stream of [child.stdout, child.stderr]) this.#forward(name, stream);
    const ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(
        `Worker ${name} ended (${signal ?? `code ${code}`}) before its node ran; its output above says why.`,
      );
    });
    const silent = AbortSignal.timeout(startTimeout);
    await Promise.race([once(child, 'message', { signal: silent }), ended]).catch(error => {
      child.kill('SIGKILL');
      if (!silent.aborted) throw error;
      throw new TimeoutError(`Gave up after ${startTimeout / 1000} s: worker ${name} did not start.`);
    });
    ended.catch(() => {});
  }

  /**
   * Sends a signal and waits for the process to end.
   * @returns its exit code; `null` when the signal ended it
   * @throws TimeoutError when it does not end
   */
  async end(name: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#running.get(name);
    if (child === undefined)
      throw new Error(`No worker ${name} runs; there are: ${this.names().join(', ') || 'none'}.`);
    const late = AbortSignal.timeout(endTimeout);
    const exit = once(child, 'exit', { signal: late });
    child.kill(signal);
    const [code] = (await exit.catch(error => {
      if (!late.aborted) throw error;
      throw new TimeoutError(`Gave up after ${endTimeout / 1000} s: worker ${name} did not end on ${signal}.`);
    })) as [number | null];
    return code;
  }

  /** Kills all that still run and waits for their end. */
  async dispose(): Promise<void> {
    await Promise.all(this.names().map(name => this.end(name, 'SIGKILL')));
    process.off('exit', this.#killAll);
  }

  #forward(name: string, stream: Readable | null): void {
    if (stream === null) return;
    createInterface({ input: stream }).on('line', line => this.#print(`[${name}] ${line}`));
  }
}
