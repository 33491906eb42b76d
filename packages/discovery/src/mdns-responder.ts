import {
  MDNS_ANSWER_SPACING,
  MDNS_DEFENCE_SPACING,
  MDNS_LEGACY_RATE,
  MDNS_MAX_PENDING,
  MDNS_SPREAD_MAX,
  MDNS_SPREAD_MIN,
  MDNS_TRUNCATED_WAIT,
  MDNS_TTL_LEGACY,
} from './defaults.js';
import type { MdnsMoment } from './mdns-prober.js';
import { type Endpoint, isAnswer, type MdnsPacket, type MdnsRecord, packetOf, recordKey } from './mdns-record.js';
import { RateLimit } from './rate-limit.js';

/** An answer that waits to be multicast. */
interface Pending {
  readonly link: string;
  readonly record: MdnsRecord;
  dueAt: number;
  /** Who asked; undefined: several, or nobody. */
  asker: string | undefined;
}

/** The answers of a node to the questions of others (RFC 6762 §6, §7). */
export interface Responder {
  readonly pending: Map<string, Pending>;
  /** When each record was last multicast, by link. */
  readonly sentAt: Map<string, number>;
  readonly unicasts: RateLimit;
}

export const createResponder = (): Responder => ({
  pending: new Map(),
  sentAt: new Map(),
  unicasts: new RateLimit(MDNS_LEGACY_RATE, MDNS_LEGACY_RATE),
});

const keyOn = (link: string, record: MdnsRecord): string => `${link} ${recordKey(record)}`;

/** When the next answer is due. */
export function answersDueAt({ pending }: Responder): number {
  let due = Number.POSITIVE_INFINITY;
  for (const { dueAt } of pending.values()) due = Math.min(due, dueAt);
  return due;
}

/**
 * Notes what a query on `link` asks of our records there.
 * @returns false when it was too much
 */
export function noteQuestions(
  responder: Responder,
  link: string,
  own: readonly MdnsRecord[],
  query: MdnsPacket,
  from: Endpoint,
  moment: MdnsMoment,
): boolean {
  const known = knownAnswers(query);
  if (query.questions.length === 0) {
    for (const [key, waiting] of responder.pending) {
      // what he knew he tells in several packets; nobody else asked
      if (waiting.link === link && waiting.asker === from.address && isKnown(known, waiting.record)) {
        responder.pending.delete(key);
      }
    }
    return true;
  }
  const wanted = wantedOf(own, query, known);
  const spread = MDNS_SPREAD_MIN + (MDNS_SPREAD_MAX - MDNS_SPREAD_MIN) * moment.random();
  for (const record of wanted) {
    const isProbe = record.flush && query.authorities.length > 0;
    const wait = (record.flush ? 0 : spread) + (query.truncated ? MDNS_TRUNCATED_WAIT : 0);
    const spacing = isProbe ? MDNS_DEFENCE_SPACING : MDNS_ANSWER_SPACING;
    if (!plan(responder, link, record, wait, spacing, from.address, moment)) return false;
  }
  return true;
}

/** The answer to one who asks as an ordinary DNS client does, from a port of his own (RFC 6762 §6.7). */
export function legacyAnswer(
  responder: Responder,
  own: readonly MdnsRecord[],
  query: MdnsPacket,
  moment: MdnsMoment,
): MdnsPacket | 'too-many' | undefined {
  const wanted = wantedOf(own, query, new Map());
  if (wanted.length === 0) return undefined;
  if (!responder.unicasts.take(1, moment.now)) return 'too-many';
  const told = (record: MdnsRecord): MdnsRecord => ({ ...record, flush: false, ttl: MDNS_TTL_LEGACY });
  return packetOf('response', {
    id: query.id,
    questions: query.questions.filter(question => own.some(record => isAnswer(record, question))).slice(0, 8),
    answers: wanted.map(told),
    additionals: additionalsOf(own, wanted).map(told),
  });
}

/** Plans to multicast all records: somebody said that they are gone. */
export function rescue(responder: Responder, link: string, own: readonly MdnsRecord[], moment: MdnsMoment): void {
  const wait = MDNS_SPREAD_MIN + (MDNS_SPREAD_MAX - MDNS_SPREAD_MIN) * moment.random();
  for (const record of own) plan(responder, link, record, wait, MDNS_ANSWER_SPACING, undefined, moment);
}

/** @returns what is due to be multicast, by link */
export function tickResponder(
  responder: Responder,
  ownOn: (link: string) => readonly MdnsRecord[],
  { now }: MdnsMoment,
): readonly { readonly link: string; readonly packet: MdnsPacket }[] {
  const due = new Map<string, MdnsRecord[]>();
  for (const [key, { link, record, dueAt }] of responder.pending) {
    if (dueAt > now) continue;
    responder.pending.delete(key);
    const answers = due.get(link);
    if (answers === undefined) due.set(link, [record]);
    else answers.push(record);
  }
  return [...due].map(([link, answers]) => {
    const additionals = additionalsOf(ownOn(link), answers);
    noteSent(responder, link, [...answers, ...additionals], now);
    return { link, packet: packetOf('response', { answers, additionals }) };
  });
}

export function noteSent(responder: Responder, link: string, records: readonly MdnsRecord[], now: number): void {
  for (const record of records) responder.sentAt.set(keyOn(link, record), now);
}

/** Forgets what was planned and sent: the records are others now. */
export function resetResponder(responder: Responder): void {
  responder.pending.clear();
  responder.sentAt.clear();
}

function plan(
  { pending, sentAt }: Responder,
  link: string,
  record: MdnsRecord,
  wait: number,
  spacing: number,
  asker: string | undefined,
  { now }: MdnsMoment,
): boolean {
  const key = keyOn(link, record);
  const dueAt = Math.max(now + wait, (sentAt.get(key) ?? Number.NEGATIVE_INFINITY) + spacing);
  const waiting = pending.get(key);
  if (waiting === undefined) {
    if (pending.size >= MDNS_MAX_PENDING) return false;
    pending.set(key, { link, record, dueAt, asker });
    return true;
  }
  waiting.dueAt = Math.min(waiting.dueAt, dueAt);
  if (waiting.asker !== asker) waiting.asker = undefined;
  return true;
}

const wantedOf = (
  own: readonly MdnsRecord[],
  { questions }: MdnsPacket,
  known: ReadonlyMap<string, number>,
): readonly MdnsRecord[] =>
  own.filter(record => questions.some(question => isAnswer(record, question)) && !isKnown(known, record));

const knownAnswers = ({ answers }: MdnsPacket): ReadonlyMap<string, number> =>
  new Map(answers.map(record => [recordKey(record), record.ttl]));

/** Whether the asker knows it for at least half of its life yet (RFC 6762 §7.1). */
const isKnown = (known: ReadonlyMap<string, number>, record: MdnsRecord): boolean =>
  (known.get(recordKey(record)) ?? -1) >= record.ttl / 2;

/** What the asker of `answers` will ask next (RFC 6763 §12). */
function additionalsOf(own: readonly MdnsRecord[], answers: readonly MdnsRecord[]): readonly MdnsRecord[] {
  const told = new Set(answers.map(recordKey));
  const further = own.filter(record => record.flush && !told.has(recordKey(record)));
  const pointed = answers.flatMap(record => (record.type === 'PTR' ? [record.data] : []));
  const details = further.filter(record => pointed.includes(record.name));
  const hosts = [...answers, ...details].flatMap(record => (record.type === 'SRV' ? [record.data.target] : []));
  return [...details, ...further.filter(record => hosts.includes(record.name))];
}
