import { FoundationError } from './errors.js';

/** Where a node can be dialled. */
export interface Address {
  /** The transport that speaks there: `'tcp'`, `'memory'`, … */
  readonly protocol: string;
  /** A host name or IP address (IPv6 without brackets). */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

/** `tcp://127.0.0.1:4370`; equal texts are equal addresses. */
export function formatAddress(address: Address): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${address.protocol}://${host}:${address.port}`;
}

/**
 * Reads `host:port` or `protocol://host:port`.
 * @param protocol - what a text without a protocol means; default `'tcp'`
 * @throws FoundationError `invalid-option` when the text is neither
 */
export function parseAddress(text: string, protocol = 'tcp'): Address {
  const match = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(?:\[([^\]]+)\]|([^:/\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[2] ?? match?.[3];
  const port = Number(match?.[4]);
  if (match === null || host === undefined || port < 1 || port > 65_535) {
    throw new FoundationError(
      'invalid-option',
      `'${text}' is not an address; allowed: host:port or protocol://host:port with a port from 1 to 65535.`,
    );
  }
  return { protocol: match[1] ?? protocol, host, port };
}
