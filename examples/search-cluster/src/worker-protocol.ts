import type { KeywordOptions, TlsFiles } from 'foundation-ts';

/** What a worker is told when it starts. */
export interface WorkerSetup {
  readonly name: string;
  readonly clusterId: string;
}

/** How a node that is a process of its own finds the others. */
export interface DiscoverySetup {
  readonly cluster: true | KeywordOptions;
  readonly host?: string;
  readonly port?: number;
}

/** How it finds them and talks with them. */
export interface ConnectionSetup extends DiscoverySetup {
  readonly transport: 'tcp' | 'ws';
  readonly tls?: TlsFiles;
}

/** The one message that a worker sends: it runs and has joined the distributed supervisor. */
export interface WorkerReady {
  readonly type: 'ready';
}
