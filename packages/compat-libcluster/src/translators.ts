import { MULTICAST_ADDRESS, POLL_INTERVAL } from './defaults.js';
import { readErlangHosts } from './erlang-hosts.js';
import { hostOf, hostPort } from './erlang-name.js';
import type { StrategyData } from './keyword.js';
import type { Settings } from './settings.js';

/** What a translation goes by, beside the topology. */
export interface Surroundings {
  /** Where nodes listen. */
  readonly port: number;
  /** Nodes that listen elsewhere, by their Erlang names. */
  readonly ports: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** What a topology becomes, and what it says of the node itself. */
export interface Translated {
  /** Undefined: it does nothing here. */
  readonly strategy: StrategyData | undefined;
  readonly secret?: string | undefined;
  /** The part of a node's name before the `@`. */
  readonly basename?: string | undefined;
  /** What Erlang calls the nodes, by `host:port`, where the configuration says it. */
  readonly names?: ReadonlyMap<string, string>;
}

/** From libcluster's own keys to ours. @throws FoundationError `invalid-option` */
export type Translator = (settings: Settings, around: Surroundings) => Translated;

/** By the name of libcluster's module. */
export const translators: Readonly<Record<string, Translator>> = {
  'Cluster.Strategy.Epmd': epmd,
  'Cluster.Strategy.LocalEpmd': () => ({ strategy: { strategy: 'same-host' } }),
  'Cluster.Strategy.ErlangHosts': erlangHosts,
  'Cluster.Strategy.Gossip': gossip,
  'Cluster.Strategy.DNSPoll': dnsPoll,
  'Cluster.Strategy.Kubernetes': kubernetes,
  'Cluster.Strategy.Kubernetes.DNS': kubernetesDns,
  'Cluster.Strategy.Kubernetes.DNSSRV': kubernetesDnsSrv,
  'Cluster.Strategy.Rancher': rancher,
};

const RESOLVER = "a function of Elixir can't be taken along; nodes are looked up with the DNS servers of the machine.";

function epmd(settings: Settings, { port, ports }: Surroundings): Translated {
  retried(settings);
  const hosts = settings.texts('hosts') ?? [];
  if (hosts.length === 0) {
    settings.leftOut('hosts', 'no hosts are named; libcluster ignores the topology too.');
    return { strategy: undefined };
  }
  const named = hosts.map(node => (Object.hasOwn(ports, node) ? ports[node] : undefined));
  const local = hosts.every(node => /^(localhost|127\.\d+\.\d+\.\d+)$/.test(hostOf(node)));
  if (local && named.every(one => one === undefined)) {
    settings.changed(
      'hosts',
      `all nodes are on this machine, where there is no epmd to tell their ports, so they find each other by 'same-host'; or give 'ports': { '${hosts[0]}': ${port}, … }.`,
    );
    return { strategy: { strategy: 'same-host' } };
  }
  const nodes = hosts.map((node, index) => hostPort(hostOf(node), named[index] ?? port));
  if (new Set(nodes).size < nodes.length) {
    settings.changed(
      'hosts',
      `several nodes of one host would have one port; without an epmd each needs its own: give 'ports': { '${hosts[0]}': ${port}, … }.`,
    );
  }
  settings.changed('hosts', `there is no epmd: each node listens on port ${port}, or as 'ports' says.`);
  const names = new Map(hosts.map((node, index) => [nodes[index] as string, node]));
  return { strategy: { strategy: 'static', nodes: [...names.keys()] }, names };
}

function erlangHosts(settings: Settings, { port, env, cwd }: Surroundings): Translated {
  retried(settings);
  const found = readErlangHosts([cwd, ...(env.HOME === undefined ? [] : [env.HOME])]);
  if (found === undefined || found.hosts.length === 0) {
    settings.leftOut(
      'strategy',
      found === undefined
        ? 'there is no .hosts.erlang in the working folder or the home folder; libcluster does nothing then either.'
        : `${found.path} names no host.`,
    );
    return { strategy: undefined };
  }
  settings.changed(
    'strategy',
    `${found.path} is read once; there is no epmd to ask for the nodes of a host, so one is looked for on port ${port} of each. A 'hosts-file' is watched for changes.`,
  );
  return { strategy: { strategy: 'static', nodes: found.hosts.map(host => hostPort(host, port)) } };
}

function retried(settings: Settings): void {
  if (!settings.has('timeout')) return;
  settings.ignored('timeout', 'who is not connected is dialled again always, with growing pauses.');
}

function gossip(settings: Settings): Translated {
  const port = settings.number('port');
  const group = settings.address('multicast_addr');
  const ttl = settings.number('multicast_ttl');
  const bound = settings.address('if_addr');
  const multicastIf = settings.address('multicast_if');
  const broadcastOnly = settings.flag('broadcast_only') ?? false;
  const secret = settings.text('secret');
  const multicast = group === undefined || /^(22[4-9]|23\d)\./.test(group);
  if (broadcastOnly && group !== undefined && group !== '255.255.255.255') {
    settings.changed('multicast_addr', `broadcasts go to the broadcast address of each interface, not to ${group}.`);
  } else if (!broadcastOnly && !multicast) {
    settings.changed(
      'multicast_addr',
      `${group} is no multicast address; broadcasts are sent, to each interface's own address.`,
    );
  }
  const interfaces = [multicastIf, bound].filter(one => one !== undefined && one !== '0.0.0.0') as string[];
  if (secret === undefined) {
    settings.changed(
      'secret',
      "none: Foundation's gossip beyond loopback is always encrypted under the node's secret (option 'secret', FOUNDATION_SECRET).",
    );
  }
  return {
    secret,
    strategy: {
      strategy: 'gossip',
      ...(port === undefined ? {} : { port }),
      multicastAddress: broadcastOnly || !multicast ? false : (group ?? MULTICAST_ADDRESS),
      ...(ttl === undefined ? {} : { multicastTtl: ttl }),
      ...(interfaces.length === 0 ? {} : { interfaces: [...new Set(interfaces)] }),
    },
  };
}

function dnsPoll(settings: Settings, { port }: Surroundings): Translated {
  const query = settings.required('query', 'my-app.example.com').replace(/\.$/, '');
  const basename = settings.text('node_basename');
  const pollInterval = interval(settings);
  resolver(settings);
  return { basename, strategy: { strategy: 'dns', query, port, pollInterval } };
}

function kubernetes(settings: Settings, { port, env }: Surroundings): Translated {
  const basename = settings.text('kubernetes_node_basename');
  const selector = settings.required('kubernetes_selector', 'app=myapp');
  const namespace = settings.text('kubernetes_namespace');
  const lookup = settings.choice('kubernetes_ip_lookup_mode', ['endpoints', 'pods']) ?? 'endpoints';
  const mode = settings.choice('mode', ['ip', 'dns', 'hostname']) ?? 'ip';
  const service = settings.text('kubernetes_service_name');
  const account = settings.text('kubernetes_service_account_path');
  const domain = clusterDomain(settings.text('kubernetes_cluster_name'), env);
  const master = settings.text('kubernetes_master');
  if (settings.number('polling_interval') !== undefined || settings.number('poll_interval') !== undefined)
    settings.ignored('polling_interval', 'changes are watched, and so are seen at once.');
  if (settings.has('kubernetes_use_cached_resources'))
    settings.ignored('kubernetes_use_cached_resources', 'a watch begins where its list ended.');
  if (lookup === 'endpoints')
    settings.changed(
      'kubernetes_ip_lookup_mode',
      "endpoints are read as endpoint slices: the service account's role must allow to list and watch endpointslices (discovery.k8s.io).",
    );
  return {
    basename,
    strategy: {
      strategy: 'kubernetes',
      selector,
      port,
      resource: lookup === 'pods' ? 'pods' : 'endpoint-slices',
      mode: mode === 'dns' ? 'pod-dns' : mode,
      clusterDomain: domain,
      ...(namespace === undefined ? {} : { namespace }),
      ...(service === undefined ? {} : { service }),
      ...(account === undefined ? {} : { serviceAccount: account }),
      ...(master === undefined ? {} : { api: apiOf(master, domain) }),
    },
  };
}

/** As libcluster finishes the name: a full stop at the end says that it is whole. */
function apiOf(master: string, domain: string): string {
  if (/^https?:/.test(master)) return master;
  const whole = master.endsWith('.') || master.endsWith(domain) ? master.replace(/\.$/, '') : `${master}.${domain}`;
  return `https://${whole}`;
}

function kubernetesDns(settings: Settings, { port, env }: Surroundings): Translated {
  const given = settings.required('service', 'myapp-headless').replace(/\.$/, '');
  const basename = settings.text('application_name');
  const pollInterval = interval(settings);
  resolver(settings);
  // Erlang resolves it with the pod's search domains, so it may be any part of the whole name.
  const [, service, namespace, domain] = /^([^.]+)(?:\.([^.]+)(?:\.svc(?:\.(.+))?)?)?$/.exec(given) ?? [];
  if (service === undefined) return { basename, strategy: { strategy: 'dns', query: given, port, pollInterval } };
  return {
    basename,
    strategy: {
      strategy: 'kubernetes-dns',
      service,
      port,
      pollInterval,
      clusterDomain: domain ?? clusterDomain(undefined, env),
      ...(namespace === undefined ? {} : { namespace }),
    },
  };
}

function kubernetesDnsSrv(settings: Settings, { port, env }: Surroundings): Translated {
  const service = settings.required('service', 'myapp-headless');
  const namespace = settings.text('namespace');
  const basename = settings.text('application_name');
  const pollInterval = interval(settings);
  resolver(settings);
  settings.changed(
    'strategy',
    `libcluster takes the host names of the SRV records and leaves ports to epmd; here the addresses of the service's pods are dialled on port ${port} (strategy 'kubernetes-dns'). Where the service names the nodes' port, 'kubernetes-dns-srv' reads it.`,
  );
  return {
    basename,
    strategy: {
      strategy: 'kubernetes-dns',
      service,
      port,
      pollInterval,
      clusterDomain: clusterDomain(undefined, env),
      ...(namespace === undefined ? {} : { namespace }),
    },
  };
}

function rancher(settings: Settings, { port }: Surroundings): Translated {
  const basename = settings.text('node_basename');
  return { basename, strategy: { strategy: 'rancher', port, pollInterval: interval(settings) } };
}

/** libcluster's documentation has both names. */
function interval(settings: Settings): number {
  return settings.number('polling_interval') ?? settings.number('poll_interval') ?? POLL_INTERVAL;
}

function resolver(settings: Settings): void {
  if (settings.has('resolver')) settings.ignored('resolver', RESOLVER);
}

function clusterDomain(name: string | undefined, env: Surroundings['env']): string {
  const given = env.CLUSTER_DOMAIN?.replace(/\.$/, '');
  return given === undefined || given === '' ? `${name ?? 'cluster'}.local` : given;
}
