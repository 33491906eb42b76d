import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ConnectionSecurity } from '../transport.js';
import { certifiedBy } from './identity.js';

/** The label of RFC 9266 for TLS 1.3. */
const EXPORTER = 'EXPORTER-Channel-Binding';
const EXPORTER_BYTES = 32;

/** What the other side's certificate is worth. */
export type PeerVerdict =
  | { readonly security: ConnectionSecurity; readonly problem: undefined }
  /** Why it is not accepted, and what to do. */
  | { readonly security: undefined; readonly problem: string };

/** Judges the other side of a socket whose TLS handshake is done; called once for each. */
export function judgePeer(socket: TLSSocket): PeerVerdict {
  // Asked once: on the dialling side Node.js gives it, and then the next of the chain.
  const certificate = socket.getPeerX509Certificate();
  const problem = problemOf(socket, certificate);
  if (problem !== undefined || certificate === undefined) {
    return { security: undefined, problem: problem ?? 'it showed no certificate' };
  }
  const exporter = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER, Buffer.alloc(0));
  const { names, roles } = certifiedBy(certificate.toLegacyObject());
  return { security: { encrypted: true, exporter, peerIdentity: names, peerRoles: roles }, problem };
}

function problemOf(socket: TLSSocket, certificate: X509Certificate | undefined): string | undefined {
  if (certificate === undefined) return 'it showed no certificate. Give it one (option tls)';
  if (socket.authorized) return undefined;
  // Typed as an Error, but it is the text of a code.
  const code = String(socket.authorizationError);
  const subject = printable(certificate.subject);
  const issuer = printable(certificate.issuer ?? 'nameless');
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return `its certificate (${subject}) expired on ${certificate.validTo}. Renew it; nodes with a provider as option tls take the new one without a restart`;
    case 'CERT_NOT_YET_VALID':
      return `its certificate (${subject}) is valid only from ${certificate.validFrom}. Check the clocks of both machines`;
    case 'CERT_REVOKED':
      return `its certificate (${subject}) was withdrawn by its authority. Issue a new one`;
    case 'INVALID_PURPOSE':
      return `its certificate (${subject}) is not for this use. Issue it with the extended key usages serverAuth and clientAuth`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'CERT_SIGNATURE_FAILURE':
      return `its certificate (${subject}) is of an authority that this node does not trust (${issuer}). Add that authority to this node's tls.ca, or issue the certificate by one that is there`;
    default:
      return `its certificate (${subject}) is not valid: ${code}`;
  }
}

/** Whether an error of the TLS handshake is the other side's "your certificate is not good enough". */
export function looksLikeTlsRefusal(error: NodeJS.ErrnoException): boolean {
  return /alert (bad certificate|certificate|unknown ca|access denied)/i.test(error.message);
}

/** What a stranger wrote into a certificate, fit for a log line. Typed as a string, it is undefined when the name is empty. */
function printable(text: string | undefined): string {
  return (text ?? 'without a subject')
    .replace(/\n/g, ', ')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 200);
}
