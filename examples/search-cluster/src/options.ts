import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fullForm, type KeywordOptions, STRATEGY_KEYWORDS, type StrategyKeyword } from 'foundation-ts';

const transports = ['tcp', 'ws', 'tls', 'threads'] as const;
export type TransportName = (typeof transports)[number];

/** What the command line asked for. */
export interface Options {
  /** The folder to search; `undefined`: the installed dependencies of this workspace. */
  readonly folder: string | undefined;
  /** Nodes, each an operating-system process (with `threads`: a worker thread), the one that you start included. */
  readonly nodes: number;
  readonly shards: number;
  /** How the nodes talk; `tls`: over TCP, with certificates that are made for the run; `threads`: as threads of this process. */
  readonly transport: TransportName;
  /** How the nodes find each other; undefined: they find out by themselves. */
  readonly discovery: KeywordOptions | undefined;
  /** For how many milliseconds queries are counted at the end. */
  readonly measure: number;
  readonly interactive: boolean;
  readonly help: boolean;
}

export const usage = `Usage: npm start -- [folder] [options]

Searches every .md, .d.ts and .json file under a folder (default: the installed dependencies) with a cluster of
operating-system processes, kills one, adds one and stops one, and checks after each step that the cluster
answers exactly as a plain scan of the files does. Exit code 0 only if it did, every time.

  --nodes N        processes in the cluster at the start, this one included (3 to 16; default 3)
  --shards N       shards that the files are spread over (1 to 512; default 24)
  --transport T    how the nodes talk: tcp, ws (WebSocket), tls (mutual TLS, with certificates made for the run by
                   the openssl command) or threads (worker threads of one process instead of processes; what is a
                   SIGKILL otherwise ends a thread in mid-work) (default tcp)
  --discovery D    how the nodes find each other: auto, or a keyword (same-host, gossip, mdns, static, hosts-file, etcd,
                   redis), or a keyword with its options as JSON, such as
                   '{"strategy":"dns","query":"nodes.example","servers":["127.0.0.1:5300"]}'. With dns, dns-srv and
                   kubernetes the first node has the address 127.0.0.2, the second 127.0.0.3, and so on, and all
                   listen on port 4370, or on the 'port' given (default auto)
  --measure N      milliseconds for which queries are counted at the end (100 to 600000; default 2000)
  --interactive    afterwards, keep the cluster and read queries and commands from the terminal
  --help           this text
`;

/** A wrong command line; the message says which part and what is allowed. */
export class UsageError extends Error {}

/** @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) {
    throw new UsageError(`Give at most one folder; got ${positionals.join(', ')}.`);
  }
  const transport = transportOf(values.transport);
  const discovery = discoveryOf(values.discovery);
  if (discovery !== undefined && transport === 'threads') {
    throw new UsageError('--discovery is for nodes that are processes; --transport threads has threads.');
  }
  return {
    folder: positionals[0] === undefined ? undefined : resolve(positionals[0]),
    nodes: integer('--nodes', values.nodes, 3, 16),
    shards: integer('--shards', values.shards, 1, 512),
    transport,
    discovery,
    measure: integer('--measure', values.measure, 100, 600_000),
    interactive: values.interactive,
    help: values.help,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        nodes: { type: 'string', default: '3' },
        shards: { type: 'string', default: '24' },
        transport: { type: 'string', default: 'tcp' },
        discovery: { type: 'string', default: 'auto' },
        measure: { type: 'string', default: '2000' },
        interactive: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function transportOf(given: string): TransportName {
  const found = transports.find(transport => transport === given);
  if (found !== undefined) return found;
  throw new UsageError(`--transport is '${given}'; allowed: ${transports.join(', ')}.`);
}

function discoveryOf(given: string): KeywordOptions | undefined {
  if (given === 'auto') return undefined;
  try {
    const keyword = given.startsWith('{') ? (JSON.parse(given) as KeywordOptions) : (given as StrategyKeyword);
    return Object.values(fullForm(keyword, { loopback: true }))[0]?.strategy;
  } catch (error) {
    const allowed = `auto, ${STRATEGY_KEYWORDS.join(', ')}, or one of these with its options as JSON`;
    const why = error instanceof SyntaxError ? ` (${error.message})` : '';
    throw new UsageError(`--discovery is '${given}'${why}; allowed: ${allowed}.`, { cause: error });
  }
}

function integer(option: string, given: string, minimum: number, maximum: number): number {
  const value = Number(given);
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw new UsageError(`${option} is '${given}'; allowed: a whole number from ${minimum} to ${maximum}.`);
}
