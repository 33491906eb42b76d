/** What the main process tells a worker on its command line. */
export interface WorkerSetup {
  readonly name: string;
  readonly clusterId: string;
}

/** The one message that a worker sends to its parent: it runs and has joined the distributed supervisor. */
export interface WorkerReady {
  readonly type: 'ready';
}
