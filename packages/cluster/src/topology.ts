import { type Address, checkKeys, FoundationError, invalidOption } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';

/** What a {@link ConnectHook} is told beside the address. */
export interface ConnectContext {
  /** The topology that names the address. */
  readonly topology: string;
  /** The node that is about to dial. */
  readonly node: string;
}

/**
 * Asked before each dial of an address that its topology names. False: it is not dialled, and asked about again later. An address: that one is
 * dialled instead.
 */
export type ConnectHook = (address: Address, context: ConnectContext) => boolean | Address | Promise<boolean | Address>;

/** Sees each set that a topology's strategy names, and returns what counts. */
export type ListHook = (addresses: readonly Address[]) => readonly Address[];

/** A named source of addresses. */
export interface Topology {
  /** Unique in its node; for logs and telemetry. */
  readonly name: string;
  readonly strategies: readonly DiscoveryStrategy[];
  /** Default: whoever is named is dialled. */
  readonly connect?: ConnectHook | undefined;
  /** Default: what the strategy names. */
  readonly list?: ListHook | undefined;
  /** Which of the transport's protocols the topology's strategies advertise; default: the transport's own. */
  readonly protocol?: string | undefined;
}

/** The name of the topology that the strategies of option `discovery` make. */
export const DEFAULT_TOPOLOGY = 'default';

const keys = ['name', 'strategies', 'connect', 'list', 'protocol'] as const satisfies readonly (keyof Topology)[];

/** @throws FoundationError `invalid-option` */
export function resolveTopologies(
  discovery: readonly DiscoveryStrategy[] | undefined,
  topologies: readonly Topology[] | undefined,
): readonly Topology[] {
  if (topologies === undefined) {
    const strategies = checkStrategies('discovery', discovery ?? []);
    return strategies.length === 0 ? [] : [{ name: DEFAULT_TOPOLOGY, strategies }];
  }
  if (discovery !== undefined)
    throw new FoundationError('invalid-option', "Give either 'topologies' or 'discovery', not both.");
  if (!Array.isArray(topologies)) throw invalidOption('topologies', topologies, 'a list of topologies');
  const names = new Set<string>();
  for (const topology of topologies as readonly Topology[]) {
    checkTopology(topology);
    if (names.has(topology.name)) throw invalidOption('topologies', topology.name, 'each name once');
    names.add(topology.name);
  }
  return topologies;
}

function checkTopology(topology: Topology): void {
  if (typeof topology !== 'object' || topology === null)
    throw invalidOption('topologies', topology, 'objects { name, strategies }');
  const { name, connect, list } = topology;
  checkKeys(`topology '${name}'`, topology, keys);
  if (typeof name !== 'string' || name === '') throw invalidOption('topologies.name', name, 'a name');
  checkStrategies(`topologies.${name}.strategies`, topology.strategies);
  if (connect !== undefined && typeof connect !== 'function')
    throw invalidOption(`topologies.${name}.connect`, connect, 'a function (address, context) => boolean or address');
  if (list !== undefined && typeof list !== 'function')
    throw invalidOption(`topologies.${name}.list`, list, 'a function (addresses) => addresses');
}

function checkStrategies(option: string, given: readonly DiscoveryStrategy[]): readonly DiscoveryStrategy[] {
  if (!Array.isArray(given)) throw invalidOption(option, given, 'a list of strategies, such as [staticList([…])]');
  for (const [index, strategy] of given.entries()) {
    if (typeof strategy?.watch !== 'function') {
      throw invalidOption(`${option}[${index}]`, strategy, 'a strategy, such as staticList([…]), sameHost(), gossip()');
    }
  }
  return given;
}
