import { isIP } from 'node:net';
import { type Address, FoundationError, type Timer } from '@foundation-ts/core';
import { sameAddressSet } from './address-set.js';
import { KUBERNETES_SETTLE } from './defaults.js';
import { KubernetesClient, KubernetesFailure } from './kubernetes-client.js';
import { readKubernetesObject, recordOf, textOf } from './kubernetes-objects.js';
import { type AddressRules, addressRules, type KubernetesSettings } from './kubernetes-settings.js';
import {
  createKubernetesState,
  type KubernetesDrop,
  type KubernetesEffect,
  type KubernetesInput,
  type KubernetesState,
  kubernetesAddresses,
  stepKubernetes,
} from './kubernetes-state.js';
import { Latest } from './latest.js';
import type { DiscoveryContext } from './strategy.js';

/** The shell around {@link stepKubernetes}: requests and timers of one watch. */
export class KubernetesAgent {
  readonly latest: Latest<readonly Address[]>;
  readonly #ctx: DiscoveryContext;
  readonly #client: KubernetesClient;
  readonly #state: KubernetesState;
  readonly #rules: AddressRules;
  readonly #preferred: 4 | 6 | undefined;
  readonly #logged = new Set<KubernetesDrop>();
  #requests = new AbortController();
  #wait: Timer | undefined;
  #settle: Timer | undefined;
  #published: readonly Address[] | undefined;
  #stopped = false;

  constructor(settings: KubernetesSettings, ctx: DiscoveryContext) {
    this.latest = new Latest(ctx.signal);
    this.#ctx = ctx;
    this.#client = new KubernetesClient(settings, ctx.clock);
    this.#state = createKubernetesState(settings);
    this.#rules = addressRules(settings, ctx.self.address);
    const own = isIP(ctx.self.address?.host ?? '');
    this.#preferred = own === 4 || own === 6 ? own : undefined;
  }

  start(): void {
    this.#step({ type: 'start' });
  }

  stop(): void {
    this.#stopped = true;
    this.#requests.abort();
    this.#wait?.cancel();
    this.#settle?.cancel();
  }

  #step(input: KubernetesInput): void {
    if (this.#stopped) return;
    const moment = { now: this.#ctx.clock.now(), random: this.#ctx.random.next() };
    for (const effect of stepKubernetes(this.#state, input, moment)) this.#do(effect);
  }

  #do(effect: KubernetesEffect): void {
    switch (effect.type) {
      case 'list':
        void this.#list(effect.next, this.#begin());
        break;
      case 'watch':
        void this.#watch(effect.resourceVersion, effect.timeout, this.#begin());
        break;
      case 'wait':
        this.#begin();
        this.#wait = this.#ctx.clock.setTimeout(() => this.#step({ type: 'tick' }), effect.ms, { unref: true });
        break;
      case 'report':
        this.#ctx.failed(effect.error);
        break;
      case 'changed':
        this.#publishSoon();
        break;
      case 'dropped':
        this.#dropped(effect.reason, effect.count);
        break;
    }
  }

  /** Ends the request before, whose late answers count no more. */
  #begin(): AbortSignal {
    this.#requests.abort();
    this.#requests = new AbortController();
    return this.#requests.signal;
  }

  async #list(next: string | undefined, signal: AbortSignal): Promise<void> {
    try {
      const body = await this.#client.list(next, signal);
      if (!signal.aborted) this.#page(body);
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  async #watch(resourceVersion: string, timeout: number, signal: AbortSignal): Promise<void> {
    const step = (input: KubernetesInput): void => {
      if (!signal.aborted) this.#step(input);
    };
    const events = {
      opened: () => step({ type: 'opened' }),
      line: (text: string) => step(this.#readEvent(text)),
      overlong: () => step({ type: 'malformed' }),
    };
    try {
      await this.#client.watch(resourceVersion, timeout, events, signal);
      step({ type: 'ended' });
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof KubernetesFailure)) {
      // a mistake of ours: the watch crashes, and its supervisor starts it again
      this.stop();
      this.latest.fail(error);
    } else if (error.status === 410) this.#step({ type: 'gone' });
    else if (error.status === 401) this.#step({ type: 'denied', error: error.error });
    else this.#step({ type: 'failed', error: error.error, retryAfter: error.retryAfter });
  }

  #page(body: unknown): void {
    const metadata = recordOf(recordOf(body)?.metadata);
    const items = recordOf(body)?.items;
    const resourceVersion = textOf(metadata?.resourceVersion);
    if (!Array.isArray(items) || resourceVersion === undefined) {
      const error = new FoundationError('protocol', 'Kubernetes answered a list request with something else.');
      this.#step({ type: 'failed', error });
      return;
    }
    const objects = items.map(item => readKubernetesObject(item, this.#rules));
    const read = objects.filter(one => one !== undefined);
    if (read.length < items.length) this.#dropped('malformed', items.length - read.length);
    this.#step({ type: 'page', objects: read, resourceVersion, next: textOf(metadata?.continue) });
  }

  #readEvent(text: string): KubernetesInput {
    const event = recordOf(parsed(text));
    if (event?.type === 'ERROR') return this.#readError(event.object);
    if (event?.type === 'BOOKMARK') {
      const resourceVersion = textOf(recordOf(recordOf(event.object)?.metadata)?.resourceVersion);
      return resourceVersion === undefined ? { type: 'malformed' } : { type: 'bookmark', resourceVersion };
    }
    const object = readKubernetesObject(event?.object, this.#rules);
    if (object === undefined) return { type: 'malformed' };
    if (event?.type === 'ADDED' || event?.type === 'MODIFIED') return { type: 'changed', object };
    return event?.type === 'DELETED' ? { type: 'deleted', object } : { type: 'malformed' };
  }

  #readError(status: unknown): KubernetesInput {
    const code = recordOf(status)?.code;
    if (code === 410) return { type: 'gone' };
    const error = this.#client.eventError(typeof code === 'number' ? code : 500, status);
    return code === 401 ? { type: 'denied', error } : { type: 'failed', error };
  }

  /** Not at once: a rollout changes many pods in a burst. The first list is told without delay. */
  #publishSoon(): void {
    if (this.#published === undefined) {
      this.#publish();
      return;
    }
    this.#settle ??= this.#ctx.clock.setTimeout(
      () => {
        this.#settle = undefined;
        this.#publish();
      },
      KUBERNETES_SETTLE,
      { unref: true },
    );
  }

  #publish(): void {
    const known = kubernetesAddresses(this.#state, this.#preferred);
    if (this.#published !== undefined && sameAddressSet(known, this.#published)) return;
    this.#published = known;
    this.latest.push(known);
  }

  #dropped(reason: KubernetesDrop, count: number): void {
    this.#ctx.telemetry.emit('discovery.kubernetes.dropped', { count }, { reason });
    if (this.#logged.has(reason)) return;
    this.#logged.add(reason);
    this.#ctx.log.warn(
      { reason, count, hint: advice[reason] },
      'kubernetes discovery: ignored what the API said; more of this kind is only counted',
    );
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // counted as malformed by the caller
    return undefined;
  }
}

const advice: Record<KubernetesDrop, string> = {
  malformed: 'neither a pod nor an endpoint slice',
  unusable: "a pod without the port that 'portName' names, or, in hostname mode, without hostname and subdomain",
  'table-full': "more pods than 'maxEntries'; narrow the selector, or raise it",
};
