import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isFoundationError } from '@foundation-ts/core';
import { resolveConfiguration, withOrigin } from './configuration.js';
import type { Environment } from './configuration-environment.js';
import { configurationRows, describeConfiguration } from './configuration-text.js';
import { transportOf } from './connection.js';
import { strategyOf } from './keywords.js';
import { checkOptions, type StartOptions } from './start-options.js';

/** What the command `foundation` gets from its process. */
export interface CommandWorld {
  readonly env: Environment;
  readonly cwd: string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const HELP = `Usage: foundation <command> [options]

Commands:
  config   prints the options that a node started here gets from the environment and the configuration file, and where each comes from

  foundation <command> --help tells a command's options.
`;

const CONFIG_HELP = `Usage: foundation config [options]

Prints the options that startNode() gets from the environment (FOUNDATION_*), the configuration file and the defaults, and where each
comes from. Arguments in the program come before all of them. Of secrets it prints only that they are set.

  --json             as JSON
  --profile <name>   as with NODE_ENV=<name>: development, test, production
  --cwd <folder>     as in this folder
`;

/** Arguments that make no sense: exit code 2. */
class UsageError extends Error {}

/** Runs the command `foundation`; gives its exit code: 0, 1 when the configuration is wrong, 2 for wrong arguments. */
export async function runCommand(args: readonly string[], world: CommandWorld): Promise<number> {
  const [command, ...rest] = args;
  try {
    if (command === '--help' || command === '-h') world.out(HELP);
    else if (command === 'config') await config(rest, world);
    else
      throw new UsageError(
        `${command === undefined ? 'A command is missing' : `There is no command '${command}'`}.\n\n${HELP}`,
      );
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      world.err(error.message);
      return 2;
    }
    if (!isFoundationError(error)) throw error;
    world.err(`${error.code}: ${error.message}\n`);
    return 1;
  }
}

async function config(args: readonly string[], world: CommandWorld): Promise<void> {
  const { help, json, profile, cwd: folder = '.' } = configArguments(args);
  const { out } = world;
  if (help) return out(CONFIG_HELP);
  const cwd = resolve(world.cwd, folder);
  if (!existsSync(cwd)) throw new UsageError(`--cwd is '${folder}', but there is no ${cwd}.\n\n${CONFIG_HELP}`);
  const env = profile === undefined ? world.env : { ...world.env, NODE_ENV: profile };
  const configuration = await resolveConfiguration({}, { env, cwd });
  try {
    checkOptions(configuration.options);
    transportOf(configuration.options);
    await checkStrategies(configuration.options);
  } catch (error) {
    throw withOrigin(error, configuration);
  }
  if (!json) return out(describeConfiguration(configuration));
  const { profile: chosen = null, file = null, warnings } = configuration;
  out(
    `${JSON.stringify({ profile: chosen, file, options: configurationRows(configuration), warnings }, undefined, 2)}\n`,
  );
}

/** Makes the strategies that keywords stand for, which checks their options. */
async function checkStrategies({ cluster, topologies = {} }: StartOptions): Promise<void> {
  if (cluster !== undefined && typeof cluster !== 'boolean') await strategyOf(cluster);
  for (const [name, { strategy }] of Object.entries(topologies)) {
    if (typeof strategy === 'string' || 'strategy' in strategy)
      await strategyOf(strategy, `topologies.${name}.strategy`);
  }
}

function configArguments(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        profile: { type: 'string' },
        cwd: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.profile === undefined || ['development', 'test', 'production'].includes(values.profile)) return values;
    throw new Error(`--profile is '${values.profile}'; allowed: development, test, production.`);
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${CONFIG_HELP}`);
  }
}
