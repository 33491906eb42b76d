import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, stat, unlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { checkKeys, FoundationError, type Random, systemRandom } from '@foundation-ts/core';
import { COOKIE_BYTES, COOKIE_MIN_LENGTH } from './defaults.js';
import { checkPrivateFolder } from './private-folder.js';

/** What {@link readOrCreateCookie} takes. */
export interface CookieInit {
  /** The cookie file; default `$XDG_CONFIG_HOME/foundation/cookie`, or `~/.config/foundation/cookie`. */
  readonly path?: string;
  /** Default: the machine's. */
  readonly random?: Random;
}

/** The secret that the nodes of one user on one machine share. */
export interface Cookie {
  /** The text of the file without surrounding white space, as UTF-8: `FOUNDATION_SECRET=$(cat cookie)` is the same secret. */
  readonly secret: Uint8Array;
  readonly path: string;
}

/**
 * Reads the cookie file, and creates it when there is none: 256 random bits, readable by its owner alone, as Erlang's
 * `~/.erlang.cookie`. Processes that start at once agree on one value.
 * @throws FoundationError `insecure` when others could read or replace the file, or it holds under 128 bits;
 *   `invalid-operation` when it can't be read or created
 */
export async function readOrCreateCookie(init: CookieInit = {}): Promise<Cookie> {
  checkKeys('readOrCreateCookie', init, ['path', 'random']);
  const path = resolve(init.path ?? defaultPath());
  try {
    const secret = (await readCookie(path)) ?? (await createCookie(path, init.random ?? systemRandom));
    return { secret, path };
  } catch (error) {
    if (error instanceof FoundationError) throw error;
    throw new FoundationError(
      'invalid-operation',
      `The cookie file ${path} could not be read or created: ${(error as Error).message}. Choose another path, or give the node a secret.`,
      { cause: error },
    );
  }
}

function defaultPath(): string {
  const configured = process.env.XDG_CONFIG_HOME;
  const base = configured === undefined || configured === '' ? join(homedir(), '.config') : configured;
  return join(base, 'foundation', 'cookie');
}

async function readCookie(path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    await checkCookieFile(path, file);
    return toSecret(path, await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

async function checkCookieFile(path: string, file: FileHandle): Promise<void> {
  const stats = await file.stat();
  if (!stats.isFile()) throw new FoundationError('insecure', `The cookie ${path} is not a file; remove it.`);
  const uid = process.getuid?.();
  if (uid === undefined) return;
  if (stats.uid !== uid) {
    throw new FoundationError(
      'insecure',
      `The cookie file ${path} belongs to user ${stats.uid}, and this process runs as user ${uid}; choose another path.`,
    );
  }
  if ((stats.mode & 0o077) !== 0) {
    throw new FoundationError('insecure', `The cookie file ${path} is open to other users; run: chmod 600 '${path}'`);
  }
  await checkFolderOf(path);
}

/** A folder with the sticky bit (`/tmp`) may be open to all: nobody can replace another's file in it. */
async function checkFolderOf(path: string): Promise<void> {
  const folder = dirname(path);
  const stats = await stat(folder);
  if ((stats.mode & 0o1000) !== 0) return;
  checkPrivateFolder(folder, stats, 'the folder of the cookie file');
}

function toSecret(path: string, text: string): Uint8Array {
  const trimmed = text.trim();
  if (trimmed.length < COOKIE_MIN_LENGTH) {
    throw new FoundationError(
      'insecure',
      `The cookie file ${path} holds ${trimmed.length} characters, too few for a secret (at least ${COOKIE_MIN_LENGTH}); remove it, and a new one is made.`,
    );
  }
  return new TextEncoder().encode(trimmed);
}

async function createCookie(path: string, random: Random): Promise<Uint8Array> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await checkFolderOf(path);
  const text = Buffer.from(random.bytes(COOKIE_BYTES)).toString('base64url');
  const draft = `${path}.${randomUUID()}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${text}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // link, unlike rename, fails when somebody else was first: the file appears whole and once
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  const agreed = await readCookie(path);
  if (agreed === undefined) {
    throw new FoundationError('conflict', `The cookie file ${path} was removed while it was being created; try again.`);
  }
  return agreed;
}
