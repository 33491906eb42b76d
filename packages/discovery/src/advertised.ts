import type { Address } from '@foundation-ts/core';
import type { Advertised } from './strategy.js';

const longestText = 255;

/** Reads what another node said about itself, from a file or a datagram; undefined unless every field is well-formed. */
export function toAdvertised(fields: {
  readonly name: unknown;
  readonly clusterId: unknown;
  readonly incarnation: unknown;
  readonly address: unknown;
}): Advertised | undefined {
  const { name, clusterId, incarnation } = fields;
  const address = toAddress(fields.address);
  if (!isText(name) || !isText(clusterId) || address === undefined) return undefined;
  if (typeof incarnation !== 'number' || !Number.isSafeInteger(incarnation) || incarnation < 0) return undefined;
  return { name, clusterId, incarnation, address };
}

/** Reads an address that came from outside; undefined unless it is well-formed. */
export function toAddress(value: unknown): Address | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { protocol, host, port } = value as Partial<Record<keyof Address, unknown>>;
  if (typeof protocol !== 'string' || protocol.length > longestText || !/^[a-z][a-z0-9+.-]*$/.test(protocol)) {
    return undefined;
  }
  if (!isText(host) || /[\s/[\]]/.test(host)) return undefined;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  return { protocol, host, port };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= longestText && !/\p{Surrogate}/u.test(value);
}
