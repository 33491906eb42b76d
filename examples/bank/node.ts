import { startNode, type TlsFiles, tlsFiles } from 'foundation-ts';
import { Account } from './account.js';

/** How a node is started; `tls`: the files of its certificate. */
export interface BankNodeSetup {
  readonly name: string;
  readonly clusterId: string;
  readonly transport: 'tcp' | 'ws';
  readonly tls?: TlsFiles;
}

/** A node that takes its part of the accounts. */
export async function startBankNode({ tls, ...setup }: BankNodeSetup, options: { handleSignals?: boolean } = {}) {
  const security = tls === undefined ? {} : { tls: tlsFiles(tls) };
  const node = await startNode({
    ...setup,
    ...security,
    ...options,
    cluster: true,
    definitions: [Account],
    log: 'error',
  });
  return { node, accounts: await node.distributedSupervisor('accounts') };
}

// As a process of its own, started by bank.ts.
if (process.send !== undefined) {
  await startBankNode(JSON.parse(process.argv[2] ?? '') as BankNodeSetup);
  process.once('disconnect', () => process.exit());
  process.send('ready');
}
