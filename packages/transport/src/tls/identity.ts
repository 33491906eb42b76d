import type { PeerCertificate } from 'node:tls';

/** In front of a node's name in a URI of a certificate; the name is percent-encoded. */
const URI_PREFIX = 'foundation:';
/** In front of a role; such a URI names no node. */
const ROLE_PREFIX = 'foundation:role/';

/** What a certificate proves of its owner. */
export interface Certified {
  /** What a node with it may be called. */
  readonly names: readonly string[];
  readonly roles: readonly string[];
}

/** @param certificate - one that a trusted authority has issued */
export function certifiedBy(certificate: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): Certified {
  return { names: identityOf(certificate), roles: rolesOf(certificate) };
}

/**
 * The names that a certificate gives its owner: its DNS names and URIs and, of `foundation:<name>`, the name; without any of these its
 * common names (as browsers long did, RFC 6125 6.4.4). `foundation:role/<role>` is none of them.
 */
export function identityOf(certificate: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): readonly string[] {
  const names = new Set<string>();
  for (const [kind, value] of alternativeNames(certificate.subjectaltname ?? '')) {
    if (kind === 'DNS') names.add(value);
    else if (kind === 'URI' && !isRole(value)) for (const name of uriNames(value)) names.add(name);
  }
  if (names.size > 0) return [...names];
  const common: unknown = certificate.subject?.CN;
  return [common].flat().filter((name): name is string => typeof name === 'string' && name !== '');
}

/** The roles that a certificate gives its owner: of each URI `foundation:role/<role>` the role, percent-decoded. */
function rolesOf(certificate: Pick<PeerCertificate, 'subjectaltname'>): readonly string[] {
  const roles = new Set<string>();
  for (const [kind, value] of alternativeNames(certificate.subjectaltname ?? '')) {
    if (kind !== 'URI' || !isRole(value)) continue;
    const role = decoded(value.slice(ROLE_PREFIX.length));
    if (role !== undefined && role !== '') roles.add(role);
  }
  return [...roles];
}

/** The scheme of a URI is the same in any case. */
function isRole(uri: string): boolean {
  return uri.slice(0, ROLE_PREFIX.length).toLowerCase() === ROLE_PREFIX;
}

/** Whether one of the names is the node's; `*.shop` stands for one more label (`a.shop`, not `b.a.shop`). */
export function namesNode(identity: readonly string[], node: string): boolean {
  return identity.some(name => {
    if (name === node) return true;
    if (!name.startsWith('*.') || name.length < 3) return false;
    const dot = node.indexOf('.');
    return dot > 0 && node.slice(dot) === name.slice(1);
  });
}

function uriNames(uri: string): string[] {
  if (!uri.startsWith(URI_PREFIX)) return [uri];
  const name = decoded(uri.slice(URI_PREFIX.length));
  return name === undefined ? [uri] : [uri, name];
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * Node.js gives them as one text, `DNS:a, URI:b`, in which a value that could be taken for several is a JSON string (CVE-2021-44532). What
 * does not follow that form ends the list: nobody gets a name out of a doubtful certificate.
 */
function alternativeNames(text: string): readonly (readonly [kind: string, value: string])[] {
  const names: [string, string][] = [];
  for (let rest = text; rest !== ''; ) {
    const match = /^([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/.exec(rest);
    if (match === null) return names;
    const [whole, kind = '', value = ''] = match;
    names.push([kind, value.startsWith('"') ? String(JSON.parse(value)) : value]);
    rest = rest.slice(whole.length);
  }
  return names;
}
