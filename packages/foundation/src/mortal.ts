import { join } from 'node:path';
import { checkKeys, type FoundationError, invalidOption, type Log } from '@foundation-ts/core';
import { type DiscoveryStrategy, readOrCreateCookie } from '@foundation-ts/discovery';
import { isLoopback } from '@foundation-ts/transport';
import { NODE_PORT, SERVICE_ACCOUNT } from './defaults.js';
import { withFallback } from './fallback.js';
import { fullKeyword, type KeywordOptions, strategyOf } from './keywords.js';
import type { DetectOptions } from './start-options.js';
import { reachableHost, type Surroundings } from './surroundings.js';

/** What mortal mode goes by. */
export interface MortalInit {
  readonly clusterId: string;
  readonly detect: DetectOptions;
  /** Undefined: the node decides. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** Given, not from the cookie. */
  readonly secret: readonly Uint8Array[] | undefined;
  readonly certified: boolean;
  readonly log: Log;
}

/** What mortal mode decided on. */
export interface MortalMode {
  /** Undefined: certificates are the proof. */
  readonly secret: readonly Uint8Array[] | undefined;
  readonly host: string;
  /** Undefined: any. */
  readonly port: number | undefined;
  readonly discovery: readonly DiscoveryStrategy[];
  /** What it decided on as plain data, same-host included. */
  readonly keywords: readonly KeywordOptions[];
}

/** What a network has that nodes can be found by, and what a node needs to be reached there. */
interface Found {
  readonly keyword: KeywordOptions;
  /** How every node is given the same secret there. */
  readonly command: string;
}

const LOOPBACK = '127.0.0.1';
const detectKeys = [
  'appName',
  'selector',
  'service',
  'dnsName',
  'expectedNodes',
] as const satisfies readonly (keyof DetectOptions)[];

/** @throws FoundationError `invalid-option` */
export function checkDetect(detect: DetectOptions): void {
  if (typeof detect !== 'object' || detect === null || Array.isArray(detect))
    throw invalidOption('detect', detect, `an object of ${detectKeys.join(', ')}`);
  checkKeys('detect', detect, detectKeys);
  for (const key of ['appName', 'selector', 'service', 'dnsName'] as const) {
    const value = detect[key];
    if (value !== undefined && (typeof value !== 'string' || value === ''))
      throw invalidOption(`detect.${key}`, value, 'a text');
  }
  const { expectedNodes } = detect;
  if (expectedNodes !== undefined && !(Number.isInteger(expectedNodes) && expectedNodes >= 1))
    throw invalidOption('detect.expectedNodes', expectedNodes, 'a whole number, 1 or more');
}

/**
 * Zero configuration: finds a secret and the ways by which nodes find each other, and logs each step and why.
 * @throws FoundationError `insecure` when the cookie file can be read by others; `invalid-option`
 */
export async function mortalMode(init: MortalInit, surroundings: Surroundings): Promise<MortalMode> {
  const step = (message: string): void => init.log.info({}, `cluster: ${message}`);
  const found = inKubernetes(init, surroundings, step) ?? byName(init, surroundings, step);
  const place = found === undefined ? undefined : placeFor(found, init, surroundings, step);
  // The cookies of several machines differ.
  const bare = init.certified && init.secret === undefined && place !== undefined;
  const secret = bare ? undefined : await secretOf(init.secret, step);
  if (bare) step('secret: none, the certificates are the proof.');
  const host = place?.host ?? init.host ?? LOOPBACK;
  const port = init.port ?? (place === undefined ? undefined : NODE_PORT);
  const listening = { loopback: isLoopback(host), port: port || NODE_PORT };
  const local: KeywordOptions[] = [{ strategy: 'same-host' }];
  step('same host: on; nodes of this machine and user are found through a folder, without a network.');
  if (found === undefined || place === undefined) {
    const where = listening.loopback
      ? `on loopback only, because the node binds ${host}; give 'host' to be found from other machines.`
      : `on all interfaces, because the node binds ${host}.`;
    step(`mDNS: on, ${where}`);
    step(
      listening.loopback
        ? `UDP gossip: on, ${where}`
        : `UDP gossip: on, multicast ${where} It is encrypted with the secret.`,
    );
    local.push({ strategy: 'mdns' }, { strategy: 'gossip' });
  } else {
    local.push(found.keyword);
    step(`mDNS and UDP gossip: off, because ${found.keyword.strategy} names the nodes.`);
  }
  const keywords = local.map(keyword => fullKeyword(keyword, listening));
  const discovery = await Promise.all(keywords.map(keyword => made(keyword, init, listening.port)));
  return { secret, host, port, discovery, keywords };
}

/** The secrets given, else the cookie. */
export async function secretOf(
  given: readonly Uint8Array[] | undefined,
  step: (message: string) => void,
): Promise<readonly Uint8Array[]> {
  if (given !== undefined) {
    const rest = given.length === 1 ? '' : ` ${given.length} are accepted, the first is proven.`;
    step(`secret: the one given ('secret' or FOUNDATION_SECRET).${rest}`);
    return given;
  }
  const cookie = await readOrCreateCookie();
  step(
    `secret: the cookie file ${cookie.path}, which all nodes of this user share. For nodes on other hosts: copy that file there, or give them its text, which here is FOUNDATION_SECRET="$(cat ${cookie.path})"; and to each node its own 'host' (FOUNDATION_HOST).`,
  );
  return [cookie.secret];
}

function inKubernetes(
  { clusterId, detect }: MortalInit,
  { env, exists }: Surroundings,
  step: (message: string) => void,
): Found | undefined {
  if (!env.KUBERNETES_SERVICE_HOST) {
    step('Kubernetes: no, KUBERNETES_SERVICE_HOST is not set.');
    return undefined;
  }
  const token = join(SERVICE_ACCOUNT, 'token');
  if (!exists(token)) {
    if (detect.service !== undefined) {
      step(
        `Kubernetes: yes, without its API, because the pod has no service-account token (${token}); pods are found by the DNS of the service '${detect.service}'.`,
      );
      return {
        keyword: { strategy: 'kubernetes-dns', service: detect.service },
        command: kubernetesCommand(clusterId),
      };
    }
    step(
      `Kubernetes: not used; the pod has no service-account token (${token}). Mount it, or name a headless service in FOUNDATION_SERVICE.`,
    );
    return undefined;
  }
  const { selector } = detect;
  const appName = detect.appName ?? labelOf(clusterId);
  const by =
    selector === undefined
      ? `labelled app=${appName} (${detect.appName === undefined ? 'the cluster id' : "'appName' or FOUNDATION_APP_NAME"})`
      : `selected by ${selector} ('selector' or FOUNDATION_SELECTOR)`;
  step(`Kubernetes: yes, KUBERNETES_SERVICE_HOST is set and there is a service-account token; pods ${by} are watched.`);
  return {
    keyword: { strategy: 'kubernetes', ...(selector === undefined ? { appName } : { selector }) },
    command: kubernetesCommand(clusterId),
  };
}

/** A package's name without its scope, as far as a label's value may have it. */
function labelOf(clusterId: string): string {
  const bare = clusterId.replace(/^.*\//, '').replaceAll(/[^-_.A-Za-z0-9]/g, '-');
  return bare.slice(0, 63).replaceAll(/^[-_.]+|[-_.]+$/g, '') || 'foundation';
}

function kubernetesCommand(clusterId: string): string {
  const name = `${labelOf(clusterId).toLowerCase().replaceAll('_', '-')}-cluster`;
  return `kubectl create secret generic ${name} --from-literal=secret="$(openssl rand -hex 32)", and FOUNDATION_SECRET from its key 'secret' in the pods`;
}

function byName({ detect }: MortalInit, { env }: Surroundings, step: (message: string) => void): Found | undefined {
  if (detect.dnsName !== undefined) {
    step(`DNS: yes, the addresses of ${detect.dnsName} ('dnsName' or FOUNDATION_DNS_NAME) are asked for.`);
    const command = 'FOUNDATION_SECRET="$(openssl rand -hex 32)", the same on every machine';
    return { keyword: { strategy: 'dns', query: detect.dnsName }, command };
  }
  if (env.FLY_APP_NAME) {
    const query = `${env.FLY_APP_NAME}.internal`;
    step(`DNS: yes, this is Fly.io (FLY_APP_NAME is set); the addresses of ${query} are asked for.`);
    return {
      keyword: { strategy: 'dns', query },
      command: 'fly secrets set FOUNDATION_SECRET="$(openssl rand -hex 32)"',
    };
  }
  step('DNS: no, neither FOUNDATION_DNS_NAME nor FLY_APP_NAME is set.');
  return undefined;
}

/** Where a node listens that others on the network are to reach; undefined: it stays on loopback. */
function placeFor(
  { keyword, command }: Found,
  init: MortalInit,
  surroundings: Surroundings,
  step: (message: string) => void,
): { readonly host: string } | undefined {
  if (init.host !== undefined) {
    step(`address: ${init.host}, as given ('host').`);
    return { host: init.host };
  }
  if (init.secret === undefined && !init.certified) {
    init.log.warn(
      {},
      `cluster: address: loopback only, so ${keyword.strategy} is not used: nodes on several machines need one secret. Run: ${command}.`,
    );
    return undefined;
  }
  const reachable = reachableHost(surroundings);
  if (reachable === undefined) {
    init.log.warn(
      {},
      `cluster: address: loopback only, so ${keyword.strategy} is not used: no interface has an address.`,
    );
    return undefined;
  }
  step(`address: ${reachable.host} (${reachable.why}); give 'host' for another.`);
  return { host: reachable.host };
}

async function made(keyword: KeywordOptions, { detect, log }: MortalInit, port: number): Promise<DiscoveryStrategy> {
  const strategy = await strategyOf(keyword, 'detect');
  if (keyword.strategy !== 'kubernetes') return strategy;
  const { service } = detect;
  const forbidden = (error: Error): boolean => (error as FoundationError).details?.status === 403;
  if (service === undefined) {
    const hint = 'cluster: Kubernetes: or give a headless service in FOUNDATION_SERVICE, to find pods by its DNS.';
    return told(strategy, forbidden, () => log.warn({}, hint));
  }
  const other = await strategyOf(fullKeyword({ strategy: 'kubernetes-dns', service }, { port }), 'detect');
  return withFallback(strategy, other, forbidden, error => {
    log.warn(
      {},
      `cluster: Kubernetes: ${error.message} Until the node starts again pods are found by the DNS of the service '${service}'.`,
    );
  });
}

/** The same strategy; `tell` is called at its first failure of that kind. */
function told(strategy: DiscoveryStrategy, kind: (error: Error) => boolean, tell: () => void): DiscoveryStrategy {
  let said = false;
  return {
    ...strategy,
    watch: ctx =>
      strategy.watch({
        ...ctx,
        failed: error => {
          ctx.failed(error);
          if (said || !kind(error)) return;
          said = true;
          tell();
        },
      }),
  };
}
