import { type StartOptions, startNode, type TlsFiles, tlsFiles } from 'foundation-ts';
import { Account } from './account.js';

/** How a node is started; plain data, so that a process can be told. */
export interface BankNodeSetup {
  readonly name: string;
  readonly clusterId: string;
  readonly transport: 'tcp' | 'ws';
  /** The files of its certificate. */
  readonly tls?: TlsFiles;
}

/** How a node finds the others and talks with them. */
type Connection = Pick<StartOptions, 'cluster' | 'discovery' | 'transport' | 'tls' | 'host' | 'port'>;

/** Nodes that are processes find each other by themselves. */
export function connectionOf({ transport, tls }: BankNodeSetup): Connection {
  return { cluster: true, transport, ...(tls === undefined ? {} : { tls: tlsFiles(tls) }) };
}

/** A node that takes its part of the accounts. */
export async function startBankNode(
  { name, clusterId }: { readonly name: string; readonly clusterId: string },
  connection: Connection & { readonly handleSignals?: boolean },
) {
  const node = await startNode({ name, clusterId, ...connection, definitions: [Account], log: 'error' });
  return { node, accounts: await node.distributedSupervisor('accounts') };
}
