import { checkKeys, invalidOption, nearest } from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import { MIN_SECRET_BYTES, NODE_PORT } from './defaults.js';
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
    const own = strategies[topology.strategy];
    if (own !== undefined) {
      topologies.push({ name, strategy: own, from: topology, basename: undefined });
      continue;
    }
    const translator = translators[topology.strategy];
    if (translator === undefined) {
      findings.push({ topology: name, key: 'strategy', kind: 'unknown', why: unknown(topology.strategy) });
      continue;
    }
    const settings = new Settings(name, topology.config ?? {});
    const { strategy, secret, basename } = translator(settings, around);
    findings.push(...settings.finish());
    if (secret !== undefined) secrets.push({ topology: name, secret });
    if (strategy !== undefined) topologies.push({ name, strategy, from: topology, basename });
  }
  const named = nodeName(topologies, env);
  const secret = secretOf(secrets, env, findings);
  return {
    topologies,
    node: {
      ...named,
      ...(topologies.length === 0 ? {} : { port: ports[named.name ?? ''] ?? (onePort(topologies) ? port : 0) }),
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

/** Elixir's releases are told who they are by `RELEASE_NODE`, or made of a base name and the pod's address. */
function nodeName(
  topologies: readonly TranslatedTopology[],
  env: Surroundings['env'],
): { readonly name?: string; readonly host?: string } {
  if (env.FOUNDATION_NAME !== undefined) return {};
  const release = env.RELEASE_NODE;
  const address = env.POD_IP;
  const host = release?.includes('@') === true ? release.slice(release.indexOf('@') + 1) : address;
  const basename = topologies.find(topology => topology.basename !== undefined)?.basename;
  const name = release ?? (basename === undefined || address === undefined ? undefined : `${basename}@${address}`);
  if (name === undefined) return {};
  return { name, ...(host === undefined || env.FOUNDATION_HOST !== undefined ? {} : { host }) };
}

function secretOf(
  secrets: readonly { readonly topology: string; readonly secret: string }[],
  env: Surroundings['env'],
  findings: Finding[],
): string | undefined {
  if (env.FOUNDATION_SECRET !== undefined) return undefined;
  const note = (topology: string | undefined, key: string, why: string): void => {
    findings.push({ topology, key, kind: 'ignored', why });
  };
  const long = (secret: string): boolean => Buffer.byteLength(secret) >= MIN_SECRET_BYTES;
  const usable = secrets.filter(({ topology, secret }) => {
    if (!long(secret))
      note(
        topology,
        'secret',
        `it is shorter than ${MIN_SECRET_BYTES} bytes; set FOUNDATION_SECRET to the output of: openssl rand -hex 32`,
      );
    return long(secret);
  });
  const [first, ...others] = usable;
  for (const { topology, secret } of others)
    if (secret !== first?.secret)
      note(topology, 'secret', `a node has one secret, here that of topology '${first?.topology}'.`);
  if (first !== undefined) return first.secret;
  const cookie = env.RELEASE_COOKIE;
  if (cookie === undefined) return undefined;
  if (long(cookie)) return cookie;
  note(
    undefined,
    'RELEASE_COOKIE',
    `it is shorter than ${MIN_SECRET_BYTES} bytes; set FOUNDATION_SECRET to the output of: openssl rand -hex 32`,
  );
  return undefined;
}
