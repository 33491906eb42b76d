import {
  ActorSystem,
  type AnyDefinition,
  type Clock,
  checkKeys,
  invalidOption,
  type Log,
  type Random,
  systemClock,
} from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import {
  type ChannelDeclaration,
  checkBind,
  createCodec,
  DEFAULT_CHANNELS,
  Endpoint,
  type EndpointInit,
  isLoopback,
  type Transport,
} from '@foundation-ts/transport';
import { type ChannelRule, channelRouter } from './channel-rules.js';
import { BOOTSTRAP_TIMEOUT_MS, JOIN_TIMEOUT_MS, MAX_MEMBERS, MAX_NAME_LENGTH } from './defaults.js';
import { Definitions } from './definitions.js';
import { checkPermissions, type Permissions } from './permissions.js';
import { refExtensions } from './ref-codec.js';
import { resolveTopologies, type Topology } from './topology.js';
import { CONTROL, DATA, isEssential } from './wire.js';

/** How a {@link ClusterNode} is made. */
export interface ClusterNodeInit {
  /** Unique in the cluster; stays the same when the node restarts. */
  readonly name: string;
  /** Nodes of other clusters are never connected with. */
  readonly clusterId: string;
  readonly transport: Transport;
  /** Where to listen; default `'127.0.0.1'`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /**
   * The cluster's shared key, 16 bytes or more; of several, the first is proven and all are accepted, so that it can be changed. Without
   * one, and without TLS, the node binds to loopback only.
   */
  readonly secret?: Uint8Array | readonly Uint8Array[];
  /** Who might be there; default: nobody, {@link ClusterNode.connect} by hand. */
  readonly discovery?: readonly DiscoveryStrategy[];
  /** Several named sources at once, with hooks; instead of `discovery`. */
  readonly topologies?: readonly Topology[];
  /**
   * Milliseconds for which the start waits for a first round of discovery and dialling; default 500, with `expectedNodes` 30,000. 0: does
   * not wait.
   */
  readonly joinTimeout?: number;
  /**
   * How many nodes, this one included, make the cluster: the start waits until so many are connected, for `joinTimeout` at most, and goes on
   * with a warning then. Default 1: waits for nobody in particular.
   */
  readonly expectedNodes?: number;
  /** What other nodes may start here. */
  readonly definitions?: readonly AnyDefinition[];
  /** Default `control`, `data`, `gossip`, `events` and `telemetry`. `control` and `data` are there whether listed or not. */
  readonly channels?: readonly ChannelDeclaration[];
  /**
   * Moves messages from `data` to other channels by size and kind; the first rule that fits counts. Default: none. With rules, messages between two
   * actors keep their order only among those that take the same channel.
   */
  readonly channelRules?: readonly ChannelRule[];
  readonly roles?: readonly string[];
  /**
   * What the nodes of each role may do on this one; `'*'` is every node. Roles count as far as certificates prove them, so it needs mutual TLS, and
   * nodes that claim others are refused. Default: every member may do everything that is not local-only.
   */
  readonly permissions?: Permissions;
  readonly zone?: string;
  /** Plain JSON values, 4 KiB at most. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
  /** Greater than that of any earlier life of the node; default: the wall time. */
  readonly incarnation?: number;
  /** Local payloads go through the codec too, so that what works locally works remotely; default false. */
  readonly strictMessages?: boolean;
  /** Messages in an unbounded mailbox at which a warning and `actor.mailbox.long` go out, and at each doubling; default 10,000; `Infinity`: never. */
  readonly longMailbox?: number;
  /** Milliseconds for which an actor may keep the event loop before a warning and `actor.handler.slow` go out; default 100; `Infinity`: never. */
  readonly slowHandler?: number;
}

const keys = [
  'name',
  'clusterId',
  'transport',
  'host',
  'port',
  'secret',
  'discovery',
  'topologies',
  'joinTimeout',
  'expectedNodes',
  'definitions',
  'channels',
  'channelRules',
  'roles',
  'permissions',
  'zone',
  'metadata',
  'clock',
  'random',
  'log',
  'incarnation',
  'strictMessages',
  'longMailbox',
  'slowHandler',
] as const satisfies readonly (keyof ClusterNodeInit)[];

/** The init with its defaults, checked, and the runtime made from it. */
export interface ResolvedInit {
  readonly name: string;
  readonly clusterId: string;
  readonly transport: Transport;
  readonly host: string;
  readonly port: number;
  readonly secret: readonly Uint8Array[] | undefined;
  readonly topologies: readonly Topology[];
  readonly joinTimeout: number;
  readonly expectedNodes: number;
  readonly channels: readonly ChannelDeclaration[] | undefined;
  readonly route: EndpointInit['route'];
  readonly roles: readonly string[];
  readonly permissions: Permissions | undefined;
  readonly zone: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly system: ActorSystem;
  readonly definitions: Definitions;
  readonly codec: ReturnType<typeof createCodec>;
}

const NAME = /^[^\s\p{Cc}]+$/u;

/** @throws FoundationError `invalid-option`, `insecure` */
export function resolveInit(init: ClusterNodeInit): ResolvedInit {
  checkKeys('ClusterNode.start()', init, keys);
  const { name, clusterId, transport, host = '127.0.0.1', port = 0 } = init;
  checkText('name', name);
  checkText('clusterId', clusterId);
  if (typeof transport?.dial !== 'function') throw invalidOption('transport', transport, 'a Transport, such as tcp()');
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalidOption('port', port, '0 to 65535');
  const secret = checkSecrets(init.secret);
  const expectedNodes = checkExpectedNodes(init.expectedNodes);
  const certified = transport.security !== undefined;
  if (transport.local !== true) checkBind(host, secret !== undefined, certified);
  let system: ActorSystem;
  const codec = createCodec({ extensions: refExtensions(() => system) });
  const clock = init.clock ?? systemClock;
  system = new ActorSystem({
    node: name,
    incarnation: init.incarnation ?? clock.wallTime(),
    clock,
    ...(init.random === undefined ? {} : { random: init.random }),
    ...(init.log === undefined ? {} : { log: init.log }),
    ...(init.longMailbox === undefined ? {} : { longMailbox: init.longMailbox }),
    ...(init.slowHandler === undefined ? {} : { slowHandler: init.slowHandler }),
    ...(init.strictMessages === true ? { strictMessages: (value: unknown) => codec.decode(codec.encode(value)) } : {}),
  });
  if (transport.local !== true && !certified && !isLoopback(host)) {
    system.log.warn(
      { node: name, host },
      'connections are authenticated by the secret, but not encrypted: who can read or change what passes on the network can do the same to messages. On networks that you do not trust, use TLS (option tls)',
    );
  }
  return {
    name,
    clusterId,
    transport,
    host,
    port,
    secret,
    topologies: resolveTopologies(init.discovery, init.topologies),
    joinTimeout: checkJoinTimeout(init.joinTimeout, expectedNodes > 1 ? BOOTSTRAP_TIMEOUT_MS : JOIN_TIMEOUT_MS),
    expectedNodes,
    channels: withNeeded(init.channels),
    route: channelRouter(init.channelRules ?? []),
    roles: init.roles ?? [],
    permissions: checkPermissions(init.permissions, transport, init.roles ?? []),
    zone: init.zone,
    metadata: init.metadata ?? {},
    system,
    definitions: new Definitions(name, checkDefinitions(init.definitions)),
    codec,
  };
}

/** A node cannot do without `control` and `data`: they are there whether declared or not. */
function withNeeded(declared: ClusterNodeInit['channels']): ClusterNodeInit['channels'] {
  if (declared === undefined) return undefined;
  const isMissing = (name: string): boolean => !declared.some(channel => channel?.name === name);
  return [
    ...DEFAULT_CHANNELS.filter(({ name }) => (name === CONTROL || name === DATA) && isMissing(name)),
    ...declared,
  ];
}

function checkSecrets(given: ClusterNodeInit['secret']): readonly Uint8Array[] | undefined {
  if (given === undefined) return undefined;
  const secrets = given instanceof Uint8Array ? [given] : given;
  if (secrets.length === 0)
    throw invalidOption('secret', given, 'a secret, or a list that begins with the one to prove');
  for (const { length } of secrets) {
    if (length < 16) throw invalidOption('secret', `${length} bytes`, '16 bytes or more');
  }
  return secrets;
}

function checkDefinitions(given: readonly AnyDefinition[] | undefined): readonly AnyDefinition[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw invalidOption('definitions', given, 'a list of definitions, such as [Counter]');
  for (const [index, definition] of given.entries()) {
    if (definition?.program === undefined) {
      throw invalidOption(`definitions[${index}]`, definition, 'a definition, such as Counter (not started: no call)');
    }
  }
  return given;
}

function checkJoinTimeout(given: unknown, fallback: number): number {
  const timeout = given ?? fallback;
  if (typeof timeout === 'number' && timeout >= 0) return timeout;
  throw invalidOption('joinTimeout', timeout, 'milliseconds, 0 or more');
}

function checkExpectedNodes(given = 1): number {
  if (Number.isInteger(given) && given >= 1 && given <= MAX_MEMBERS) return given;
  throw invalidOption('expectedNodes', given, `1 to ${MAX_MEMBERS}, this node included`);
}

function checkText(option: string, value: unknown): void {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_NAME_LENGTH || !NAME.test(value)) {
    throw invalidOption(option, value, `1 to ${MAX_NAME_LENGTH} characters without white space and control characters`);
  }
}

/** The endpoint of a node. */
export function openEndpoint(
  init: ResolvedInit,
  events: Pick<EndpointInit, 'admit' | 'onPeer' | 'onMessage' | 'onUndelivered' | 'onPeerClosed'>,
): Endpoint {
  const { system } = init;
  return new Endpoint({
    self: {
      name: init.name,
      incarnation: system.incarnation,
      clusterId: init.clusterId,
      metadata: { roles: init.roles, zone: init.zone ?? null, metadata: init.metadata },
    },
    transport: init.transport,
    codec: init.codec,
    ...(init.secret === undefined ? {} : { secret: init.secret }),
    ...(init.channels === undefined ? {} : { channels: init.channels }),
    ...(init.route === undefined ? {} : { route: init.route }),
    essential: isEssential,
    clock: system.clock,
    random: system.random,
    log: system.log,
    telemetry: system.telemetry,
    ...events,
  });
}
