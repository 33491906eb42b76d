import { readFileSync, statSync } from 'node:fs';
import { checkKeys, FoundationError, invalidOption } from '@foundation-ts/core';
import type { TlsOptions, TlsProvider } from './credentials.js';

/** Paths of files in PEM form; see {@link TlsOptions}. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly passphrase?: string;
  readonly crl?: string;
}

const files = ['cert', 'key', 'ca', 'crl'] as const;

/**
 * Certificates from files, read again when one of them has changed: replace the files, and new connections use them, while those that
 * stand go on. Replace them with `rename` (as `mv` does), so that nobody reads half a file.
 * @throws FoundationError `invalid-option` for wrong names; the result throws it when a file can't be read
 */
export function tlsFiles(paths: TlsFiles): TlsProvider {
  checkKeys('tlsFiles()', paths, [...files, 'passphrase']);
  for (const file of ['cert', 'key', 'ca'] as const) {
    if (typeof paths[file] !== 'string' || paths[file] === '') throw invalidOption(file, paths[file], 'a path');
  }
  for (const file of files) {
    // Never shown: it may be a key.
    if (paths[file]?.includes('-----BEGIN') === true)
      throw invalidOption(
        file,
        'a text in PEM form',
        'the path of a file with that; texts go to the option tls itself',
      );
  }
  let version: string | undefined;
  let options: TlsOptions | undefined;
  return () => {
    const now = files.map(file => versionOf(file, paths[file])).join(' ');
    if (options === undefined || now !== version) {
      const { crl, passphrase } = paths;
      options = {
        cert: readFileSync(paths.cert, 'utf8'),
        key: readFileSync(paths.key, 'utf8'),
        ca: readFileSync(paths.ca, 'utf8'),
        ...(crl === undefined ? {} : { crl: readFileSync(crl, 'utf8') }),
        ...(passphrase === undefined ? {} : { passphrase }),
      };
      version = now;
    }
    return options;
  };
}

function versionOf(option: string, path: string | undefined): string {
  if (path === undefined) return '';
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs}/${size}/${ino}`;
  } catch (error) {
    throw new FoundationError(
      'invalid-option',
      `tls.${option}: the file '${path}' can't be read (${(error as NodeJS.ErrnoException).code}).`,
      { cause: error },
    );
  }
}
