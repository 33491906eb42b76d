import { isDeepStrictEqual } from 'node:util';
import type { ConnectHook, ListHook, Topology } from '@foundation-ts/cluster';
import { checkKeys, FoundationError, invalidOption } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import { type ChannelDeclaration, DEFAULT_CHANNELS, several, type Transport } from '@foundation-ts/transport';
import {
  checkKeyword,
  fullKeyword,
  type KeywordOptions,
  keywordName,
  type Listening,
  needsOnePort,
  type StrategyKeyword,
  strategyOf,
} from './keywords.js';

/** A named source of nodes to connect with: wizard mode has several at once. */
export interface TopologyOptions {
  /** How nodes are found: a strategy, a keyword, or a keyword with its options. */
  readonly strategy: DiscoveryStrategy | StrategyKeyword | KeywordOptions;
  /** Asked before each dial of an address that this topology names: false to leave it, an address to dial that instead. */
  readonly connect?: ConnectHook;
  /** Sees each set of addresses that the strategy names, and returns what counts. */
  readonly list?: ListHook;
  /** Channels declared in addition to the node's. */
  readonly channels?: readonly ChannelDeclaration[];
  /** Another transport than the node's: the node listens on both, and this topology advertises the address of its own. */
  readonly transport?: 'tcp' | 'ws' | Transport;
  /** Where that transport listens; default 0: any free port. */
  readonly port?: number;
  /** Whom to stay connected with; so far always everybody: `'full-mesh'`. */
  readonly overlay?: 'full-mesh';
}

/** Several topologies, each by its name. */
export type Topologies = Readonly<Record<string, TopologyOptions>>;

const keys = [
  'strategy',
  'connect',
  'list',
  'channels',
  'transport',
  'port',
  'overlay',
] as const satisfies readonly (keyof TopologyOptions)[];

/** @throws FoundationError `invalid-option` naming the option, what is allowed and the nearest name */
export function checkTopologies(given: unknown): asserts given is Topologies {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalidOption(
      'topologies',
      given,
      "an object of topologies by name, such as { pods: { strategy: 'gossip' } }",
    );
  for (const [name, topology] of Object.entries(given)) checkTopology(name, topology);
}

function checkTopology(name: string, topology: TopologyOptions): void {
  const at = `topologies.${name}`;
  if (typeof topology !== 'object' || topology === null || Array.isArray(topology))
    throw invalidOption(at, topology, "an object, such as { strategy: 'gossip' }");
  checkKeys(at, topology, keys);
  const { strategy, connect, list, channels, transport, port, overlay } = topology;
  if (!isStrategy(strategy)) checkKeyword(`${at}.strategy`, strategy, 'a strategy, such as gossip(), ');
  if (connect !== undefined && typeof connect !== 'function')
    throw invalidOption(`${at}.connect`, connect, 'a function (address, context) => boolean or address');
  if (list !== undefined && typeof list !== 'function')
    throw invalidOption(`${at}.list`, list, 'a function (addresses) => addresses');
  if (channels !== undefined && !Array.isArray(channels))
    throw invalidOption(`${at}.channels`, channels, "a list of channels, such as [{ name: 'bulk' }]");
  if (transport !== undefined && transport !== 'tcp' && transport !== 'ws' && !isTransport(transport))
    throw invalidOption(`${at}.transport`, transport, "'tcp', 'ws', or a transport, such as ws({ path: '/x' })");
  if (overlay !== undefined && overlay !== 'full-mesh') throw invalidOption(`${at}.overlay`, overlay, "'full-mesh'");
  checkPort(at, topology);
  if (port !== undefined && transport === undefined)
    throw invalidOption(
      `${at}.port`,
      port,
      "left out where the topology has no 'transport' of its own; the node's is option 'port'",
    );
}

function checkPort(at: string, { strategy, transport, port }: TopologyOptions): void {
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw invalidOption(`${at}.port`, port, '0 to 65535');
  if (transport !== undefined && port === undefined && needsOnePort(strategyName(strategy)))
    throw invalidOption(`${at}.port`, port, `the port of all nodes: '${strategyName(strategy)}' learns only hosts`);
}

function isStrategy(given: TopologyOptions['strategy']): given is DiscoveryStrategy {
  return typeof (given as Partial<DiscoveryStrategy> | undefined)?.watch === 'function';
}

function isTransport(given: unknown): boolean {
  return typeof (given as Partial<Transport> | null)?.dial === 'function';
}

/** The name of a topology's strategy. */
export function strategyName(strategy: TopologyOptions['strategy']): string {
  return isStrategy(strategy) ? strategy.name : keywordName(strategy);
}

/** Whether a topology on the node's own transport has all nodes listen on one port. */
export function needOnePort(topologies: Topologies): boolean {
  return Object.values(topologies).some(
    ({ strategy, transport }) => transport === undefined && needsOnePort(strategyName(strategy)),
  );
}

/** What topologies make of a node. */
export interface ResolvedTopologies {
  readonly topologies: readonly Topology[];
  readonly transport: Transport;
  /** Undefined: the usual ones. */
  readonly channels: readonly ChannelDeclaration[] | undefined;
}

/**
 * @param node - the node's own transport and channels
 * @param transportOf - makes a transport of a keyword
 * @throws (rejects) FoundationError `invalid-option`; `conflict` when two topologies declare one channel, or one protocol, differently
 */
export async function resolveTopologies(
  given: Topologies,
  node: Listening & {
    readonly transport: Transport;
    readonly channels: readonly ChannelDeclaration[] | undefined;
    /** Whether the node listens anywhere, whatever the topologies' own ports. */
    readonly anyPort?: boolean | undefined;
    /** How errors name a topology's strategy. */
    readonly option: (topology: string) => string;
  },
  transportOf: (keyword: 'tcp' | 'ws') => Transport,
): Promise<ResolvedTopologies> {
  const parts = new Map<string, { readonly name: string; readonly transport: Transport; readonly port: number }>();
  const topologies: Topology[] = [];
  for (const [name, topology] of Object.entries(given)) {
    const { strategy, connect, list, transport: wanted } = topology;
    const transport = wanted === undefined ? node.transport : isWord(wanted) ? transportOf(wanted) : wanted;
    const { protocol } = transport;
    if (wanted !== undefined) checkProtocol(name, topology, transport, node.transport, parts);
    const port = wanted === undefined ? node.port : topology.port;
    const made = isStrategy(strategy)
      ? strategy
      : await strategyOf(fullKeyword(strategy, { loopback: node.loopback, port }), node.option(name));
    topologies.push({ name, strategies: [made], connect, list, protocol });
  }
  const others = [...parts.values()].map(({ transport, port }) => ({ transport, port: node.anyPort ? 0 : port }));
  return {
    topologies,
    transport: others.length === 0 ? node.transport : several([{ transport: node.transport }, ...others]),
    channels: channelsOf(given, node.channels),
  };
}

function isWord(transport: 'tcp' | 'ws' | Transport): transport is 'tcp' | 'ws' {
  return typeof transport === 'string';
}

/** A node speaks each protocol in one way. */
function checkProtocol(
  name: string,
  { transport: wanted, port = 0 }: TopologyOptions,
  transport: Transport,
  own: Transport,
  parts: Map<string, { readonly name: string; readonly transport: Transport; readonly port: number }>,
): void {
  const { protocol } = transport;
  const known = protocol === own.protocol ? undefined : parts.get(protocol);
  const same = isWord(wanted as 'tcp' | 'ws' | Transport) && (known === undefined || known.port === port);
  if (protocol === own.protocol) {
    if (port !== 0)
      throw new FoundationError(
        'conflict',
        `Option 'topologies.${name}.port' is ${port}, but the node speaks '${protocol}' already; give its port in option 'port'.`,
        { details: { option: `topologies.${name}.port` } },
      );
    if (same || transport === own) return;
    throw twice(name, protocol, "the node's own 'transport'");
  }
  if (known !== undefined) {
    if (transport === known.transport || same) return;
    throw twice(name, protocol, `'topologies.${known.name}.transport'`);
  }
  parts.set(protocol, { name, transport, port });
}

function twice(name: string, protocol: string, other: string): FoundationError {
  return new FoundationError(
    'conflict',
    `Option 'topologies.${name}.transport' and ${other} both speak '${protocol}', each in its own way; a node listens once for each protocol.`,
    { details: { option: `topologies.${name}.transport` } },
  );
}

function channelsOf(
  given: Topologies,
  own: readonly ChannelDeclaration[] | undefined,
): readonly ChannelDeclaration[] | undefined {
  const declared = new Map<string, { readonly channel: ChannelDeclaration; readonly where: string }>();
  for (const channel of own ?? DEFAULT_CHANNELS) declared.set(channel.name, { channel, where: "option 'channels'" });
  const before = declared.size;
  for (const [name, { channels = [] }] of Object.entries(given)) {
    const where = `option 'topologies.${name}.channels'`;
    for (const channel of channels) {
      const known = declared.get(channel.name);
      if (known !== undefined && !isDeepStrictEqual(bare(known.channel), bare(channel))) {
        throw new FoundationError(
          'conflict',
          `The channel '${channel.name}' is declared differently by ${known.where} and by ${where}. Declare it the same way, or once.`,
          { details: { option: `topologies.${name}.channels` } },
        );
      }
      if (known === undefined) declared.set(channel.name, { channel, where });
    }
  }
  return declared.size === before ? own : [...declared.values()].map(({ channel }) => channel);
}

/** Without what is undefined, and whatever the order of its fields. */
function bare(channel: ChannelDeclaration): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(channel).filter(([, value]) => value !== undefined));
}
