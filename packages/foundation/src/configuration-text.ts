import { inspect } from 'node:util';
import { isLoopback } from '@foundation-ts/transport';
import type { Configuration } from './configuration.js';
import { isPlain, type Origin } from './configuration-merge.js';
import { isSecret, maskSecret, maskUrl, withoutSecrets } from './configuration-secrets.js';
import { OPTIONS, variableFor } from './configuration-table.js';
import { NODE_PORT } from './defaults.js';
import { usualJoinTimeout } from './effective-options.js';
import { fullForm } from './keywords.js';
import type { StartOptions } from './start-options.js';

/** One effective value. */
export interface ConfigurationRow {
  /** `'threads.count'`. */
  readonly option: string;
  /** Without secrets; what is no plain data is text. As JSON and through `inspect` it is readable. */
  readonly value: unknown;
  readonly origin: Origin;
  /** The environment's variable or the file that gives it. */
  readonly place: string | undefined;
}

/** Every option with its value and where that comes from; of secrets and keys only that they are set. */
export function configurationRows(configuration: Configuration): readonly ConfigurationRow[] {
  return (Object.keys(OPTIONS) as (keyof typeof OPTIONS)[]).flatMap(name => {
    const value = configuration.options[name];
    if (value === undefined) return [defaultRow(name, OPTIONS[name].default, configuration)];
    const given = leaves([name], value, configuration);
    const absent = Object.entries(OPTIONS[name].fields ?? {}).filter(([field]) => isPlain(value) && !(field in value));
    return [...given, ...absent.map(([field, info]) => defaultRow(`${name}.${field}`, info.default, configuration))];
  });
}

function leaves(path: readonly string[], value: unknown, configuration: Configuration): ConfigurationRow[] {
  const option = path.join('.');
  const origin = configuration.origins.get(option);
  if (origin === undefined && isPlain(value)) {
    return Object.entries(value).flatMap(([key, field]) => leaves([...path, key], field, configuration));
  }
  return [
    { option, value: show(path, value), origin: origin ?? 'default', place: place(option, origin, configuration) },
  ];
}

function place(option: string, origin: Origin | undefined, { file }: Configuration): string | undefined {
  if (origin === 'environment') return option === 'tls' ? 'FOUNDATION_TLS_*' : variableFor(option);
  return origin?.startsWith('file') ? file : undefined;
}

function defaultRow(option: string, preset: { readonly value: unknown } | string, of: Configuration): ConfigurationRow {
  const words = typeof preset === 'string' ? new Words(preset.replaceAll('`', '')) : preset.value;
  const found =
    option === 'clusterId' ? of.application : option === 'joinTimeout' ? usualJoinTimeout(of.options) : words;
  return { option, value: found, origin: 'default', place: undefined };
}

function show(path: readonly string[], value: unknown): unknown {
  return isSecret(path) ? new Words(maskSecret(value)) : shown(path, value);
}

/** Objects that are no plain data by their names. */
function shown(path: readonly string[], value: unknown): unknown {
  if (typeof value === 'string') return maskUrl(value);
  if (Array.isArray(value)) return value.map(item => shown(path, item));
  const name = nameOf(path, value);
  if (name !== undefined) return new Words(name);
  // JSON has no word for it.
  if (value === Number.POSITIVE_INFINITY) return new Words('Infinity');
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => {
      return [key, show([...path, key], field)];
    }),
  );
}

function nameOf(path: readonly string[], value: unknown): string | undefined {
  const { program, watch, name, protocol } = (value ?? {}) as {
    readonly program?: { readonly name?: unknown };
    readonly watch?: unknown;
    readonly name?: unknown;
    readonly protocol?: unknown;
  };
  if (program !== undefined) return String(program.name);
  if (typeof value === 'function') return '(a function)';
  if (typeof watch === 'function') return `${name}()`;
  if (value instanceof URL) return maskUrl(value.href);
  if (path.length > 1 || typeof value !== 'object' || value === null) return undefined;
  if (path[0] === 'transport') return `${protocol} (an object)`;
  return ['log', 'clock', 'random'].includes(path[0] as string) ? '(an object)' : undefined;
}

/** Text that `inspect` puts down without quotes. */
class Words {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  [inspect.custom](): string {
    return this.#text;
  }

  toJSON(): string {
    return this.#text;
  }
}

/** What a keyword stands for. */
function inFull({ cluster, host = '127.0.0.1', port = NODE_PORT }: StartOptions): readonly string[] {
  if (cluster === undefined || typeof cluster === 'boolean') return [];
  const form = withoutSecrets(fullForm(cluster, { loopback: isLoopback(host), port: port || undefined }));
  return ['', `cluster, in full: topologies: ${inspect(form, { depth: 8, breakLength: Number.POSITIVE_INFINITY })}`];
}

/**
 * The effective configuration as aligned text: every option, its value, and where it comes from. Of secrets and private keys it says that they
 * are set and how long they are. A keyword in `cluster` is also given as the topology that it stands for.
 * @throws FoundationError `invalid-option` when there is no such keyword
 */
export function describeConfiguration(configuration: Configuration): string {
  const { profile, file, warnings } = configuration;
  const rows = configurationRows(configuration).map(({ option, value, origin, place }) => [
    option,
    inspect(value, { depth: 8, breakLength: Number.POSITIVE_INFINITY }),
    origin === 'environment' && place !== undefined ? `${origin} (${place})` : origin,
  ]);
  const width = (column: number): number => Math.min(60, Math.max(...rows.map(row => (row[column] as string).length)));
  const [first, second] = [width(0), width(1)];
  return [
    `profile: ${profile ?? 'none'}`,
    `file: ${file ?? 'none'}`,
    '',
    ...rows.map(([option, value, origin]) => `${option?.padEnd(first)}  ${value?.padEnd(second)}  ${origin}`),
    ...inFull(configuration.options),
    ...(warnings.length === 0 ? [] : ['', ...warnings.map(warning => `warning: ${warning}`)]),
    '',
  ].join('\n');
}
