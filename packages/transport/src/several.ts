import { type Address, checkKeys, FoundationError, formatAddress, invalidOption } from '@foundation-ts/core';
import type { Connection, DialOptions, Listener, ListenOptions, Transport } from './transport.js';

/** One transport of {@link several}. */
export interface TransportPart {
  readonly transport: Transport;
  /** Where it listens; for the first part that of `listen` counts. Default 0: any free port. */
  readonly port?: number;
}

/**
 * Several transports as one: listens on all of them, at one host, and dials with the one that an address names. A node's own address is
 * that of the first; its listener's `addresses` has them all.
 * @throws FoundationError `invalid-option` for none, and for two of one protocol
 */
export function several(parts: readonly TransportPart[]): Transport {
  const [first] = parts;
  if (first === undefined) throw invalidOption('parts', parts, 'at least one transport');
  const byProtocol = new Map<string, TransportPart>();
  for (const part of parts) {
    checkKeys('several()', part, ['transport', 'port']);
    const { protocol } = part.transport;
    if (byProtocol.has(protocol)) throw invalidOption('transport', protocol, 'each protocol once');
    byProtocol.set(protocol, part);
  }
  const remote = parts.map(({ transport }) => transport).filter(({ local }) => local !== true);
  const certified = remote.length > 0 && remote.every(({ security }) => security !== undefined);
  return {
    protocol: first.transport.protocol,
    ...(remote.length === 0 ? { local: true as const } : {}),
    ...(certified
      ? { security: { identity: () => shared(remote, 'identity'), roles: () => shared(remote, 'roles') } }
      : {}),
    listen: options => listenOn(parts, options),
    dial: (to, options) => dialBy(byProtocol, to, options),
  };
}

/** The names, or roles, that all certificates have. */
function shared(transports: readonly Transport[], what: 'identity' | 'roles'): readonly string[] {
  const [first = [], ...others] = transports.map(({ security }) => security?.[what]() ?? []);
  return first.filter(name => others.every(names => names.includes(name)));
}

async function listenOn(parts: readonly TransportPart[], options: ListenOptions): Promise<Listener> {
  const listeners: Listener[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map(listener => listener.close()));
  };
  try {
    for (const [index, { transport, port = 0 }] of parts.entries()) {
      listeners.push(await transport.listen({ ...options, port: index === 0 ? options.port : port }));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { address: (listeners[0] as Listener).address, addresses: listeners.map(({ address }) => address), close };
}

async function dialBy(
  parts: ReadonlyMap<string, TransportPart>,
  to: Address,
  options: DialOptions,
): Promise<Connection> {
  const part = parts.get(to.protocol);
  if (part !== undefined) return part.transport.dial(to, options);
  throw new FoundationError(
    'noconnection',
    `Can't dial ${formatAddress(to)}: this node has no transport for '${to.protocol}', only ${[...parts.keys()].join(', ')}.`,
  );
}
