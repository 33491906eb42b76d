import { isIPv4, isIPv6 } from 'node:net';
import type { Address } from '@foundation-ts/core';
import { addressSet } from './address-set.js';
import { toAddress } from './advertised.js';
import {
  MDNS_EVICT_AGE,
  MDNS_GOODBYE_DELAY,
  MDNS_MAX_HOST_ADDRESSES,
  MDNS_RESOLVE_WAITS,
  MDNS_SPREAD_MAX,
  MDNS_SPREAD_MIN,
} from './defaults.js';
import { born, isStale, type Life, renewed, shorten } from './mdns-life.js';
import { isLoopbackAddress } from './mdns-link.js';
import type { MdnsMoment } from './mdns-prober.js';
import { type MdnsQuestion, type MdnsRecord, sameName } from './mdns-record.js';
import { readTexts } from './mdns-registration.js';

interface CachedInstance {
  readonly link: string;
  readonly name: string;
  readonly since: number;
  ptr: Life;
  srv: (Life & { readonly target: string; readonly port: number }) | undefined;
  txt: (Life & { readonly clusterId: string | undefined; readonly protocol: string }) | undefined;
  /** Questions asked for what is missing. */
  asks: number;
  askAt: number;
}

interface CachedHost {
  readonly name: string;
  /** Instances that stand on it. */
  users: number;
  readonly addresses: Map<string, Life>;
}

/** What others said on all links, as far as it concerns the service; belongs to the functions below. */
export interface MdnsCache {
  /** The service's full name. */
  readonly service: string;
  readonly clusterId: string;
  /** Most instances kept. */
  readonly maxInstances: number;
  readonly instances: Map<string, CachedInstance>;
  readonly hosts: Map<string, CachedHost>;
  /** Nothing expires, and nothing is to be asked, before. */
  dueAt: number;
  evictAt: number;
}

export const createCache = (service: string, clusterId: string, maxInstances: number): MdnsCache => ({
  service,
  clusterId,
  maxInstances,
  instances: new Map(),
  hosts: new Map(),
  dueAt: Number.POSITIVE_INFINITY,
  evictAt: 0,
});

/** What hearing some records did. */
export interface Heard {
  readonly changed: boolean;
  /** Instances for which there is no room. */
  readonly refused: number;
  /** Records of a form that is not allowed. */
  readonly malformed: number;
}

const keyOn = (link: string, name: string): string => `${link} ${name.toLowerCase()}`;

/** Takes in the records of a response. */
export function hear(cache: MdnsCache, link: string, records: readonly MdnsRecord[], moment: MdnsMoment): Heard {
  const tally = { changed: false, refused: 0, malformed: 0 };
  // An instance first, then what it is made of, so that the order within a packet does not matter.
  for (const record of records) if (record.type === 'PTR') hearInstance(cache, link, record, moment, tally);
  for (const record of records) {
    if (record.type === 'SRV') hearService(cache, link, record, moment, tally);
    else if (record.type === 'TXT') hearText(cache, link, record, moment, tally);
  }
  for (const record of records) {
    if (record.type === 'A' || record.type === 'AAAA') hearHost(cache, link, record, moment, tally);
  }
  return tally;
}

interface Tally {
  changed: boolean;
  refused: number;
  malformed: number;
}

function hearInstance(
  cache: MdnsCache,
  link: string,
  record: MdnsRecord & { readonly type: 'PTR' },
  moment: MdnsMoment,
  tally: Tally,
): void {
  if (!sameName(record.name, cache.service)) return;
  const name = record.data;
  if (!name.toLowerCase().endsWith(`.${cache.service}`)) {
    tally.malformed++;
    return;
  }
  const instance = cache.instances.get(keyOn(link, name));
  if (instance !== undefined) {
    instance.ptr = renewed(cache, instance.ptr, record.ttl, moment);
    return;
  }
  if (record.ttl === 0) return;
  if (cache.instances.size >= cache.maxInstances) makeRoom(cache, moment.now);
  if (cache.instances.size >= cache.maxInstances) {
    tally.refused++;
    return;
  }
  const wait = MDNS_SPREAD_MIN + (MDNS_SPREAD_MAX - MDNS_SPREAD_MIN) * moment.random();
  const askAt = moment.now + wait;
  const ptr = born(cache, record.ttl, moment);
  cache.dueAt = Math.min(cache.dueAt, askAt);
  const added = { link, name, since: moment.now, ptr, srv: undefined, txt: undefined, asks: 0, askAt };
  cache.instances.set(keyOn(link, name), added);
}

function hearService(
  cache: MdnsCache,
  link: string,
  record: MdnsRecord & { readonly type: 'SRV' },
  moment: MdnsMoment,
  tally: Tally,
): void {
  const instance = cache.instances.get(keyOn(link, record.name));
  if (instance === undefined) return;
  const { srv } = instance;
  const { target, port } = record.data;
  if (srv !== undefined && srv.port === port && sameName(srv.target, target)) {
    Object.assign(srv, renewed(cache, srv, record.ttl, moment));
    return;
  }
  // the goodbye of what it was before
  if (record.ttl === 0) return;
  if (srv !== undefined) leaveHost(cache, link, srv.target);
  instance.srv = { ...born(cache, record.ttl, moment), target, port };
  const host = cache.hosts.get(keyOn(link, target));
  if (host === undefined) cache.hosts.set(keyOn(link, target), { name: target, users: 1, addresses: new Map() });
  else host.users++;
  askSoon(cache, instance, moment);
  tally.changed = true;
}

function hearText(
  cache: MdnsCache,
  link: string,
  record: MdnsRecord & { readonly type: 'TXT' },
  moment: MdnsMoment,
  tally: Tally,
): void {
  const instance = cache.instances.get(keyOn(link, record.name));
  if (instance === undefined) return;
  const texts = readTexts(record.data);
  const [clusterId, protocol = 'tcp'] = [texts.get('cluster'), texts.get('protocol')];
  const { txt } = instance;
  if (txt !== undefined && txt.clusterId === clusterId && txt.protocol === protocol) {
    instance.txt = { ...renewed(cache, txt, record.ttl, moment), clusterId, protocol };
  } else if (record.ttl > 0) {
    instance.txt = { ...born(cache, record.ttl, moment), clusterId, protocol };
    tally.changed = true;
  }
}

function hearHost(
  cache: MdnsCache,
  link: string,
  record: MdnsRecord & { readonly type: 'A' | 'AAAA' },
  moment: MdnsMoment,
  tally: Tally,
): void {
  const host = cache.hosts.get(keyOn(link, record.name));
  if (host === undefined) return;
  const address = record.data;
  if (!isDialable(address, link)) {
    // hosts tell their link-local IPv6 addresses too
    if (record.type === 'A') tally.malformed++;
    return;
  }
  const { addresses } = host;
  const life = addresses.get(address);
  if (life !== undefined) addresses.set(address, renewed(cache, life, record.ttl, moment));
  else if (record.ttl > 0 && addresses.size < MDNS_MAX_HOST_ADDRESSES) {
    addresses.set(address, born(cache, record.ttl, moment));
    tally.changed = true;
  }
  if (!record.flush || record.ttl === 0) return;
  for (const other of addresses.values()) {
    // of the same announcement are those that came within a second
    if (other.receivedAt < moment.now - MDNS_GOODBYE_DELAY) shorten(cache, other, moment.now + MDNS_GOODBYE_DELAY);
  }
}

/** Whether an address can be another node's, on a link of this address. */
function isDialable(address: string, link: string): boolean {
  if (address === '::1') return isLoopbackAddress(link);
  // of a link-local IPv6 address one had to know the interface
  if (isIPv6(address)) return !/^(fe[89ab]|ff|::$)/i.test(address);
  if (!isIPv4(address)) return false;
  const first = Number(address.split('.')[0]);
  return first > 0 && first < 224 && isLoopbackAddress(address) === isLoopbackAddress(link);
}

/** Whom the cache names: the complete instances of the cluster, each once. */
export function cachedAddresses(cache: MdnsCache): readonly Address[] {
  const byName = new Map<string, Address>();
  for (const { link, name, srv, txt } of cache.instances.values()) {
    if (srv === undefined || txt?.clusterId !== cache.clusterId) continue;
    const hosts = [...(cache.hosts.get(keyOn(link, srv.target))?.addresses.keys() ?? [])];
    const host = hosts.sort(byPreference)[0];
    if (host === undefined) continue;
    const address = toAddress({ protocol: txt.protocol, host, port: srv.port });
    if (address === undefined) continue;
    const other = byName.get(name.toLowerCase());
    // heard on several links: always the same one of its addresses
    if (other === undefined || byPreference(address.host, other.host) < 0) byName.set(name.toLowerCase(), address);
  }
  return addressSet(byName.values());
}

/** The network before this machine, IPv4 before IPv6, then by text. */
function byPreference(left: string, right: string): number {
  const rank = (address: string): number => (isLoopbackAddress(address) ? 2 : isIPv6(address) ? 1 : 0);
  return rank(left) - rank(right) || (left < right ? -1 : left > right ? 1 : 0);
}

/** What a question for the service on `link` need not be answered with: what lives for half of its time yet. */
export function knownAnswers(cache: MdnsCache, link: string, now: number): readonly MdnsRecord[] {
  const answers: MdnsRecord[] = [];
  for (const instance of cache.instances.values()) {
    const { expiresAt, ttl } = instance.ptr;
    if (instance.link !== link || expiresAt - now < ttl / 2) continue;
    const left = Math.ceil((expiresAt - now) / 1_000);
    answers.push({ name: cache.service, type: 'PTR', ttl: left, flush: false, data: instance.name });
  }
  return answers;
}

/** Forgets what was heard on links that are gone. */
export function keepLinks(cache: MdnsCache, links: ReadonlySet<string>): boolean {
  return sweep(cache, instance => !links.has(instance.link));
}

/**
 * Forgets what has expired.
 * @returns whether anything was forgotten, and what is to be asked again, by link
 */
export function tickCache(
  cache: MdnsCache,
  moment: MdnsMoment,
): { readonly changed: boolean; readonly questions: ReadonlyMap<string, readonly MdnsQuestion[]> } {
  const questions = new Map<string, MdnsQuestion[]>();
  if (moment.now < cache.dueAt) return { changed: false, questions };
  const { now } = moment;
  const ask = (link: string, name: string, type: string): void => {
    const asked = questions.get(link);
    if (asked === undefined) questions.set(link, [{ name, type }]);
    else if (!asked.some(other => other.type === type && other.name === name)) asked.push({ name, type });
  };
  let changed = sweep(cache, instance => instance.ptr.expiresAt <= now);
  cache.dueAt = Number.POSITIVE_INFINITY;
  for (const instance of cache.instances.values()) {
    const { link, name } = instance;
    if (instance.txt !== undefined && instance.txt.expiresAt <= now) {
      instance.txt = undefined;
      changed = true;
    }
    if (instance.srv !== undefined && instance.srv.expiresAt <= now) {
      leaveHost(cache, link, instance.srv.target);
      instance.srv = undefined;
      changed = true;
    }
    const isOurs = instance.txt?.clusterId === cache.clusterId;
    if (isStale(cache, instance.ptr, moment) && isOurs) ask(link, cache.service, 'PTR');
    if (isStale(cache, instance.txt, moment) && isOurs) ask(link, name, 'TXT');
    if (isStale(cache, instance.srv, moment) && isOurs) ask(link, name, 'SRV');
    const host = instance.srv === undefined ? undefined : cache.hosts.get(keyOn(link, instance.srv.target));
    for (const [address, life] of host?.addresses ?? []) {
      if (life.expiresAt <= now) {
        host?.addresses.delete(address);
        changed = true;
      } else if (isStale(cache, life, moment) && isOurs && host !== undefined) {
        ask(link, host.name, isIPv6(address) ? 'AAAA' : 'A');
      }
    }
    askForMissing(cache, instance, host, now, ask);
  }
  return { changed, questions };
}

function askForMissing(
  cache: MdnsCache,
  instance: CachedInstance,
  host: CachedHost | undefined,
  now: number,
  ask: (link: string, name: string, type: string) => void,
): void {
  const { link, name, srv, txt } = instance;
  const isForeign = txt !== undefined && txt.clusterId !== cache.clusterId;
  if (isForeign || (srv !== undefined && txt !== undefined && (host?.addresses.size ?? 0) > 0)) return;
  if (instance.askAt <= now) {
    if (srv === undefined) ask(link, name, 'SRV');
    if (txt === undefined) ask(link, name, 'TXT');
    if (host !== undefined && host.addresses.size === 0) {
      ask(link, host.name, 'A');
      ask(link, host.name, 'AAAA');
    }
    const wait = MDNS_RESOLVE_WAITS[Math.min(instance.asks, MDNS_RESOLVE_WAITS.length - 1)] as number;
    instance.asks++;
    instance.askAt = now + wait;
  }
  cache.dueAt = Math.min(cache.dueAt, instance.askAt);
}

/** A new part is missing now: the questions start again, if they had not become rare. */
function askSoon(cache: MdnsCache, instance: CachedInstance, { now, random }: MdnsMoment): void {
  if (instance.asks >= MDNS_RESOLVE_WAITS.length) return;
  instance.askAt = Math.min(instance.askAt, now + MDNS_SPREAD_MIN + (MDNS_SPREAD_MAX - MDNS_SPREAD_MIN) * random());
  cache.dueAt = Math.min(cache.dueAt, instance.askAt);
}

/** Forgets instances that led nowhere, which is what a flood of invented ones does; not at each of them. */
function makeRoom(cache: MdnsCache, now: number): void {
  if (now < cache.evictAt) return;
  cache.evictAt = now + MDNS_EVICT_AGE / 10;
  sweep(cache, instance => {
    const { srv, txt, link, since } = instance;
    if (since > now - MDNS_EVICT_AGE) return false;
    if (txt?.clusterId !== cache.clusterId || srv === undefined) return true;
    return (cache.hosts.get(keyOn(link, srv.target))?.addresses.size ?? 0) === 0;
  });
}

function sweep(cache: MdnsCache, isGone: (instance: CachedInstance) => boolean): boolean {
  let swept = false;
  for (const [key, instance] of cache.instances) {
    if (!isGone(instance)) continue;
    cache.instances.delete(key);
    if (instance.srv !== undefined) leaveHost(cache, instance.link, instance.srv.target);
    swept = true;
  }
  return swept;
}

function leaveHost(cache: MdnsCache, link: string, name: string): void {
  const key = keyOn(link, name);
  const host = cache.hosts.get(key);
  if (host !== undefined && --host.users <= 0) cache.hosts.delete(key);
}
