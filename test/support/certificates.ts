import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from '@foundation-ts/transport/tls';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate authority of a test, made by the openssl command. */
export class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), 'authority-'));
  readonly ca: string;
  #issued = 0;

  constructor(name: string) {
    this.#openssl('req', '-x509', ...KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', `/CN=${name}`);
    this.ca = this.#read('ca.pem');
  }

  /** @param names - the alternative names, as openssl writes them: `DNS:a,URI:foundation:a`; '' for none but `CN` */
  issue(
    names: string,
    { days = 1, subject = '/CN=node', ext = '' }: { days?: number; subject?: string; ext?: string } = {},
  ): TlsOptions {
    const file = `n${this.#issued++}`;
    const extensions = [names === '' ? [] : ['-addext', `subjectAltName=${names}`], ext === '' ? [] : ['-addext', ext]];
    this.#openssl(
      ...['req', ...KEY, '-keyout', `${file}.key`, '-out', `${file}.csr`, '-subj', subject],
      ...extensions.flat(),
    );
    this.#openssl(
      ...['x509', '-req', '-in', `${file}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', String(days)],
      ...['-set_serial', String(this.#issued + 1), '-copy_extensions', 'copy', '-out', `${file}.pem`],
    );
    return { cert: this.#read(`${file}.pem`), key: this.#read(`${file}.key`), ca: this.ca };
  }

  /** A list of withdrawn certificates with this one on it. */
  withdraw({ cert }: TlsOptions): string {
    writeFileSync(join(this.folder, 'withdrawn.pem'), String(cert));
    writeFileSync(join(this.folder, 'index'), '');
    writeFileSync(
      join(this.folder, 'ca.conf'),
      '[ca]\ndefault_ca = ours\n[ours]\ndatabase = index\ndefault_md = sha256\ndefault_crl_days = 1\n',
    );
    const by = ['-config', 'ca.conf', '-cert', 'ca.pem', '-keyfile', 'ca.key'];
    this.#openssl('ca', ...by, '-revoke', 'withdrawn.pem');
    this.#openssl('ca', ...by, '-gencrl', '-out', 'crl.pem');
    return this.#read('crl.pem');
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
  }

  #read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8');
  }
}
