import type { Readable } from 'node:stream';
import type { WorkerSetup } from './worker-protocol.js';

/** How a worker is made to end: at once in the midst of its work, or after it has handed over what it has. */
export type Ending = 'SIGKILL' | 'SIGTERM';

/** A worker that was started. */
export interface RunningWorker {
  /** Where its shards say they are. */
  readonly place: string;
  readonly output: readonly Readable[];
  /** Resolves when its node runs. */
  readonly ready: Promise<unknown>;
  /** Resolves when it has ended, with its exit code; `null` when it was killed. Never rejects. */
  readonly ended: Promise<number | null>;
  /** Doesn't wait for the end. */
  end(how: Ending): void;
}

/** What workers are: processes, or threads of this one. */
export interface WorkerHost {
  readonly kind: 'processes' | 'threads';
  start(setup: WorkerSetup): Promise<RunningWorker>;
}
