import { type Address, checkKeys, invalidOption } from '@foundation-ts/core';
import {
  KUBERNETES_CLUSTER_DOMAIN,
  KUBERNETES_MAX_ENTRIES,
  KUBERNETES_PORT,
  KUBERNETES_RESYNC_INTERVAL,
  KUBERNETES_SERVICE_ACCOUNT,
  KUBERNETES_WATCH_TIMEOUT,
} from './defaults.js';

/** What {@link kubernetes} takes. One of `appName`, `selector` and (with endpoint slices) `service` is required. */
export interface KubernetesInit {
  /** The application: gives the selector `app=<appName>`, and the `service` of hostname mode where a pod names none. */
  readonly appName?: string;
  /** Label selector, as `kubectl -l` takes it; default `app=<appName>`. */
  readonly selector?: string;
  /** Namespace to look in, `'*'`: all of them. Default: the service account's own. */
  readonly namespace?: string;
  /** What to list and watch; default `'pods'`. */
  readonly resource?: 'pods' | 'endpoint-slices';
  /**
   * What a node's host is; default `'ip'`. `'pod-dns'`: `10-0-0-1.<namespace>.pod.<clusterDomain>`; `'hostname'`:
   * `<hostname>.<service>.<namespace>.svc.<clusterDomain>`, for the pods of a StatefulSet with a headless service.
   */
  readonly mode?: 'ip' | 'pod-dns' | 'hostname';
  /** The headless service. Hostname mode: default the pod's subdomain, then `appName`. Endpoint slices without selector: whose slices. */
  readonly service?: string;
  /** The cluster's DNS domain; default `cluster.local`. */
  readonly clusterDomain?: string;
  /** Port of every node; default: the port that this node listens on, else 4370. */
  readonly port?: number;
  /** Name of the container port (pods) or endpoint port (slices) instead of `port`. */
  readonly portName?: string;
  /** Protocol of every address; default: this node's own, else `tcp`. */
  readonly protocol?: string;
  /** IP version; default: this node's where it listens on an IP address, else what the pod has first. */
  readonly family?: 4 | 6;
  /** Whether pods must be ready; default `'any'`: nodes can form a cluster before they take users' traffic. */
  readonly ready?: 'ready' | 'any';
  /** The API's URL; default from `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`. `http:` only on this machine (`kubectl proxy`), and without the token. */
  readonly api?: string;
  /** Folder with `token`, `ca.crt` and `namespace`; default `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly serviceAccount?: string;
  /** Mean time after which a watch is renewed, ms, 1,000 to 3,600,000; default 120,000. */
  readonly watchTimeout?: number;
  /** After so long a watch begins with a new list, ms; default 600,000. */
  readonly resyncInterval?: number;
  /** Most pods or slices kept, further ones are dropped and counted; default 10,000. */
  readonly maxEntries?: number;
}

/** The resolved options of kubernetes. */
export interface KubernetesSettings {
  readonly appName: string | undefined;
  readonly selector: string;
  readonly namespace: string | undefined;
  readonly resource: 'pods' | 'endpoint-slices';
  readonly mode: 'ip' | 'pod-dns' | 'hostname';
  readonly service: string | undefined;
  readonly clusterDomain: string;
  readonly port: number | undefined;
  readonly portName: string | undefined;
  readonly protocol: string | undefined;
  readonly family: 4 | 6 | undefined;
  readonly ready: 'ready' | 'any';
  readonly api: URL | undefined;
  readonly serviceAccount: string;
  readonly watchTimeout: number;
  readonly resyncInterval: number;
  readonly maxEntries: number;
}

const keys: readonly (keyof KubernetesInit)[] = [
  'appName',
  'selector',
  'namespace',
  'resource',
  'mode',
  'service',
  'clusterDomain',
  'port',
  'portName',
  'protocol',
  'family',
  'ready',
  'api',
  'serviceAccount',
  'watchTimeout',
  'resyncInterval',
  'maxEntries',
];

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const labelAllowed = 'a DNS label: lower-case letters, digits and hyphens, 63 at most';

/** @throws FoundationError `invalid-option` */
export function resolveKubernetesInit(init: KubernetesInit): KubernetesSettings {
  if (typeof init !== 'object' || init === null) throw invalidOption('kubernetes', init, 'an object');
  checkKeys('kubernetes', init, keys);
  const resource = oneOf('resource', init.resource ?? 'pods', ['pods', 'endpoint-slices']);
  const appName = matching(
    'appName',
    init.appName,
    /^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/,
    "a label's value",
  );
  const service = matching('service', init.service, label, labelAllowed);
  if (init.port !== undefined && init.portName !== undefined) {
    throw invalidOption('portName', init.portName, "absent where 'port' is given");
  }
  return {
    appName,
    selector: selectorOf(init, resource, appName, service),
    namespace: init.namespace === '*' ? '*' : matching('namespace', init.namespace, label, `${labelAllowed}, or '*'`),
    resource,
    mode: oneOf('mode', init.mode ?? 'ip', ['ip', 'pod-dns', 'hostname']),
    service,
    clusterDomain: matching(
      'clusterDomain',
      init.clusterDomain ?? KUBERNETES_CLUSTER_DOMAIN,
      /^(?=.{1,180}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
      'a DNS name',
    ) as string,
    port: init.port === undefined ? undefined : integer('port', init.port, 1, 65_535),
    portName: matching('portName', init.portName, label, "a port's name"),
    protocol: matching('protocol', init.protocol, /^[a-z][a-z0-9+.-]{0,254}$/, "a transport's protocol, such as 'tcp'"),
    family: init.family === undefined ? undefined : oneOf<4 | 6>('family', init.family, [4, 6]),
    ready: oneOf('ready', init.ready ?? 'any', ['ready', 'any']),
    api: init.api === undefined ? undefined : apiUrl(init.api),
    serviceAccount: matching(
      'serviceAccount',
      init.serviceAccount ?? KUBERNETES_SERVICE_ACCOUNT,
      /./,
      'the path of a folder',
    ) as string,
    watchTimeout: integer('watchTimeout', init.watchTimeout ?? KUBERNETES_WATCH_TIMEOUT, 1_000, 3_600_000),
    resyncInterval: integer('resyncInterval', init.resyncInterval ?? KUBERNETES_RESYNC_INTERVAL, 0, 86_400_000),
    maxEntries: integer('maxEntries', init.maxEntries ?? KUBERNETES_MAX_ENTRIES, 1, 1_000_000),
  };
}

/** What turns the API's objects into addresses, the node's own ways filled in. */
export function addressRules(settings: KubernetesSettings, self: Address | undefined) {
  return {
    ...settings,
    port: settings.portName === undefined ? (settings.port ?? self?.port ?? KUBERNETES_PORT) : undefined,
    protocol: settings.protocol ?? self?.protocol ?? 'tcp',
  };
}

/** See {@link addressRules}. */
export type AddressRules = ReturnType<typeof addressRules>;

function selectorOf(
  init: KubernetesInit,
  resource: KubernetesSettings['resource'],
  appName: string | undefined,
  service: string | undefined,
): string {
  const { selector } = init;
  if (selector !== undefined) {
    if (typeof selector === 'string' && /^[\x20-\x7e]{1,1024}$/.test(selector) && selector.trim() !== '')
      return selector;
    throw invalidOption('selector', selector, "a label selector such as 'app=shop,tier=backend'");
  }
  if (resource === 'endpoint-slices' && service !== undefined) return `kubernetes.io/service-name=${service}`;
  if (appName !== undefined) return `app=${appName}`;
  const allowed = "the application's name (its pods carry the label app=<name>), or a 'selector' instead";
  throw invalidOption('appName', appName, allowed);
}

function apiUrl(given: unknown): URL {
  const allowed =
    "an https URL such as 'https://10.0.0.1:6443', or an http URL on this machine such as 'http://127.0.0.1:8001'";
  if (typeof given !== 'string' || !URL.canParse(given)) throw invalidOption('api', given, allowed);
  const url = new URL(given);
  const local = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  const plain = url.protocol === 'http:' && local;
  // not shown: a URL may carry a password
  if ((url.protocol !== 'https:' && !plain) || url.username !== '' || url.password !== '' || url.search !== '') {
    throw invalidOption('api', `${url.protocol}//${url.host}`, `${allowed}, without user and query`);
  }
  return url;
}

function oneOf<const T extends string | number>(option: string, given: T, allowed: readonly T[]): T {
  if (allowed.includes(given)) return given;
  throw invalidOption(
    option,
    given,
    allowed.map(value => (typeof value === 'string' ? `'${value}'` : value)).join(' or '),
  );
}

function matching(option: string, given: string | undefined, pattern: RegExp, allowed: string): string | undefined {
  if (given === undefined) return undefined;
  if (typeof given === 'string' && pattern.test(given)) return given;
  throw invalidOption(option, given, allowed);
}

function integer(option: string, given: number, least: number, most: number): number {
  if (Number.isInteger(given) && given >= least && given <= most) return given;
  throw invalidOption(option, given, `an integer from ${least} to ${most}`);
}
