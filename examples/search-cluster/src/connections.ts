import { tlsFiles } from 'foundation-ts';
import { Certificates } from './certificates.js';
import type { TransportName } from './options.js';
import type { Connection } from './search-node.js';
import type { ConnectionSetup } from './worker-protocol.js';

/**
 * Says for each node that is a process, by name, how it talks with the others.
 * @param folder - for certificates; must not exist yet
 */
export async function connectionsOver(
  transport: Exclude<TransportName, 'threads'>,
  folder: string,
): Promise<(name: string) => Promise<ConnectionSetup>> {
  if (transport !== 'tls') return async () => ({ transport });
  const certificates = await Certificates.create(folder);
  return async name => ({ transport: 'tcp', tls: await certificates.issue(name) });
}

/** Nodes of one cluster id find each other by themselves. */
export function connectionOf({ transport, tls }: ConnectionSetup): Connection {
  return { cluster: true, transport, ...(tls === undefined ? {} : { tls: tlsFiles(tls) }) };
}
