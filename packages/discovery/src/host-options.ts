import { type Address, invalidOption } from '@foundation-ts/core';
import { NODE_PORT, NODE_PROTOCOL } from './defaults.js';
import type { DiscoveryContext } from './strategy.js';

/** What strategies that learn only hosts take in addition. */
export interface HostOptions {
  /** Where the nodes listen; default: where this node does, else 4370. */
  readonly port?: number;
  /** The transport that they speak; default: that of this node, else `'tcp'`. */
  readonly protocol?: string;
}

/** @throws FoundationError `invalid-option` */
export function checkHostOptions({ port, protocol }: HostOptions): void {
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    throw invalidOption('port', port, 'an integer from 1 to 65535');
  }
  if (protocol !== undefined && !(typeof protocol === 'string' && /^[a-z][a-z0-9+.-]{0,254}$/.test(protocol))) {
    throw invalidOption('protocol', protocol, "the name of a transport, such as 'tcp' or 'ws'");
  }
}

/** {@link HostOptions} with the defaults filled in. */
export function resolveHostOptions(
  { port, protocol }: HostOptions,
  { self }: DiscoveryContext,
): Pick<Address, 'port' | 'protocol'> {
  return {
    port: port ?? self.address?.port ?? NODE_PORT,
    protocol: protocol ?? self.address?.protocol ?? NODE_PROTOCOL,
  };
}

/** @throws FoundationError `invalid-option` */
export function resolvePollInterval(given: number | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  if (typeof given === 'number' && Number.isFinite(given) && given >= 10) return given;
  throw invalidOption('pollInterval', given, 'a number of milliseconds, at least 10');
}

/** A DNS name in lower case without its last dot. @throws FoundationError `invalid-option` */
export function resolveDnsName(option: string, given: unknown, example: string): string {
  const name = typeof given === 'string' ? given.replace(/\.$/, '').toLowerCase() : '';
  const labels = name.split('.');
  const isAddress = /^[0-9]+$/.test(labels.at(-1) ?? '');
  if (name.length > 0 && name.length <= 253 && !isAddress && labels.every(isLabel)) return name;
  throw invalidOption(option, given, `a full DNS name of letters, digits, '-' and '_', such as '${example}'`);
}

/** One part of a DNS name. @throws FoundationError `invalid-option` */
export function resolveDnsLabel(option: string, given: unknown, example: string): string {
  const label = typeof given === 'string' ? given.toLowerCase() : '';
  if (isLabel(label)) return label;
  throw invalidOption(option, given, `one part of a DNS name: letters, digits, '-' and '_', such as '${example}'`);
}

const isLabel = (label: string): boolean => /^[a-z0-9_-]{1,63}$/.test(label);
