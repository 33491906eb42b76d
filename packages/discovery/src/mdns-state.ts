import type { Address } from '@foundation-ts/core';
import { addressSet } from './address-set.js';
import {
  MDNS_MAX_QUESTIONS,
  MDNS_QUERY_FIRST,
  MDNS_QUESTION_SPACING,
  MDNS_SEND_BYTES,
  MDNS_SPREAD_MAX,
  MDNS_SPREAD_MIN,
} from './defaults.js';
import {
  cachedAddresses,
  createCache,
  hear,
  keepLinks,
  knownAnswers,
  type MdnsCache,
  tickCache,
} from './mdns-cache.js';
import type { MdnsLink } from './mdns-link.js';
import {
  createProber,
  deferProbe,
  type MdnsMoment,
  meetConflict,
  ownsName,
  type Prober,
  probe,
  stopProber,
  tickProber,
} from './mdns-prober.js';
import {
  compareTentative,
  type Endpoint,
  type MdnsPacket,
  type MdnsQuestion,
  type MdnsRecord,
  packetOf,
  recordKey,
  sameName,
} from './mdns-record.js';
import { enumerationName, ownRecords, type Registration, registrationOf, serviceName } from './mdns-registration.js';
import {
  answersDueAt,
  createResponder,
  legacyAnswer,
  noteQuestions,
  noteSent,
  type Responder,
  rescue,
  resetResponder,
  tickResponder,
} from './mdns-responder.js';
import type { Advertised } from './strategy.js';

/** The settings that the rules of mDNS depend on. */
export interface MdnsRules {
  /** As in `_service._tcp.local`. */
  readonly service: string;
  readonly port: number;
  readonly maxInstances: number;
  /** ms */
  readonly queryInterval: number;
}

/** One node's part in mDNS on all its links; belongs to {@link stepMdns}. */
export interface MdnsState {
  readonly rules: MdnsRules;
  readonly service: string;
  links: readonly MdnsLink[];
  registration: Registration | undefined;
  readonly prober: Prober;
  readonly responder: Responder;
  readonly cache: MdnsCache;
  browsing: boolean;
  /** When to ask for the service, and how long to wait after that. */
  queryAt: number;
  queryWait: number;
  /** Further questions, by link, and when the next may be asked. */
  readonly questions: Map<string, MdnsQuestion[]>;
  questionsAt: number;
}

export type MdnsInput =
  /** The node became findable. */
  | { readonly type: 'advertise'; readonly self: Advertised }
  /** The node is about to stop. */
  | { readonly type: 'withdraw' }
  /** Somebody wants to know who is there, or nobody any more. */
  | { readonly type: 'browse'; readonly on: boolean }
  /** These are the links now. */
  | { readonly type: 'links'; readonly links: readonly MdnsLink[] }
  /** A well-formed packet arrived from somebody of the link's network. */
  | { readonly type: 'received'; readonly link: string; readonly packet: MdnsPacket; readonly from: Endpoint }
  /** {@link mdnsWakeAt} has come. */
  | { readonly type: 'tick' };

/**
 * - `wrong-port`: a response that came from another port than mDNS's
 * - `malformed`: records that make no sense: an instance of another service, an address nobody can have
 * - `table-full`: instances for which there is no room
 * - `too-many-questions`: more than a node answers
 */
export type MdnsDrop = 'wrong-port' | 'malformed' | 'table-full' | 'too-many-questions';

export type MdnsEffect =
  /** To the group, or to `to` alone. */
  | { readonly type: 'send'; readonly link: string; readonly packet: MdnsPacket; readonly to?: Endpoint }
  /** {@link namedByMdns} may be another set now. */
  | { readonly type: 'changed' }
  /** Another has the name; this is the next one. */
  | { readonly type: 'renamed'; readonly from: string; readonly to: string }
  | { readonly type: 'dropped'; readonly reason: MdnsDrop; readonly count: number };

const mostQueued = 1_000;

export function createMdnsState(rules: MdnsRules, clusterId: string): MdnsState {
  const service = serviceName(rules.service);
  return {
    rules,
    service,
    links: [],
    registration: undefined,
    prober: createProber(),
    responder: createResponder(),
    cache: createCache(service, clusterId, rules.maxInstances),
    browsing: false,
    queryAt: Number.POSITIVE_INFINITY,
    queryWait: MDNS_QUERY_FIRST,
    questions: new Map(),
    questionsAt: 0,
  };
}

/** When the next `tick` is due; `Infinity`: never. */
export function mdnsWakeAt(state: MdnsState): number {
  const { prober, responder, browsing, cache, queryAt, questions, questionsAt } = state;
  const browse = browsing ? Math.min(queryAt, cache.dueAt, questions.size > 0 ? questionsAt : queryAt) : queryAt;
  return Math.min(prober.dueAt, answersDueAt(responder), browse);
}

/** Everybody of the cluster who is announced, the node itself included while it is advertised. */
export function namedByMdns(state: MdnsState): readonly Address[] {
  const { registration, cache } = state;
  const others = cachedAddresses(cache);
  return registration === undefined ? others : addressSet([...others, registration.self.address]);
}

/**
 * The rules of mDNS and DNS-SD (RFC 6762, RFC 6763), as far as one service needs them, without clock, randomness or I/O.
 * Writes into `state`.
 */
export function stepMdns(state: MdnsState, input: MdnsInput, moment: MdnsMoment): readonly MdnsEffect[] {
  switch (input.type) {
    case 'advertise':
      state.registration = registrationOf(input.self, state.service, state.prober.attempt);
      probe(state.prober, moment);
      return [changed];
    case 'withdraw':
      return withdraw(state);
    case 'browse':
      state.browsing = input.on;
      state.queryAt = Number.POSITIVE_INFINITY;
      if (input.on) querySoon(state, moment);
      return [];
    case 'links':
      return takeLinks(state, input.links, moment);
    case 'received':
      return input.packet.type === 'response' ? response(state, input, moment) : query(state, input, moment);
    case 'tick':
      return tick(state, moment);
  }
}

function withdraw(state: MdnsState): readonly MdnsEffect[] {
  const { registration, prober, responder } = state;
  const goodbyes = registration === undefined || !prober.announced ? [] : state.links.map(link => goodbye(state, link));
  state.registration = undefined;
  stopProber(prober);
  resetResponder(responder);
  return [...goodbyes.filter(effect => effect !== undefined), changed];
}

function goodbye(state: MdnsState, link: MdnsLink): MdnsEffect | undefined {
  // others may stand under the same type of service
  const answers = ownOn(state, link).filter(record => record.name !== enumerationName);
  if (answers.length === 0) return undefined;
  const packet = packetOf('response', { answers: answers.map(record => ({ ...record, ttl: 0 })) });
  return { type: 'send', link: link.address, packet };
}

function takeLinks(state: MdnsState, links: readonly MdnsLink[], moment: MdnsMoment): readonly MdnsEffect[] {
  const known = new Set(state.links.map(link => link.address));
  const added = links.filter(link => !known.has(link.address));
  state.links = links;
  const addresses = new Set(links.map(link => link.address));
  for (const link of state.questions.keys()) if (!addresses.has(link)) state.questions.delete(link);
  const forgot = keepLinks(state.cache, addresses);
  if (added.length > 0) {
    if (state.browsing) querySoon(state, moment);
    if (state.registration !== undefined) probe(state.prober, moment);
  }
  return forgot ? [changed] : [];
}

function query(
  state: MdnsState,
  { link, packet, from }: MdnsInput & { readonly type: 'received' },
  moment: MdnsMoment,
): readonly MdnsEffect[] {
  const { registration, prober, responder } = state;
  if (registration === undefined) return [];
  const own = recordsAt(state, link);
  if (prober.phase === 'probing') {
    const theirs = packet.authorities.filter(record => sameName(record.name, registration.instance));
    const ours = own.filter(record => sameName(record.name, registration.instance));
    if (theirs.length > 0 && compareTentative(ours, theirs) < 0) deferProbe(prober, moment);
    return [];
  }
  if (!ownsName(prober)) return [];
  if (from.port === state.rules.port) {
    const noted = noteQuestions(responder, link, own, packet, from, moment);
    return noted ? [] : [{ type: 'dropped', reason: 'too-many-questions', count: 1 }];
  }
  const answer = legacyAnswer(responder, own, packet, moment);
  if (answer === undefined) return [];
  if (answer === 'too-many') return [{ type: 'dropped', reason: 'too-many-questions', count: 1 }];
  return [{ type: 'send', link, packet: answer, to: from }];
}

function response(
  state: MdnsState,
  { link, packet, from }: MdnsInput & { readonly type: 'received' },
  moment: MdnsMoment,
): readonly MdnsEffect[] {
  if (from.port !== state.rules.port) return [{ type: 'dropped', reason: 'wrong-port', count: 1 }];
  const records = [...packet.answers, ...packet.additionals];
  const effects: MdnsEffect[] = [...lookForConflict(state, link, records, moment)];
  if (!state.browsing) return effects;
  const heard = hear(
    state.cache,
    link,
    records.filter(record => !isOwn(state.registration, record)),
    moment,
  );
  if (heard.changed) effects.push(changed);
  if (heard.refused > 0) effects.push({ type: 'dropped', reason: 'table-full', count: heard.refused });
  if (heard.malformed > 0) effects.push({ type: 'dropped', reason: 'malformed', count: heard.malformed });
  return effects;
}

function lookForConflict(
  state: MdnsState,
  link: string,
  records: readonly MdnsRecord[],
  moment: MdnsMoment,
): readonly MdnsEffect[] {
  const { registration, prober, responder } = state;
  if (registration === undefined || prober.phase === 'idle') return [];
  const { instance, host, self, service } = registration;
  const about = records.filter(record => isOwn(registration, record));
  if (about.length === 0) return [];
  const own = new Set(state.links.flatMap(each => ownOn(state, each)).map(recordKey));
  const isTaken = about.some(
    record =>
      record.ttl > 0 && (sameName(record.name, instance) || sameName(record.name, host)) && !own.has(recordKey(record)),
  );
  if (isTaken) {
    if (!meetConflict(prober, moment)) return [];
    resetResponder(responder);
    state.registration = registrationOf(self, service, prober.attempt);
    // what the other said of himself was not heard while the name was ours
    if (state.browsing) querySoon(state, moment);
    return [{ type: 'renamed', from: instance, to: state.registration.instance }];
  }
  if (ownsName(prober) && about.some(record => record.ttl === 0 && own.has(recordKey(record)))) {
    rescue(responder, link, recordsAt(state, link), moment);
  }
  return [];
}

/** Whether a record is of the node's names. */
function isOwn(registration: Registration | undefined, { name, type, data }: MdnsRecord): boolean {
  if (registration === undefined) return false;
  const { instance, host, service } = registration;
  if (type === 'PTR' && sameName(name, service)) return sameName(data, instance);
  return sameName(name, instance) || sameName(name, host);
}

function tick(state: MdnsState, moment: MdnsMoment): readonly MdnsEffect[] {
  const effects: MdnsEffect[] = [];
  const due = tickProber(state.prober, moment);
  if (due !== undefined) {
    for (const link of state.links)
      effects.push(...(due === 'probe' ? probes(state, link) : announces(state, link, moment)));
  }
  for (const { link, packet } of tickResponder(state.responder, link => recordsAt(state, link), moment)) {
    effects.push({ type: 'send', link, packet });
  }
  if (state.browsing) browse(state, moment, effects);
  return effects;
}

function probes(state: MdnsState, link: MdnsLink): readonly MdnsEffect[] {
  const { registration } = state;
  const authorities = ownOn(state, link).filter(record => record.flush);
  if (registration === undefined || authorities.length === 0) return [];
  const questions = [registration.instance, registration.host].map(name => ({ name, type: 'ANY' }));
  const tentative = authorities.map(record => ({ ...record, flush: false }));
  return [{ type: 'send', link: link.address, packet: packetOf('query', { questions, authorities: tentative }) }];
}

function announces(state: MdnsState, link: MdnsLink, { now }: MdnsMoment): readonly MdnsEffect[] {
  const answers = ownOn(state, link);
  if (answers.length === 0) return [];
  noteSent(state.responder, link.address, answers, now);
  return [{ type: 'send', link: link.address, packet: packetOf('response', { answers }) }];
}

function browse(state: MdnsState, moment: MdnsMoment, effects: MdnsEffect[]): void {
  const { cache, links, rules } = state;
  const { now } = moment;
  const { changed: isChanged, questions } = tickCache(cache, moment);
  if (isChanged) effects.push(changed);
  for (const [link, asked] of questions) {
    for (const question of asked) {
      if (question.type === 'PTR') state.queryAt = now;
      else enqueue(state, link, question);
    }
  }
  if (now >= state.queryAt) {
    for (const link of links) effects.push(...serviceQuestion(state, link.address, now));
    state.queryAt = now + state.queryWait * (0.8 + 0.4 * moment.random());
    state.queryWait = Math.min(state.queryWait * 2, rules.queryInterval);
  }
  if (now < state.questionsAt) return;
  for (const [link, queue] of state.questions) {
    const packet = packetOf('query', { questions: queue.splice(0, MDNS_MAX_QUESTIONS) });
    if (queue.length === 0) state.questions.delete(link);
    effects.push({ type: 'send', link, packet });
    state.questionsAt = now + MDNS_QUESTION_SPACING;
  }
}

/** The question for the service, with what is known already; in several packets where that is much (RFC 6762 §7.2). */
function serviceQuestion({ cache, service }: MdnsState, link: string, now: number): readonly MdnsEffect[] {
  return chunks(knownAnswers(cache, link, now)).map((answers, index, all) => ({
    type: 'send',
    link,
    packet: packetOf('query', {
      questions: index === 0 ? [{ name: service, type: 'PTR' }] : [],
      answers,
      truncated: index < all.length - 1,
    }),
  }));
}

function enqueue(state: MdnsState, link: string, question: MdnsQuestion): void {
  const queue = state.questions.get(link);
  if (queue === undefined) state.questions.set(link, [question]);
  else if (
    queue.length < mostQueued &&
    !queue.some(other => other.type === question.type && other.name === question.name)
  ) {
    queue.push(question);
  }
}

function querySoon(state: MdnsState, { now, random }: MdnsMoment): void {
  state.queryWait = Math.min(MDNS_QUERY_FIRST, state.rules.queryInterval);
  const at = now + MDNS_SPREAD_MIN + (MDNS_SPREAD_MAX - MDNS_SPREAD_MIN) * random();
  state.queryAt = Math.min(state.queryAt, at);
}

/** `records` in packets that fit every MTU; at least one packet. */
function chunks(records: readonly MdnsRecord[]): readonly (readonly MdnsRecord[])[] {
  const all: MdnsRecord[][] = [[]];
  let bytes = 0;
  for (const record of records) {
    const length = 16 + Buffer.byteLength(record.name) + Buffer.byteLength(String(record.data));
    if (bytes + length > MDNS_SEND_BYTES && bytes > 0) {
      all.push([]);
      bytes = 0;
    }
    all.at(-1)?.push(record);
    bytes += length;
  }
  return all;
}

function recordsAt(state: MdnsState, address: string): readonly MdnsRecord[] {
  const link = state.links.find(each => each.address === address);
  return link === undefined ? [] : ownOn(state, link);
}

const ownOn = ({ registration, links }: MdnsState, link: MdnsLink): readonly MdnsRecord[] =>
  registration === undefined ? [] : ownRecords(registration, link, links);

const changed: MdnsEffect = { type: 'changed' };
