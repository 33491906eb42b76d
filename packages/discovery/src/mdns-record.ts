import { type Answer, encode, type Packet } from 'dns-packet';
import { MDNS_TTL_MAX } from './defaults.js';

/** A record of the few types that DNS-SD lives on; `ttl` in seconds, 0 being a goodbye. */
export type MdnsRecord =
  | (RecordHead & { readonly type: 'PTR'; readonly data: string })
  | (RecordHead & { readonly type: 'A' | 'AAAA'; readonly data: string })
  | (RecordHead & { readonly type: 'SRV'; readonly data: MdnsService })
  | (RecordHead & { readonly type: 'TXT'; readonly data: readonly Uint8Array[] });

export interface MdnsService {
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

interface RecordHead {
  readonly name: string;
  /** s */
  readonly ttl: number;
  /** The cache-flush bit (RFC 6762 §10.2): the sender owns all records of this name and type. */
  readonly flush: boolean;
}

export interface MdnsQuestion {
  readonly name: string;
  /** `'ANY'`, or a type */
  readonly type: string;
}

/** A packet as the rules see it. */
export interface MdnsPacket {
  readonly type: 'query' | 'response';
  readonly id: number;
  /** More known answers follow in another packet. */
  readonly truncated: boolean;
  readonly questions: readonly MdnsQuestion[];
  readonly answers: readonly MdnsRecord[];
  readonly authorities: readonly MdnsRecord[];
  readonly additionals: readonly MdnsRecord[];
}

/** Where a packet came from or goes to. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

const authoritative = 0x400;
const truncated = 0x200;
const unicastClass = 'UNKNOWN_32769';

export function packetOf(
  type: MdnsPacket['type'],
  parts: Partial<Omit<MdnsPacket, 'type'>> & { readonly id?: number },
): MdnsPacket {
  return {
    type,
    id: parts.id ?? 0,
    truncated: parts.truncated ?? false,
    questions: parts.questions ?? [],
    answers: parts.answers ?? [],
    authorities: parts.authorities ?? [],
    additionals: parts.additionals ?? [],
  };
}

/** What `dns-packet` decoded; undefined for what is no ordinary query or response (RFC 6762 §18.3, §18.11). */
export function fromWire(
  packet: Packet & { readonly opcode?: string; readonly rcode?: string },
): MdnsPacket | undefined {
  if (packet.opcode !== 'QUERY' || packet.rcode !== 'NOERROR') return undefined;
  const questions = (packet.questions ?? [])
    .filter(({ class: of }) => of === 'IN' || of === 'ANY' || (of as string | undefined) === unicastClass)
    .map(({ name, type }) => ({ name, type }));
  return {
    type: packet.type === 'response' ? 'response' : 'query',
    id: packet.id ?? 0,
    truncated: ((packet.flags ?? 0) & truncated) !== 0,
    questions,
    answers: recordsOf(packet.answers),
    authorities: recordsOf(packet.authorities),
    additionals: recordsOf(packet.additionals),
  };
}

export function toWire(packet: MdnsPacket): Packet {
  return {
    type: packet.type,
    id: packet.id,
    flags: (packet.type === 'response' ? authoritative : 0) | (packet.truncated ? truncated : 0),
    questions: packet.questions.map(({ name, type }) => ({ name, type: type as 'A' })),
    answers: packet.answers.map(answerOf),
    authorities: packet.authorities.map(answerOf),
    additionals: packet.additionals.map(answerOf),
  };
}

function answerOf(record: MdnsRecord): Answer {
  const { name, ttl, flush } = record;
  if (record.type === 'TXT') {
    return { name, type: 'TXT', ttl, flush, data: record.data.map(text => Buffer.from(text)) };
  }
  if (record.type === 'SRV') return { name, type: 'SRV', ttl, flush, data: { ...record.data } };
  return { name, type: record.type, ttl, flush, data: record.data };
}

const recordsOf = (answers: readonly Answer[] | undefined): MdnsRecord[] =>
  (answers ?? []).map(recordOf).filter(record => record !== undefined);

function recordOf(answer: Answer): MdnsRecord | undefined {
  if (answer.type === 'OPT' || answer.class !== 'IN') return undefined;
  // A TTL of 2^31 and more is as good as any other long one.
  const head = { name: answer.name, ttl: Math.min(answer.ttl ?? 0, MDNS_TTL_MAX), flush: answer.flush === true };
  switch (answer.type) {
    case 'PTR':
      return { ...head, type: 'PTR', data: answer.data };
    case 'A':
    case 'AAAA':
      return { ...head, type: answer.type, data: answer.data };
    case 'SRV': {
      const { target, port, priority = 0, weight = 0 } = answer.data;
      return { ...head, type: 'SRV', data: { target, port, priority, weight } };
    }
    case 'TXT':
      return { ...head, type: 'TXT', data: answer.data as Buffer[] };
    default:
      return undefined;
  }
}

/** DNS ignores the case of letters. */
export const sameName = (left: string, right: string): boolean =>
  left.length === right.length && left.toLowerCase() === right.toLowerCase();

/** Equal texts for equal records, whatever their TTL and flush bit. */
export function recordKey(record: MdnsRecord): string {
  const name = record.name.toLowerCase();
  if (record.type === 'SRV') {
    const { priority, weight, port, target } = record.data;
    return `${name} SRV ${priority} ${weight} ${port} ${target.toLowerCase()}`;
  }
  if (record.type === 'TXT')
    return `${name} TXT ${record.data.map(text => Buffer.from(text).toString('base64')).join()}`;
  return `${name} ${record.type} ${record.data.toLowerCase()}`;
}

export const isAnswer = (record: MdnsRecord, { name, type }: MdnsQuestion): boolean =>
  (type === 'ANY' || type === record.type) && sameName(record.name, name);

const typeNumbers = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33 } as const;

/**
 * Who of two that probe for one name at once may have it (RFC 6762 §8.2.1): their tentative records are compared in
 * order of type and data.
 * @returns over 0: the left, under 0: the right, 0: they are the same
 */
export function compareTentative(left: readonly MdnsRecord[], right: readonly MdnsRecord[]): number {
  const [ours, theirs] = [left, right].map(records => records.map(comparable).sort(Buffer.compare)) as [
    Buffer[],
    Buffer[],
  ];
  for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
    const [one, other] = [ours[index], theirs[index]];
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    const order = Buffer.compare(one, other);
    if (order !== 0) return order;
  }
  return 0;
}

/** Type and data, as they stand in a packet of this one record. */
function comparable(record: MdnsRecord): Buffer {
  const packet = encode({ type: 'response', answers: [answerOf({ ...record, name: '.' })] });
  return Buffer.concat([Buffer.of(0, typeNumbers[record.type]), packet.subarray(dataOffset)]);
}

/** Header, root name, type, class, TTL, length. */
const dataOffset = 12 + 1 + 2 + 2 + 4 + 2;
