import { FoundationError } from '@foundation-ts/core';

/** Whether only processes of the same machine can reach `host`: `localhost`, `127.0.0.0/8`, `::1`. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  if (name === 'localhost' || name === '::1' || name === '0:0:0:0:0:0:0:1') return true;
  const v4 = name.startsWith('::ffff:') ? name.slice(7) : name;
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(v4);
}

/**
 * Refuses to listen where strangers could connect without proof.
 * @param host - what is about to be bound
 * @param hasSecret - whether connections have to prove that they know a secret
 * @param mutualTls - whether both ends of each connection have to show a certificate
 * @throws FoundationError `insecure`
 */
export function checkBind(host: string, hasSecret: boolean, mutualTls = false): void {
  if (hasSecret || mutualTls || isLoopback(host)) return;
  throw new FoundationError(
    'insecure',
    `Refused to listen on ${host} without a secret and without TLS: anyone who reaches the port could join the cluster and run code on it. ` +
      `Give every node the same secret (option 'secret' or FOUNDATION_SECRET, at least 16 random bytes) or a certificate of its own (option 'tls'), or listen on 127.0.0.1.`,
    { details: { host } },
  );
}
