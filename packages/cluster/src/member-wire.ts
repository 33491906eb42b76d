import { type Address, FoundationError } from '@foundation-ts/core';
import {
  MAX_GOSSIP_RECORDS,
  MAX_METADATA_DEPTH,
  MAX_METADATA_SIZE,
  MAX_NAME_LENGTH,
  MAX_ROLE_LENGTH,
  MAX_ROLES,
} from './defaults.js';
import { type Member, memberStatuses, statusRank } from './member.js';

/** A member as it travels; a `removed` one says for how long it has been. */
export interface GossipRecord extends Member {
  /** Milliseconds since the removal; only for `removed`, default 0. */
  readonly age?: number | undefined;
}

/** One row of a summary: what a table holds of one member, without the content. */
export interface SummaryRow {
  readonly name: string;
  readonly incarnation: number;
  /** {@link statusRank} of its status. */
  readonly rank: number;
  readonly version: number;
  /** 32-bit hash of the whole record. */
  readonly hash: number;
}

/** `[name, incarnation, rank, version, [protocol, host, port] | null, roles, zone | null, metadata, age]`. */
export type WireRecord = readonly [
  name: string,
  incarnation: number,
  rank: number,
  version: number,
  address: readonly [protocol: string, host: string, port: number] | null,
  roles: readonly string[],
  zone: string | null,
  metadata: Readonly<Record<string, unknown>>,
  age: number,
];

/** `[name, incarnation, rank, version, hash]`. */
export type WireSummaryRow = readonly [name: string, incarnation: number, rank: number, version: number, hash: number];

/** What was left of a received message. */
export interface Received<T> {
  readonly records: readonly T[];
  /** One entry per malformed item that was skipped: its index and what is wrong with it; at most 16 are listed. */
  readonly refused: readonly { readonly index: number; readonly why: string }[];
  /** How many were skipped. */
  readonly refusedCount: number;
}

/** Members as plain arrays, fit for the codec. */
export function toWire(records: readonly GossipRecord[]): WireRecord[] {
  return records.map(record => [
    record.name,
    record.incarnation,
    statusRank(record.status),
    record.version,
    record.address === undefined ? null : [record.address.protocol, record.address.host, record.address.port],
    record.roles,
    record.zone ?? null,
    record.metadata,
    record.age ?? 0,
  ]);
}

/**
 * Reads what {@link toWire} made, from a peer that may be hostile: every field of every record is checked, and records
 * that aren't well-formed are skipped and counted.
 * @throws FoundationError `protocol` when the message isn't an array or has more than 40,000 records
 */
export function fromWire(message: unknown): Received<GossipRecord> {
  return readAll(message, readRecord);
}

/** A summary as plain arrays. */
export function summaryToWire(rows: readonly SummaryRow[]): WireSummaryRow[] {
  return rows.map(row => [row.name, row.incarnation, row.rank, row.version, row.hash]);
}

/**
 * Reads what {@link summaryToWire} made, as {@link fromWire} does.
 * @throws FoundationError `protocol` when the message isn't an array or has more than 40,000 rows
 */
export function summaryFromWire(message: unknown): Received<SummaryRow> {
  return readAll(message, readSummaryRow);
}

/** What is wrong with a record, or undefined when it is well-formed. */
export function findFault(record: Member): string | undefined {
  const read = readRecord(toWire([record])[0]);
  return typeof read === 'string' ? read : undefined;
}

/** The same text for equal records, whatever the order of their metadata's keys. */
export function canonicalText(record: Member): string {
  const [name, incarnation, rank, version, address, roles, zone, metadata] = toWire([record])[0] as WireRecord;
  return JSON.stringify([name, incarnation, rank, version, address, roles, zone, sorted(metadata)]);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.keys(value)
    .sort()
    .map(key => [key, sorted((value as Record<string, unknown>)[key])]);
}

function readAll<T>(message: unknown, read: (item: unknown) => T | string): Received<T> {
  if (!Array.isArray(message) || message.length > MAX_GOSSIP_RECORDS) {
    const was = Array.isArray(message) ? `${message.length} records` : typeof message;
    throw new FoundationError(
      'protocol',
      `Membership gossip must be an array of at most ${MAX_GOSSIP_RECORDS} records, but the peer sent ${was}; the connection should be closed.`,
    );
  }
  const records: T[] = [];
  const refused: { index: number; why: string }[] = [];
  let refusedCount = 0;
  for (let index = 0; index < message.length; index++) {
    const item = read(message[index]);
    if (typeof item !== 'string') {
      records.push(item);
      continue;
    }
    refusedCount++;
    if (refused.length < 16) refused.push({ index, why: item });
  }
  return { records, refused, refusedCount };
}

/** No white space, control characters or lone surrogates: those don't survive every encoding. */
const plainText = /^[^\s\p{Cc}\p{Cs}]+$/u;
const protocolText = /^[a-z][a-z0-9+.-]{0,31}$/;

function isText(value: unknown, limit: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= limit && plainText.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function readHead(item: unknown, length: number): string | undefined {
  if (!Array.isArray(item) || item.length !== length) return `not an array of ${length}`;
  if (!isText(item[0], MAX_NAME_LENGTH) || item[0] === '__proto__') return 'name';
  if (!isCount(item[1])) return 'incarnation';
  if (!isCount(item[2]) || item[2] >= memberStatuses.length) return 'status';
  if (!isCount(item[3])) return 'version';
  return undefined;
}

function readSummaryRow(item: unknown): SummaryRow | string {
  const fault = readHead(item, 5);
  if (fault !== undefined) return fault;
  const [name, incarnation, rank, version, hash] = item as WireSummaryRow;
  if (!isCount(hash) || hash >= 2 ** 32) return 'hash';
  return { name, incarnation, rank, version, hash };
}

function readRecord(item: unknown): GossipRecord | string {
  const fault = readHead(item, 9);
  if (fault !== undefined) return fault;
  const [name, incarnation, rank, version, wireAddress, roles, zone, metadata, age] = item as WireRecord;
  const address = readAddress(wireAddress);
  if (address === null) return 'address';
  if (!isRoles(roles)) return 'roles';
  if (zone !== null && !isText(zone, MAX_NAME_LENGTH)) return 'zone';
  if (!isPlainObject(metadata) || !isJson(metadata)) return 'metadata';
  if (typeof age !== 'number' || !Number.isFinite(age) || age < 0) return 'age';
  const status = memberStatuses[rank] as Member['status'];
  const member = { name, incarnation, address, status, roles, zone: zone ?? undefined, version, metadata };
  return status === 'removed' ? { ...member, age } : member;
}

/** null when malformed. */
function readAddress(value: unknown): Address | undefined | null {
  if (value === null) return undefined;
  if (!Array.isArray(value) || value.length !== 3) return null;
  const [protocol, host, port]: unknown[] = value;
  if (typeof protocol !== 'string' || !protocolText.test(protocol)) return null;
  if (!isText(host, MAX_NAME_LENGTH)) return null;
  if (!isCount(port) || port < 1 || port > 65_535) return null;
  return { protocol, host, port };
}

function isRoles(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length > MAX_ROLES) return false;
  for (let index = 0; index < value.length; index++) if (!isText(value[index], MAX_ROLE_LENGTH)) return false;
  return true;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether `value` is plain JSON within the limits of size and depth; gives up as soon as it isn't. */
function isJson(value: unknown): boolean {
  let budget = MAX_METADATA_SIZE;
  const visit = (part: unknown, depth: number): boolean => {
    budget -= 2;
    if (budget < 0 || depth > MAX_METADATA_DEPTH) return false;
    if (part === null || typeof part === 'boolean') return true;
    if (typeof part === 'number') {
      budget -= 8;
      return Number.isFinite(part);
    }
    if (typeof part === 'string') {
      budget -= part.length;
      return budget >= 0 && !/\p{Cs}/u.test(part);
    }
    if (Array.isArray(part)) {
      if (part.length > budget) return false;
      for (let index = 0; index < part.length; index++) if (!visit(part[index], depth + 1)) return false;
      return true;
    }
    if (!isPlainObject(part)) return false;
    for (const key of Reflect.ownKeys(part)) {
      if (typeof key !== 'string' || key === '__proto__' || !visit(key, depth)) return false;
      if (!visit(part[key], depth + 1)) return false;
    }
    return true;
  };
  return visit(value, 0);
}
