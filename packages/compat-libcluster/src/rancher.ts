import { get } from 'node:http';
import { type Address, type Clock, checkKeys, FoundationError, invalidOption, type Timer } from '@foundation-ts/core';
import {
  addressSet,
  type DiscoveryContext,
  type DiscoveryStrategy,
  Latest,
  sameAddressSet,
} from '@foundation-ts/discovery';
import { MAX_NODES, NODE_PORT, POLL_INTERVAL, RANCHER_MAX_BYTES, RANCHER_TIMEOUT, RANCHER_URL } from './defaults.js';

/** What {@link rancher} takes. */
export interface RancherInit {
  /** The metadata service; default `http://rancher-metadata`. */
  readonly url?: string;
  /** Mean time between two polls, ms; default 5,000. */
  readonly pollInterval?: number;
  /** Where the nodes listen; default: where this node does, else 4370. */
  readonly port?: number;
  /** The transport that they speak; default: that of this node, else `'tcp'`. */
  readonly protocol?: string;
}

/**
 * Names the containers of this container's service, from Rancher's metadata service (libcluster's `Rancher`). A poll that fails is
 * reported to the context and changes nothing; a service without containers is an empty set.
 * @throws FoundationError `invalid-option`
 */
export function rancher(init: RancherInit = {}): DiscoveryStrategy {
  checkKeys('rancher', init, ['url', 'pollInterval', 'port', 'protocol']);
  const { url = RANCHER_URL, pollInterval = POLL_INTERVAL } = init;
  if (!URL.canParse(url) || new URL(url).protocol !== 'http:')
    throw invalidOption('url', url, 'an http URL, such as http://rancher-metadata');
  if (!(Number.isFinite(pollInterval) && pollInterval >= 1))
    throw invalidOption('pollInterval', pollInterval, 'a number of milliseconds, at least 1');
  return {
    name: 'rancher',
    async *watch(ctx) {
      const { port = ctx.self.address?.port ?? NODE_PORT, protocol = ctx.self.address?.protocol ?? 'tcp' } = init;
      const latest = new Latest<readonly Address[]>(ctx.signal);
      const poller = new Poller(
        { url: new URL('/latest/self/service', url), pollInterval, port, protocol },
        ctx,
        latest,
      );
      poller.start();
      try {
        yield* latest;
      } finally {
        poller.stop();
      }
    },
  };
}

interface PollerInit {
  readonly url: URL;
  readonly pollInterval: number;
  readonly port: number;
  readonly protocol: string;
}

class Poller {
  readonly #init: PollerInit;
  readonly #ctx: DiscoveryContext;
  readonly #latest: Latest<readonly Address[]>;
  readonly #stopped = new AbortController();
  #known: readonly Address[] | undefined = undefined;
  #timer: Timer | undefined = undefined;

  constructor(init: PollerInit, ctx: DiscoveryContext, latest: Latest<readonly Address[]>) {
    this.#init = init;
    this.#ctx = ctx;
    this.#latest = latest;
  }

  start(): void {
    if (!this.#ctx.signal.aborted) void this.#poll();
  }

  stop(): void {
    this.#stopped.abort();
    this.#timer?.cancel();
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stopped;
    const { url, pollInterval, port, protocol } = this.#init;
    try {
      const hosts = containersOf(await fetchText(url, signal, this.#ctx.clock));
      const found = addressSet(hosts.map(host => ({ protocol, host, port })));
      if (!signal.aborted && (this.#known === undefined || !sameAddressSet(found, this.#known))) {
        this.#known = found;
        this.#latest.push(found);
      }
    } catch (error) {
      if (!signal.aborted) this.#ctx.failed(error as Error);
    }
    if (signal.aborted) return;
    const pause = pollInterval * (0.8 + 0.4 * this.#ctx.random.next());
    this.#timer = this.#ctx.clock.setTimeout(() => void this.#poll(), pause, { unref: true });
  }
}

/** @throws FoundationError `protocol` */
function containersOf(text: string): readonly string[] {
  let service: { readonly containers?: unknown } | null;
  try {
    service = JSON.parse(text) as typeof service;
  } catch (cause) {
    throw new FoundationError('protocol', "Rancher's metadata service answered something that is no JSON.", { cause });
  }
  const containers = service?.containers;
  if (!Array.isArray(containers)) return [];
  return containers
    .slice(0, MAX_NODES)
    .map(container => (container as { readonly ips?: readonly unknown[] } | null)?.ips?.[0])
    .filter(ip => typeof ip === 'string' && ip !== '') as string[];
}

/** @throws (rejects) FoundationError `noconnection`, `too-large`, `timeout`, `protocol` */
function fetchText(url: URL, signal: AbortSignal, clock: Clock): Promise<string> {
  const failed = (code: 'noconnection' | 'too-large' | 'timeout' | 'protocol', why: string, cause?: unknown) =>
    new FoundationError(code, `Can't read the containers from ${url}: ${why}`, { cause });
  let limit: Timer | undefined;
  return new Promise<string>((resolve, reject) => {
    const request = get(url, { headers: { accept: 'application/json' }, signal }, response => {
      if (response.statusCode !== 200) {
        response.resume();
        reject(
          failed('protocol', `it answered ${response.statusCode}. Does the node run in a container of Rancher's?`),
        );
        request.destroy();
        return;
      }
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length <= RANCHER_MAX_BYTES) return;
        reject(failed('too-large', `the answer is longer than ${RANCHER_MAX_BYTES} bytes.`));
        request.destroy();
      });
      response.on('end', () => resolve(text));
      response.on('error', error => reject(failed('noconnection', error.message, error)));
    });
    // In all: an answer that trickles in is none.
    const late = (): void => {
      reject(failed('timeout', `no whole answer within ${RANCHER_TIMEOUT} ms.`));
      request.destroy();
    };
    limit = clock.setTimeout(late, RANCHER_TIMEOUT, { unref: true });
    request.on('error', error => reject(failed('noconnection', error.message, error)));
  }).finally(() => limit?.cancel());
}
