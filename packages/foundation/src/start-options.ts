import type { ChannelRule, Permissions } from '@foundation-ts/cluster';
import {
  type AnyDefinition,
  type Clock,
  checkKeys,
  FoundationError,
  invalidOption,
  type Log,
  type LogLevel,
  type Random,
  silentLog,
  stderrLog,
} from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import { type ChannelDeclaration, MAX_NAME_BYTES, type Transport } from '@foundation-ts/transport';
import type { TlsOptions, TlsProvider } from '@foundation-ts/transport/tls';
import { isPlain } from './configuration-merge.js';
import { OPTIONS } from './configuration-table.js';
import { checkSecrets, LOG_LEVELS } from './configuration-values.js';
import { checkKeyword, type KeywordOptions, type StrategyKeyword } from './keywords.js';
import { checkDetect } from './mortal.js';
import { resolveThreads, type ThreadOptions } from './thread-options.js';
import { checkTopologies, type Topologies } from './topologies.js';

/** What `cluster: true` goes by where it is not on its own; see {@link StartOptions.detect}. */
export interface DetectOptions {
  /** In Kubernetes: the pods labelled `app=<name>`; default: the cluster id. */
  readonly appName?: string;
  /** In Kubernetes: a label selector for pods, instead of `appName`. */
  readonly selector?: string;
  /** In Kubernetes: a headless service, whose DNS is asked where the API may not be. */
  readonly service?: string;
  /** A DNS name that all nodes stand under. */
  readonly dnsName?: string;
  /**
   * How many nodes the cluster begins with, this one included: the start waits until so many are connected, for `joinTimeout` (then 30 s) at
   * most. In every mode. Default: none are waited for.
   */
  readonly expectedNodes?: number;
}

/** What {@link startNode} takes; every field is optional. What is not given here may stand in the environment or in a configuration file. */
export interface StartOptions {
  /** Unique in the cluster and stable over restarts; default: the application's name and a random suffix. */
  readonly name?: string;
  /**
   * How the others are found. `true`: the node finds out by itself (Kubernetes, a DNS name, mDNS, UDP gossip, and always the same host), and logs
   * each step. A keyword, or a keyword with its options, as in `{ strategy: 'kubernetes', appName: 'shop' }`: that strategy. The secret is
   * `secret`, `FOUNDATION_SECRET` or a cookie file. Default `false`: alone, unless `topologies` or `discovery` is given.
   */
  readonly cluster?: boolean | StrategyKeyword | KeywordOptions;
  /** Several named sources of nodes at once, each with its hooks, channels and transport; with it nothing is detected or added. */
  readonly topologies?: Topologies;
  /** Nodes of other clusters are ignored; default: the application's package name. */
  readonly clusterId?: string;
  /** What `cluster: true` goes by where it is not on its own. */
  readonly detect?: DetectOptions;
  /** Whom to look for; with it nothing is detected or added. */
  readonly discovery?: readonly DiscoveryStrategy[];
  /**
   * The address to bind, which is also the one that others dial; default `'127.0.0.1'`; with `cluster`, where that uses a strategy for several
   * machines under a secret or TLS, `POD_IP`, `FLY_PRIVATE_IP` or the machine's first address.
   */
  readonly host?: string;
  /** Default 0: any free port; 4370 where strategies learn only hosts, so that all nodes listen on one port. */
  readonly port?: number;
  /**
   * The cluster's shared key, 16 bytes or more as text; default: `FOUNDATION_SECRET`. Of a list, the first is proven and all are accepted,
   * so that the key can be changed while nodes run; in `FOUNDATION_SECRET` commas separate them.
   */
  readonly secret?: string | readonly string[];
  /** `'tcp'` (default), `'ws'` where only HTTP passes, or a transport with options of its own, such as `ws({ path: '/x' })`. */
  readonly transport?: 'tcp' | 'ws' | Transport;
  /**
   * Mutual TLS on `'tcp'` and `'ws'`: certificate, key and authorities in PEM form, or a function that gives what is valid now, such as
   * `tlsFiles({ cert, key, ca })`. The certificate must name the node.
   */
  readonly tls?: TlsOptions | TlsProvider;
  /** Default `control`, `data`, `gossip`, `events` and `telemetry`; `control` and `data` are there whether listed or not. */
  readonly channels?: readonly ChannelDeclaration[];
  /** Moves messages from `data` to other channels by size and kind, which gives up their order; default: none. */
  readonly channelRules?: readonly ChannelRule[];
  /**
   * Milliseconds for which the start waits for a first round of discovery and dialling, so that a node that joins a cluster knows it;
   * default 500, with `detect.expectedNodes` 30,000. The first node of a cluster waits that long for nobody.
   */
  readonly joinTimeout?: number;
  /** Definitions that other nodes may start here, by name. */
  readonly definitions?: readonly AnyDefinition[];
  /** Worker threads as nodes of their own, supervised by this one; default: none. */
  readonly threads?: ThreadOptions;
  readonly roles?: readonly string[];
  /**
   * What the nodes of each role may do on this one, such as `{ ops: ['spawn', 'exit', 'observe'], '*': ['message', 'register'] }`; `'*'` is every
   * node. Roles count as far as certificates prove them, so it needs `tls`. Default: every member may do everything that is not local-only.
   */
  readonly permissions?: Permissions;
  readonly zone?: string;
  /** Plain JSON values told to the other members, 4 KiB at most. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Whether SIGTERM and SIGINT stop the node in order and end the process; default `true`. */
  readonly handleSignals?: boolean;
  /** A log, or the level from which lines go to stderr, or `'silent'`; default `FOUNDATION_LOG` or `'info'`. */
  readonly log?: Log | LogLevel | 'silent';
  readonly clock?: Clock;
  readonly random?: Random;
  /** Local messages go through the codec as remote ones do; default `false`. */
  readonly strictMessages?: boolean;
  /** Messages in an unbounded mailbox at which a warning and `actor.mailbox.long` go out, and at each doubling; default 10,000; `Infinity`: never. */
  readonly longMailbox?: number;
  /** Milliseconds for which an actor may keep the event loop before a warning and `actor.handler.slow` go out; default 100; `Infinity`: never. */
  readonly slowHandler?: number;
}

/** @throws FoundationError `invalid-option` naming the option and what is allowed */
export function checkOptions(options: StartOptions): void {
  checkKeys('startNode()', options, Object.keys(OPTIONS));
  const { handleSignals, host } = options;
  checkWay(options);
  if (handleSignals !== undefined && typeof handleSignals !== 'boolean') {
    throw invalidOption('handleSignals', handleSignals, 'true, false');
  }
  if (host !== undefined && (typeof host !== 'string' || host.length === 0)) {
    throw invalidOption('host', host, 'a host name or IP address');
  }
  if (host === '0.0.0.0' || host === '::') {
    throw invalidOption(
      'host',
      host,
      "an address at which the other nodes can dial this one, such as '10.0.0.5': one address is bound and told to them",
    );
  }
  checkTransport(options);
  checkValues(options);
  givenSecrets(options);
  resolveLog(options.log, silentLog);
  if (options.threads !== undefined) resolveThreads(options.threads);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is handed on, and would fail later or not at all. */
function checkValues(options: StartOptions): void {
  const check = (option: keyof StartOptions, allowed: string, fits: (value: unknown) => boolean): void => {
    if (options[option] !== undefined && !fits(options[option])) throw invalidOption(option, options[option], allowed);
  };
  const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
  const isMore = (value: unknown): boolean => typeof value === 'number' && value > 0;
  const isName = (value: unknown): boolean =>
    isText(value) && /^[^\s\p{Cc}]+$/u.test(value as string) && Buffer.byteLength(value as string) <= MAX_NAME_BYTES;
  for (const option of ['name', 'clusterId'] as const)
    check(option, `1 to ${MAX_NAME_BYTES} bytes of text without white space and control characters`, isName);
  check('zone', 'a text', isText);
  check('port', '0 to 65535', port => Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535);
  check(
    'channels',
    "a list of channels, such as [{ name: 'bulk' }]",
    list => Array.isArray(list) && list.every(isObject),
  );
  check('channelRules', "a list such as [{ aboveBytes: 65_536, channel: 'bulk' }]", Array.isArray);
  check('definitions', 'a list of definitions, such as [Counter]', Array.isArray);
  check('discovery', 'a list of strategies, such as [staticList([…])]', Array.isArray);
  check('permissions', "what each role may do, such as { ops: ['spawn', 'exit'], '*': ['message'] }", isPlain);
  check('joinTimeout', 'milliseconds, 0 or more', time => time === 0 || isMore(time));
  check('roles', "a list of texts, such as ['web']", roles => Array.isArray(roles) && roles.every(isText));
  check('metadata', 'an object of plain JSON values', isPlain);
  check('strictMessages', 'true, false', value => typeof value === 'boolean');
  check('longMailbox', 'messages, more than 0, or Infinity', isMore);
  check('slowHandler', 'milliseconds, more than 0, or Infinity', isMore);
}

/** How the others are found is said in one way. */
function checkWay({ cluster, topologies, discovery, detect }: StartOptions): void {
  if (cluster !== undefined && typeof cluster !== 'boolean') checkKeyword('cluster', cluster, 'true, false, ');
  if (topologies !== undefined) checkTopologies(topologies);
  if (detect !== undefined) checkDetect(detect);
  const ways = [
    ...(cluster === undefined || cluster === false
      ? []
      : [cluster === true ? "'cluster: true', which finds the others by itself" : "'cluster' with a keyword"]),
    ...(topologies === undefined ? [] : ["'topologies'"]),
    ...(discovery === undefined ? [] : ["'discovery'"]),
  ];
  if (ways.length <= 1) return;
  throw new FoundationError('invalid-option', `Give either ${ways.join(', or ')}, not both.`, {
    details: { option: cluster ? 'cluster' : 'topologies' },
  });
}

function checkTransport({ transport, tls }: StartOptions): void {
  if (typeof transport === 'object' && transport !== null) {
    if (tls === undefined) return;
    throw new FoundationError(
      'invalid-option',
      "Option 'tls' is for 'tcp' and 'ws'; give a transport of your own its certificates itself, as in ws({ path, tls }).",
    );
  }
  if (transport !== undefined && transport !== 'tcp' && transport !== 'ws') {
    throw invalidOption('transport', transport, "'tcp', 'ws', or a transport, such as ws({ path: '/x' })");
  }
}

/** The secrets given. @throws FoundationError `invalid-option` when one is too short */
export function givenSecrets({ secret }: StartOptions): readonly Uint8Array[] | undefined {
  return secret === undefined ? undefined : checkSecrets(secret, 'secret');
}

/** @throws FoundationError `invalid-option` */
export function resolveLog(given: Log | LogLevel | 'silent' | undefined, silent: Log): Log {
  if (typeof given === 'object' && given !== null) return given;
  const level = given ?? 'info';
  if (!LOG_LEVELS.includes(level)) throw invalidOption('log', level, LOG_LEVELS.join(', '));
  return level === 'silent' ? silent : stderrLog(level);
}
