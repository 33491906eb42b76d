import { type Address, formatAddress } from '@foundation-ts/core';
import type { ConnectHook } from './topology.js';

/** Where addresses come from: one strategy of one topology. */
export interface DiscoverySource {
  readonly topology: string;
  readonly strategy: string;
  readonly connect?: ConnectHook | undefined;
}

/** How a source's set has changed. */
export interface SourceChange {
  readonly found: readonly Address[];
  readonly lost: readonly Address[];
}

/**
 * Whom discovery names now, by source. A source that fails, or that is started again, says nothing, so what it said last stands; what it no longer names is
 * no longer dialled for its sake, and nobody is disconnected for it.
 */
export class DiscoverySources {
  readonly #sets = new Map<DiscoverySource, ReadonlyMap<string, Address>>();

  /** Everything that a source knows now. */
  set(source: DiscoverySource, addresses: readonly Address[]): SourceChange {
    const before = this.#sets.get(source) ?? new Map<string, Address>();
    const after = new Map(addresses.map(address => [formatAddress(address), address]));
    this.#sets.set(source, after);
    return { found: missingIn(before, after), lost: missingIn(after, before) };
  }

  /** Each address named, by its text. */
  all(): Map<string, Address> {
    const all = new Map<string, Address>();
    for (const set of this.#sets.values()) for (const [text, address] of set) all.set(text, address);
    return all;
  }

  /** Who names an address. */
  naming(text: string): readonly DiscoverySource[] {
    const naming: DiscoverySource[] = [];
    for (const [source, set] of this.#sets) if (set.has(text)) naming.push(source);
    return naming;
  }
}

function missingIn(known: ReadonlyMap<string, Address>, other: ReadonlyMap<string, Address>): readonly Address[] {
  const missing: Address[] = [];
  for (const [text, address] of other) if (!known.has(text)) missing.push(address);
  return missing;
}
