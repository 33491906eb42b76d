import { startNode } from 'foundation-ts';
import { Account } from './account.js';

/** A node that takes its part of the accounts. */
export async function startBankNode(name: string, clusterId: string, options: { handleSignals?: boolean } = {}) {
  const node = await startNode({ name, clusterId, cluster: true, definitions: [Account], log: 'error', ...options });
  return { node, accounts: await node.distributedSupervisor('accounts') };
}

// As a process of its own, started by bank.ts.
if (process.send !== undefined) {
  const [name = '', clusterId = ''] = process.argv.slice(2);
  await startBankNode(name, clusterId);
  process.once('disconnect', () => process.exit());
  process.send('ready');
}
