import { timingSafeEqual } from 'node:crypto';
import { type Address, FoundationError } from '@foundation-ts/core';
import { agreeChannels, offerOf, type ResolvedChannel } from '../channel.js';
import { mac, type ProvenPeer } from '../handshake.js';
import type { PeerIdentity } from '../peer.js';
import { OWN_ALGORITHMS } from './compression.js';
import type { Introduction } from './introduction.js';
import type { Link } from './link.js';
import { Session, type SessionEvents } from './session.js';
import type { Settings } from './settings.js';

/** Hosts that say "every address of this machine" and mean nothing to another one. */
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

/** What this node says of itself. */
export function introduce(
  settings: Settings,
  address: Address | undefined,
  id: Uint8Array,
  withdrawn: readonly Uint8Array[] = [],
): Introduction {
  return {
    id,
    address: settings.address ?? address,
    metadata: settings.metadata,
    channels: settings.channels.map(offerOf),
    fragmentBytes: settings.limits.fragmentBytes,
    messageBytes: settings.limits.messageBytes,
    withdrawn,
    inflates: OWN_ALGORITHMS,
  };
}

/** Who the other side of a link is; an address that names no host is completed by where the connection comes from. */
export function identify(link: Link, said: Introduction, dialled: Address | undefined): PeerIdentity {
  const { name, incarnation, clusterId, certificate } = link.peer;
  const { address } = said;
  let reachable = address;
  if (address !== undefined && WILDCARDS.has(address.host))
    reachable = { ...address, host: dialled?.host ?? link.remoteHost };
  return { name, incarnation, clusterId, address: reachable, metadata: said.metadata, certificate, local: link.local };
}

/** What this side brings to a session. */
export interface OwnSide {
  /** What it said of its channels. */
  readonly channels: readonly ResolvedChannel[];
  /** Where it dialled; undefined: it was dialled. */
  readonly target: Address | undefined;
}

/** @throws FoundationError `incompatible` when the two nodes have no channel in common */
export function openSession(
  settings: Settings,
  link: Link,
  identity: PeerIdentity,
  said: Introduction,
  own: OwnSide,
  events: SessionEvents,
): Session {
  const dialled = own.target !== undefined;
  const agreed = agreeChannels(own.channels, said.channels, said.inflates, dialled);
  if (agreed.length === 0) {
    throw new FoundationError(
      'incompatible',
      `Nodes '${settings.name}' and '${identity.name}' have no channel in common. Declare at least 'data' on both.`,
    );
  }
  return new Session({
    settings,
    identity,
    dialled,
    id: idText(said.id),
    key: link.peer.key,
    agreed,
    told: own.channels,
    offers: said.channels,
    inflates: said.inflates,
    target: own.target,
    fragmentBytes: Math.min(settings.limits.fragmentBytes, said.fragmentBytes),
    messageBytes: said.messageBytes,
    events,
  });
}

/** Shows that a further connection comes from those who opened the session. */
export function bindingProof(session: Session, peer: ProvenPeer, slot: number): Uint8Array {
  return mac(session.key, `foundation binding 1 ${slot}`, peer.transcript);
}

export function isBindingProof(session: Session, peer: ProvenPeer, slot: number, proof: Uint8Array): boolean {
  return timingSafeEqual(bindingProof(session, peer, slot), proof);
}

export function idText(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex');
}

/** The error for a session that another one takes the place of. Its code alone is not enough: {@link isSuperseded}. */
export function superseded(name: string): FoundationError {
  return new FoundationError('conflict', `${SUPERSEDED} with node '${name}' is being opened or stands.`);
}

/** Whether the other side refused because another session is coming up between the same two nodes. */
export function isSuperseded(error: FoundationError): boolean {
  return error.code === 'conflict' && error.message.startsWith(SUPERSEDED);
}

const SUPERSEDED = 'Another session';
