import { join } from 'node:path';
import { tlsFiles } from 'foundation-ts';
import { Certificates } from './certificates.js';
import { discoveryBy } from './discovery.js';
import type { Options } from './options.js';
import type { Connection } from './search-node.js';
import type { ConnectionSetup } from './worker-protocol.js';

/**
 * Says for each node that is a process, by name, how it finds the others and talks with them.
 * @param folder - for certificates, or a list of hosts
 */
export async function connectionsOver(
  { transport, discovery }: Pick<Options, 'transport' | 'discovery'>,
  folder: string,
): Promise<(name: string) => Promise<ConnectionSetup>> {
  const find = await discoveryBy(discovery, folder);
  if (transport !== 'tls') return async name => ({ ...find(name), transport: transport === 'ws' ? 'ws' : 'tcp' });
  const certificates = await Certificates.create(join(folder, 'certificates'));
  return async name => ({ ...find(name), transport: 'tcp', tls: await certificates.issue(name) });
}

/** As options of `startNode`. */
export function connectionOf({ tls, ...setup }: ConnectionSetup): Connection {
  return { ...setup, ...(tls === undefined ? {} : { tls: tlsFiles(tls) }) };
}
