import { Resolver } from 'node:dns';
import { isIP } from 'node:net';
import { invalidOption } from '@foundation-ts/core';

/** Where a name server listens, over UDP and TCP. */
export interface DnsServer {
  readonly host: string;
  readonly port: number;
}

const allowed = "IP addresses of name servers, such as '10.0.0.2', '10.0.0.2:5353', '[fd00::2]:5353', at least one";

/** Reads the option `servers`. @throws FoundationError `invalid-option` */
export function resolveServers(given: readonly string[] | undefined): readonly DnsServer[] | undefined {
  if (given === undefined) return undefined;
  if (!Array.isArray(given) || given.length === 0) throw invalidOption('servers', given, allowed);
  return given.map((text: unknown, index) => {
    const server = typeof text === 'string' ? toServer(text) : undefined;
    if (server === undefined) throw invalidOption(`servers[${index}]`, text, allowed);
    return server;
  });
}

/** The machine's name servers, as they are configured now. */
export function systemServers(): readonly DnsServer[] {
  return new Resolver().getServers().flatMap(text => toServer(text) ?? []);
}

export const formatServer = ({ host, port }: DnsServer): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

function toServer(text: string): DnsServer | undefined {
  if (isIP(text) !== 0) return { host: text, port: 53 };
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return isIP(host) === (match?.[1] === undefined ? 4 : 6) && port > 0 && port < 65_536 ? { host, port } : undefined;
}
