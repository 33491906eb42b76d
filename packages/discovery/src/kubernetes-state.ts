import { type Address, formatAddress } from '@foundation-ts/core';
import { addressSet } from './address-set.js';
import { KUBERNETES_MAX_PAGES, KUBERNETES_RETRY_MAX, KUBERNETES_RETRY_MIN, KUBERNETES_STEADY } from './defaults.js';
import type { KubernetesEndpoint, KubernetesObject } from './kubernetes-objects.js';

/** The settings that list-and-watch depends on. */
export interface KubernetesRules {
  readonly maxEntries: number;
  /** ms */
  readonly watchTimeout: number;
  /** ms */
  readonly resyncInterval: number;
}

/** What is known of the API's objects, and what is done next; belongs to {@link stepKubernetes}. */
export interface KubernetesState {
  readonly rules: KubernetesRules;
  /** Only objects with endpoints. */
  objects: Map<string, readonly KubernetesEndpoint[]>;
  /** The list that is being read. */
  draft: Map<string, readonly KubernetesEndpoint[]>;
  pages: number;
  resourceVersion: string;
  listedAt: number;
  /** When the present watch was answered; undefined: it was not. */
  openedAt: number | undefined;
  /** Failures in a row. */
  failures: number;
  /** The last token was refused, and a fresh one is being tried. */
  denied: boolean;
  /** An event was not understood: it may have been anything, so a list must tell. */
  unsure: boolean;
  next: 'list' | 'watch';
}

export type KubernetesInput =
  | { readonly type: 'start' }
  /** A page of a list; `next` where more follow. */
  | {
      readonly type: 'page';
      readonly objects: readonly KubernetesObject[];
      readonly resourceVersion: string;
      readonly next: string | undefined;
    }
  /** The API began to answer the watch. */
  | { readonly type: 'opened' }
  | { readonly type: 'changed' | 'deleted'; readonly object: KubernetesObject }
  | { readonly type: 'bookmark'; readonly resourceVersion: string }
  /** Something in the watch was not understood. */
  | { readonly type: 'malformed' }
  /** 410: the API no longer knows the resource version, or the page. */
  | { readonly type: 'gone' }
  /** 401 */
  | { readonly type: 'denied'; readonly error: Error }
  /** The watch ended, in order or cut. */
  | { readonly type: 'ended' }
  | { readonly type: 'failed'; readonly error: Error; readonly retryAfter?: number | undefined }
  /** The wait is over. */
  | { readonly type: 'tick' };

export type KubernetesEffect =
  | { readonly type: 'list'; readonly next: string | undefined }
  | { readonly type: 'watch'; readonly resourceVersion: string; readonly timeout: number }
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'report'; readonly error: Error }
  /** {@link kubernetesAddresses} may be another set now. */
  | { readonly type: 'changed' }
  | { readonly type: 'dropped'; readonly reason: KubernetesDrop; readonly count: number };

/**
 * - `malformed`: no pod or slice, no event
 * - `unusable`: a pod without what makes its address: the port of the name wanted, a host name
 * - `table-full`: more objects than `maxEntries`
 */
export type KubernetesDrop = 'malformed' | 'unusable' | 'table-full';

/** What the step sees of the world. */
export interface KubernetesMoment {
  /** Monotonic, ms. */
  readonly now: number;
  /** In [0, 1). */
  readonly random: number;
}

export function createKubernetesState(rules: KubernetesRules): KubernetesState {
  return {
    rules,
    objects: new Map(),
    draft: new Map(),
    pages: 0,
    resourceVersion: '',
    listedAt: 0,
    openedAt: undefined,
    failures: 0,
    denied: false,
    unsure: false,
    next: 'list',
  };
}

/**
 * Everybody who is to be dialled.
 * @param preferred - of a pod with addresses of both families only those of this one
 */
export function kubernetesAddresses(state: KubernetesState, preferred: 4 | 6 | undefined): readonly Address[] {
  const pods = new Map<string, KubernetesEndpoint[]>();
  for (const endpoints of state.objects.values()) {
    for (const endpoint of endpoints) {
      const known = pods.get(endpoint.pod);
      if (known === undefined) pods.set(endpoint.pod, [endpoint]);
      else known.push(endpoint);
    }
  }
  return addressSet([...pods.values()].map(endpoints => best(endpoints, preferred).address));
}

/** One way a pod: a node that is dialled at two addresses of its own would be two to the dialler. */
function best(endpoints: readonly KubernetesEndpoint[], preferred: 4 | 6 | undefined): KubernetesEndpoint {
  const first = endpoints[0] as KubernetesEndpoint;
  return endpoints.find(one => one.family === preferred && preferred !== undefined) ?? first;
}

/**
 * The rules of list-and-watch (as client-go's reflector), without clock, randomness or I/O: the same inputs give the same
 * effects. Writes into `state`. The last complete list with the events since is what is known; it stands while a list is
 * read or nothing can be had.
 */
export function stepKubernetes(
  state: KubernetesState,
  input: KubernetesInput,
  moment: KubernetesMoment,
): readonly KubernetesEffect[] {
  switch (input.type) {
    case 'start':
      return [list(state)];
    case 'tick':
      return [state.next === 'list' ? list(state) : watch(state, moment)];
    case 'page':
      return page(state, input, moment);
    case 'opened':
      state.openedAt = moment.now;
      state.denied = false;
      return [];
    case 'changed':
      return put(state, input.object);
    case 'deleted':
      advance(state, input.object.resourceVersion);
      return state.objects.delete(input.object.key) ? [changed] : [];
    case 'bookmark':
      advance(state, input.resourceVersion);
      return [];
    case 'malformed':
      state.unsure = true;
      return [{ type: 'dropped', reason: 'malformed', count: 1 }];
    case 'gone':
      state.next = 'list';
      return again(state, moment);
    case 'ended':
      state.next = state.unsure || moment.now - state.listedAt >= state.rules.resyncInterval ? 'list' : 'watch';
      return again(state, moment);
    case 'denied':
      if (state.denied) return fail(state, input.error, undefined, moment);
      state.denied = true;
      state.openedAt = undefined;
      return [state.next === 'list' ? list(state) : watch(state, moment)];
    case 'failed':
      return fail(state, input.error, input.retryAfter, moment);
  }
}

function list(state: KubernetesState): KubernetesEffect {
  state.next = 'list';
  state.draft = new Map();
  state.pages = 0;
  state.openedAt = undefined;
  return { type: 'list', next: undefined };
}

function watch(state: KubernetesState, { random }: KubernetesMoment): KubernetesEffect {
  state.next = 'watch';
  state.openedAt = undefined;
  const timeout = state.rules.watchTimeout * (0.8 + 0.4 * random);
  return { type: 'watch', resourceVersion: state.resourceVersion, timeout };
}

function page(
  state: KubernetesState,
  input: Extract<KubernetesInput, { readonly type: 'page' }>,
  moment: KubernetesMoment,
): readonly KubernetesEffect[] {
  state.denied = false;
  const effects: KubernetesEffect[] = [];
  let full = 0;
  let unusable = 0;
  for (const object of input.objects) {
    unusable += object.unusable;
    if (object.endpoints.length === 0) continue;
    if (state.draft.size >= state.rules.maxEntries) full++;
    else state.draft.set(object.key, object.endpoints);
  }
  if (unusable > 0) effects.push({ type: 'dropped', reason: 'unusable', count: unusable });
  if (full > 0) effects.push({ type: 'dropped', reason: 'table-full', count: full });
  // who is told more pages for ever, and who has all that he keeps, reads no further
  const more = ++state.pages < KUBERNETES_MAX_PAGES && full === 0;
  if (input.next !== undefined && more) return [...effects, { type: 'list', next: input.next }];
  state.objects = state.draft;
  state.draft = new Map();
  state.resourceVersion = input.resourceVersion;
  state.listedAt = moment.now;
  state.unsure = false;
  return [...effects, changed, watch(state, moment)];
}

function put(state: KubernetesState, object: KubernetesObject): readonly KubernetesEffect[] {
  advance(state, object.resourceVersion);
  const effects: KubernetesEffect[] = [];
  if (object.unusable > 0) effects.push({ type: 'dropped', reason: 'unusable', count: object.unusable });
  const before = state.objects.get(object.key);
  if (object.endpoints.length === 0) {
    if (state.objects.delete(object.key)) effects.push(changed);
  } else if (before === undefined && state.objects.size >= state.rules.maxEntries) {
    effects.push({ type: 'dropped', reason: 'table-full', count: 1 });
  } else {
    state.objects.set(object.key, object.endpoints);
    if (before === undefined || !same(before, object.endpoints)) effects.push(changed);
  }
  return effects;
}

function advance(state: KubernetesState, resourceVersion: string | undefined): void {
  if (resourceVersion !== undefined) state.resourceVersion = resourceVersion;
}

/** A watch that lived goes on at once, as does the first that did not: an API that ends each one at once is not hurried. */
function again(state: KubernetesState, moment: KubernetesMoment): readonly KubernetesEffect[] {
  if (state.openedAt !== undefined && moment.now - state.openedAt >= KUBERNETES_STEADY) state.failures = 0;
  const failures = state.failures++;
  if (failures > 0) return [{ type: 'wait', ms: backoff(failures - 1, moment) }];
  return [state.next === 'list' ? list(state) : watch(state, moment)];
}

function fail(
  state: KubernetesState,
  error: Error,
  retryAfter: number | undefined,
  moment: KubernetesMoment,
): readonly KubernetesEffect[] {
  state.denied = false;
  state.openedAt = undefined;
  const asked = Math.min(retryAfter ?? 0, KUBERNETES_RETRY_MAX);
  const ms = Math.max(backoff(state.failures++, moment), asked);
  return [
    { type: 'report', error },
    { type: 'wait', ms },
  ];
}

function backoff(failures: number, { random }: KubernetesMoment): number {
  return Math.min(KUBERNETES_RETRY_MIN * 2 ** Math.min(failures, 16), KUBERNETES_RETRY_MAX) * (0.8 + 0.4 * random);
}

function same(left: readonly KubernetesEndpoint[], right: readonly KubernetesEndpoint[]): boolean {
  const text = ({ pod, address }: KubernetesEndpoint): string => `${pod} ${formatAddress(address)}`;
  return left.length === right.length && left.every((one, index) => text(one) === text(right[index] as typeof one));
}

const changed: KubernetesEffect = { type: 'changed' };
