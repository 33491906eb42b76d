import { type Address, invalidOption, isFoundationError, parseAddress } from '@foundation-ts/core';
import { addressSet } from './address-set.js';
import { toAddress } from './advertised.js';
import { Latest } from './latest.js';
import type { DiscoveryStrategy } from './strategy.js';

/**
 * Names always the same addresses (libcluster's `Epmd` strategy). Its watch yields once and ends when the node stops.
 * @param addresses - `'host:port'`, `'protocol://host:port'` (without a protocol: `tcp`) or addresses
 * @param option - how errors name the list
 * @throws FoundationError `invalid-option` for one that is not an address
 */
export function staticList(addresses: readonly (string | Address)[], option = 'addresses'): DiscoveryStrategy {
  if (!Array.isArray(addresses)) throw invalidOption(option, addresses, 'an array of addresses');
  const set = addressSet(addresses.map((given: string | Address, index) => resolve(given, `${option}[${index}]`)));
  return {
    name: 'static',
    watch(ctx) {
      const latest = new Latest<readonly Address[]>(ctx.signal);
      latest.push(set);
      return latest;
    },
  };
}

function resolve(given: string | Address, option: string): Address {
  const allowed = 'host:port or protocol://host:port with a port from 1 to 65535, or { protocol, host, port }';
  if (typeof given === 'string') {
    try {
      return parseAddress(given);
    } catch (error) {
      if (isFoundationError(error, 'invalid-option')) throw invalidOption(option, given, allowed);
      throw error;
    }
  }
  const address = toAddress(given);
  if (address === undefined) throw invalidOption(option, given, allowed);
  return address;
}
