import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkKeys, FoundationError, invalidOption } from '@foundation-ts/core';
import {
  DNS_POLL_INTERVAL,
  KUBERNETES_CLUSTER_DOMAIN,
  KUBERNETES_PORT_NAME,
  KUBERNETES_SERVICE_ACCOUNT,
} from './defaults.js';
import { watchHosts, watchServices } from './dns-lookup.js';
import { type DnsServer, resolveServers } from './dns-server.js';
import {
  checkHostOptions,
  type HostOptions,
  resolveDnsLabel,
  resolveDnsName,
  resolveHostOptions,
  resolvePollInterval,
} from './host-options.js';
import type { DiscoveryStrategy } from './strategy.js';

/** What both strategies take. */
interface ServiceInit extends Pick<HostOptions, 'protocol'> {
  /** The name of a headless service (`clusterIP: None`), with `publishNotReadyAddresses: true` so that starting pods find each other. */
  readonly service: string;
  /** The service's namespace; default: that of the pod, or `'default'` outside one. */
  readonly namespace?: string;
  /** Default `'cluster.local'`. */
  readonly clusterDomain?: string;
  /** Folder with the file `namespace`; default `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly serviceAccount?: string;
  /** The longest time between two look-ups, ms; default 5,000. */
  readonly pollInterval?: number;
  /** Name servers to ask, as `'ip'` or `'ip:port'`, in this order; default: those of the pod. */
  readonly servers?: readonly string[];
}

/** What {@link kubernetesDns} takes. */
export interface KubernetesDnsInit extends ServiceInit, Pick<HostOptions, 'port'> {
  /** 4: only A records, 6: only AAAA; default: both. */
  readonly family?: 4 | 6;
}

/** What {@link kubernetesDnsSrv} takes. */
export interface KubernetesDnsSrvInit extends ServiceInit {
  /** The name of the port in the service, of protocol TCP; default `'foundation'`. */
  readonly portName?: string;
}

const keys = ['service', 'namespace', 'clusterDomain', 'serviceAccount', 'protocol', 'pollInterval', 'servers'];

/**
 * Names the pods of a headless Kubernetes service by the A and AAAA records of `<service>.<namespace>.svc.<clusterDomain>`
 * (libcluster's `Kubernetes.DNS`). Needs no access to the Kubernetes API. What failures and empty answers do: as in `dns`.
 * @throws FoundationError `invalid-option`
 */
export function kubernetesDns(init: KubernetesDnsInit): DiscoveryStrategy {
  checkKeys('kubernetesDns', init, [...keys, 'port', 'family']);
  const service = resolveService(init);
  const { family } = init;
  if (family !== undefined && family !== 4 && family !== 6) throw invalidOption('family', family, '4, 6');
  return {
    name: 'kubernetes-dns',
    async *watch(ctx) {
      const query = await service.query();
      const { servers, pollInterval } = service;
      const { port, protocol } = resolveHostOptions(init, ctx);
      yield* watchHosts(ctx, { strategy: 'kubernetes-dns', query, family, servers, pollInterval, port, protocol });
    },
  };
}

/**
 * Names the pods of a headless Kubernetes service, with their ports, by the SRV records of
 * `_<portName>._tcp.<service>.<namespace>.svc.<clusterDomain>` (libcluster's `Kubernetes.DNSSRV`).
 * What failures and empty answers do: as in `dnsSrv`.
 * @throws FoundationError `invalid-option`
 */
export function kubernetesDnsSrv(init: KubernetesDnsSrvInit): DiscoveryStrategy {
  checkKeys('kubernetesDnsSrv', init, [...keys, 'portName']);
  const service = resolveService(init);
  const portName = resolveDnsLabel('portName', init.portName ?? KUBERNETES_PORT_NAME, KUBERNETES_PORT_NAME);
  return {
    name: 'kubernetes-dns-srv',
    async *watch(ctx) {
      const query = `_${portName}._tcp.${await service.query()}`;
      const { servers, pollInterval } = service;
      const { protocol } = resolveHostOptions(init, ctx);
      yield* watchServices(ctx, { strategy: 'kubernetes-dns-srv', query, servers, pollInterval, protocol });
    },
  };
}

interface Service {
  readonly servers: readonly DnsServer[] | undefined;
  readonly pollInterval: number;
  query(): Promise<string>;
}

function resolveService(init: ServiceInit & HostOptions): Service {
  checkHostOptions(init);
  const service = resolveDnsLabel('service', init.service, 'shop-nodes');
  const given = init.namespace === undefined ? undefined : resolveDnsLabel('namespace', init.namespace, 'default');
  const { serviceAccount = KUBERNETES_SERVICE_ACCOUNT } = init;
  if (typeof serviceAccount !== 'string' || serviceAccount === '') {
    throw invalidOption('serviceAccount', serviceAccount, 'the path of a folder');
  }
  const domain = resolveDnsName('clusterDomain', init.clusterDomain ?? KUBERNETES_CLUSTER_DOMAIN, 'cluster.local');
  return {
    servers: resolveServers(init.servers),
    pollInterval: resolvePollInterval(init.pollInterval, DNS_POLL_INTERVAL),
    query: async () => `${service}.${given ?? (await podNamespace(serviceAccount))}.svc.${domain}`,
  };
}

/** @throws (rejects) FoundationError `invalid-operation` when it can't be read although it is there */
async function podNamespace(serviceAccount: string): Promise<string> {
  const file = join(serviceAccount, 'namespace');
  try {
    return resolveDnsLabel('namespace', (await readFile(file, 'utf8')).trim(), 'default');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 'default';
    throw new FoundationError(
      'invalid-operation',
      `The pod's namespace can't be read from '${file}' (${(cause as Error).message}); give the option 'namespace'.`,
      { cause },
    );
  }
}
