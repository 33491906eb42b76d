import { type Address, formatAddress, isFoundationError, parseAddress } from '@foundation-ts/core';
import { STORE_MAX_ENTRY_LENGTH } from './defaults.js';
import type { Advertised } from './strategy.js';

/** What a node writes about itself into a store; two lives of one node differ. */
export function formatNodeEntry(self: Advertised): string {
  return JSON.stringify({ name: self.name, incarnation: self.incarnation, address: formatAddress(self.address) });
}

/** The address in what somebody wrote into a store; undefined unless it is well-formed. */
export function parseNodeEntry(text: string): Address | undefined {
  if (text.length > STORE_MAX_ENTRY_LENGTH) return undefined;
  try {
    const { address } = JSON.parse(text) as { readonly address?: unknown };
    return typeof address === 'string' ? parseAddress(address) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    if (isFoundationError(error, 'invalid-option')) return undefined;
    throw error;
  }
}

/** `<prefix>/<clusterId>/`, in which no two clusters meet, whatever their ids are. */
export function clusterKey(prefix: string, clusterId: string): string {
  return `${prefix}/${encodeURIComponent(clusterId)}/`;
}
