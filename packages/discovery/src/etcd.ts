import { checkKeys, invalidOption } from '@foundation-ts/core';
import { Etcd3, type IOptions, type Lease, type Watcher } from 'etcd3';
import { jittered, linked, pause, unlessAborted } from './attempts.js';
import {
  STORE_ANSWER_TIMEOUT,
  STORE_FAREWELL,
  STORE_MAX_ENTRIES,
  STORE_POLL_INTERVAL,
  STORE_PREFIX,
  STORE_TTL,
} from './defaults.js';
import { EtcdEntries } from './etcd-entries.js';
import { clusterKey, formatNodeEntry } from './node-entry.js';
import { notShown } from './not-shown.js';
import { advertiseInStore, type StoreReader, watchStore } from './store-watch.js';
import type { Advertised, DiscoveryContext, DiscoveryStrategy } from './strategy.js';

/** What {@link etcd} takes. */
export interface EtcdInit {
  /** `host:port` or `http(s)://host:port` of etcd's members; default `127.0.0.1:2379`. */
  readonly hosts?: string | readonly string[];
  /** Under which keys the nodes stand: `<prefix>/<clusterId>/<name>`; default `foundation`. */
  readonly prefix?: string;
  /** How long a node that was killed is still named, ms, in whole seconds; default 15,000. */
  readonly ttl?: number;
  /** Mean time between two readings of all keys, ms, for what the watch did not tell; default 5,000. */
  readonly pollInterval?: number;
  /** Everything else that `etcd3` takes: `auth: { username, password }`, `credentials: { rootCertificate, … }`. */
  readonly options?: Omit<IOptions, 'hosts'>;
}

/**
 * Finds nodes through etcd 3: each puts a key under a lease that it keeps alive, and watches the keys of the others from the
 * revision of the list that it read. A node that ends takes its key away; the key of one that was killed goes with its
 * lease. A lease that was lost is asked for anew. While etcd can't be reached that is reported, tried again with growing
 * pauses, and the last set stands; what it answers then is the truth, also when that is nothing (an etcd that lost its
 * data). Needs the package `etcd3`.
 * @throws FoundationError `invalid-option`
 */
export function etcd(init: EtcdInit = {}): DiscoveryStrategy {
  const settings = resolveInit(init);
  return {
    name: 'etcd',
    watch: ctx => watchStore('etcd', settings.what, ctx, reader => read(settings, ctx, reader)),
    advertise: (self, ctx) =>
      advertiseInStore(settings.what, ctx, (signal, kept) => keep(settings, self, ctx, signal, kept)),
  };
}

async function read(settings: Settings, ctx: DiscoveryContext, reader: StoreReader): Promise<void> {
  await using client = connect(settings, ctx);
  const prefix = clusterKey(settings.prefix, ctx.self.clusterId);
  const entries = new EtcdEntries();
  const list = async (): Promise<string> => {
    const range = client.etcd.getAll().prefix(prefix).limit(STORE_MAX_ENTRIES).exec();
    const { header, kvs } = await unlessAborted(reader.signal, range);
    entries.list(header.revision, kvs);
    reader.found(entries.values);
    return header.revision;
  };
  const revision = await list();
  const watcher = client.etcd
    .watch()
    .prefix(prefix)
    .startRevision(String(BigInt(revision) + 1n))
    .watcher();
  using ending = linked(reader.signal);
  const broken = failureOf(watcher, ending);
  watcher.on('put', pair => {
    entries.put(pair);
    reader.found(entries.values);
  });
  watcher.on('delete', pair => {
    entries.delete(pair);
    reader.found(entries.values);
  });
  try {
    while (!ending.signal.aborted) {
      await pause(ctx, jittered(ctx, settings.pollInterval), ending.signal);
      if (!ending.signal.aborted) await list();
    }
    broken();
  } finally {
    // one that is gone never confirms it
    await atMost(ctx, watcher.cancel()).catch(() => {});
  }
}

/** Ends the session when the watch broke; the result throws why. A compaction only makes that the list is read anew. */
function failureOf(watcher: Watcher, ending: { abort(): void }): () => void {
  let failure: Error | undefined;
  const failed = (error: Error): void => {
    failure ??= error;
    ending.abort();
  };
  watcher.on('disconnected', failed);
  watcher.on('error', failed);
  return () => {
    if (failure !== undefined && !/compacted/.test(failure.message)) throw failure;
  };
}

async function keep(
  settings: Settings,
  self: Advertised,
  ctx: DiscoveryContext,
  signal: AbortSignal,
  kept: () => void,
): Promise<void> {
  await using client = connect(settings, ctx);
  const lease = client.etcd.lease(settings.ttl / 1_000);
  using ending = linked(signal);
  let lost: Error | undefined;
  const failed = (error: unknown): void => {
    lost ??= error instanceof Error ? error : new Error('the lease was not renewed');
    ending.abort();
  };
  lease.on('lost', failed);
  lease.on('keepaliveFailed', failed);
  const key = `${clusterKey(settings.prefix, self.clusterId)}${encodeURIComponent(self.name)}`;
  try {
    while (!ending.signal.aborted) {
      // again and again: somebody may have deleted it
      await unlessAborted(signal, lease.put(key).value(formatNodeEntry(self)).exec());
      kept();
      await pause(ctx, jittered(ctx, settings.pollInterval), ending.signal);
    }
    if (lost !== undefined) throw lost;
  } finally {
    await giveUp(lease, signal.aborted, settings, ctx);
  }
}

/** At the node's own end the key goes at once; otherwise the lease runs out, unless the next one has taken over its key. */
async function giveUp(lease: Lease, ended: boolean, settings: Settings, ctx: DiscoveryContext): Promise<void> {
  if (!ended) {
    lease.release();
    return;
  }
  try {
    await atMost(ctx, lease.revoke());
  } catch (error) {
    ctx.log.warn(
      { error, ttl: settings.ttl },
      'etcd discovery: the lease could not be revoked, so it runs out by itself',
    );
  }
}

/** Waits for what is done at the end, but not long: a node that stops has little time. */
async function atMost(ctx: DiscoveryContext, work: Promise<unknown>): Promise<void> {
  const limit = new AbortController();
  await Promise.race([work, pause(ctx, STORE_FAREWELL, limit.signal)]).finally(() => limit.abort());
}

/** A client of its own for each session: the circuit breaker of one that failed would keep the next waiting. */
function connect(settings: Settings, ctx: DiscoveryContext): AsyncDisposable & { readonly etcd: Etcd3 } {
  const client = new Etcd3({
    ...settings.options,
    hosts: settings.hosts,
    dialTimeout: STORE_ANSWER_TIMEOUT,
    defaultCallOptions: call => (call.isStream ? {} : { deadline: ctx.clock.wallTime() + STORE_ANSWER_TIMEOUT }),
  });
  return {
    etcd: client,
    [Symbol.asyncDispose]: async () => client.close(),
  };
}

interface Settings {
  readonly hosts: string[];
  readonly prefix: string;
  readonly ttl: number;
  readonly pollInterval: number;
  readonly options: Omit<IOptions, 'hosts'>;
  readonly what: string;
}

function resolveInit(init: EtcdInit): Settings {
  checkKeys('etcd', init, ['hosts', 'prefix', 'ttl', 'pollInterval', 'options']);
  const { prefix = STORE_PREFIX, ttl = STORE_TTL, pollInterval = STORE_POLL_INTERVAL, options = {} } = init;
  const hosts = typeof init.hosts === 'string' ? [init.hosts] : [...(init.hosts ?? ['127.0.0.1:2379'])];
  const host = /^(https?:\/\/)?[^\s/:@]+(:[^\s/:@]+)*:\d{1,5}$/;
  if (hosts.length === 0 || !hosts.every(one => typeof one === 'string' && host.test(one))) {
    throw invalidOption('hosts', notShown(init.hosts), 'host:port or https://host:port, or an array of them');
  }
  if (typeof prefix !== 'string' || prefix === '') throw invalidOption('prefix', prefix, 'a text that is not empty');
  if (!Number.isInteger(ttl) || ttl < 1_000 || ttl > 3_600_000 || ttl % 1_000 !== 0) {
    throw invalidOption('ttl', ttl, 'milliseconds in whole seconds, 1,000 to 3,600,000');
  }
  if (!Number.isInteger(pollInterval) || pollInterval < 10) {
    throw invalidOption('pollInterval', pollInterval, 'an integer of milliseconds, 10 or more');
  }
  if (typeof options !== 'object' || options === null)
    throw invalidOption('options', notShown(options), "etcd3's options");
  return { hosts, prefix, ttl, pollInterval, options, what: `Etcd discovery at ${hosts.join(', ')}` };
}
