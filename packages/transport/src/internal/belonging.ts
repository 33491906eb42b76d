import { mac, type ProvenPeer } from '../handshake.js';
import type { Link } from './link.js';
import type { Session } from './session.js';

/** Shows that a connection for a channel opened at run time comes from those who opened the session. */
export function joiningProof(session: Session, peer: ProvenPeer, channel: string, index: number): Uint8Array {
  return mac(session.key, `foundation joining 1 ${index} ${channel}`, peer.transcript);
}

/** Whether a link was proven by the incarnation that the session is with. */
export function belongsTo(session: Session, link: Link): boolean {
  const { name, incarnation } = link.peer;
  return name === session.identity.name && incarnation === session.identity.incarnation;
}
