import { JOIN_TIMEOUT_MS } from '@foundation-ts/cluster';
import { LONG_MAILBOX, SLOW_HANDLER } from '@foundation-ts/core';
import {
  amount,
  clusterWay,
  LOG_LEVELS,
  list,
  oneOf,
  type ReadVariable,
  secrets,
  text,
  truth,
  whole,
} from './configuration-values.js';
import { THREAD_HANG, THREAD_START } from './defaults.js';
import type { StartOptions } from './start-options.js';

/** What configuration knows of an option. */
export interface OptionInfo {
  /** For the guide's table. */
  readonly about: string;
  /** What holds when nobody gives it: a value, or words where it is decided at the start. */
  readonly default: { readonly value: unknown } | string;
  /** How the environment gives it; undefined: it can't. */
  readonly read?: ReadVariable;
  /** Default: `FOUNDATION_` and the path in capitals. */
  readonly variable?: string;
  readonly fields?: Readonly<Record<string, OptionInfo>>;
}

const NONE = 'none';
const MOST = Number.MAX_SAFE_INTEGER;

/** Every option of `startNode`; the environment, the command and the guide's table are made from this. */
export const OPTIONS: Readonly<Record<keyof StartOptions, OptionInfo>> = {
  name: { about: 'unique in the cluster, stable over restarts', default: 'cluster id and a random suffix', read: text },
  cluster: {
    about: 'whom to look for: `true`, a keyword, or a keyword with its options (in the environment as JSON)',
    default: { value: false },
    read: clusterWay,
  },
  topologies: { about: 'several named sources of nodes, each with hooks, channels and transport', default: NONE },
  discovery: { about: 'strategies of your own making', default: NONE },
  detect: {
    about: 'what `cluster: true` goes by where it is not on its own',
    default: NONE,
    fields: {
      appName: {
        about: 'in Kubernetes the pods labelled `app=<name>`',
        default: 'the cluster id',
        read: text,
        variable: 'FOUNDATION_APP_NAME',
      },
      selector: {
        about: 'in Kubernetes a label selector for pods, instead of `appName`',
        default: NONE,
        read: text,
        variable: 'FOUNDATION_SELECTOR',
      },
      service: {
        about: 'in Kubernetes a headless service, whose DNS is asked where the API may not be',
        default: NONE,
        read: text,
        variable: 'FOUNDATION_SERVICE',
      },
      dnsName: {
        about: 'a DNS name that all nodes stand under',
        default: NONE,
        read: text,
        variable: 'FOUNDATION_DNS_NAME',
      },
      expectedNodes: {
        about:
          'how many nodes the cluster begins with; the start waits for them, for `joinTimeout` at most, in every mode',
        default: NONE,
        read: whole(1, MOST),
        variable: 'FOUNDATION_EXPECTED_NODES',
      },
    },
  },
  clusterId: { about: 'nodes of other clusters are ignored', default: "the application's package name", read: text },
  host: {
    about:
      "the address to bind, which others dial too; with `cluster` this machine's, where a strategy for several machines is used under a secret or TLS",
    default: "`127.0.0.1`, or this machine's address",
    read: text,
  },
  port: {
    about: 'where to listen; 0: any free port',
    default: '0; 4370 where strategies learn only hosts',
    read: whole(0, 65_535),
  },
  secret: {
    about:
      '16 bytes or more; of several (in the environment separated by commas) the first is proven and all are accepted',
    default: 'none; with `cluster` the cookie file',
    read: secrets,
  },
  transport: { about: "`'tcp'`, `'ws'`, or a transport object", default: { value: 'tcp' }, read: oneOf('tcp', 'ws') },
  tls: {
    about: 'mutual TLS, in PEM form; the variables take the paths of files, which are read again when they change',
    default: NONE,
    fields: {
      cert: { about: "this node's certificate", default: NONE, read: text },
      key: { about: 'its private key', default: NONE, read: text },
      ca: { about: 'the authorities to trust', default: NONE, read: text },
      passphrase: { about: 'opens the key; the variable takes the text itself', default: NONE, read: text },
      crl: { about: 'certificates withdrawn', default: NONE, read: text },
    },
  },
  channels: {
    about: 'channels instead of the usual ones; `control` and `data` are always there',
    default: '`control`, `data`, `gossip`, `events`, `telemetry`',
  },
  channelRules: { about: 'messages that take other channels, by size and kind', default: NONE },
  joinTimeout: {
    about:
      'milliseconds that the start waits for a first round of discovery; by default 30,000 with `detect.expectedNodes`',
    default: { value: JOIN_TIMEOUT_MS },
    read: amount('milliseconds', { zero: true }),
  },
  definitions: { about: 'what other nodes may start here', default: NONE },
  threads: {
    about: 'worker threads as nodes',
    default: NONE,
    fields: {
      entry: { about: 'the module that each thread runs', default: 'required', read: text },
      count: { about: 'how many', default: 'processors − 1', read: whole(1, 256) },
      hangTimeout: {
        about: 'milliseconds without a turn after which a thread is started anew',
        default: { value: THREAD_HANG },
        read: amount('milliseconds'),
      },
      startTimeout: {
        about: "milliseconds until a thread's node must run",
        default: { value: THREAD_START },
        read: amount('milliseconds'),
      },
      maxOldGenerationSizeMb: {
        about: "most memory of a thread's old generation, MiB",
        default: "Node's",
        read: amount('MiB'),
      },
    },
  },
  roles: { about: 'told to the other members', default: { value: [] }, read: list },
  permissions: {
    about: 'what the nodes of each role may do here; needs `tls`',
    default: 'everybody may do everything',
  },
  zone: { about: 'told to the other members', default: NONE, read: text },
  metadata: { about: 'told to the other members; plain JSON, 4 KiB at most', default: { value: {} } },
  handleSignals: { about: 'SIGTERM and SIGINT stop the node in order', default: { value: true }, read: truth },
  log: {
    about: 'lines from this level on go to stderr; or a log object',
    default: { value: 'info' },
    read: oneOf(...LOG_LEVELS),
  },
  clock: { about: 'for tests', default: "the machine's" },
  random: { about: 'for tests', default: "the machine's" },
  strictMessages: { about: 'local messages go through the codec too', default: { value: false }, read: truth },
  longMailbox: {
    about: 'messages in an unbounded mailbox from which on a warning goes out; `Infinity`: never',
    default: { value: LONG_MAILBOX },
    read: amount('messages', { infinite: true }),
  },
  slowHandler: {
    about: 'milliseconds of a handler from which on a warning goes out; `Infinity`: never',
    default: { value: SLOW_HANDLER },
    read: amount('milliseconds', { infinite: true }),
  },
};

/** The variables that are no option. */
export const OTHER_VARIABLES: readonly string[] = ['FOUNDATION_CONFIG'];

/** One line of the table: an option or a field of one. */
export interface OptionRow extends OptionInfo {
  /** `'threads.count'`. */
  readonly path: string;
}

/** All options, each followed by its fields. */
export function optionRows(): readonly OptionRow[] {
  return Object.entries(OPTIONS).flatMap(([name, info]) => {
    const { variable, ...row } = info;
    const named = info.read === undefined ? row : { ...row, variable: variable ?? variableOf(name) };
    const fields = Object.entries(info.fields ?? {}).map(([field, of]) => {
      const path = `${name}.${field}`;
      return { ...of, path, ...(of.read === undefined ? {} : { variable: of.variable ?? variableOf(path) }) };
    });
    return [{ ...named, path: name }, ...fields];
  });
}

/** The environment variable of an option, if it has one: also of `cluster.appName`, which stands in that of `cluster`. */
export function variableFor(path: string): string | undefined {
  const own = optionRows().find(row => row.path === path)?.variable;
  const parent = path.lastIndexOf('.');
  return own ?? (parent === -1 ? undefined : variableFor(path.slice(0, parent)));
}

function variableOf(path: string): string {
  return `FOUNDATION_${path
    .replaceAll('.', '_')
    .replace(/[A-Z]/g, letter => `_${letter}`)
    .toUpperCase()}`;
}

/** The guide's table of options, in Markdown. */
export function optionTable(): string {
  const rows = optionRows().map(({ path, variable, default: preset, about }) => {
    const shown = typeof preset === 'string' ? preset : `\`${JSON.stringify(preset.value).replaceAll('"', "'")}\``;
    return `| \`${path}\` | ${variable === undefined ? '–' : `\`${variable}\``} | ${shown} | ${about} |`;
  });
  return ['| Option | Variable | Default | |', '|---|---|---|---|', ...rows].join('\n');
}
