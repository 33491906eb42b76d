import { FoundationError, invalidOption } from '@foundation-ts/core';
import { type Application, applicationOf } from './application.js';
import { type Environment, readEnvironment } from './configuration-environment.js';
import { existing, findFile, profileOf, readConfigurationFile } from './configuration-file.js';
import { mergeSources, type Origin, type Profile } from './configuration-merge.js';
import { variableFor } from './configuration-table.js';
import type { StartOptions } from './start-options.js';

/** What a configuration file holds: options of `startNode`, and those that hold in one environment only. */
export interface FoundationConfig extends StartOptions {
  /** The one that `NODE_ENV` names is merged over the rest; `development` when it is not set. */
  readonly profiles?: { readonly [name in Profile]?: StartOptions };
}

/** What a configuration file exports as default. The function is called at each `startNode`. */
export type FoundationConfigExport =
  | FoundationConfig
  | ((about: { readonly profile: Profile | undefined }) => FoundationConfig | Promise<FoundationConfig>);

/** Gives back what it is given: types and completion for `foundation.config.ts`. */
export function defineConfig<T extends FoundationConfigExport>(config: T): T {
  return config;
}

/** From what {@link resolveConfiguration} reads; default: from this process. */
export interface ConfigurationSources {
  readonly env?: Environment;
  /** Where a file is looked for first. */
  readonly cwd?: string;
  /** The script that was started: a file is looked for next beside its application's `package.json`. Default with `cwd`: none. */
  readonly script?: string | undefined;
  /** A configuration file, instead of looking for one; false: none. */
  readonly file?: string | false;
}

/** The options of a node, and where each comes from. */
export interface Configuration {
  /** What was given anywhere; defaults are left to whoever uses them. */
  readonly options: StartOptions;
  /** For each leaf that was given (`'threads.count'`) its source, for the others `'default'` stands. */
  readonly origins: ReadonlyMap<string, Origin>;
  readonly profile: Profile | undefined;
  /** The configuration file, if there is one. */
  readonly file: string | undefined;
  /** The application's package name, which `clusterId` is when nobody gives it. */
  readonly application: string;
  /** What looks wrong but prevents nothing. */
  readonly warnings: readonly string[];
}

/**
 * The options of a node: arguments, over environment (`FOUNDATION_*`), over the profile that `NODE_ENV` names in the configuration
 * file, over the file. An option whose value is `undefined` is not given. Values are checked by `startNode`, except those of the environment.
 * @throws (rejects) FoundationError `invalid-option` (a variable, or a file that can't be used), `conflict` (several files)
 */
export async function resolveConfiguration(
  given: StartOptions = {},
  sources: ConfigurationSources = {},
): Promise<Configuration> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidOption('options', given, "an object of options, such as { cluster: 'gossip' }");
  }
  const { env = process.env, cwd = process.cwd() } = sources;
  const script = 'cwd' in sources || 'script' in sources ? sources.script : process.argv[1];
  const application = applicationOf(script, cwd);
  const file = fileOf(sources, env, cwd, application);
  const profile = profileOf(env);
  const fromFile = file === undefined ? [] : await readConfigurationFile(file, profile);
  const environment = readEnvironment(env);
  const { values, origins } = mergeSources([
    ...fromFile,
    { origin: 'environment', values: environment.values },
    { origin: 'argument', values: { ...given } },
  ]);
  const { warnings } = environment;
  return { options: values, origins, profile, file, application: application.name, warnings };
}

function fileOf(
  { file }: ConfigurationSources,
  env: Environment,
  cwd: string,
  application: Application,
): string | undefined {
  if (file === false) return undefined;
  if (file !== undefined) return existing("'file'", file, cwd);
  return findFile(env, cwd, [cwd, application.folder]);
}

/** What was given at a path, below it or above it; of an option that is missing, beside it. */
function given(path: string, origins: ReadonlyMap<string, Origin>): string | undefined {
  const at = [...origins.keys()].find(
    known => known === path || known.startsWith(`${path}.`) || path.startsWith(`${known}.`),
  );
  const parent = path.lastIndexOf('.');
  return at ?? (parent === -1 ? undefined : given(path.slice(0, parent), origins));
}

/** The same error, which also says where the wrong option stands if that is not in the arguments. */
export function withOrigin(error: unknown, { origins, file }: Configuration): unknown {
  if (!(error instanceof FoundationError) || typeof error.details?.option !== 'string') return error;
  const at = given(error.details.option.replace(/\[.*$/, ''), origins);
  const origin = at === undefined ? undefined : origins.get(at);
  if (at === undefined || origin === undefined || origin === 'argument') return error;
  const place = origin === 'environment' ? (variableFor(at) ?? 'the environment') : `${file} (${origin})`;
  const { code, message, cause, retryable, details } = error;
  return new FoundationError(code, `${message} It comes from ${place}.`, { cause, retryable, details });
}
