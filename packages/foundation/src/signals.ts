import type { Log } from '@foundation-ts/core';

/** What is stopped when the process is asked to end. */
export interface Stoppable {
  stop(): Promise<void>;
  readonly log: Log;
}

/**
 * The process's one handler for SIGTERM and SIGINT: signals belong to the process, not to a node, so this is the one table that its
 * nodes share. The first signal stops all nodes in order and ends the process with code 0; a second one ends it at once.
 */
const nodes = new Set<Stoppable>();
let stopping = false;

function onSignal(signal: NodeJS.Signals): void {
  if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
  stopping = true;
  for (const node of nodes) node.log.info({ signal }, 'stopping; a second signal ends the process at once');
  void Promise.allSettled([...nodes].map(node => node.stop())).then(() => process.exit(0));
}

/** Stops the node on SIGTERM and SIGINT until the result is called. */
export function stopOnSignals(node: Stoppable): () => void {
  if (nodes.size === 0) {
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  }
  nodes.add(node);
  return () => {
    if (stopping) return;
    nodes.delete(node);
    if (nodes.size > 0) return;
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
  };
}
