import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A pod as a test describes it. */
export interface PodInit {
  readonly ip?: string;
  /** All addresses; default: `ip` alone. */
  readonly ips?: readonly string[];
  readonly ready?: boolean;
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace?: string;
  readonly hostname?: string;
  readonly subdomain?: string;
  readonly terminating?: boolean;
  /** Container ports by name. */
  readonly ports?: Readonly<Record<string, number>>;
}

/** One endpoint of a slice as a test describes it. */
export interface EndpointInit {
  readonly ip: string;
  readonly ready?: boolean;
  readonly terminating?: boolean;
  readonly hostname?: string;
  /** Names the pod; default: the address. */
  readonly pod?: string;
}

interface Stored {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    resourceVersion: string;
    readonly labels: Readonly<Record<string, string>>;
  };
}

interface Change {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: Resource;
  readonly object: Stored;
  readonly before: Stored | undefined;
}

interface Stream {
  readonly resource: Resource;
  readonly matches: (object: Stored) => boolean;
  readonly response: ServerResponse;
  readonly bookmarks: boolean;
}

type Resource = 'pods' | 'endpointslices';

const resources: Readonly<Record<string, readonly (readonly [plural: string, kind: string])[]>> = {
  v1: [
    ['pods', 'Pod'],
    ['services', 'Service'],
    ['secrets', 'Secret'],
    ['serviceaccounts', 'ServiceAccount'],
  ],
  'discovery.k8s.io/v1': [['endpointslices', 'EndpointSlice']],
  'apps/v1': [
    ['deployments', 'Deployment'],
    ['statefulsets', 'StatefulSet'],
  ],
  'rbac.authorization.k8s.io/v1': [
    ['roles', 'Role'],
    ['rolebindings', 'RoleBinding'],
  ],
  'policy/v1': [['poddisruptionbudgets', 'PodDisruptionBudget']],
};

/**
 * A stub of the Kubernetes API over HTTP or HTTPS, enough of it that kubectl takes it for real: discovery of the API, and
 * get, list and watch of pods and endpoint slices; with the faults that a test asks for. Holds a folder as a
 * pod's service account has it.
 */
export class KubernetesApi implements AsyncDisposable {
  readonly serviceAccount = mkdtempSync(join(tmpdir(), 'service-account-'));
  /** `list pods`, `watch pods`, …: the requests for objects that were made, with their queries. */
  readonly requests: { readonly verb: string; readonly resource: string; readonly query: URLSearchParams }[] = [];
  /** Accepted; undefined: whoever asks. */
  token: string | undefined;
  port = 0;
  readonly #tls: { readonly cert: string; readonly key: string } | undefined;
  readonly #objects: Record<Resource, Map<string, Stored>> = { pods: new Map(), endpointslices: new Map() };
  readonly #streams = new Set<Stream>();
  readonly #sockets = new Set<Socket>();
  readonly #failures: { readonly status: number; readonly headers: Record<string, string>; readonly body: string }[] =
    [];
  readonly #forbidden = new Set<string>();
  #server: Server | undefined;
  #changes: Change[] = [];
  #version = 1_000;
  #oldest = 0;
  #pagesGone = 0;
  #uids = 0;

  /** @param tls - of the API itself, as PEM; its `ca` is laid into the service account's folder. Without: plain HTTP */
  constructor(tls?: { readonly cert: string; readonly key: string; readonly ca: string }) {
    this.#tls = tls;
    if (tls !== undefined) writeFileSync(join(this.serviceAccount, 'ca.crt'), tls.ca);
    writeFileSync(join(this.serviceAccount, 'namespace'), 'shop\n');
    this.rotateToken();
  }

  get url(): string {
    return `${this.#tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`;
  }

  /** Listens; after {@link stop} on the port of before. */
  async start(): Promise<this> {
    const handler = (request: IncomingMessage, response: ServerResponse): void => this.#answer(request, response);
    const server = this.#tls === undefined ? createServer(handler) : createTlsServer(this.#tls, handler);
    this.#server = server;
    // those in the middle of their TLS handshake too, of which the server's own list knows nothing
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.port = (server.address() as AddressInfo).port;
    return this;
  }

  /** The machine is gone: nothing listens, and every stream is cut. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise(resolve => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.serviceAccount, { recursive: true, force: true });
  }

  /** Another token is valid from now on; the kubelet lays it into the folder, or does so later. */
  rotateToken(init: { readonly lay?: boolean } = {}): void {
    this.token = `token-${Math.random().toString(36).slice(2)}-${Math.random().toString(36).slice(2)}`;
    if (init.lay !== false) this.layToken();
  }

  layToken(): void {
    writeFileSync(join(this.serviceAccount, 'draft'), `${this.token}\n`);
    renameSync(join(this.serviceAccount, 'draft'), join(this.serviceAccount, 'token'));
  }

  /** Creates or changes a pod. */
  setPod(name: string, init: PodInit): void {
    const namespace = init.namespace ?? 'shop';
    const ips = init.ips ?? (init.ip === undefined ? [] : [init.ip]);
    const ports = Object.entries(init.ports ?? {}).map(([port, containerPort]) => ({ name: port, containerPort }));
    const phase = init.phase ?? 'Running';
    this.#set('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...this.#metadata('pods', namespace, name, init.labels ?? { app: 'shop' }),
        ...(init.terminating === true ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      },
      spec: {
        ...(init.hostname === undefined ? {} : { hostname: init.hostname }),
        ...(init.subdomain === undefined ? {} : { subdomain: init.subdomain }),
        containers: [{ name: 'app', image: 'shop', ports }],
      },
      status: {
        phase,
        conditions: [{ type: 'Ready', status: (init.ready ?? phase === 'Running') ? 'True' : 'False' }],
        ...(ips.length === 0 ? {} : { podIP: ips[0], podIPs: ips.map(ip => ({ ip })) }),
      },
    } as Stored);
  }

  deletePod(name: string, namespace = 'shop'): void {
    this.#delete('pods', `${namespace}/${name}`);
  }

  /** Creates or changes an endpoint slice of a service. */
  setSlice(
    name: string,
    endpoints: readonly EndpointInit[],
    init: {
      readonly service?: string;
      readonly namespace?: string;
      readonly ports?: Readonly<Record<string, number>>;
      readonly addressType?: 'IPv4' | 'IPv6';
    } = {},
  ): void {
    const { service = 'shop', namespace = 'shop', ports = {}, addressType = 'IPv4' } = init;
    const labels = { app: service, 'kubernetes.io/service-name': service };
    this.#set('endpointslices', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: this.#metadata('endpointslices', namespace, name, labels),
      addressType,
      ports: Object.entries(ports).map(([port, number]) => ({ name: port, port: number, protocol: 'TCP' })),
      endpoints: endpoints.map(({ ip, ready = true, terminating = false, hostname, pod = ip }) => ({
        addresses: [ip],
        conditions: { ready, serving: ready, terminating },
        ...(hostname === undefined ? {} : { hostname }),
        targetRef: { kind: 'Pod', name: pod, namespace, uid: `uid-of-${pod}` },
      })),
    } as Stored);
  }

  deleteSlice(name: string, namespace = 'shop'): void {
    this.#delete('endpointslices', `${namespace}/${name}`);
  }

  /** How many watches run. */
  get watching(): number {
    return this.#streams.size;
  }

  /** Tells every watch that asks for it how far the resource version is. */
  bookmark(): void {
    this.#version += 100;
    const metadata = { resourceVersion: String(this.#version), creationTimestamp: null };
    for (const { response, resource, bookmarks } of this.#streams) {
      if (!bookmarks) continue;
      const kind = resource === 'pods' ? 'Pod' : 'EndpointSlice';
      write(response, { type: 'BOOKMARK', object: { kind, metadata } });
    }
  }

  /** Writes a line into every watch, whatever it is. */
  say(line: string): void {
    for (const { response } of this.#streams) response.write(`${line}\n`);
  }

  /** Forgets the past: a watch from before is refused with 410. */
  compact(): void {
    this.#version += 10;
    this.#oldest = this.#version;
    this.#changes = [];
  }

  /** The pages of a list that are asked for from now on are too old, `times` times. */
  expirePages(times: number): void {
    this.#pagesGone = times;
  }

  /** Ends the watches: in order, by a cut, or with an event of type ERROR that says 410. */
  end(how: 'in-order' | 'cut' | 'gone'): void {
    for (const { response } of this.#streams) {
      if (how === 'gone') {
        write(response, { type: 'ERROR', object: status(410, 'Expired', 'too old resource version') });
      }
      if (how === 'cut') response.socket?.destroy();
      else response.end();
    }
  }

  /** Refuses a verb with 403 until {@link allow}. */
  forbid(verb: 'list' | 'watch', resource: Resource = 'pods'): void {
    this.#forbidden.add(`${verb} ${resource}`);
  }

  allow(): void {
    this.#forbidden.clear();
  }

  /** Answers the next requests for objects so, once each. */
  answerNext(code: number, headers: Record<string, string> = {}, body?: string): void {
    const text = body ?? JSON.stringify(status(code, 'Failure', `made to fail with ${code}`));
    this.#failures.push({ status: code, headers, body: text });
  }

  #metadata(resource: Resource, namespace: string, name: string, labels: Readonly<Record<string, string>>) {
    const uid = this.#objects[resource].get(`${namespace}/${name}`)?.metadata.uid ?? `uid-${++this.#uids}`;
    return { name, namespace, uid, resourceVersion: '', labels, creationTimestamp: '2026-01-01T00:00:00Z' };
  }

  #set(resource: Resource, object: Stored): void {
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    const before = this.#objects[resource].get(key);
    this.#objects[resource].set(key, object);
    this.#changed(before === undefined ? 'ADDED' : 'MODIFIED', resource, object, before);
  }

  #delete(resource: Resource, key: string): void {
    const object = this.#objects[resource].get(key);
    if (object === undefined) throw new Error(`there is no ${resource} ${key}`);
    this.#objects[resource].delete(key);
    this.#changed('DELETED', resource, structuredClone(object), object);
  }

  #changed(type: Change['type'], resource: Resource, object: Stored, before: Stored | undefined): void {
    object.metadata.resourceVersion = String(++this.#version);
    const change: Change = { version: this.#version, type, resource, object: structuredClone(object), before };
    this.#changes.push(change);
    for (const stream of this.#streams) tell(stream, change);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://api');
    if (
      this.token !== undefined &&
      this.#tls !== undefined &&
      request.headers.authorization !== `Bearer ${this.token}`
    ) {
      send(response, 401, status(401, 'Unauthorized', 'Unauthorized'));
      return;
    }
    const known = this.#discovery(url.pathname);
    const asked =
      /^\/(?:api|apis\/discovery\.k8s\.io)\/v1(?:\/namespaces\/([^/]+))?\/(pods|endpointslices)(?:\/([^/]+))?$/.exec(
        url.pathname,
      );
    if (known !== undefined) send(response, 200, known);
    else if (asked === null)
      send(response, 404, status(404, 'NotFound', 'the server could not find the requested resource'));
    else this.#objectsAsked(asked[2] as Resource, asked[1], asked[3], url.searchParams, response);
  }

  #discovery(path: string): unknown {
    const versions = Object.keys(resources).filter(version => version !== 'v1');
    if (path === '/version') return { major: '1', minor: '32', gitVersion: 'v1.32.0' };
    if (path === '/api') return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
    if (path === '/apis') {
      const groups = versions.map(groupVersion => {
        const [name, version] = groupVersion.split('/');
        return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } };
      });
      return { kind: 'APIGroupList', apiVersion: 'v1', groups };
    }
    const groupVersion = path.replace(/^\/apis?\//, '');
    const held = resources[groupVersion];
    if (held === undefined) return undefined;
    const list = held.map(([name, kind]) => ({
      name,
      singularName: kind.toLowerCase(),
      namespaced: true,
      kind,
      verbs: ['create', 'get', 'list', 'watch'],
    }));
    return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: list };
  }

  #objectsAsked(
    resource: Resource,
    namespace: string | undefined,
    name: string | undefined,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    const watches = query.get('watch') === '1' || query.get('watch') === 'true';
    const verb = watches ? 'watch' : name === undefined ? 'list' : 'get';
    this.requests.push({ verb, resource, query });
    const failure = this.#failures.shift();
    if (failure !== undefined) {
      response.writeHead(failure.status, { 'content-type': 'application/json', ...failure.headers }).end(failure.body);
    } else if (this.#forbidden.has(`${verb} ${resource}`)) {
      const who = 'User "system:serviceaccount:shop:default"';
      const text = `${resource} is forbidden: ${who} cannot ${verb} resource "${resource}" in the namespace "${namespace}"`;
      send(response, 403, status(403, 'Forbidden', text));
    } else if (name !== undefined) {
      const object = this.#objects[resource].get(`${namespace}/${name}`);
      if (object === undefined) send(response, 404, status(404, 'NotFound', `${resource} "${name}" not found`));
      else send(response, 200, object);
    } else {
      const matches = matcher(namespace, query);
      const bookmarks = query.get('allowWatchBookmarks') === 'true';
      if (watches) this.#watch({ resource, matches, response, bookmarks }, query);
      else this.#list(resource, matches, query, response);
    }
  }

  #list(resource: Resource, matches: Stream['matches'], query: URLSearchParams, response: ServerResponse): void {
    const all = [...this.#objects[resource].values()].filter(matches);
    const from = Number(query.get('continue') ?? 0);
    if (from > 0 && this.#pagesGone > 0) {
      this.#pagesGone--;
      send(response, 410, status(410, 'Expired', 'The provided continue parameter is too old'));
      return;
    }
    const to = from + Number(query.get('limit') ?? all.length);
    const kind = resource === 'pods' ? 'PodList' : 'EndpointSliceList';
    const apiVersion = resource === 'pods' ? 'v1' : 'discovery.k8s.io/v1';
    const metadata = { resourceVersion: String(this.#version), ...(to < all.length ? { continue: String(to) } : {}) };
    send(response, 200, { kind, apiVersion, metadata, items: all.slice(from, to) });
  }

  #watch(stream: Stream, query: URLSearchParams): void {
    const from = Number(query.get('resourceVersion') ?? 0);
    if (from > 0 && from < this.#oldest) {
      send(stream.response, 410, status(410, 'Expired', `too old resource version: ${from} (${this.#oldest})`));
      return;
    }
    const { response } = stream;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (from === 0)
      for (const object of this.#objects[stream.resource].values())
        if (stream.matches(object)) write(response, { type: 'ADDED', object });
    for (const change of this.#changes) if (from > 0 && change.version > from) tell(stream, change);
    this.#streams.add(stream);
    const seconds = Number(query.get('timeoutSeconds') ?? 3_600);
    const timer = setTimeout(() => response.end(), seconds * 1_000);
    response.on('close', () => {
      clearTimeout(timer);
      this.#streams.delete(stream);
    });
  }
}

/** A certificate for 127.0.0.1 and the authority that signed it, made by the openssl command in `folder`. */
export function apiCertificate(folder: string): { readonly cert: string; readonly key: string; readonly ca: string } {
  mkdirSync(folder, { recursive: true });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '1', '-subj', '/CN=kubernetes');
  const names = ['-subj', '/CN=api', '-addext', 'subjectAltName=IP:127.0.0.1'];
  openssl('req', ...newKey, '-keyout', 'api.key', '-out', 'request', ...names);
  const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', '1', '-days', '1', '-copy_extensions', 'copy'];
  openssl('x509', '-req', '-in', 'request', ...by, '-out', 'api.pem');
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  return { cert: read('api.pem'), key: read('api.key'), ca: read('ca.pem') };
}

/** A kubectl's own configuration for this API, in a file. @returns the environment that makes kubectl use it */
export function kubeconfig(api: KubernetesApi, folder: string): NodeJS.ProcessEnv {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'config');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'stub', cluster: { server: api.url, 'certificate-authority': join(api.serviceAccount, 'ca.crt') } },
    ],
    users: [{ name: 'shop', user: { tokenFile: join(api.serviceAccount, 'token') } }],
    contexts: [{ name: 'stub', context: { cluster: 'stub', user: 'shop', namespace: 'shop' } }],
    'current-context': 'stub',
  };
  writeFileSync(file, JSON.stringify(config));
  return { ...process.env, KUBECONFIG: file, HOME: folder, KUBECACHEDIR: join(folder, 'cache') };
}

/** Like the API: what begins to match was added, what no longer does was deleted. */
function tell({ resource, matches, response }: Stream, change: Change): void {
  if (change.resource !== resource) return;
  const is = change.type !== 'DELETED' && matches(change.object);
  const was = change.before !== undefined && matches(change.before);
  if (is) write(response, { type: was ? 'MODIFIED' : 'ADDED', object: change.object });
  else if (was) write(response, { type: 'DELETED', object: change.object });
}

function matcher(namespace: string | undefined, query: URLSearchParams): (object: Stored) => boolean {
  const terms = (query.get('labelSelector') ?? '').split(',').filter(term => term !== '');
  const name = /^metadata\.name=(.*)$/.exec(query.get('fieldSelector') ?? '')?.[1];
  return ({ metadata }) =>
    (namespace === undefined || metadata.namespace === namespace) &&
    (name === undefined || metadata.name === name) &&
    terms.every(term => {
      const [, key = '', not, value] = /^([^=!]+)(!?)={1,2}(.*)$/.exec(term) ?? [];
      return (metadata.labels[key] === value) !== (not === '!');
    });
}

function status(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}

function send(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

function write(response: ServerResponse, event: object): void {
  response.write(`${JSON.stringify(event)}\n`);
}
