import type { PeerCertificate } from 'node:tls';

/** In front of a node's name in a URI of a certificate; the name is percent-encoded. */
const URI_PREFIX = 'foundation:';

/**
 * The names that a certificate gives its owner: its DNS names and URIs and, of `foundation:<name>`, the name; without any of these its
 * common names (as browsers long did, RFC 6125 6.4.4).
 */
export function identityOf(certificate: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): readonly string[] {
  const names = new Set<string>();
  for (const [kind, value] of alternativeNames(certificate.subjectaltname ?? '')) {
    if (kind === 'DNS') names.add(value);
    else if (kind === 'URI') for (const name of uriNames(value)) names.add(name);
  }
  if (names.size > 0) return [...names];
  const common: unknown = certificate.subject?.CN;
  return [common].flat().filter((name): name is string => typeof name === 'string' && name !== '');
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
  try {
    return [uri, decodeURIComponent(uri.slice(URI_PREFIX.length))];
  } catch {
    return [uri];
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
