import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { TimeoutError } from './patience.js';
import type { Ending, RunningWorker, WorkerHost } from './worker-host.js';

/** How long a worker may take to start; milliseconds. */
const startTimeout = 60_000;
/** How long a worker may take to end; longer than a node takes to drain. */
const endTimeout = 20_000;

/** The workers of a run. None outlives the run, however it ends. */
export class Workers {
  readonly #clusterId: string;
  readonly #host: WorkerHost;
  readonly #print: (line: string) => void;
  readonly #running = new Map<string, RunningWorker>();
  readonly #killAll = () => {
    for (const worker of this.#running.values()) worker.end('SIGKILL');
  };

  /** @param print - takes the lines that workers write, each with the worker's name in front */
  constructor(clusterId: string, host: WorkerHost, print: (line: string) => void) {
    this.#clusterId = clusterId;
    this.#host = host;
    this.#print = print;
    process.once('exit', this.#killAll);
  }

  /** What they are. */
  get kind(): WorkerHost['kind'] {
    return this.#host.kind;
  }

  /** Names of those that run. */
  names(): string[] {
    return [...this.#running.keys()];
  }

  /** The name of the worker at a place. */
  nameAt(place: string): string | undefined {
    return this.names().find(name => this.#running.get(name)?.place === place);
  }

  /**
   * Starts a worker; resolves once its node runs.
   * @throws if it ends or stays silent instead
   */
  async start(name: string): Promise<void> {
    const worker = await this.#host.start({ name, clusterId: this.#clusterId });
    this.#running.set(name, worker);
    void worker.ended.then(() => this.#running.delete(name));
    for (const stream of worker.output) this.#forward(name, stream);
    const ended = worker.ended.then(code => {
      throw new Error(
        `Worker ${name} ended (${code === null ? 'killed' : `code ${code}`}) before its node ran; its output above says why.`,
      );
    });
    ended.catch(() => {});
    const silent = `worker ${name} did not start`;
    await within(startTimeout, silent, Promise.race([worker.ready, ended])).catch(error => {
      worker.end('SIGKILL');
      throw error;
    });
  }

  /**
   * Makes a worker end, and waits until it has.
   * @returns its exit code; `null` when it was killed
   * @throws TimeoutError when it does not end
   */
  async end(name: string, how: Ending): Promise<number | null> {
    const worker = this.#running.get(name);
    if (worker === undefined)
      throw new Error(`No worker ${name} runs; there are: ${this.names().join(', ') || 'none'}.`);
    worker.end(how);
    return await within(endTimeout, `worker ${name} did not end on ${how}`, worker.ended);
  }

  /** Kills all that still run and waits for their end. */
  async dispose(): Promise<void> {
    await Promise.all(this.names().map(name => this.end(name, 'SIGKILL')));
    process.off('exit', this.#killAll);
  }

  #forward(name: string, stream: Readable): void {
    createInterface({ input: stream }).on('line', line => this.#print(`[${name}] ${line}`));
  }
}

/** @throws TimeoutError */
async function within<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new TimeoutError(`Gave up after ${milliseconds / 1000} s: ${what}.`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
