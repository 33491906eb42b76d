import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TlsFiles } from 'foundation-ts';

const run = promisify(execFile);
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate authority for one run, and the certificates of its nodes: files that go when the run does. */
export class Certificates {
  readonly #folder: string;
  #issued = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws if there is no openssl command */
  static async create(folder: string): Promise<Certificates> {
    mkdirSync(folder, { mode: 0o700 });
    const certificates = new Certificates(folder);
    await certificates.#openssl(
      ...[
        'req',
        '-x509',
        ...newKey,
        '-keyout',
        'ca.key',
        '-out',
        'ca.pem',
        '-days',
        '1',
        '-subj',
        '/CN=search cluster',
      ],
    );
    return certificates;
  }

  /** A certificate which says that its owner is the node of that name. */
  async issue(name: string): Promise<TlsFiles> {
    const [key, request, cert] = [`${name}.key`, `${name}.csr`, `${name}.pem`];
    await this.#openssl(
      ...['req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${name}`],
      ...['-addext', `subjectAltName=DNS:${name}`],
    );
    const serial = String(++this.#issued);
    await this.#openssl(
      ...['x509', '-req', '-in', request, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', serial],
      ...['-days', '1', '-copy_extensions', 'copy', '-out', cert],
    );
    return { cert: this.#path(cert), key: this.#path(key), ca: this.#path('ca.pem') };
  }

  #path(file: string): string {
    return join(this.#folder, file);
  }

  async #openssl(...args: string[]): Promise<void> {
    try {
      await run('openssl', args, { cwd: this.#folder });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new Error(
        'There is no openssl command, which makes the certificates of --transport tls. Install OpenSSL 3.',
        {
          cause: error,
        },
      );
    }
  }
}
