import { checkKeys, invalidOption } from '@foundation-ts/core';
import { Redis, type RedisOptions } from 'ioredis';
import { jittered, linked, pause, unlessAborted } from './attempts.js';
import {
  STORE_ANSWER_TIMEOUT,
  STORE_FAREWELL,
  STORE_MAX_ENTRIES,
  STORE_POLL_INTERVAL,
  STORE_PREFIX,
  STORE_TTL,
} from './defaults.js';
import { clusterKey, formatNodeEntry } from './node-entry.js';
import { notShown } from './not-shown.js';
import { advertiseInStore, type StoreReader, watchStore } from './store-watch.js';
import type { Advertised, DiscoveryContext, DiscoveryStrategy } from './strategy.js';

/** What {@link redis} takes. */
export interface RedisInit {
  /** `redis://[user:password@]host:port[/database]`, `rediss://` for TLS; default `redis://127.0.0.1:6379`. */
  readonly url?: string;
  /** The nodes stand in the sorted set `<prefix>/<clusterId>/`, which is also the channel of its changes; default `foundation`. */
  readonly prefix?: string;
  /** How long a node that was killed is still named, ms; default 15,000. It is refreshed three times as often. */
  readonly ttl?: number;
  /** Mean time between two readings of the set, ms, for what the channel did not tell; default 5,000. */
  readonly pollInterval?: number;
  /** Everything else that `ioredis` takes: `tls: { ca, … }`, `username`, `password`, `sentinels`. */
  readonly options?: RedisOptions;
}

/**
 * Finds nodes through redis: a sorted set holds each node with the time, by the server's clock, until when it counts, and a
 * channel tells changes. A node that ends takes itself out; one that was killed is out when its time has come. While
 * redis can't be reached that is reported, tried again with growing pauses, and the last set stands; what it answers
 * then is the truth, also when that is nothing (a redis that lost its data), until the nodes have refreshed. Needs the
 * package `ioredis`, and the commands TIME, ZADD, ZRANGEBYSCORE, ZREM, ZREMRANGEBYSCORE, PEXPIRE, PUBLISH and SUBSCRIBE.
 * @throws FoundationError `invalid-option`
 */
export function redis(init: RedisInit = {}): DiscoveryStrategy {
  const settings = resolveInit(init);
  return {
    name: 'redis',
    watch: ctx => watchStore('redis', settings.what, ctx, reader => read(settings, ctx, reader)),
    advertise: (self, ctx) =>
      advertiseInStore(settings.what, ctx, (signal, kept) => keep(settings, self, ctx, signal, kept)),
  };
}

async function read(settings: Settings, ctx: DiscoveryContext, reader: StoreReader): Promise<void> {
  const key = clusterKey(settings.prefix, ctx.self.clusterId);
  await using reading = await connect(settings, ctx, reader.signal, 0);
  await using hearing = await connect(settings, ctx, reader.signal, 0);
  let wake = (): void => {};
  hearing.client.on('message', () => wake());
  hearing.client.on('end', () => wake());
  await hearing.answer(hearing.client.subscribe(key));
  while (!reader.signal.aborted) {
    using waiting = linked(reader.signal);
    // before the set is read: what changes meanwhile is read again
    wake = waiting.abort;
    const now = await serverTime(reading);
    const range = [key, `(${now}`, '+inf', 'WITHSCORES', 'LIMIT', 0, STORE_MAX_ENTRIES] as const;
    const found = await reading.answer(reading.client.zrangebyscore(...range));
    reader.found(found.filter((_, index) => index % 2 === 0));
    // who is killed is out at the millisecond, not at the next poll
    const next = Number(found[1]) - now + 1;
    const poll = jittered(ctx, settings.pollInterval);
    // nobody is there, or somebody wrote '+inf'
    await pause(ctx, Number.isFinite(next) ? Math.min(next, poll) : poll, waiting.signal);
    if (hearing.client.status === 'end') throw new Error(hearing.failure() ?? 'the connection was lost');
  }
}

async function keep(
  settings: Settings,
  self: Advertised,
  ctx: DiscoveryContext,
  signal: AbortSignal,
  kept: () => void,
): Promise<void> {
  const key = clusterKey(settings.prefix, self.clusterId);
  const member = formatNodeEntry(self);
  await using connection = await connect(settings, ctx, signal, STORE_FAREWELL);
  const { client, answer } = connection;
  using ending = linked(signal);
  client.on('end', ending.abort);
  while (!ending.signal.aborted) {
    const now = await serverTime(connection);
    const removed = await answer(client.zremrangebyscore(key, '-inf', now));
    const added = await answer(client.zadd(key, now + settings.ttl, member));
    await answer(client.pexpire(key, Math.max(settings.ttl * 2, forgottenAfter)));
    if (Number(added) > 0 || removed > 0) await answer(client.publish(key, 'changed'));
    kept();
    await pause(ctx, jittered(ctx, settings.ttl / 3), ending.signal);
  }
  if (!signal.aborted) throw new Error(connection.failure() ?? 'the connection was lost');
  try {
    const removed = await answer(client.zrem(key, member));
    await answer(client.zremrangebyscore(key, '-inf', await serverTime(connection)));
    if (removed > 0) await answer(client.publish(key, 'changed'));
  } catch (error) {
    ctx.log.warn(
      { error, ttl: settings.ttl },
      'redis discovery: the node could not be taken out, so it runs out by itself',
    );
  }
}

/** The set of a cluster that is no more goes after this time, ms. */
const forgottenAfter = 3_600_000;

/** ms since 1970 */
async function serverTime({ client, answer }: Connection): Promise<number> {
  const [seconds, microseconds] = await answer(client.time());
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
}

interface Connection extends AsyncDisposable {
  readonly client: Redis;
  /** The answer, unless the connection is closed first: a server that says nothing would keep us. */
  answer<T>(command: Promise<T>): Promise<T>;
  /** What the client said last. */
  failure(): string | undefined;
}

/**
 * One that ends with its first failure: what follows is the session's to decide.
 * @param grace - ms after the signal's abort until it is closed, whatever it waits for
 */
async function connect(
  settings: Settings,
  ctx: DiscoveryContext,
  signal: AbortSignal,
  grace: number,
): Promise<Connection> {
  const client = new Redis(settings.url, {
    connectTimeout: STORE_ANSWER_TIMEOUT,
    commandTimeout: STORE_ANSWER_TIMEOUT,
    ...settings.options,
    replyMapping: 'legacy',
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
  });
  const ended = new AbortController();
  const close = (): void => {
    signal.removeEventListener('abort', closeSoon);
    ended.abort();
    client.disconnect();
  };
  const closeSoon = (): void => void pause(ctx, grace, ended.signal).then(close);
  if (signal.aborted) closeSoon();
  else signal.addEventListener('abort', closeSoon, { once: true });
  let failure: string | undefined;
  client.on('error', (error: Error) => {
    failure = error.message;
  });
  try {
    await unlessAborted(ended.signal, client.connect());
  } catch (cause) {
    close();
    throw new Error(failure ?? (cause as Error).message, { cause });
  }
  return {
    client,
    answer: command => unlessAborted(ended.signal, command),
    failure: () => failure,
    [Symbol.asyncDispose]: async () => close(),
  };
}

interface Settings {
  readonly url: string;
  readonly prefix: string;
  readonly ttl: number;
  readonly pollInterval: number;
  readonly options: RedisOptions;
  readonly what: string;
}

function resolveInit(init: RedisInit): Settings {
  checkKeys('redis', init, ['url', 'prefix', 'ttl', 'pollInterval', 'options']);
  const { url = 'redis://127.0.0.1:6379', prefix = STORE_PREFIX, ttl = STORE_TTL, options = {} } = init;
  const { pollInterval = STORE_POLL_INTERVAL } = init;
  if (typeof url !== 'string' || !/^rediss?:\/\/./.test(url) || !URL.canParse(url)) {
    throw invalidOption('url', notShown(url), "a URL such as 'redis://127.0.0.1:6379'");
  }
  if (typeof prefix !== 'string' || prefix === '') throw invalidOption('prefix', prefix, 'a text that is not empty');
  if (!Number.isInteger(ttl) || ttl < 100 || ttl > 3_600_000) {
    throw invalidOption('ttl', ttl, 'an integer of milliseconds, 100 to 3,600,000');
  }
  if (!Number.isInteger(pollInterval) || pollInterval < 10) {
    throw invalidOption('pollInterval', pollInterval, 'an integer of milliseconds, 10 or more');
  }
  if (typeof options !== 'object' || options === null)
    throw invalidOption('options', notShown(options), "ioredis's options");
  return { url, prefix, ttl, pollInterval, options, what: `Redis discovery at ${new URL(url).host}` };
}
