import { isIPv6 } from 'node:net';
import { type Address, isFoundationError, parseAddress } from '@foundation-ts/core';
import { toAddress } from './advertised.js';
import { MAX_ADDRESSES } from './defaults.js';

/** What a hosts file says. */
export interface HostsLines {
  readonly addresses: readonly Address[];
  /** Lines that say nothing well-formed; numbers count from 1. */
  readonly malformed: readonly { readonly line: number; readonly text: string }[];
  /** Addresses beyond the most that are taken. */
  readonly excess: number;
}

/**
 * Reads lines of `host`, `host:port` or `protocol://host:port`. IPv6 addresses stand bare or, with a port, in brackets. What follows a
 * `#` is a comment, blank lines mean nothing.
 * @param otherwise - what a line without a port or a protocol means
 */
export function readHostsLines(text: string, otherwise: Pick<Address, 'port' | 'protocol'>): HostsLines {
  const addresses: Address[] = [];
  const malformed: { line: number; text: string }[] = [];
  let excess = 0;
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/)
    .entries()) {
    const entry = line.replace(/#.*/, '').trim();
    if (entry === '') continue;
    const address = toEntry(entry, otherwise);
    if (address === undefined) malformed.push({ line: index + 1, text: entry });
    else if (addresses.length < MAX_ADDRESSES) addresses.push(address);
    else excess++;
  }
  return { addresses, malformed, excess };
}

function toEntry(entry: string, { port, protocol }: Pick<Address, 'port' | 'protocol'>): Address | undefined {
  const bracketed = /^\[([^\]]*)\]$/.exec(entry)?.[1];
  if (isIPv6(bracketed ?? entry)) return { protocol, host: bracketed ?? entry, port };
  if (/^[^\s:/[\]]+$/.test(entry)) return toAddress({ protocol, host: entry, port });
  try {
    return toAddress(parseAddress(entry, protocol));
  } catch (error) {
    if (isFoundationError(error, 'invalid-option')) return undefined;
    throw error;
  }
}
