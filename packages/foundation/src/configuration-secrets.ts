import { isPlain } from './configuration-merge.js';

/** Names of fields whose values are never shown, at any depth of the options. */
const SECRET = /secret|passw(or)?d|passphrase|^pass$|pwd$|credential|token|private|^auth$|^key$|apikey|^pfx$/i;

/** Whether what stands at a path (`['cluster', 'password']`) must not be shown. */
export function isSecret(path: readonly string[]): boolean {
  const [option] = path;
  // A topology or a role may be called 'private'.
  const named = option === 'topologies' || option === 'permissions';
  return option === 'tls' || path.some((name, index) => SECRET.test(name) && !(named && index === 1));
}

/** What is shown instead of a secret. */
export function maskSecret(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(maskSecret).join(', ')}]`;
  if (typeof value === 'string') return `(set, ${Buffer.byteLength(value)} bytes)`;
  if (value instanceof Uint8Array) return `(set, ${value.byteLength} bytes)`;
  return '(set)';
}

/** A text without the user and the password of a URL in it, and without those of its parameters that are secret. */
export function maskUrl(text: string): string {
  return text
    .replace(/^([a-z][a-z0-9+.-]*:\/\/).*@/is, '$1***@')
    .replace(/([?&][^=&]*(?:secret|password|passphrase|token|key)[^=&]*=)[^&]*/gi, '$1***');
}

/** Plain data without its secrets, frozen; what is no plain data, or a strategy, is given as it is. */
export function withoutSecrets(value: unknown, path: readonly string[] = []): unknown {
  if (typeof value === 'string') return maskUrl(value);
  if (Array.isArray(value)) return Object.freeze(value.map(item => withoutSecrets(item, path)));
  if (!isPlain(value) || typeof value.watch === 'function') return value;
  const shown = Object.entries(value).filter(([key, field]) => field !== undefined && !isSecret([...path, key]));
  return Object.freeze(Object.fromEntries(shown.map(([key, field]) => [key, withoutSecrets(field, [...path, key])])));
}
