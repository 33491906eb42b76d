import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { checkKeys, FoundationError, invalidOption } from '@foundation-ts/core';
import { certifiedBy } from './identity.js';

/** Text in PEM form, or its bytes; several in a list. */
export type Pem = string | Uint8Array | readonly (string | Uint8Array)[];

/** What a node needs for mutual TLS, in PEM form. */
export interface TlsOptions {
  /** This node's certificate, followed by those between it and the authority. It must name the node. */
  readonly cert: Pem;
  /** The private key of {@link cert}. */
  readonly key: string | Uint8Array;
  /** The authorities whose certificates the other nodes may show; no others are trusted, not even the system's. */
  readonly ca: Pem;
  /** Opens {@link key} if it is encrypted. */
  readonly passphrase?: string;
  /** Certificates withdrawn by their authority. */
  readonly crl?: Pem;
}

/** Gives what is valid now; called, synchronously, for every new connection. */
export type TlsProvider = () => TlsOptions;

/** Credentials as they are at a moment. */
export interface CurrentCredentials {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  /** The names in the own certificate. */
  readonly identity: readonly string[];
  /** The roles in the own certificate. */
  readonly roles: readonly string[];
}

const keys = ['cert', 'key', 'ca', 'passphrase', 'crl'] as const satisfies readonly (keyof TlsOptions)[];

/** A node's certificate, key and authorities; with a provider they can change between connections. */
export class Credentials {
  readonly #given: TlsOptions | TlsProvider;
  #last: TlsOptions | undefined;
  #current: CurrentCredentials | undefined;

  /** @throws FoundationError `invalid-option` */
  constructor(given: TlsOptions | TlsProvider) {
    this.#given = given;
    this.current();
  }

  /** @throws FoundationError `invalid-option` when the provider gives what can't be used, or throws */
  current(): CurrentCredentials {
    const options = this.#read();
    if (this.#current !== undefined && this.#last !== undefined && sameOptions(options, this.#last)) {
      return this.#current;
    }
    const current = load(options);
    this.#last = { ...options };
    this.#current = current;
    return current;
  }

  #read(): TlsOptions {
    if (typeof this.#given !== 'function') return this.#given;
    try {
      return this.#given();
    } catch (error) {
      if (error instanceof FoundationError) throw error;
      throw new FoundationError(
        'invalid-option',
        `The provider of TLS certificates threw: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }
}

function load(given: TlsOptions): CurrentCredentials {
  if (typeof given !== 'object' || given === null) {
    // Never shown: it may be a key.
    throw invalidOption(
      'tls',
      `a value of type ${typeof given}`,
      '{ cert, key, ca } in PEM form, or a function that gives it',
    );
  }
  checkKeys('tls', given, keys);
  for (const option of ['cert', 'key', 'ca'] as const) {
    if (given[option] === undefined || given[option].length === 0) {
      throw invalidOption(`tls.${option}`, given[option], `${meanings[option]}, in PEM form`);
    }
  }
  for (const each of [given.cert, given.ca].flatMap(listOf)) checkPem(each === given.ca ? 'tls.ca' : 'tls.cert', each);
  const options: SecureContextOptions = {
    cert: buffers(given.cert),
    key: Buffer.from(given.key),
    ca: buffers(given.ca),
    ...(given.passphrase === undefined ? {} : { passphrase: given.passphrase }),
    ...(given.crl === undefined ? {} : { crl: buffers(given.crl) }),
    // Both ends are nodes, and every Node.js that runs them speaks it.
    minVersion: 'TLSv1.3',
  };
  let context: SecureContext;
  try {
    context = createSecureContext(options);
  } catch (error) {
    throw new FoundationError('invalid-option', `tls: the certificate and its key can't be used: ${hint(error)}.`, {
      cause: error,
    });
  }
  const certificate = new X509Certificate(Buffer.from(listOf(given.cert)[0] as string));
  const { names, roles } = certifiedBy(certificate.toLegacyObject());
  return { options, context, identity: names, roles };
}

const meanings = {
  cert: "this node's certificate",
  key: 'the private key of tls.cert',
  ca: "the certificate of the authority that issued the other nodes' certificates",
} as const;

function checkPem(option: string, pem: string | Uint8Array): void {
  try {
    new X509Certificate(Buffer.from(pem as string));
  } catch (error) {
    throw new FoundationError(
      'invalid-option',
      `${option} holds no certificate in PEM form ('-----BEGIN CERTIFICATE-----' and so on); give the text of the file, not its path.`,
      { cause: error },
    );
  }
}

/** Never what was given: a key must not reach a log. */
function hint(error: unknown): string {
  const { message } = error as Error;
  if (message.includes('key values mismatch')) return 'tls.key belongs to another certificate than tls.cert';
  if (message.includes('bad decrypt') || message.includes('passphrase')) {
    return 'tls.key is encrypted, and tls.passphrase does not open it';
  }
  return message.replace(/\.$/, '');
}

function listOf(pem: Pem): readonly (string | Uint8Array)[] {
  return typeof pem === 'string' || pem instanceof Uint8Array ? [pem] : pem;
}

function buffers(pem: Pem): Buffer[] {
  return listOf(pem).map(each => Buffer.from(each as string));
}

function sameOptions(left: TlsOptions, right: TlsOptions): boolean {
  return left === right || keys.every(key => samePem(left[key], right[key]));
}

function samePem(left: Pem | undefined, right: Pem | undefined): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined) return false;
  const [a, b] = [listOf(left), listOf(right)];
  return (
    a.length === b.length &&
    a.every((each, index) => Buffer.from(each as string).equals(Buffer.from(b[index] as string)))
  );
}
