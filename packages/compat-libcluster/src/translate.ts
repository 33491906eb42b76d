import { checkKeys, invalidOption, nearest } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import { MIN_SECRET_BYTES, NODE_PORT } from './defaults.js';
import { hostOf } from './erlang-name.js';
import type { Finding } from './finding.js';
import { isData, type StrategyData } from './keyword.js';
import { type LibclusterTopology, readTopologies } from './libcluster-config.js';
import { Settings } from './settings.js';
import { type Surroundings, translators } from './translators.js';

/** What libcluster leaves to Erlang, and Foundation has to know. */
export interface LibclusterOptions {
  /** Where the nodes listen: Erlang's ask `epmd` for each other's ports. Default 4370. */
  readonly port?: number;
  /** Nodes that listen elsewhere, by their Erlang names: `{ 'b@127.0.0.1': 4371 }`. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Strategies for modules of your own, by the modules' names: `{ 'MyApp.Strategy': myStrategy() }`. */
  readonly strategies?: Readonly<Record<string, DiscoveryStrategy>>;
  /** Read for `RELEASE_NODE`, `RELEASE_COOKIE`, `POD_IP`, `CLUSTER_DOMAIN`, `HOME`, `FOUNDATION_*`; default that of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where `.hosts.erlang` is looked for first; default the working folder. */
  readonly cwd?: string;
}

/** A topology of ours. */
export interface TranslatedTopology {
  readonly name: string;
  /** As plain data, or a strategy from {@link LibclusterOptions.strategies}. */
  readonly strategy: StrategyData | DiscoveryStrategy;
  /** What it was made of. */
  readonly from: LibclusterTopology;
  readonly basename: string | undefined;
  /** What Erlang calls the nodes, by `host:port`, where the configuration says it. */
  readonly names: ReadonlyMap<string, string>;
}

/** What a configuration of libcluster's becomes. */
export interface Translation {
  readonly topologies: readonly TranslatedTopology[];
  /** Options of the node itself, as far as the configuration or the environment say them. */
  readonly node: { readonly name?: string; readonly host?: string; readonly port?: number; readonly secret?: string };
  /** What is not the same here. */
  readonly findings: readonly Finding[];
}

/**
 * Maps libcluster's topologies to ours, and says what could not be mapped and why. Pure but for a `.hosts.erlang` that is read.
 * @throws FoundationError `invalid-option` for values of the wrong type, naming the key, what is allowed and the nearest name
 */
export function translate(given: unknown, options: LibclusterOptions = {}): Translation {
  checkKeys('libcluster', options, ['port', 'ports', 'strategies', 'env', 'cwd']);
  const { port = NODE_PORT, ports = {}, strategies = {}, env = process.env, cwd = process.cwd() } = options;
  for (const [option, value] of [['port', port], ...Object.entries(ports)] as const)
    if (!(Number.isInteger(value) && value >= 1 && value <= 65_535)) throw invalidOption(option, value, '1 to 65535');
  const findings: Finding[] = [];
  const topologies: TranslatedTopology[] = [];
  const secrets: { readonly topology: string; readonly secret: string }[] = [];
  const around: Surroundings = { port, ports, env, cwd };
  for (const [name, topology] of Object.entries(readTopologies(given))) {
    hooks(name, topology, findings);
    const { strategy: module } = topology;
    const own = Object.hasOwn(strategies, module) ? strategies[module] : undefined;
    if (own !== undefined) {
      topologies.push({ name, strategy: own, from: topology, basename: undefined, names: new Map() });
      continue;
    }
    const translator = Object.hasOwn(translators, module) ? translators[module] : undefined;
    if (translator === undefined) {
      findings.push({ topology: name, key: 'strategy', kind: 'unknown', why: unknown(module) });
      continue;
    }
    const settings = new Settings(name, topology.config ?? {});
    const { strategy, secret, basename, names = new Map() } = translator(settings, around);
    findings.push(...settings.finish());
    if (secret !== undefined) secrets.push({ topology: name, secret });
    if (strategy !== undefined) topologies.push({ name, strategy, from: topology, basename, names });
  }
  const { name, host } = whoIs(topologies, env);
  if (host === undefined && env.FOUNDATION_HOST === undefined && topologies.some(isForNetworks))
    findings.push({ topology: undefined, key: 'host', kind: 'changed', why: NO_HOST });
  const own = name !== undefined && Object.hasOwn(ports, name) ? ports[name] : undefined;
  const secret = secretOf(secrets, env, findings);
  return {
    topologies,
    node: {
      ...(name === undefined || env.FOUNDATION_NAME !== undefined ? {} : { name }),
      ...(host === undefined || env.FOUNDATION_HOST !== undefined ? {} : { host }),
      ...(topologies.length === 0 || env.FOUNDATION_PORT !== undefined
        ? {}
        : { port: own ?? (onePort(topologies) ? port : 0) }),
      ...(secret === undefined ? {} : { secret }),
    },
    findings,
  };
}

function unknown(strategy: string): string {
  const near = nearest(strategy, Object.keys(translators));
  const hint = near === undefined ? '' : ` Did you mean '${near}'?`;
  return `there is no strategy '${strategy}' here.${hint} For a module of your own give 'strategies': { '${strategy}': … }.`;
}

/** What only names a function of Elixir's says nothing here. */
function hooks(name: string, topology: LibclusterTopology, findings: Finding[]): void {
  for (const key of ['connect', 'disconnect', 'list_nodes'] as const) {
    if (topology[key] === undefined || typeof topology[key] === 'function') continue;
    findings.push({
      topology: name,
      key,
      kind: 'ignored',
      why: `it names a function of Elixir's; give a function of yours in its place, or leave it out: nodes are connected by Foundation itself.`,
    });
  }
}

/** Whether nodes are looked for on a fixed port; those that say theirs may have any. */
function onePort(topologies: readonly TranslatedTopology[]): boolean {
  return topologies.some(
    ({ strategy }) => isData(strategy) && strategy.strategy !== 'gossip' && strategy.strategy !== 'same-host',
  );
}

const NO_HOST =
  "nothing says at which address the others reach the node (RELEASE_NODE, POD_IP), so it listens on loopback alone; give 'host' or FOUNDATION_HOST.";

/** Whether nodes are looked for on other machines, as far as that can be told. */
function isForNetworks({ strategy }: TranslatedTopology): boolean {
  if (!isData(strategy)) return false;
  if (strategy.strategy === 'static') return strategy.nodes.some(node => !isLoopback(node));
  if (strategy.strategy === 'gossip') return strategy.interfaces?.every(isLoopback) !== true;
  return strategy.strategy !== 'same-host';
}

const isLoopback = (host: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+)(:\d+)?$/.test(host);

/** Elixir's releases are told who they are by `RELEASE_NODE`, or made of a base name and the pod's address. */
function whoIs(
  topologies: readonly TranslatedTopology[],
  env: Surroundings['env'],
): { readonly name: string | undefined; readonly host: string | undefined } {
  const release = env.RELEASE_NODE || undefined;
  if (release?.includes('@') === true) return { name: release, host: hostOf(release) };
  const address = env.POD_IP || undefined;
  // A short name alone is that of all nodes of a release: Erlang adds the machine's.
  const basename = release ?? topologies.find(topology => topology.basename !== undefined)?.basename;
  return {
    name: basename === undefined || address === undefined ? undefined : `${basename}@${address}`,
    host: basename !== undefined || topologies.some(isForNetworks) ? address : undefined,
  };
}

const TOO_SHORT = `it is shorter than ${MIN_SECRET_BYTES} bytes; set FOUNDATION_SECRET to the output of: openssl rand -hex 32`;
const OF_THE_NODE = 'it becomes the secret of the whole node, and datagrams are authenticated too (AES-256-GCM).';

function secretOf(
  secrets: readonly { readonly topology: string; readonly secret: string }[],
  env: Surroundings['env'],
  findings: Finding[],
): string | undefined {
  const note = (topology: string | undefined, key: string, why: string, kind: Finding['kind'] = 'ignored'): void => {
    findings.push({ topology, key, kind, why });
  };
  if (env.FOUNDATION_SECRET !== undefined) {
    for (const { topology } of secrets) note(topology, 'secret', 'FOUNDATION_SECRET comes before it.');
    return undefined;
  }
  const long = (secret: string): boolean => Buffer.byteLength(secret) >= MIN_SECRET_BYTES;
  const first = secrets.find(({ secret }) => long(secret));
  for (const { topology, secret } of secrets) {
    if (!long(secret)) note(topology, 'secret', TOO_SHORT);
    else if (secret === first?.secret) note(topology, 'secret', OF_THE_NODE, 'changed');
    else note(topology, 'secret', `a node has one secret, here that of topology '${first?.topology}'.`);
  }
  if (first !== undefined) return first.secret;
  const cookie = env.RELEASE_COOKIE;
  if (cookie === undefined) return undefined;
  if (long(cookie)) return cookie;
  note(undefined, 'RELEASE_COOKIE', TOO_SHORT);
  return undefined;
}
