import { ClusterNode } from '@foundation-ts/cluster';
import { type Log, silentLog, systemClock, systemRandom } from '@foundation-ts/core';
import { Registry } from '@foundation-ts/distributed';
import { PubSub } from '@foundation-ts/pubsub';
import type { Transport } from '@foundation-ts/transport';
import { MemoryNetwork, memory } from '@foundation-ts/transport/memory';
import { tcp } from '@foundation-ts/transport/tcp';
import { ws } from '@foundation-ts/transport/ws';
import { applicationName } from './application.js';
import { mortalMode } from './mortal.js';
import { FoundationNode } from './node.js';
import { stopOnSignals } from './signals.js';
import { checkOptions, givenSecrets, resolveLog, type StartOptions } from './start-options.js';

/**
 * Starts a node: a local actor runtime and, with `cluster: true` or `discovery`, its part of a cluster.
 * @throws (rejects) FoundationError `invalid-option`, `insecure`, `address-in-use`
 */
export async function startNode(options: StartOptions = {}): Promise<FoundationNode> {
  checkOptions(options);
  const log = resolveLog(options.log, silentLog);
  const clusterId = options.clusterId ?? applicationName();
  const random = options.random ?? systemRandom;
  const name = options.name ?? `${clusterId}-${Buffer.from(random.bytes(4)).toString('hex')}`;
  const connection = await connectionOf(options, log);
  const cluster = await ClusterNode.start({
    name,
    clusterId,
    ...connection,
    ...pick(options, ['port', 'channels', 'joinTimeout', 'definitions', 'roles', 'zone', 'metadata', 'strictMessages']),
    clock: options.clock ?? systemClock,
    random,
    log,
  });
  try {
    const registry = await Registry.start(cluster);
    const pubsub = await PubSub.start(cluster);
    const node = new FoundationNode(cluster, { registry, pubsub });
    cluster.system.handle = node;
    if (options.handleSignals !== false) void cluster.stopped.then(stopOnSignals(node));
    return node;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

type Connection = Pick<Parameters<typeof ClusterNode.start>[0], 'transport' | 'host' | 'secret' | 'discovery'>;

async function connectionOf(options: StartOptions, log: Log): Promise<Connection> {
  const { host = '127.0.0.1' } = options;
  const secret = givenSecrets(options);
  if (options.cluster === true) {
    const mode = await mortalMode(host, secret, log);
    return { transport: transportOf(options), host, ...mode };
  }
  const reachable =
    options.discovery !== undefined ||
    options.transport !== undefined ||
    options.tls !== undefined ||
    options.port !== undefined ||
    options.host !== undefined;
  if (!reachable) {
    const network = new MemoryNetwork({ clock: options.clock ?? systemClock });
    return { transport: memory({ network, host: 'alone' }), host: 'alone' };
  }
  return {
    transport: transportOf(options),
    host,
    discovery: options.discovery ?? [],
    ...(secret === undefined ? {} : { secret }),
  };
}

function transportOf({ transport = 'tcp', tls }: StartOptions): Transport {
  if (typeof transport === 'object') return transport;
  const init = tls === undefined ? {} : { tls };
  return transport === 'tcp' ? tcp(init) : ws(init);
}

function pick<T extends object, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.filter(name => from[name] !== undefined).map(name => [name, from[name]])) as Pick<
    T,
    K
  >;
}
