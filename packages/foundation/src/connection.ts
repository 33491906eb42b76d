import type { ClusterNodeInit } from '@foundation-ts/cluster';
import { type Log, systemClock } from '@foundation-ts/core';
import { isLoopback, type Transport } from '@foundation-ts/transport';
import { MemoryNetwork, memory } from '@foundation-ts/transport/memory';
import { tcp } from '@foundation-ts/transport/tcp';
import { ws } from '@foundation-ts/transport/ws';
import { withoutSecrets } from './configuration-secrets.js';
import { NODE_PORT } from './defaults.js';
import {
  fullForm,
  isForNetworks,
  type KeywordOptions,
  keywordName,
  needsOnePort,
  type StrategyKeyword,
} from './keywords.js';
import { mortalMode, secretOf } from './mortal.js';
import { givenSecrets, type StartOptions } from './start-options.js';
import { here, reachableHost, type Surroundings } from './surroundings.js';
import { needOnePort, resolveTopologies, strategyName, type Topologies } from './topologies.js';

/** How a node is connected with others. */
export type NodeConnection = Pick<
  ClusterNodeInit,
  'transport' | 'host' | 'port' | 'secret' | 'discovery' | 'topologies' | 'channels'
>;

const LOOPBACK = '127.0.0.1';

/**
 * What the options `cluster`, `topologies` and `discovery` come to; logs each decision and why.
 * @param about.anyPort - the ports given say where others listen; this node listens anywhere
 * @throws (rejects) FoundationError `invalid-option`, `conflict`, `insecure`
 */
export async function connectionOf(
  options: StartOptions,
  { clusterId, log, anyPort }: { readonly clusterId: string; readonly log: Log; readonly anyPort?: boolean },
  surroundings: Surroundings = here(),
): Promise<NodeConnection> {
  const { cluster = false, discovery, topologies, channels } = options;
  const own = channels === undefined ? {} : { channels };
  const secret = givenSecrets(options);
  if (cluster === true) return { ...own, ...(await mortal(options, secret, clusterId, log, surroundings)) };
  if (cluster !== false) return apprentice(cluster, options, secret, log, surroundings);
  if (!isConnected(options)) {
    const network = new MemoryNetwork({ clock: options.clock ?? systemClock });
    return { ...own, transport: memory({ network, host: 'alone' }), host: 'alone' };
  }
  const { host = LOOPBACK } = options;
  if (options.host === undefined && anyPort !== true) warnOfLoopback(options, log);
  if (topologies !== undefined) return wizard(topologies, options, { host, secret, anyPort });
  const port =
    options.port ?? (Array.isArray(discovery) && discovery.some(each => needsOnePort(each?.name)) ? NODE_PORT : 0);
  return {
    ...own,
    transport: transportOf(options),
    host,
    port,
    discovery: discovery ?? [],
    ...(secret === undefined ? {} : { secret }),
  };
}

/** Whether the node is meant to be reached by other processes. */
export function isConnected(options: StartOptions): boolean {
  const { cluster = false, discovery, topologies, transport, tls, port, host } = options;
  return cluster !== false || [discovery, topologies, transport, tls, port, host].some(option => option !== undefined);
}

/** Nothing is added to what is written; but that others can't reach the node is said. */
function warnOfLoopback({ topologies = {}, discovery = [] }: StartOptions, log: Log): void {
  const strategies = [
    ...Object.values(topologies).map(({ strategy }) => strategyName(strategy)),
    ...discovery.map(each => each?.name),
  ];
  const lonely = strategies.find(isForNetworks);
  if (lonely === undefined) return;
  log.warn(
    {},
    `cluster: '${lonely}' finds nodes of several machines, but none of another machine reaches this one, which listens on ${LOOPBACK}; give 'host' (FOUNDATION_HOST), and a secret or certificates.`,
  );
}

async function mortal(
  options: StartOptions,
  secret: readonly Uint8Array[] | undefined,
  clusterId: string,
  log: Log,
  surroundings: Surroundings,
): Promise<NodeConnection> {
  const { detect = {}, host, port } = options;
  const transport = transportOf(options);
  const certified = transport.security !== undefined;
  const init = { clusterId, detect, host, port, secret, certified, log };
  const mode = await mortalMode(init, surroundings);
  return {
    transport,
    host: mode.host,
    port: mode.port ?? 0,
    discovery: mode.discovery,
    ...(mode.secret === undefined ? {} : { secret: mode.secret }),
  };
}

/** One keyword: what it stands for is a topology of that name. */
async function apprentice(
  cluster: StrategyKeyword | KeywordOptions,
  options: StartOptions,
  given: readonly Uint8Array[] | undefined,
  log: Log,
  surroundings: Surroundings,
): Promise<NodeConnection> {
  const step = (message: string): void => log.info({}, `cluster: ${message}`);
  const name = keywordName(cluster);
  const certified = transportOf(options).security !== undefined;
  const host = options.host ?? hostFor(name, given !== undefined || certified, log, surroundings) ?? LOOPBACK;
  const secret = given === undefined && certified ? undefined : await secretOf(given, step);
  const port = options.port ?? (needsOnePort(name) ? NODE_PORT : 0);
  const form = fullForm(cluster, { loopback: isLoopback(host), port: port || undefined });
  step(`${name}, as given; in full: topologies: ${JSON.stringify(withoutSecrets(form))}`);
  return wizard(form, options, { host, secret, port, option: () => 'cluster' });
}

/** Where a node listens that a strategy for several machines finds; undefined: on loopback. */
function hostFor(name: StrategyKeyword, proven: boolean, log: Log, surroundings: Surroundings): string | undefined {
  if (!isForNetworks(name)) return undefined;
  if (!proven) {
    log.warn(
      {},
      `cluster: ${name} is for nodes on several machines, and without a secret this one stays on loopback. Make one, once, by openssl rand -hex 32, and give it to all as FOUNDATION_SECRET.`,
    );
    return undefined;
  }
  const reachable = reachableHost(surroundings);
  if (reachable === undefined) {
    log.warn(
      {},
      `cluster: ${name} is for nodes on several machines, and no interface of this one has an address; it stays on loopback.`,
    );
    return undefined;
  }
  log.info({}, `cluster: address: ${reachable.host} (${reachable.why}); give 'host' for another.`);
  return reachable.host;
}

async function wizard(
  topologies: Topologies,
  options: StartOptions,
  decided: {
    readonly host: string;
    readonly secret: readonly Uint8Array[] | undefined;
    readonly port?: number;
    readonly anyPort?: boolean | undefined;
    readonly option?: (topology: string) => string;
  },
): Promise<NodeConnection> {
  const { host, secret, anyPort, option = (name: string) => `topologies.${name}.strategy` } = decided;
  const port = decided.port ?? options.port ?? (needOnePort(topologies) ? NODE_PORT : 0);
  const resolved = await resolveTopologies(
    topologies,
    {
      transport: transportOf(options),
      channels: options.channels,
      loopback: isLoopback(host),
      port: port || undefined,
      anyPort,
      option,
    },
    transport => transportOf({ ...options, transport }),
  );
  const { channels } = resolved;
  return {
    host,
    port,
    transport: resolved.transport,
    topologies: resolved.topologies,
    ...(channels === undefined ? {} : { channels }),
    ...(secret === undefined ? {} : { secret }),
  };
}

/** The transport of a node. @throws FoundationError `invalid-option` */
export function transportOf({ transport = 'tcp', tls }: Pick<StartOptions, 'transport' | 'tls'>): Transport {
  if (typeof transport === 'object') return transport;
  const init = tls === undefined ? {} : { tls };
  return transport === 'tcp' ? tcp(init) : ws(init);
}
