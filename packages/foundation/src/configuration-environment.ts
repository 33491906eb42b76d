import { invalidOption, nearest } from '@foundation-ts/core';
import { type TlsFiles, tlsFiles } from '@foundation-ts/transport/tls';
import { OTHER_VARIABLES, optionRows } from './configuration-table.js';

const PREFIX = 'FOUNDATION_';

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The options that the environment gives, and what looks wrong in it but does not prevent a start. */
export interface EnvironmentOptions {
  readonly values: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

/**
 * Reads the variables whose names begin with `FOUNDATION_`.
 * @throws FoundationError `invalid-option` naming the variable and what is allowed
 */
export function readEnvironment(env: Environment): EnvironmentOptions {
  const values: Record<string, unknown> = {};
  const known: string[] = [...OTHER_VARIABLES];
  for (const { path, variable, read } of optionRows()) {
    if (variable === undefined || read === undefined) continue;
    known.push(variable);
    const given = env[variable];
    if (given === undefined || isServiceLink(variable, given)) continue;
    if (given.trim() === '')
      throw invalidOption(variable, given, 'a value; unset the variable to leave the option out');
    const [name, field] = path.split('.') as [string, string?];
    const value = read(given, variable);
    values[name] = field === undefined ? value : { ...(values[name] as object | undefined), [field]: value };
  }
  if (values.tls !== undefined) values.tls = certificates(values.tls as Partial<TlsFiles>);
  const unknown = Object.entries(env)
    .filter(([name, value]) => name.startsWith(PREFIX) && !known.includes(name) && !isServiceLink(name, value ?? ''))
    .map(([name]) => name);
  return { values, warnings: unknown.map(name => unknownVariable(name, known)) };
}

/** Kubernetes gives each pod such variables for each service, also for one that is called `foundation` or `foundation-x`. */
function isServiceLink(name: string, value: string): boolean {
  if (/_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value);
}

function certificates(files: Partial<TlsFiles>): ReturnType<typeof tlsFiles> {
  for (const field of ['cert', 'key', 'ca'] as const) {
    if (files[field] !== undefined) continue;
    throw invalidOption(
      `${PREFIX}TLS_${field.toUpperCase()}`,
      undefined,
      'the path of a file in PEM form, as of _CERT, _KEY and _CA together',
    );
  }
  return tlsFiles(files as TlsFiles);
}

function unknownVariable(name: string, known: readonly string[]): string {
  // What all have in common would make each look near.
  const near = nearest(
    name.slice(PREFIX.length),
    known.map(one => one.slice(PREFIX.length)),
  );
  const hint = near === undefined ? '' : ` Did you mean ${PREFIX}${near}?`;
  return `The environment variable ${name} means nothing to Foundation and is ignored.${hint}`;
}
