import { checkKeys, invalidOption } from '@foundation-ts/core';

/** Connects with a node, or says that it is none of ours: what libcluster's `connect` returns. */
export type LibclusterConnect = (node: string) => boolean | 'ignored' | Promise<boolean | 'ignored'>;
/** What libcluster's `disconnect` returns; a text is the reason why it failed. */
export type LibclusterDisconnect = (node: string) => boolean | string | Promise<boolean | string>;
/** The names of the nodes that are connected already, as libcluster's `list_nodes` gives them. */
export type LibclusterListNodes = () => readonly string[];

/** One topology as libcluster takes it. */
export interface LibclusterTopology {
  /** The strategy's module: `'Cluster.Strategy.Gossip'`. */
  readonly strategy: string;
  /** What the module takes, under libcluster's own names. Atoms are texts (`'ip'` or `':ip'`), tuples are lists. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Asked before each dial: false or `'ignored'` leaves the node alone. */
  readonly connect?: LibclusterConnect;
  /** Told when the strategy names a node no more that is among `list_nodes`, where that is given. */
  readonly disconnect?: LibclusterDisconnect;
  /** Nodes that are connected, and so need no dial. */
  readonly list_nodes?: LibclusterListNodes;
}

/** `config :libcluster, topologies: […]`, by name. */
export type LibclusterTopologies = Readonly<Record<string, LibclusterTopology>>;

const keys = ['strategy', 'config', 'connect', 'disconnect', 'list_nodes'];

/**
 * Brings a configuration into one shape, whether it is an object, came from JSON, or is a keyword list written as pairs.
 * @throws FoundationError `invalid-option` naming the key, what is allowed and the nearest name
 */
export function readTopologies(given: unknown): LibclusterTopologies {
  const all = unwrapped(asObject(given));
  if (all === undefined)
    throw invalidOption('topologies', given, "libcluster's topologies by name, as an object or a list of pairs");
  return Object.fromEntries(Object.entries(all).map(([name, topology]) => [name, readTopology(name, topology)]));
}

/** Without the application's name, `topologies`, and the application's other keys around the topologies. */
function unwrapped(given: Record<string, unknown> | undefined): Record<string, unknown> | undefined {
  let all = given;
  for (const [wrapper, others] of [
    ['libcluster', []],
    ['topologies', ['debug']],
  ] as const) {
    if (all === undefined || !Object.hasOwn(all, wrapper)) continue;
    const inner = asObject(all[wrapper]);
    const alone = Object.keys(all).every(key => key === wrapper || (others as readonly string[]).includes(key));
    // A topology may have such a name too.
    if (alone && inner !== undefined && typeof inner.strategy !== 'string') all = inner;
  }
  return all;
}

function readTopology(name: string, given: unknown): LibclusterTopology {
  const at = `topologies.${name}`;
  const topology = asObject(given);
  if (topology === undefined)
    throw invalidOption(at, given, "an object, such as { strategy: 'Cluster.Strategy.Gossip', config: {} }");
  checkKeys(at, topology, keys);
  const { strategy, config = {}, ...hooks } = topology;
  if (typeof strategy !== 'string' || strategy === '')
    throw invalidOption(`${at}.strategy`, strategy, "the name of a module, such as 'Cluster.Strategy.Gossip'");
  const settings = asObject(config);
  if (settings === undefined) throw invalidOption(`${at}.config`, config, 'an object, or a list of pairs');
  return { strategy: strategy.replace(/^Elixir\./, ''), config: plain(settings), ...hooks } as LibclusterTopology;
}

/** An object as it is, or made of a list of `[key, value]`. */
function asObject(given: unknown): Record<string, unknown> | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  if (!Array.isArray(given)) return given as Record<string, unknown>;
  const pairs = given.every(pair => Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string');
  if (!pairs) return undefined;
  return Object.fromEntries((given as [string, unknown][]).map(([key, value]) => [atom(key) as string, value]));
}

function plain(settings: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [key, key === 'secret' ? value : atom(value)]),
  );
}

/** `:ip` → `ip`, `:"a@10.0.0.1"` → `a@10.0.0.1`; lists of them too. */
function atom(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(atom);
  if (typeof value !== 'string') return value;
  return /^:"(.*)"$/.exec(value)?.[1] ?? (/^:[A-Za-z_]/.test(value) ? value.slice(1) : value);
}
