import { checkKeys, FoundationError, invalidOption, isFoundationError, nearest } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import type { DnsInit } from '@foundation-ts/discovery/dns';
import type { DnsSrvInit } from '@foundation-ts/discovery/dns-srv';
import type { GossipInit } from '@foundation-ts/discovery/gossip';
import type { HostsFileInit } from '@foundation-ts/discovery/hosts-file';
import type { KubernetesInit } from '@foundation-ts/discovery/kubernetes';
import type { KubernetesDnsInit, KubernetesDnsSrvInit } from '@foundation-ts/discovery/kubernetes-dns';
import type { MdnsInit } from '@foundation-ts/discovery/mdns';
import type { SameHostInit } from '@foundation-ts/discovery/same-host';

/** What each keyword takes; plain data, so that it can stand in a file and in the environment. */
interface KeywordInits {
  readonly kubernetes: KubernetesInit;
  readonly 'kubernetes-dns': KubernetesDnsInit;
  readonly 'kubernetes-dns-srv': KubernetesDnsSrvInit;
  readonly dns: DnsInit;
  readonly 'dns-srv': DnsSrvInit;
  readonly mdns: MdnsInit;
  readonly gossip: GossipInit;
  readonly 'same-host': SameHostInit;
  readonly static: { readonly nodes: readonly string[] };
  readonly 'hosts-file': HostsFileInit;
  readonly etcd: EtcdKeyword;
  readonly redis: RedisKeyword;
}

// Not the strategies' own types, which need those of packages that need not be installed.
interface EtcdKeyword extends StoreKeyword {
  /** `host:port` or `http(s)://host:port` of etcd's members; default `127.0.0.1:2379`. */
  readonly hosts?: string | readonly string[];
}

interface RedisKeyword extends StoreKeyword {
  /** `redis://` or `rediss://` and host, with port, user and password where needed; default `redis://127.0.0.1:6379`. */
  readonly url?: string;
}

interface StoreKeyword {
  /** Under which keys the nodes stand; default `'foundation'`. */
  readonly prefix?: string;
  /** How long a node that was killed is still named, ms; default 15,000. */
  readonly ttl?: number;
  /** Mean time between two readings of all keys, ms; default 5,000. */
  readonly pollInterval?: number;
  /** Everything else that the store's package takes. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A discovery strategy by its name. */
export type StrategyKeyword = keyof KeywordInits;

/** A discovery strategy by its name, with its options. */
export type KeywordOptions = { [K in StrategyKeyword]: { readonly strategy: K } & KeywordInits[K] }[StrategyKeyword];

/** What a node's addresses decide about a strategy. */
export interface Listening {
  /** Whether the node listens on loopback only: what would go to the network stays on loopback then. */
  readonly loopback?: boolean | undefined;
  /** Where it listens, for strategies that learn only hosts. */
  readonly port?: number | undefined;
}

interface Keyword<K extends StrategyKeyword> {
  readonly make: (init: KeywordInits[K]) => Promise<DiscoveryStrategy>;
  /** All nodes listen on one port: the strategy learns only hosts and is `told`, or `records` that somebody else keeps name it. */
  readonly onePort?: 'told' | 'records';
  /** How nodes get at each other: a strategy made for several machines has them listen beyond loopback. */
  readonly network?: true;
  /** What it needs beside Foundation. */
  readonly package?: string;
  /** Stays on loopback where the node does. */
  readonly interfaces?: true;
}

// Each strategy is loaded when it is used: what it needs need not be installed otherwise.
const KEYWORDS: { readonly [K in StrategyKeyword]: Keyword<K> } = {
  kubernetes: {
    make: async init => (await import('@foundation-ts/discovery/kubernetes')).kubernetes(init),
    onePort: 'told',
    network: true,
  },
  'kubernetes-dns': {
    make: async init => (await import('@foundation-ts/discovery/kubernetes-dns')).kubernetesDns(init),
    onePort: 'told',
    network: true,
  },
  'kubernetes-dns-srv': {
    make: async init => (await import('@foundation-ts/discovery/kubernetes-dns')).kubernetesDnsSrv(init),
    onePort: 'records',
    network: true,
  },
  dns: { make: async init => (await import('@foundation-ts/discovery/dns')).dns(init), onePort: 'told', network: true },
  'dns-srv': {
    make: async init => (await import('@foundation-ts/discovery/dns-srv')).dnsSrv(init),
    onePort: 'records',
    network: true,
  },
  mdns: { make: async init => (await import('@foundation-ts/discovery/mdns')).mdns(init) },
  gossip: { make: async init => (await import('@foundation-ts/discovery/gossip')).gossip(init), interfaces: true },
  'same-host': { make: async init => (await import('@foundation-ts/discovery/same-host')).sameHost(init) },
  static: {
    make: async init => {
      checkKeys('static', init, ['nodes']);
      if (!Array.isArray(init.nodes) || init.nodes.length === 0)
        throw invalidOption('nodes', init.nodes, "a list of addresses, such as ['10.0.0.1:4370', '10.0.0.2:4370']");
      const { staticList } = await import('@foundation-ts/discovery/static');
      return staticList(init.nodes, 'nodes');
    },
  },
  'hosts-file': {
    make: async init => (await import('@foundation-ts/discovery/hosts-file')).hostsFile(init),
    onePort: 'told',
  },
  etcd: {
    make: async init => (await import('@foundation-ts/discovery/etcd')).etcd(init),
    network: true,
    package: 'etcd3',
  },
  redis: {
    make: async init => (await import('@foundation-ts/discovery/redis')).redis(init),
    network: true,
    package: 'ioredis',
  },
};

/** All keywords, in the order of the guide. */
export const STRATEGY_KEYWORDS: readonly StrategyKeyword[] = Object.keys(KEYWORDS) as StrategyKeyword[];

const ALLOWED = STRATEGY_KEYWORDS.map(keyword => `'${keyword}'`).join(', ');

/**
 * Checks the keyword and the shape, not yet the strategy's own options.
 * @param option - how errors name it: `'cluster'`
 * @param also - what else is allowed there
 * @throws FoundationError `invalid-option` naming the option, what is allowed and the nearest keyword
 */
export function checkKeyword(
  option: string,
  given: unknown,
  also = '',
): asserts given is StrategyKeyword | KeywordOptions {
  if (typeof given === 'string') {
    checkName(option, given, also);
    return;
  }
  const example = `{ strategy: 'kubernetes', appName: 'shop' }`;
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalidOption(option, given, `${also}${ALLOWED}, or one of these with its options, such as ${example}`);
  const { strategy } = given as { readonly strategy?: unknown };
  if (typeof strategy === 'string') return checkName(`${option}.strategy`, strategy, '');
  const near = Object.keys(given).find(key => nearest(key, ['strategy']) !== undefined);
  const hint = near === undefined ? '' : ` (did you mean 'strategy' where '${near}' stands?)`;
  throw invalidOption(`${option}.strategy`, strategy, `${ALLOWED}, such as ${example}${hint}`);
}

function checkName(option: string, given: string, also: string): void {
  if (Object.hasOwn(KEYWORDS, given)) return;
  // Of three letters nearly everything is near.
  const near = given.length > 3 ? nearest(given, STRATEGY_KEYWORDS) : undefined;
  const hint = near === undefined ? '' : ` (did you mean '${near}'?)`;
  throw new FoundationError(
    'invalid-option',
    `Option '${option}' is '${given}'${hint}; allowed: ${also}${ALLOWED}, or one of these with its options.`,
    { details: { option } },
  );
}

/** The name of the strategy that a keyword stands for. */
export function keywordName(given: StrategyKeyword | KeywordOptions): StrategyKeyword {
  return typeof given === 'string' ? given : given.strategy;
}

/** Whether all nodes that a strategy finds listen on one port, which it, or the records that it reads, have to be told. */
export function needsOnePort(name: string): boolean {
  return Object.hasOwn(KEYWORDS, name) && KEYWORDS[name as StrategyKeyword].onePort !== undefined;
}

/** Whether a strategy is for nodes on several machines, and of no use to a node that listens on loopback. */
export function isForNetworks(name: string): boolean {
  return Object.hasOwn(KEYWORDS, name) && KEYWORDS[name as StrategyKeyword].network === true;
}

/** A keyword with all that a node's addresses decide, as plain data. */
export function fullKeyword(given: StrategyKeyword | KeywordOptions, listening: Listening = {}): KeywordOptions {
  const options = (typeof given === 'string' ? { strategy: given } : given) as KeywordOptions & {
    readonly interfaces?: unknown;
    readonly port?: unknown;
    readonly portName?: unknown;
  };
  const { interfaces, onePort } = KEYWORDS[options.strategy] as Keyword<StrategyKeyword>;
  const named = options.port !== undefined || options.portName !== undefined;
  return {
    ...options,
    ...(interfaces === true && listening.loopback === true && options.interfaces === undefined
      ? { interfaces: ['127.0.0.1'] }
      : {}),
    ...(onePort === 'told' && listening.port !== undefined && !named ? { port: listening.port } : {}),
  } as KeywordOptions;
}

/** The full form of what apprentices write in one word: topologies as plain data, which can be printed, and given as `topologies`. */
export function fullForm(
  cluster: StrategyKeyword | KeywordOptions,
  listening: Listening = {},
): Readonly<Record<string, { readonly strategy: KeywordOptions; readonly overlay: 'full-mesh' }>> {
  checkKeyword('cluster', cluster);
  return { [keywordName(cluster)]: { strategy: fullKeyword(cluster, listening), overlay: 'full-mesh' } };
}

/**
 * The strategy that a keyword stands for; its module, and the package that it needs, are loaded now.
 * @param option - how errors name it; default `'cluster'`
 * @throws (rejects) FoundationError `invalid-option` naming the option, what is allowed and the nearest name, or the package to install
 */
export async function strategyOf(
  given: StrategyKeyword | KeywordOptions,
  option = 'cluster',
): Promise<DiscoveryStrategy> {
  checkKeyword(option, given);
  const { strategy, ...init } = typeof given === 'string' ? { strategy: given } : given;
  const keyword = KEYWORDS[strategy] as Keyword<StrategyKeyword>;
  try {
    return await keyword.make(init as never);
  } catch (error) {
    throw explained(error, strategy, option);
  }
}

/** An error of a strategy's, with the place where the option stands; or which package is missing. */
function explained(error: unknown, strategy: StrategyKeyword, option: string): unknown {
  const missing = missingPackage(error);
  if (missing !== undefined) {
    return new FoundationError(
      'invalid-option',
      `Option '${option}' is '${strategy}', which needs the package ${missing}, and that is not installed; run: npm install ${missing}`,
      { cause: error, details: { option } },
    );
  }
  if (!isFoundationError(error, 'invalid-option') || typeof error.details?.option !== 'string') return error;
  const path = `${option}.${error.details.option}`;
  const message = error.message.startsWith(`Option '${error.details.option}'`)
    ? error.message.replace(error.details.option, () => path)
    : `Option '${option}': ${error.message}`;
  return new FoundationError('invalid-option', message, { cause: error, details: { option: path } });
}

/** @returns the package that could not be found, if that is what an import failed with */
export function missingPackage(error: unknown): string | undefined {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return undefined;
  const named = /Cannot find (?:package|module) '([^'./][^']*)'/.exec(String(message))?.[1];
  return STRATEGY_KEYWORDS.map(keyword => KEYWORDS[keyword].package).find(name => name !== undefined && name === named);
}
