import { type Address, FoundationError } from '@foundation-ts/core';
import { toAddress } from './advertised.js';
import { DNS_MAX_FOLLOWED, DNS_TARGETS_AT_ONCE } from './defaults.js';
import { type DnsFound, hostsOf, servicesOf } from './dns-answer.js';
import { DnsClient } from './dns-client.js';
import type { DnsAnswer, DnsQuestion, DnsServiceRecord } from './dns-message.js';
import { type DnsServer, systemServers } from './dns-server.js';
import type { LookupPart, LookupParts } from './lookup-state.js';
import { watchLookups } from './lookup-watch.js';
import type { DiscoveryContext } from './strategy.js';

type HostType = 'A' | 'AAAA';

const bothTypes: readonly HostType[] = ['A', 'AAAA'];

export interface DnsWatchInit {
  /** The strategy's name. */
  readonly strategy: string;
  readonly query: string;
  readonly servers: readonly DnsServer[] | undefined;
  readonly pollInterval: number;
  readonly protocol: string;
}

/** The addresses of one name, all at `port`. */
export function watchHosts(
  ctx: DiscoveryContext,
  init: DnsWatchInit & { readonly port: number; readonly family: 4 | 6 | undefined },
): AsyncIterable<readonly Address[]> {
  const { query, protocol, port, family } = init;
  const types = family === undefined ? bothTypes : ([family === 4 ? 'A' : 'AAAA'] as const);
  return watch(ctx, init, async client => {
    const parts = types.map(async type => [type, await askHosts(client, query, type, { protocol, port })] as const);
    return new Map(await Promise.all(parts));
  });
}

/** The services of one name, each at its own port. */
export function watchServices(ctx: DiscoveryContext, init: DnsWatchInit): AsyncIterable<readonly Address[]> {
  const { query, protocol } = init;
  return watch(ctx, init, async client => {
    const { answer, found, ttl } = await askOn(client, { name: query, type: 'SRV' }, servicesOf);
    const parts = new Map<string, LookupPart>([['SRV', { addresses: [], ttl }]]);
    const unresolved: DnsServiceRecord[] = [];
    for (const service of found) {
      const given = answer.additionals.filter(record => record.name === service.target && 'address' in record);
      if (given.length === 0) unresolved.push(service);
      for (const type of given.length === 0 ? [] : bothTypes) {
        const hosts = hostsOf({ ...answer, answers: given }, service.target, type);
        parts.set(keyOf(service, type), { ...hosts, addresses: addressesOf(hosts.found, { ...service, protocol }) });
      }
    }
    const resolveNext = async (): Promise<void> => {
      for (let service = unresolved.shift(); service !== undefined; service = unresolved.shift()) {
        for (const type of bothTypes) {
          parts.set(keyOf(service, type), await askHosts(client, service.target, type, { ...service, protocol }));
        }
      }
    };
    await Promise.all(Array.from({ length: DNS_TARGETS_AT_ONCE }, resolveNext));
    return parts;
  });
}

function watch(
  ctx: DiscoveryContext,
  init: DnsWatchInit,
  ask: (client: DnsClient) => Promise<LookupParts>,
): AsyncIterable<readonly Address[]> {
  return watchLookups(ctx, {
    ...init,
    lookUp: (signal, drop) => {
      const servers = init.servers ?? systemServers();
      const { clock, random } = ctx;
      return ask(new DnsClient({ clock, random, servers, signal, dropped: reason => drop(reason, 1) }));
    },
  });
}

async function askHosts(
  client: DnsClient,
  name: string,
  type: HostType,
  at: { readonly protocol: string; readonly port: number },
): Promise<LookupPart> {
  try {
    const { found, ttl } = await askOn(client, { name, type }, (answer, owner) => hostsOf(answer, owner, type));
    return { addresses: addressesOf(found, at), ttl };
  } catch (error) {
    // one of several answers: the others count
    return { error: error as Error };
  }
}

/**
 * Asks, and asks on for the target of an alias that the answer left out.
 * @throws (rejects) FoundationError also when aliases lead nowhere
 */
async function askOn<T>(
  client: DnsClient,
  question: DnsQuestion,
  read: (answer: DnsAnswer, name: string) => DnsFound<T>,
): Promise<DnsFound<T> & { readonly answer: DnsAnswer }> {
  let [name, ttl] = [question.name, Number.POSITIVE_INFINITY];
  for (let followed = 0; followed <= DNS_MAX_FOLLOWED; followed++) {
    const answer = await client.query({ ...question, name });
    const found = read(answer, name);
    ttl = Math.min(ttl, found.ttl ?? Number.POSITIVE_INFINITY);
    if (found.alias === undefined) return { ...found, answer, ttl: Number.isFinite(ttl) ? ttl : undefined };
    name = found.alias;
  }
  throw new FoundationError(
    'protocol',
    `The name '${question.name}' is an alias, through others, of '${name}', for which the name server has no ${question.type} records either.`,
  );
}

const keyOf = ({ target, port }: DnsServiceRecord, type: HostType): string => `${type} ${target}:${port}`;

function addressesOf(
  hosts: readonly string[],
  { protocol, port }: { readonly protocol: string; readonly port: number },
): readonly Address[] {
  return hosts.flatMap(host => toAddress({ protocol, host, port }) ?? []);
}
