import { BOOTSTRAP_TIMEOUT_MS, JOIN_TIMEOUT_MS } from '@foundation-ts/cluster';
import { LONG_MAILBOX, SLOW_HANDLER } from '@foundation-ts/core';
import { withoutSecrets } from './configuration-secrets.js';
import type { StartOptions } from './start-options.js';

/** The options of a running node with their defaults. Secrets, certificates, and passwords of strategies are left out. */
export type EffectiveOptions = Readonly<
  Omit<StartOptions, 'secret' | 'tls' | Preset> & Required<Pick<StartOptions, Preset>>
>;

type Preset =
  | 'name'
  | 'cluster'
  | 'clusterId'
  | 'joinTimeout'
  | 'roles'
  | 'metadata'
  | 'handleSignals'
  | 'strictMessages'
  | 'longMailbox'
  | 'slowHandler';

/** How long a start waits for others unless `joinTimeout` says so, ms. */
export function usualJoinTimeout({ detect }: StartOptions): number {
  return (detect?.expectedNodes ?? 0) > 1 ? BOOTSTRAP_TIMEOUT_MS : JOIN_TIMEOUT_MS;
}

/** @param decided - what the start decided on */
export function effectiveOptions(
  options: StartOptions,
  decided: { readonly name: string; readonly clusterId: string },
): EffectiveOptions {
  const { log, clock, random, transport, ...data }: Required<Pick<StartOptions, Preset>> & StartOptions = {
    cluster: false,
    joinTimeout: usualJoinTimeout(options),
    roles: [],
    metadata: {},
    handleSignals: true,
    strictMessages: false,
    longMailbox: LONG_MAILBOX,
    slowHandler: SLOW_HANDLER,
    ...options,
    name: decided.name,
    clusterId: decided.clusterId,
  };
  const objects = Object.entries({ log, clock, random, transport }).filter(([, value]) => value !== undefined);
  return Object.freeze({ ...(withoutSecrets(data) as EffectiveOptions), ...Object.fromEntries(objects) });
}
