import { existsSync, readFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkKeys, FoundationError } from '@foundation-ts/core';
import type { Environment } from './configuration-environment.js';
import { isPlain, type OptionSource, type Profile } from './configuration-merge.js';
import { OPTIONS } from './configuration-table.js';

const NAMES = ['ts', 'js', 'mjs', 'json'].map(extension => `foundation.config.${extension}`);
const PROFILES: readonly Profile[] = ['development', 'test', 'production'];

/** The profile that `NODE_ENV` names; `development` when it is not set, none for other values. */
export function profileOf(env: Environment): Profile | undefined {
  const name = env.NODE_ENV || 'development';
  return PROFILES.find(profile => profile === name);
}

/**
 * The file that `FOUNDATION_CONFIG` names, else the one in the first folder that has one.
 * @param folders - where to look, in this order
 * @throws FoundationError `invalid-option` when the named one is missing, `conflict` when a folder has several
 */
export function findFile(env: Environment, cwd: string, folders: readonly string[]): string | undefined {
  const named = env.FOUNDATION_CONFIG;
  if (named === 'off') return undefined;
  if (named !== undefined) return existing('FOUNDATION_CONFIG', named, cwd);
  for (const folder of new Set(folders)) {
    const found = NAMES.map(name => join(folder, name)).filter(path => existsSync(path));
    if (found.length > 1) {
      throw new FoundationError(
        'conflict',
        `There are several configuration files: ${found.join(', ')}. Keep one, or name one in FOUNDATION_CONFIG.`,
      );
    }
    if (found[0] !== undefined) return found[0];
  }
  return undefined;
}

/** @throws FoundationError `invalid-option` */
export function existing(what: string, name: string, cwd: string): string {
  const path = resolve(cwd, name);
  if (name !== '' && existsSync(path)) return path;
  throw new FoundationError(
    'invalid-option',
    `${what} names the configuration file '${name}', but there is no ${path}. Name one that exists, or 'off' for none.`,
    { details: { option: what } },
  );
}

/**
 * The options in a file, and those of its profile, weakest first.
 * @throws (rejects) FoundationError `invalid-option` naming the file and what is wrong with it
 */
export async function readConfigurationFile(
  path: string,
  profile: Profile | undefined,
): Promise<readonly OptionSource[]> {
  const read = extname(path) === '.json' ? readJson(path) : await readModule(path);
  const config = typeof read === 'function' ? await called(path, read, profile) : read;
  if (!isPlain(config)) {
    throw broken(
      path,
      `it gives ${config === undefined ? 'nothing' : 'no object'}; ${WANTED[extname(path)] ?? WANTED.other}.`,
    );
  }
  const { profiles = {}, ...base } = config;
  checkKeys(path, config, [...Object.keys(OPTIONS), 'profiles']);
  if (!isPlain(profiles)) throw broken(path, "'profiles' is no object; allowed: { development, test, production }.");
  checkKeys(`${path}, profiles`, profiles, PROFILES);
  const sources: OptionSource[] = [{ origin: 'file', values: base }];
  for (const [name, values] of Object.entries(profiles)) {
    if (values === undefined) continue;
    if (!isPlain(values)) throw broken(path, `the profile '${name}' is no object; allowed: options of startNode().`);
    checkKeys(`${path}, profile ${name}`, values, Object.keys(OPTIONS));
    if (name === profile) sources.push({ origin: `file, profile ${profile}`, values });
  }
  return sources;
}

const WANTED: Readonly<Record<string, string>> = {
  '.json': 'write an object of options',
  other: 'export an object of options, or a function that gives one, as default',
};

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    const { message } = error as Error;
    // Without the piece of the file that V8 quotes, and so without the error itself: it may be a secret.
    throw broken(
      path,
      error instanceof SyntaxError ? message.replace(/,? ?(\.\.\.)?".*is not valid JSON$/s, '') : message,
    );
  }
}

async function readModule(path: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
    return module.default;
  } catch (error) {
    if (extname(path) === '.ts' && (error as { readonly code?: unknown }).code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw broken(
        path,
        `this Node.js (${process.version}) reads no TypeScript. Run the program under tsx (node --import tsx …, or NODE_OPTIONS='--import tsx'), use Node.js 22.18 or later, or write the file as foundation.config.js or foundation.config.json.`,
        error,
      );
    }
    // Without the error itself, which carries the line that it is about, and with that perhaps a secret.
    if (error instanceof SyntaxError) throw broken(path, `${error.message} (node --check ${path} shows where).`);
    throw broken(path, error instanceof Error ? error.message : String(error), error);
  }
}

async function called(path: string, read: unknown, profile: Profile | undefined): Promise<unknown> {
  try {
    return await (read as (about: { readonly profile: Profile | undefined }) => unknown)({ profile });
  } catch (error) {
    throw broken(path, `its function threw: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function broken(path: string, why: string, cause?: unknown): FoundationError {
  return new FoundationError('invalid-option', `The configuration file ${path} can't be used: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
  });
}
