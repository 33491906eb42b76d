import { createHash } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { FoundationError } from '@foundation-ts/core';
import { MDNS_TTL_HOST, MDNS_TTL_OTHER } from './defaults.js';
import { isInNetwork, isLoopbackAddress, type MdnsLink } from './mdns-link.js';
import type { MdnsRecord } from './mdns-record.js';
import type { Advertised } from './strategy.js';

const longestLabel = 63;
const longestText = 255;

/** `_foundation._tcp.local` for `foundation`. */
export const serviceName = (service: string): string => `_${service}._tcp.local`;

/** What lists the types of services on a network (RFC 6763 §9). */
export const enumerationName = '_services._dns-sd._udp.local';

/** What a node says about itself, under one of its names. */
export interface Registration {
  readonly self: Advertised;
  readonly service: string;
  /** The full name of the instance. */
  readonly instance: string;
  readonly host: string;
}

/**
 * @param service - the full name of the service
 * @param attempt - how many names were taken: the second name is `name (2)`
 * @throws FoundationError `too-large` when the node's name or cluster id don't fit a TXT record
 */
export function registrationOf(self: Advertised, service: string, attempt: number): Registration {
  for (const text of textsOf(self)) {
    if (text.length > longestText) {
      throw new FoundationError(
        'too-large',
        `Node '${self.name}' can't be advertised by mDNS: '${text.subarray(0, text.indexOf('=')).toString()}' has more than ${longestText} bytes in its TXT record; use a shorter node name or cluster id.`,
      );
    }
  }
  const identity = createHash('sha256').update(JSON.stringify([self.clusterId, self.name, self.incarnation]));
  const suffix = attempt === 0 ? '' : `-${attempt + 1}`;
  return {
    self,
    service,
    instance: `${labelOf(self.name, attempt)}.${service}`,
    host: `foundation-${identity.digest('hex').slice(0, 16)}${suffix}.local`,
  };
}

/** The records that are announced on a link; none where the node can't be reached from there. */
export function ownRecords(
  { self, service, instance, host }: Registration,
  link: MdnsLink,
  links: readonly MdnsLink[],
): readonly MdnsRecord[] {
  const address = addressOn(self.address.host, link, links);
  if (address === undefined) return [];
  const { port } = self.address;
  return [
    { name: service, type: 'PTR', ttl: MDNS_TTL_OTHER, flush: false, data: instance },
    {
      name: instance,
      type: 'SRV',
      ttl: MDNS_TTL_HOST,
      flush: true,
      data: { target: host, port, priority: 0, weight: 0 },
    },
    { name: instance, type: 'TXT', ttl: MDNS_TTL_OTHER, flush: true, data: textsOf(self) },
    { name: host, type: isIPv6(address) ? 'AAAA' : 'A', ttl: MDNS_TTL_HOST, flush: true, data: address },
    { name: enumerationName, type: 'PTR', ttl: MDNS_TTL_OTHER, flush: false, data: service },
  ];
}

/** Where those on `link` reach the node. */
function addressOn(host: string, link: MdnsLink, links: readonly MdnsLink[]): string | undefined {
  if (host === 'localhost') return isLoopbackAddress(link.address) ? link.address : undefined;
  if (isIPv6(host)) return host;
  // a name, which only this machine may know
  if (!isIPv4(host)) return link.address;
  if (isInNetwork(host, link)) return host;
  // an address of this machine's on another link; or one that some router maps to us
  return links.some(other => isInNetwork(host, other)) ? undefined : host;
}

function textsOf({ name, clusterId, incarnation, address }: Advertised): readonly Buffer[] {
  return [
    'txtvers=1',
    `name=${name}`,
    `cluster=${clusterId}`,
    `protocol=${address.protocol}`,
    `incarnation=${incarnation}`,
  ].map(text => Buffer.from(text));
}

/** A TXT record's keys and values (RFC 6763 §6): keys in lower case, the first of equal ones. */
export function readTexts(texts: readonly Uint8Array[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const bytes of texts.slice(0, 64)) {
    const text = Buffer.from(bytes).toString('utf8');
    const split = text.indexOf('=');
    const key = text.slice(0, split).toLowerCase();
    if (split > 0 && !values.has(key)) values.set(key, text.slice(split + 1));
  }
  return values;
}

/** The node's name as one label: without dots, at most 63 bytes, with ` (2)` at its end from the second attempt on. */
function labelOf(name: string, attempt: number): string {
  const suffix = attempt === 0 ? '' : ` (${attempt + 1})`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  let label = name.replaceAll(/[.\u0000-\u001f\u007f]/g, '-');
  while (Buffer.byteLength(label + suffix) > longestLabel) label = [...label].slice(0, -1).join('');
  return label + suffix;
}
