import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readOrCreateCookie } from '../src/index.js';

const run = promisify(execFile);
const child = new URL('./cookie-child.ts', import.meta.url).pathname;

describe('readOrCreateCookie', () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cookie-'));
    path = join(folder, 'config', 'cookie');
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  test('makes a secret of 256 bits in a file that only its owner can read', async () => {
    const cookie = await readOrCreateCookie({ path });
    expect(cookie.path).toBe(path);
    const text = await readFile(path, 'utf8');
    expect(Buffer.from(text, 'base64url')).toHaveLength(32);
    expect(Buffer.from(cookie.secret).toString()).toBe(text.trim());
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'config'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(folder, 'config'))).toEqual(['cookie']);
  });

  test('gives the same secret again, and another one in another file', async () => {
    const first = await readOrCreateCookie({ path });
    expect((await readOrCreateCookie({ path })).secret).toEqual(first.secret);
    expect((await readOrCreateCookie({ path: join(folder, 'other') })).secret).not.toEqual(first.secret);
  });

  test('is found by default under XDG_CONFIG_HOME, otherwise in the home folder', async () => {
    vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'xdg'));
    expect((await readOrCreateCookie()).path).toBe(join(folder, 'xdg', 'foundation', 'cookie'));
    vi.stubEnv('XDG_CONFIG_HOME', '');
    vi.stubEnv('HOME', join(folder, 'home'));
    expect((await readOrCreateCookie()).path).toBe(join(folder, 'home', '.config', 'foundation', 'cookie'));
  });

  test.each([0o640, 0o604, 0o660])('refuses a file of mode %o, and says what to run', async mode => {
    await readOrCreateCookie({ path });
    await chmod(path, mode);
    await expect(readOrCreateCookie({ path })).rejects.toMatchObject({
      code: 'insecure',
      message: expect.stringContaining(`chmod 600 '${path}'`),
    });
  });

  test('refuses a folder in which others can replace the file', async () => {
    await readOrCreateCookie({ path });
    await chmod(join(folder, 'config'), 0o777);
    await expect(readOrCreateCookie({ path })).rejects.toMatchObject({
      code: 'insecure',
      message: expect.stringContaining(`chmod 700 '${join(folder, 'config')}'`),
    });
  });

  test('refuses to make a file in such a folder', async () => {
    await mkdir(join(folder, 'config'));
    await chmod(join(folder, 'config'), 0o777);
    await expect(readOrCreateCookie({ path })).rejects.toMatchObject({ code: 'insecure' });
    expect(await readdir(join(folder, 'config'))).toEqual([]);
  });

  test.runIf(process.getuid?.() === 0)("refuses another user's file", async () => {
    await readOrCreateCookie({ path });
    await chown(path, 12_345, 12_345);
    await expect(readOrCreateCookie({ path })).rejects.toMatchObject({
      code: 'insecure',
      message: expect.stringContaining('belongs to user 12345'),
    });
  });

  test('refuses a file with too little in it', async () => {
    await mkdir(join(folder, 'config'), { mode: 0o700 });
    await writeFile(path, 'short\n', { mode: 0o600 });
    await expect(readOrCreateCookie({ path })).rejects.toMatchObject({ code: 'insecure' });
  });

  test('says which file it could not make', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(readOrCreateCookie({ path: join(folder, 'file', 'cookie') })).rejects.toMatchObject({
      code: 'invalid-operation',
      message: expect.stringContaining(join(folder, 'file', 'cookie')),
    });
  });

  test('never tells the secret in an error', async () => {
    const { secret } = await readOrCreateCookie({ path });
    await chmod(path, 0o644);
    const error = (await readOrCreateCookie({ path }).catch((thrown: unknown) => thrown)) as Error;
    expect(`${error.message}${error.stack}`).not.toContain(Buffer.from(secret).toString());
  });

  test('gives one value to many that ask at once', async () => {
    const cookies = await Promise.all(Array.from({ length: 50 }, () => readOrCreateCookie({ path })));
    expect(new Set(cookies.map(cookie => Buffer.from(cookie.secret).toString())).size).toBe(1);
    expect(await readdir(join(folder, 'config'))).toEqual(['cookie']);
  });

  test('gives one value to eight processes that start at once', { timeout: 60_000 }, async () => {
    const argv = ['--import', 'tsx', '-C', '@foundation-ts/source', child, path];
    const outputs = await Promise.all(Array.from({ length: 8 }, () => run(process.execPath, argv)));
    const secrets = new Set(outputs.map(output => output.stdout));
    expect([...secrets]).toEqual([(await readFile(path, 'utf8')).trim()]);
  });
});
