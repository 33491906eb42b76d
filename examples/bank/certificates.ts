import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsFiles } from 'foundation-ts';

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/**
 * Makes a certificate authority in `folder`, with the openssl command.
 * @returns what issues a certificate to the node of a name
 */
export function certificatesIn(folder: string): (name: string) => TlsFiles {
  mkdirSync(folder, { mode: 0o700 });
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '1', '-subj', '/CN=bank');
  let issued = 0;
  return name => {
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', 'request', ...subject);
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', String(++issued), '-days', '1'];
    openssl('x509', '-req', '-in', 'request', ...by, '-copy_extensions', 'copy', '-out', `${name}.pem`);
    return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`), ca: join(folder, 'ca.pem') };
  };
}
