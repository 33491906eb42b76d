import { isFoundationError } from '@foundation-ts/core';
import { formatFindings } from './finding.js';
import { makeStrategy } from './keyword.js';
import { type LibclusterOptions, type Translation, translate } from './translate.js';

/** What the converter gets from its process. */
export interface ConvertWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The text of a file; `-` is the standard input. */
  readonly read: (file: string) => Promise<string>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const HELP = `Usage: foundation-libcluster <file.json | -> [options]

Reads libcluster's topologies as JSON and prints our configuration: the text of a foundation.config.ts. What is not the same
here is told on stderr.

  --json           the text of a foundation.config.json
  --port <number>  where the nodes listen (default 4370): Erlang's ask epmd, ours have one port
  --strict         exit code 1 if anything could not be mapped

To write the JSON, in iex -S mix:
  Application.get_env(:libcluster, :topologies) |> Enum.map(fn {name, t} ->
    {name, %{strategy: t[:strategy], config: Map.new(t[:config] || [])}} end) |> Map.new() |> Jason.encode!() |> IO.puts()
`;

/** Runs the converter; gives its exit code: 0, 1 when the configuration is wrong, 2 for wrong arguments. */
export async function convert(args: readonly string[], world: ConvertWorld): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    world.out(HELP);
    return 0;
  }
  const parsed = parse(args);
  if (typeof parsed === 'string') {
    world.err(`${parsed}\n\n${HELP}`);
    return 2;
  }
  try {
    const text = await textOf(parsed.file, world);
    // Who this process is says nothing of the nodes that will read the configuration.
    const { CLUSTER_DOMAIN, HOME } = world.env;
    const options: LibclusterOptions = { env: { CLUSTER_DOMAIN, HOME }, cwd: world.cwd, ...parsed.options };
    const translation = translate(json(parsed.file, text), options);
    for (const { name, strategy } of translation.topologies) makeStrategy(name, strategy);
    world.out(parsed.json ? jsonText(translation) : moduleText(translation));
    const { findings } = translation;
    if (findings.length > 0) world.err(`${formatFindings(findings)}\n`);
    if (findings.some(({ kind }) => kind === 'unknown')) return 1;
    return parsed.strict && findings.some(({ kind }) => kind === 'ignored' || kind === 'left-out') ? 1 : 0;
  } catch (error) {
    if (!isFoundationError(error) && !(error instanceof InputError)) throw error;
    world.err(`${error.message}\n`);
    return 1;
  }
}

class InputError extends Error {}

interface Arguments {
  readonly file: string;
  readonly json: boolean;
  readonly strict: boolean;
  readonly options: { readonly port?: number };
}

/** @returns what is wrong, as text */
function parse(args: readonly string[]): Arguments | string {
  let file: string | undefined;
  let port: number | undefined;
  const flags = new Set<string>();
  for (let index = 0; index < args.length; index++) {
    const given = args[index] as string;
    if (given === '--json' || given === '--strict') flags.add(given);
    else if (given === '--port') {
      port = Number(args[++index]);
      if (!(Number.isInteger(port) && port >= 1 && port <= 65_535))
        return `--port is '${args[index] ?? ''}'; allowed: 1 to 65535.`;
    } else if (given.startsWith('-') && given !== '-') return `There is no option '${given}'.`;
    else if (file === undefined) file = given;
    else return `Give one file; got '${file}' and '${given}'.`;
  }
  if (file === undefined) return 'The file is missing.';
  const options = port === undefined ? {} : { port };
  return { file, json: flags.has('--json'), strict: flags.has('--strict'), options };
}

/** @throws (rejects) InputError */
async function textOf(file: string, { read }: ConvertWorld): Promise<string> {
  try {
    return await read(file);
  } catch (error) {
    throw new InputError(`${file} can't be read: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws InputError */
function json(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${file} is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** Secrets belong into the environment, not into a file that is committed. */
function optionsOf({ topologies, node }: Translation): Readonly<Record<string, unknown>> {
  const { secret: _, ...rest } = node;
  return { ...rest, topologies: Object.fromEntries(topologies.map(({ name, strategy }) => [name, { strategy }])) };
}

function jsonText(translation: Translation): string {
  const own = translation.topologies.find(({ strategy }) => isRancher(strategy));
  if (own !== undefined)
    throw new InputError(
      `Topology '${own.name}' uses Rancher's metadata service, which takes a foundation.config.ts; leave --json out.`,
    );
  return `${JSON.stringify(optionsOf(translation), undefined, 2)}\n`;
}

function moduleText(translation: Translation): string {
  const { topologies, node } = translation;
  const imports = topologies.some(({ strategy }) => isRancher(strategy))
    ? "import { rancher } from '@foundation-ts/compat-libcluster';\n"
    : '';
  const secret = node.secret === undefined ? '' : '\n// Set FOUNDATION_SECRET to the secret that the topologies had.';
  return `import { defineConfig } from 'foundation-ts';\n${imports}${secret}\nexport default defineConfig(${code(optionsOf(translation))});\n`;
}

/** Data as a literal, in which a strategy that has no keyword is a call. */
function code(value: unknown, indent = ''): string {
  if (isRancher(value)) {
    const { strategy: _, ...init } = value;
    return `rancher(${JSON.stringify(init)})`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  const inner = `${indent}  `;
  const fields = Object.entries(value).map(([key, field]) => `${inner}${keyText(key)}: ${code(field, inner)}`);
  return fields.length === 0 ? '{}' : `{\n${fields.join(',\n')}\n${indent}}`;
}

/** In a literal `"__proto__": …` would set the prototype. */
const keyText = (key: string): string => (key === '__proto__' ? '["__proto__"]' : JSON.stringify(key));

function isRancher(value: unknown): value is { readonly strategy: 'rancher' } {
  return (value as { readonly strategy?: unknown } | null)?.strategy === 'rancher';
}
