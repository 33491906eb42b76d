import { ClusterNode } from '@foundation-ts/cluster';
import { type Address, silentLog, systemClock, systemRandom } from '@foundation-ts/core';
import { staticList } from '@foundation-ts/discovery/static';
import { Registry } from '@foundation-ts/distributed';
import { PubSub } from '@foundation-ts/pubsub';
import { ThreadBroker, threads } from '@foundation-ts/transport/threads';
import { type Configuration, resolveConfiguration, withOrigin } from './configuration.js';
import { connectionOf, isConnected } from './connection.js';
import { effectiveOptions } from './effective-options.js';
import { FoundationNode } from './node.js';
import { stopOnSignals } from './signals.js';
import { checkOptions, resolveLog, type StartOptions } from './start-options.js';
import { resolveThreads } from './thread-options.js';
import { type ThreadData, type ThreadReport, type ThreadRequest, threadData } from './thread-protocol.js';
import { startThreads, threadNames } from './threads.js';

/** Where the nodes of one process listen among themselves. */
const THREAD_PORT = 1;

/**
 * Starts a node: a local actor runtime and, with `cluster`, `topologies` or `discovery`, its part of a cluster.
 * @throws (rejects) FoundationError `invalid-option`, `insecure`, `address-in-use`
 */
export async function startNode(options: StartOptions = {}): Promise<FoundationNode> {
  const thread = threadData();
  const configuration = await resolveConfiguration(options);
  try {
    return await (thread === undefined ? startHere(configuration) : startInThread(configuration, thread));
  } catch (error) {
    throw withOrigin(error, configuration);
  }
}

/** In a thread that a node started: as one of its nodes. */
async function startInThread(configuration: Configuration, thread: ThreadData): Promise<FoundationNode> {
  const { threads: _, ...rest } = configuration.options;
  const inside: Partial<StartOptions> =
    thread.port === undefined
      ? {}
      : {
          transport: threads({ port: thread.port }),
          discovery: [staticList(thread.peers.map(threadAddress))],
          host: thread.name,
          port: THREAD_PORT,
        };
  const options = { ...rest, name: thread.name, clusterId: thread.clusterId, handleSignals: false, ...inside };
  // Where the options come from was said by the node that started the thread.
  // The ports given are those of the node of the process; a thread's listens anywhere.
  const node = await startHere(
    { ...configuration, options, file: undefined, warnings: [] },
    { anyPort: thread.port === undefined },
  );
  reportToMain(node, thread);
  return node;
}

function reportToMain(node: FoundationNode, { control, beat, beatInterval }: ThreadData): void {
  const turn = (): void => {
    Atomics.add(beat, 0, 1);
    node.cluster.clock.setTimeout(turn, beatInterval, { unref: true });
  };
  turn();
  control.on('message', (request: ThreadRequest) => {
    if (request.type === 'stop') void node.stop({ timeout: request.timeout });
  });
  const report = (message: ThreadReport): void => control.postMessage(message);
  void node.cluster.stopped.then(why => report({ type: 'stopped', why }));
  report({ type: 'ready' });
}

function threadAddress(host: string): Address {
  return { protocol: 'threads', host, port: THREAD_PORT };
}

async function startHere(
  { options, application, file, profile, warnings }: Configuration,
  { anyPort = false }: { readonly anyPort?: boolean } = {},
): Promise<FoundationNode> {
  checkOptions(options);
  const wanted = options.threads === undefined ? undefined : resolveThreads(options.threads);
  const log = resolveLog(options.log, silentLog);
  if (file !== undefined) log.info({ file, profile: profile ?? 'none' }, 'options come from a configuration file too');
  for (const warning of warnings) log.warn({}, warning);
  const clusterId = options.clusterId ?? application;
  const random = options.random ?? systemRandom;
  const name = options.name ?? `${clusterId}-${Buffer.from(random.bytes(4)).toString('hex')}`;
  const broker = wanted === undefined || isConnected(options) ? undefined : new ThreadBroker();
  const connection =
    broker === undefined || wanted === undefined
      ? await connectionOf(options, { clusterId, log, anyPort })
      : {
          ...pick(options, ['channels']),
          transport: threads({ broker, name }),
          host: name,
          port: THREAD_PORT,
          discovery: [staticList(threadNames(name, wanted.count).map(threadAddress))],
        };
  const cluster = await ClusterNode.start({
    name,
    clusterId,
    ...connection,
    ...(anyPort ? { port: 0 } : {}),
    ...(broker === undefined ? {} : { joinTimeout: 0 }),
    ...(isConnected(options) ? pick(options.detect ?? {}, ['expectedNodes']) : {}),
    ...pick(options, [
      'channelRules',
      'joinTimeout',
      'definitions',
      'roles',
      'permissions',
      'zone',
      'metadata',
      'strictMessages',
      'longMailbox',
      'slowHandler',
    ]),
    clock: options.clock ?? systemClock,
    random,
    log,
  });
  try {
    const registry = await Registry.start(cluster);
    const pubsub = await PubSub.start(cluster);
    const node = new FoundationNode(cluster, { registry, pubsub, options: effectiveOptions(options, cluster) });
    cluster.system.handle = node;
    if (options.handleSignals !== false) void cluster.stopped.then(stopOnSignals(node));
    if (wanted !== undefined) await startThreads(cluster, wanted, broker);
    return node;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

function pick<T extends object, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.filter(name => from[name] !== undefined).map(name => [name, from[name]])) as Pick<
    T,
    K
  >;
}
