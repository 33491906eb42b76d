import type { TlsFiles } from 'foundation-ts';

/** What the main process tells a worker on its command line. */
export interface WorkerSetup extends ConnectionSetup {
  readonly name: string;
  readonly clusterId: string;
}

/** How a node talks with the others. */
export interface ConnectionSetup {
  readonly transport: 'tcp' | 'ws';
  readonly tls?: TlsFiles;
}

/** The one message that a worker sends to its parent: it runs and has joined the distributed supervisor. */
export interface WorkerReady {
  readonly type: 'ready';
}
