import { isIPv4 } from 'node:net';
import { checkKeys, FoundationError, invalidOption } from '@foundation-ts/core';
import { agentStrategy } from './agent-pool.js';
import {
  GOSSIP_INTERVAL,
  GOSSIP_MAX_CLOCK_SKEW,
  GOSSIP_MAX_ENTRIES,
  GOSSIP_MULTICAST_ADDRESS,
  GOSSIP_PORT,
  MIN_SECRET_BYTES,
} from './defaults.js';
import { GossipAgent, type GossipSettings } from './gossip-agent.js';
import { onlyLoopback } from './gossip-interfaces.js';
import type { DiscoveryContext, DiscoveryStrategy } from './strategy.js';

/** What {@link gossip} takes. */
export interface GossipInit {
  /** UDP port, the same on all nodes and shared by those of one machine; default 45,892. */
  readonly port?: number;
  /** IPv4 multicast group, the same on all nodes; false: no multicast. Default 239.255.45.89. */
  readonly multicastAddress?: string | false;
  /** Whether to send to each network's broadcast address too, for networks that don't carry multicast; default true. */
  readonly broadcast?: boolean;
  /** How many routers a multicast may pass, 0 to 255; default 1: none. */
  readonly multicastTtl?: number;
  /** Names or IPv4 addresses of the interfaces to use; default: all, loopback included. */
  readonly interfaces?: readonly string[];
  /** Mean time between two beats, ms, 20 to 60,000; default 1,500. Who misses five of his beats is no longer named. */
  readonly interval?: number;
  /** Most nodes kept; further ones are dropped and counted. Default 4,096. */
  readonly maxEntries?: number;
  /** How far the wall clock of a node not yet known may differ from ours, ms; bounds replay. Default two hours. */
  readonly maxClockSkew?: number;
}

const keys: readonly (keyof GossipInit)[] = [
  'port',
  'multicastAddress',
  'broadcast',
  'multicastTtl',
  'interfaces',
  'interval',
  'maxEntries',
  'maxClockSkew',
];

/**
 * Finds nodes on the local network by UDP multicast and broadcast (as libcluster's `Gossip` strategy): each node says at
 * intervals who it is, answers newcomers at once, and says goodbye. Datagrams are encrypted and authenticated under the
 * cluster's secret (AES-256-GCM); what is not, is old, or is of another cluster is dropped and counted in the telemetry
 * event `discovery.gossip.dropped` (`count`, by `reason`).
 *
 * Without a secret the datagrams stand bare, which is allowed only where `interfaces` are all loopback; otherwise, and
 * for a secret under 128 bits, `advertise` and the first value of `watch` reject with FoundationError `insecure`.
 * Failed sockets are reported to the context and opened again with growing pauses; the last set stands meanwhile.
 * @throws FoundationError `invalid-option`
 */
export function gossip(init: GossipInit = {}): DiscoveryStrategy {
  const settings = resolveInit(init);
  return agentStrategy(
    'gossip',
    ctx => new GossipAgent(settings, ctx),
    ctx => checkSecret(settings, ctx),
  );
}

function checkSecret(settings: GossipSettings, ctx: DiscoveryContext): void {
  if (ctx.secret !== undefined) {
    if (ctx.secret.length >= MIN_SECRET_BYTES) return;
    throw new FoundationError(
      'insecure',
      `Gossip discovery needs a secret of at least ${MIN_SECRET_BYTES} random bytes; the one given has ${ctx.secret.length}.`,
    );
  }
  if (onlyLoopback(settings.interfaces)) return;
  throw new FoundationError(
    'insecure',
    "Gossip discovery without a secret would let strangers name nodes; give the node a secret, or keep gossip on this machine with interfaces: ['127.0.0.1'].",
  );
}

function resolveInit(init: GossipInit): GossipSettings {
  checkKeys('gossip', init, keys);
  const { multicastAddress = GOSSIP_MULTICAST_ADDRESS, broadcast = true, interfaces } = init;
  if (multicastAddress !== false && !isMulticast(multicastAddress)) {
    throw invalidOption(
      'multicastAddress',
      multicastAddress,
      'an IPv4 address from 224.0.0.0 to 239.255.255.255, or false',
    );
  }
  if (typeof broadcast !== 'boolean') throw invalidOption('broadcast', broadcast, 'true or false');
  if (!broadcast && multicastAddress === false) {
    throw invalidOption('broadcast', broadcast, 'true where multicastAddress is false');
  }
  if (interfaces !== undefined && !isTextList(interfaces)) {
    throw invalidOption('interfaces', interfaces, 'an array, not empty, of interface names or IPv4 addresses');
  }
  return {
    port: integer('port', init.port ?? GOSSIP_PORT, 1, 65_535),
    multicastAddress: multicastAddress === false ? undefined : multicastAddress,
    broadcast,
    multicastTtl: integer('multicastTtl', init.multicastTtl ?? 1, 0, 255),
    interfaces: interfaces === undefined ? undefined : [...interfaces],
    interval: integer('interval', init.interval ?? GOSSIP_INTERVAL, 20, 60_000),
    maxEntries: integer('maxEntries', init.maxEntries ?? GOSSIP_MAX_ENTRIES, 1, 1_000_000),
    maxClockSkew: integer('maxClockSkew', init.maxClockSkew ?? GOSSIP_MAX_CLOCK_SKEW, 0, Number.MAX_SAFE_INTEGER),
  };
}

function integer(option: string, given: number, least: number, most: number): number {
  if (Number.isInteger(given) && given >= least && given <= most) return given;
  throw invalidOption(option, given, `an integer from ${least} to ${most}`);
}

function isMulticast(address: unknown): boolean {
  if (typeof address !== 'string' || !isIPv4(address)) return false;
  const first = Number(address.split('.')[0]);
  return first >= 224 && first <= 239;
}

const isTextList = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every(one => typeof one === 'string' && one !== '');
