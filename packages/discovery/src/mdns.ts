import { checkKeys, invalidOption } from '@foundation-ts/core';
import { agentStrategy } from './agent-pool.js';
import { MDNS_MAX_INSTANCES, MDNS_PORT, MDNS_QUERY_INTERVAL, MDNS_SERVICE } from './defaults.js';
import { MdnsAgent, type MdnsSettings } from './mdns-agent.js';
import type { DiscoveryStrategy } from './strategy.js';

/** What {@link mdns} takes. */
export interface MdnsInit {
  /** The type under which nodes stand, `_<service>._tcp.local`: 1 to 15 letters, digits and hyphens. Default `'foundation'`. */
  readonly service?: string;
  /** Names or IPv4 addresses of the interfaces to use; default: loopback for a node bound to it, otherwise all others. */
  readonly interfaces?: readonly string[];
  /** UDP port; default 5,353. With another, ordinary mDNS tools don't see the nodes. */
  readonly port?: number;
  /** Longest time between two questions who is there, ms, at least 1,000; default 60,000. Changes are announced without. */
  readonly queryInterval?: number;
  /** Most instances kept, of other clusters too; further ones are dropped and counted. Default 512. */
  readonly maxInstances?: number;
}

const keys: readonly (keyof MdnsInit)[] = ['service', 'interfaces', 'port', 'queryInterval', 'maxInstances'];

/**
 * Finds nodes on the local network by multicast DNS and DNS-SD (RFC 6762, RFC 6763), visible to ordinary mDNS tools: each
 * node stands under `_<service>._tcp.local` with its name, cluster, protocol and incarnation in the TXT record, takes
 * another name where its own is taken, and says goodbye. A node that ends without is named for two minutes more.
 *
 * Nothing in mDNS is authenticated: anybody on the network can invent nodes or take them back, which can make a node dial
 * in vain; nobody becomes a member, and nobody is disconnected by it. What is malformed, too long, too much or from
 * elsewhere is dropped and counted in the telemetry event `discovery.mdns.dropped` (`count`, by `reason`).
 *
 * The set holds the nodes of the same cluster that are announced; it is empty where there is none. Failed sockets are
 * reported to the context and opened again with growing pauses; the last set stands meanwhile.
 * @throws FoundationError `invalid-option`; `advertise` rejects with `too-large` for a node whose name doesn't fit
 */
export function mdns(init: MdnsInit = {}): DiscoveryStrategy {
  const settings = resolveInit(init);
  return agentStrategy('mdns', ctx => new MdnsAgent(settings, ctx));
}

function resolveInit(init: MdnsInit): MdnsSettings {
  checkKeys('mdns', init, keys);
  const { service = MDNS_SERVICE, interfaces } = init;
  // RFC 6335 §5.1
  if (typeof service !== 'string' || !/^(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/i.test(service)) {
    throw invalidOption('service', service, '1 to 15 letters, digits and single hyphens, such as foundation');
  }
  if (interfaces !== undefined && !isTextList(interfaces)) {
    throw invalidOption('interfaces', interfaces, 'an array, not empty, of interface names or IPv4 addresses');
  }
  return {
    service: service.toLowerCase(),
    interfaces: interfaces === undefined ? undefined : [...interfaces],
    port: integer('port', init.port ?? MDNS_PORT, 1, 65_535),
    queryInterval: integer('queryInterval', init.queryInterval ?? MDNS_QUERY_INTERVAL, 1_000, 3_600_000),
    maxInstances: integer('maxInstances', init.maxInstances ?? MDNS_MAX_INSTANCES, 1, 100_000),
  };
}

function integer(option: string, given: number, least: number, most: number): number {
  if (Number.isInteger(given) && given >= least && given <= most) return given;
  throw invalidOption(option, given, `an integer from ${least} to ${most}`);
}

const isTextList = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every(one => typeof one === 'string' && one !== '');
