import {
  type AnyDefinition,
  type Clock,
  checkKeys,
  FoundationError,
  invalidOption,
  type Log,
  type LogLevel,
  type Random,
  stderrLog,
} from '@foundation-ts/core';
import type { DiscoveryStrategy } from '@foundation-ts/discovery';
import type { ChannelDeclaration, Transport } from '@foundation-ts/transport';
import { MIN_SECRET_BYTES } from './defaults.js';

/** What {@link startNode} takes; every field is optional. */
export interface StartOptions {
  /** Unique in the cluster and stable over restarts; default: the application's name and a random suffix. */
  readonly name?: string;
  /**
   * `true`: mortal mode. The node finds the others by itself (on this host without any network; over UDP on loopback, or on the
   * network when `host` is given), under a secret from `secret`, `FOUNDATION_SECRET` or a cookie file. Default `false`: alone,
   * unless `discovery` is given.
   */
  readonly cluster?: boolean;
  /** Nodes of other clusters are ignored; default: the application's package name. */
  readonly clusterId?: string;
  /** Whom to look for; with it nothing is detected or added. */
  readonly discovery?: readonly DiscoveryStrategy[];
  /** The address to bind, which is also the one that others dial; default `'127.0.0.1'`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** The cluster's shared key, 16 bytes or more as text; default: `FOUNDATION_SECRET`. */
  readonly secret?: string;
  /** Default `tcp()`. */
  readonly transport?: Transport;
  readonly channels?: readonly ChannelDeclaration[];
  /**
   * Milliseconds for which the start waits for a first round of discovery and dialling, so that a node that joins a cluster knows it;
   * default 500. The first node of a cluster waits that long for nobody.
   */
  readonly joinTimeout?: number;
  /** Definitions that other nodes may start here, by name. */
  readonly definitions?: readonly AnyDefinition[];
  readonly roles?: readonly string[];
  readonly zone?: string;
  /** Plain JSON values told to the other members, 4 KiB at most. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Whether SIGTERM and SIGINT stop the node in order and end the process; default `true`. */
  readonly handleSignals?: boolean;
  /** A log, or the level from which lines go to stderr, or `'silent'`; default `FOUNDATION_LOG` or `'info'`. */
  readonly log?: Log | LogLevel | 'silent';
  readonly clock?: Clock;
  readonly random?: Random;
  /** Local messages go through the codec as remote ones do; default `false`. */
  readonly strictMessages?: boolean;
}

const keys = [
  'name',
  'cluster',
  'clusterId',
  'discovery',
  'host',
  'port',
  'secret',
  'transport',
  'channels',
  'joinTimeout',
  'definitions',
  'roles',
  'zone',
  'metadata',
  'handleSignals',
  'log',
  'clock',
  'random',
  'strictMessages',
] as const satisfies readonly (keyof StartOptions)[];

/** @throws FoundationError `invalid-option` naming the option and what is allowed */
export function checkOptions(options: StartOptions): void {
  checkKeys('startNode()', options, keys);
  const { cluster, discovery, handleSignals, host } = options;
  if (cluster !== undefined && typeof cluster !== 'boolean') throw invalidOption('cluster', cluster, 'true, false');
  if (handleSignals !== undefined && typeof handleSignals !== 'boolean') {
    throw invalidOption('handleSignals', handleSignals, 'true, false');
  }
  if (host !== undefined && (typeof host !== 'string' || host.length === 0)) {
    throw invalidOption('host', host, 'a host name or IP address');
  }
  if (host === '0.0.0.0' || host === '::') {
    throw invalidOption('host', host, 'an address at which the other nodes can dial this one');
  }
  if (cluster === true && discovery !== undefined) {
    throw new FoundationError(
      'invalid-option',
      "Give either 'cluster: true', which finds the others by itself, or 'discovery', not both.",
    );
  }
}

/** The secret given, or that of the environment. @throws FoundationError `invalid-option` when it is too short */
export function givenSecret(options: StartOptions): Uint8Array | undefined {
  const text = options.secret ?? process.env.FOUNDATION_SECRET;
  if (text === undefined) return undefined;
  const secret = new TextEncoder().encode(text);
  if (secret.length < MIN_SECRET_BYTES) {
    const where = options.secret === undefined ? 'FOUNDATION_SECRET' : 'secret';
    throw invalidOption(
      where,
      `${secret.length} bytes long`,
      `${MIN_SECRET_BYTES} bytes or more, random: openssl rand -hex 32`,
    );
  }
  return secret;
}

const levels: readonly string[] = ['debug', 'info', 'warn', 'error', 'silent'];

/** @throws FoundationError `invalid-option` */
export function resolveLog(given: Log | LogLevel | 'silent' | undefined, silent: Log): Log {
  if (typeof given === 'object') return given;
  const level = given ?? process.env.FOUNDATION_LOG ?? 'info';
  if (!levels.includes(level))
    throw invalidOption(given === undefined ? 'FOUNDATION_LOG' : 'log', level, levels.join(', '));
  return level === 'silent' ? silent : stderrLog(level as LogLevel);
}
