import { isIP } from 'node:net';
import type { Address } from '@foundation-ts/core';
import { toAddress } from './advertised.js';
import type { AddressRules } from './kubernetes-settings.js';

/** One way to reach one node. */
export interface KubernetesEndpoint {
  /** The same for all ways to reach one pod. */
  readonly pod: string;
  /** Undefined for a name. */
  readonly family: 4 | 6 | undefined;
  readonly address: Address;
}

/** A pod or slice as far as discovery needs it. */
export interface KubernetesObject {
  /** Namespace and name: what the API counts as the same object. */
  readonly key: string;
  /** Empty for one that is not to be dialled. */
  readonly endpoints: readonly KubernetesEndpoint[];
  readonly resourceVersion: string | undefined;
  /** Endpoints that could not be used: without the port's name, without a host name, malformed. */
  readonly unusable: number;
}

type Json = Readonly<Record<string, unknown>>;

/** Reads a pod or slice that came from the API; undefined unless it is one. */
export function readKubernetesObject(value: unknown, rules: AddressRules): KubernetesObject | undefined {
  const metadata = recordOf(recordOf(value)?.metadata);
  const name = textOf(metadata?.name);
  const namespace = textOf(metadata?.namespace);
  if (metadata === undefined || name === undefined || namespace === undefined) return undefined;
  const found = rules.resource === 'pods' ? podEndpoints : sliceEndpoints;
  const candidates = found(value as Json, namespace, rules);
  const endpoints = candidates.filter(one => one !== undefined);
  return {
    key: `${namespace}/${name}`,
    endpoints,
    resourceVersion: textOf(metadata.resourceVersion),
    unusable: candidates.length - endpoints.length,
  };
}

type Candidates = readonly (KubernetesEndpoint | undefined)[];

function podEndpoints(pod: Json, namespace: string, rules: AddressRules): Candidates {
  const metadata = recordOf(pod.metadata) ?? {};
  const status = recordOf(pod.status) ?? {};
  const spec = recordOf(pod.spec) ?? {};
  if (metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null) return [];
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return [];
  if (rules.ready === 'ready' && !isReady(status)) return [];
  const listed = listOf(status.podIPs).map(one => textOf(recordOf(one)?.ip));
  const primary = textOf(status.podIP);
  const ips = (listed.length > 0 ? listed : [primary]).filter(ip => ip !== undefined);
  const port = rules.port ?? containerPort(spec, rules.portName);
  const where = {
    pod: textOf(metadata.uid) ?? `${namespace}/${String(metadata.name)}`,
    namespace,
    hostname: textOf(spec.hostname),
    service: rules.service ?? textOf(spec.subdomain) ?? rules.appName,
    port,
  };
  return ips.flatMap(ip => endpointOf(ip, where, rules));
}

function sliceEndpoints(slice: Json, namespace: string, rules: AddressRules): Candidates {
  const labels = recordOf(recordOf(slice.metadata)?.labels);
  const service = rules.service ?? textOf(labels?.['kubernetes.io/service-name']) ?? rules.appName;
  const named = listOf(slice.ports)
    .map(recordOf)
    .find(one => one?.name === rules.portName);
  const port = rules.port ?? named?.port;
  return listOf(slice.endpoints).flatMap(value => {
    const endpoint = recordOf(value);
    if (endpoint === undefined) return [undefined];
    const conditions = recordOf(endpoint.conditions) ?? {};
    // 'ready' absent or null means true, as the API's reference says
    if (conditions.terminating === true || (rules.ready === 'ready' && conditions.ready === false)) return [];
    const [ip] = listOf(endpoint.addresses).map(textOf);
    if (ip === undefined) return [undefined];
    const pod = textOf(recordOf(endpoint.targetRef)?.uid) ?? ip;
    return endpointOf(ip, { pod, namespace, hostname: textOf(endpoint.hostname), service, port }, rules);
  });
}

interface Where {
  readonly pod: string;
  readonly namespace: string;
  readonly hostname: string | undefined;
  readonly service: string | undefined;
  readonly port: unknown;
}

function endpointOf(ip: string, where: Where, rules: AddressRules): Candidates {
  const family = isIP(ip);
  if (rules.family !== undefined && family !== 0 && family !== rules.family) return [];
  const host = hostOf(ip, where, rules);
  const address = toAddress({ protocol: rules.protocol, host, port: where.port });
  if (address === undefined) return [undefined];
  const named = rules.mode === 'hostname' || (family !== 4 && family !== 6);
  return [{ pod: where.pod, family: named ? undefined : family, address }];
}

function hostOf(ip: string, where: Where, { mode, clusterDomain }: AddressRules): string | undefined {
  if (mode === 'ip') return ip;
  if (mode === 'pod-dns') {
    return isIP(ip) === 0 ? undefined : `${ip.replaceAll(/[.:]/g, '-')}.${where.namespace}.pod.${clusterDomain}`;
  }
  if (where.hostname === undefined || where.service === undefined) return undefined;
  return `${where.hostname}.${where.service}.${where.namespace}.svc.${clusterDomain}`;
}

function isReady(status: Json): boolean {
  return listOf(status.conditions).some(one => recordOf(one)?.type === 'Ready' && recordOf(one)?.status === 'True');
}

function containerPort(spec: Json, name: string | undefined): unknown {
  return listOf(spec.containers)
    .flatMap(container => listOf(recordOf(container)?.ports))
    .map(recordOf)
    .find(port => port?.name === name)?.containerPort;
}

/** An object of JSON, undefined for anything else. */
export function recordOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** A text of JSON that isn't empty, undefined for anything else. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
