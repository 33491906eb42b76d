import { DNS_MAX_ALIASES, DNS_MAX_TARGETS } from './defaults.js';
import type { DnsAnswer, DnsRecord, DnsServiceRecord } from './dns-message.js';

/** What an answer names, and for how long, ms; undefined: it does not say. */
export interface DnsFound<T> {
  readonly found: readonly T[];
  readonly ttl: number | undefined;
  /** The name is an alias of this one, of which the answer says nothing: it is to be asked for. */
  readonly alias: string | undefined;
}

/** The IP addresses of a name; none also for a name that does not exist. */
export function hostsOf(answer: DnsAnswer, name: string, type: 'A' | 'AAAA'): DnsFound<string> {
  const { owner, ttl } = followAliases(answer.answers, name);
  const records = answer.answers.filter(record => record.type === type && record.name === owner);
  const found = records.flatMap(record => ('address' in record ? [record.address] : []));
  return { found, ttl: leastTtl(answer, records, ttl), alias: openAlias(answer, records, name, owner) };
}

/** The services of a name, the preferred first (priority, then weight); of too many, those. */
export function servicesOf(answer: DnsAnswer, name: string): DnsFound<DnsServiceRecord> {
  const { owner, ttl } = followAliases(answer.answers, name);
  const records = answer.answers.filter(
    (record): record is DnsServiceRecord => record.type === 'SRV' && record.name === owner,
  );
  const found = records
    .filter(({ target, port }) => target !== '' && port > 0)
    .sort((left, right) => left.priority - right.priority || right.weight - left.weight)
    .slice(0, DNS_MAX_TARGETS);
  return { found, ttl: leastTtl(answer, records, ttl), alias: openAlias(answer, records, name, owner) };
}

/** A resolver follows aliases; other servers leave off where they know no more, without a SOA record that would say that there is nothing. */
function openAlias(answer: DnsAnswer, records: readonly DnsRecord[], name: string, owner: string): string | undefined {
  const open = answer.code === 0 && answer.negativeTtl === undefined && records.length === 0 && owner !== name;
  return open ? owner : undefined;
}

function followAliases(records: readonly DnsRecord[], name: string): { readonly owner: string; readonly ttl: number } {
  let [owner, ttl] = [name, Number.POSITIVE_INFINITY];
  for (let followed = 0; followed < DNS_MAX_ALIASES; followed++) {
    const alias = records.find(record => record.type === 'CNAME' && record.name === owner);
    if (alias?.type !== 'CNAME') break;
    owner = alias.target;
    ttl = Math.min(ttl, alias.ttl);
  }
  return { owner, ttl };
}

function leastTtl(answer: DnsAnswer, records: readonly DnsRecord[], aliasTtl: number): number | undefined {
  const own = records.length === 0 ? (answer.negativeTtl ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  const least = records.reduce((ttl, record) => Math.min(ttl, record.ttl), Math.min(own, aliasTtl));
  return Number.isFinite(least) ? least * 1_000 : undefined;
}
