import { Certificates } from './certificates.js';
import type { TransportName } from './options.js';
import type { ConnectionSetup } from './worker-protocol.js';

/**
 * Says for each node, by name, how it talks with the others.
 * @param folder - for certificates; must not exist yet
 */
export async function connectionsOver(
  transport: TransportName,
  folder: string,
): Promise<(name: string) => Promise<ConnectionSetup>> {
  if (transport !== 'tls') return async () => ({ transport });
  const certificates = await Certificates.create(folder);
  return async name => ({ transport: 'tcp', tls: await certificates.issue(name) });
}
