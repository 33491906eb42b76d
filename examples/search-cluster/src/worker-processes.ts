import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { placeOf } from './place.js';
import type { RunningWorker, WorkerHost } from './worker-host.js';
import type { ConnectionSetup, WorkerSetup } from './worker-protocol.js';

/**
 * Workers as operating-system processes.
 * @param connectionOf - how the worker of a name talks with the others
 */
export function workerProcesses(connectionOf: (name: string) => Promise<ConnectionSetup>): WorkerHost {
  return { kind: 'processes', start: async setup => start(setup, await connectionOf(setup.name)) };
}

function start(setup: WorkerSetup, connection: ConnectionSetup): RunningWorker {
  const program = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const child = fork(program, [JSON.stringify({ ...setup, connection })], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  return {
    place: placeOf(child.pid ?? 0, 0),
    output: [child.stdout, child.stderr] as Readable[],
    ready: once(child, 'message'),
    ended: new Promise(resolve => child.once('exit', resolve)),
    end: how => void child.kill(how),
  };
}
