import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { actor, describeConfiguration, resolveConfiguration, type StartOptions, staticList, tcp } from 'foundation-ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { optionRows } from '../src/configuration-table.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'foundation-configuration-'));
  write('package.json', '{ "name": "shop" }');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

type Env = Record<string, string | undefined>;
const resolve = (given: StartOptions = {}, env: Env = {}, cwd = folder) => resolveConfiguration(given, { env, cwd });
const SECRET = 'a secret of the cluster';

describe('sources', () => {
  test('arguments come before the environment, that before the file, and each leaf says where it comes from', async () => {
    const file = write(
      'foundation.config.json',
      '{ "name": "f", "zone": "f", "roles": ["f"], "threads": { "count": 2, "entry": "t.js" } }',
    );
    const { options, origins, ...rest } = await resolve({ name: 'a', zone: undefined } as unknown as StartOptions, {
      FOUNDATION_NAME: 'e',
      FOUNDATION_ZONE: 'e',
      FOUNDATION_THREADS_COUNT: '3',
    });
    expect(options).toEqual({ name: 'a', zone: 'e', roles: ['f'], threads: { count: 3, entry: 't.js' } });
    expect(Object.fromEntries(origins)).toEqual({
      name: 'argument',
      zone: 'environment',
      roles: 'file',
      'threads.count': 'environment',
      'threads.entry': 'file',
    });
    expect(rest).toEqual({ profile: 'development', file, application: 'shop', warnings: [] });
  });

  test('nothing given: nothing resolved', async () => {
    const { options, origins, file } = await resolve();
    expect([options, origins.size, file]).toEqual([{}, 0, undefined]);
  });

  test('objects and functions of the arguments stay what they are', async () => {
    const given = { transport: tcp(), discovery: [staticList([])], tls: () => ({ cert: '', key: '', ca: '' }) };
    const { options } = await resolve(given, { FOUNDATION_TRANSPORT: 'ws', FOUNDATION_CLUSTER: 'true' });
    expect(options.transport).toBe(given.transport);
    expect(options.discovery).toBe(given.discovery);
    expect(options.tls).toBe(given.tls);
    expect(options.cluster).toBeUndefined();
  });
});

describe('the environment', () => {
  const values: Record<string, [string, unknown]> = {
    name: ['a', 'a'],
    cluster: ['true', true],
    'detect.appName': ['shop', 'shop'],
    'detect.selector': ['app=shop', 'app=shop'],
    'detect.service': ['shop', 'shop'],
    'detect.dnsName': ['shop.example', 'shop.example'],
    'detect.expectedNodes': ['3', 3],
    clusterId: ['c', 'c'],
    host: ['10.0.0.1', '10.0.0.1'],
    port: ['4370', 4370],
    secret: [`${SECRET}, ${SECRET} before`, [SECRET, `${SECRET} before`]],
    transport: ['ws', 'ws'],
    joinTimeout: ['0', 0],
    'threads.entry': ['t.js', 't.js'],
    'threads.count': ['4', 4],
    'threads.hangTimeout': ['100.5', 100.5],
    'threads.startTimeout': ['100', 100],
    'threads.maxOldGenerationSizeMb': ['64', 64],
    roles: ['a, b', ['a', 'b']],
    zone: ['z', 'z'],
    handleSignals: ['false', false],
    log: ['debug', 'debug'],
    strictMessages: ['true', true],
    longMailbox: ['Infinity', Number.POSITIVE_INFINITY],
    slowHandler: ['50', 50],
  };
  const at = (path: string, options: object): unknown =>
    path.split('.').reduce((value: unknown, key) => (value as Record<string, unknown> | undefined)?.[key], options);

  test('every variable is read into its option, and comes from the environment', async () => {
    const rows = optionRows().filter(row => row.variable !== undefined && !row.path.startsWith('tls.'));
    expect(rows.map(row => row.path).sort()).toEqual(expect.arrayContaining(Object.keys(values).sort()));
    for (const { path, variable } of rows) {
      const [text, value] = values[path] ?? (['x', 'x'] as const);
      const { options, origins } = await resolve({}, { [variable as string]: text });
      expect(at(path, options), path).toEqual(value);
      expect([...origins], path).toEqual([[path, 'environment']]);
    }
  });

  test("issue 5's names", () => {
    const variables = optionRows().map(row => row.variable);
    for (const name of [
      'APP_NAME',
      'SECRET',
      'SELECTOR',
      'SERVICE',
      'DNS_NAME',
      'EXPECTED_NODES',
      'CLUSTER_ID',
      'JOIN_TIMEOUT',
    ]) {
      expect(variables).toContain(`FOUNDATION_${name}`);
    }
  });

  test('a single secret is a text', async () => {
    expect((await resolve({}, { FOUNDATION_SECRET: SECRET })).options.secret).toBe(SECRET);
  });

  test('a keyword with its options is JSON', async () => {
    const { options, origins } = await resolve(
      {},
      { FOUNDATION_CLUSTER: '{"strategy":"kubernetes","appName":"shop"}' },
    );
    expect(options.cluster).toEqual({ strategy: 'kubernetes', appName: 'shop' });
    expect(origins.get('cluster.appName')).toBe('environment');
  });

  test('certificates are paths of files, of which none may be missing', async () => {
    const cert = write('cert.pem', 'CERT');
    const key = write('key.pem', 'KEY');
    const ca = write('ca.pem', 'CA');
    const env = { FOUNDATION_TLS_CERT: cert, FOUNDATION_TLS_KEY: key, FOUNDATION_TLS_CA: ca };
    const { options, origins } = await resolve({}, env);
    expect((options.tls as () => unknown)()).toEqual({ cert: 'CERT', key: 'KEY', ca: 'CA' });
    expect(origins.get('tls')).toBe('environment');
    await expect(resolve({}, { FOUNDATION_TLS_CERT: cert, FOUNDATION_TLS_CA: ca })).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringMatching(/FOUNDATION_TLS_KEY.*allowed: the path of a file/),
    });
  });

  test.each([
    [{ FOUNDATION_PORT: '4370x' }, /'FOUNDATION_PORT' is '4370x'; allowed: a whole number, 0 to 65535/],
    [{ FOUNDATION_PORT: '-1' }, /FOUNDATION_PORT/],
    [{ FOUNDATION_PORT: '65536' }, /FOUNDATION_PORT/],
    [{ FOUNDATION_PORT: '0x10' }, /FOUNDATION_PORT/],
    [{ FOUNDATION_PORT: '1e3' }, /FOUNDATION_PORT/],
    [{ FOUNDATION_PORT: ' ' }, /FOUNDATION_PORT.*unset the variable/],
    [{ FOUNDATION_NAME: '' }, /FOUNDATION_NAME.*unset the variable/],
    [{ FOUNDATION_JOIN_TIMEOUT: 'soon' }, /FOUNDATION_JOIN_TIMEOUT.*milliseconds, 0 or more/],
    [{ FOUNDATION_JOIN_TIMEOUT: 'Infinity' }, /FOUNDATION_JOIN_TIMEOUT/],
    [{ FOUNDATION_SLOW_HANDLER: '0' }, /FOUNDATION_SLOW_HANDLER.*more than 0, or Infinity/],
    [{ FOUNDATION_HANDLE_SIGNALS: '1' }, /FOUNDATION_HANDLE_SIGNALS.*true, false/],
    [{ FOUNDATION_STRICT_MESSAGES: 'TRUE' }, /FOUNDATION_STRICT_MESSAGES.*true, false/],
    [{ FOUNDATION_TRANSPORT: 'udp' }, /FOUNDATION_TRANSPORT.*tcp, ws/],
    [{ FOUNDATION_LOG: 'loud' }, /FOUNDATION_LOG.*debug, info, warn, error, silent/],
    [{ FOUNDATION_ROLES: 'a,,b' }, /FOUNDATION_ROLES.*separated by commas/],
    [{ FOUNDATION_EXPECTED_NODES: '0' }, /FOUNDATION_EXPECTED_NODES.*1 or more/],
    [{ FOUNDATION_THREADS_COUNT: '2.5' }, /FOUNDATION_THREADS_COUNT.*1 to 256/],
    [{ FOUNDATION_SECRET: 'short' }, /FOUNDATION_SECRET' is '5 bytes long'/],
    [{ FOUNDATION_SECRET: `${SECRET},` }, /FOUNDATION_SECRET\[1\]' is '0 bytes long'/],
    [
      { FOUNDATION_CLUSTER: '{"strategy":"redis","url":"redis://:hunter2@h"' },
      /FOUNDATION_CLUSTER' is 'no JSON object'/,
    ],
    [{ FOUNDATION_CLUSTER: 'redis://:hunter2@h' }, /FOUNDATION_CLUSTER' is 'neither a word nor JSON'/],
  ])('a wrong value names the variable and what is allowed: %o', async (env, message) => {
    const error = await resolve({}, env).catch((e: Error) => e);
    expect(error).toMatchObject({ code: 'invalid-option', message: expect.stringMatching(message) });
    expect((error as Error).message).not.toContain('hunter2');
  });

  test('an unknown variable is a warning with the nearest name', async () => {
    const { warnings, options } = await resolve({}, { FOUNDATION_PROT: '1', FOUNDATION_COLOUR: 'red', OTHER: 'x' });
    expect(options).toEqual({});
    expect(warnings).toEqual([
      'The environment variable FOUNDATION_PROT means nothing to Foundation and is ignored. Did you mean FOUNDATION_PORT?',
      'The environment variable FOUNDATION_COLOUR means nothing to Foundation and is ignored.',
    ]);
  });

  test('what Kubernetes sets for a service called foundation is none of it', async () => {
    const { warnings, options } = await resolve(
      {},
      {
        FOUNDATION_PORT: 'tcp://10.0.0.1:4370',
        FOUNDATION_PORT_4370_TCP: 'tcp://10.0.0.1:4370',
        FOUNDATION_PORT_4370_TCP_ADDR: '10.0.0.1',
        FOUNDATION_SERVICE_HOST: '10.0.0.1',
        FOUNDATION_SERVICE_PORT: '4370',
        FOUNDATION_SERVICE_PORT_HTTP: '80',
        FOUNDATION_WEB_PORT: 'tcp://10.0.0.2:80',
        FOUNDATION_WEB_SERVICE_HOST: '10.0.0.2',
      },
    );
    expect([options, warnings]).toEqual([{}, []]);
  });
});

describe('the file', () => {
  test.each([
    ['foundation.config.json', '{ "zone": "z" }'],
    ['foundation.config.mjs', 'export default { zone: "z" };'],
    ['foundation.config.js', 'module.exports = { zone: "z" };'],
    ['foundation.config.js', 'export default async () => ({ zone: "z" });'],
  ])('%s: %s', async (name, text) => {
    const path = write(name, text);
    const { options, file } = await resolve();
    expect([options, file]).toEqual([{ zone: 'z' }, path]);
  });

  test('a function is told the profile, at each start', async () => {
    write('foundation.config.mjs', "let n = 0; export default ({ profile }) => ({ zone: profile + '-' + ++n });");
    expect((await resolve({}, { NODE_ENV: 'production' })).options.zone).toBe('production-1');
    expect((await resolve({}, { NODE_ENV: 'staging' })).options.zone).toBe('undefined-2');
  });

  test.each([
    [{ NODE_ENV: 'production' }, 'production', 'p'],
    [{ NODE_ENV: 'test' }, 'test', 'base'],
    [{}, 'development', 'd'],
    [{ NODE_ENV: '' }, 'development', 'd'],
    [{ NODE_ENV: 'staging' }, undefined, 'base'],
    [{ NODE_ENV: 'toString' }, undefined, 'base'],
  ])('the profile is merged over the base: %o', async (env, profile, zone) => {
    write(
      'foundation.config.json',
      '{ "zone": "base", "roles": ["r"], "profiles": { "production": { "zone": "p" }, "development": { "zone": "d" } } }',
    );
    const resolved = await resolve({}, env);
    expect(resolved.profile).toBe(profile);
    expect(resolved.options).toEqual({ zone, roles: ['r'] });
    expect(resolved.origins.get('zone')).toBe(zone === 'base' ? 'file' : `file, profile ${profile}`);
  });

  test('without a file a profile changes nothing: NODE_ENV alone starts no other node', async () => {
    for (const NODE_ENV of ['test', 'production', 'development']) {
      expect((await resolve({ cluster: true }, { NODE_ENV })).options).toEqual({ cluster: true });
    }
  });

  test("the working folder's comes before the application's, which is found from anywhere", async () => {
    const path = write('foundation.config.json', '{ "zone": "application" }');
    const elsewhere = mkdtempSync(join(tmpdir(), 'foundation-elsewhere-'));
    try {
      const script = join(folder, 'src/main.js');
      const from = (cwd: string) => resolveConfiguration({}, { env: {}, cwd, script });
      expect((await from(elsewhere)).file).toBe(path);
      writeFileSync(join(elsewhere, 'foundation.config.json'), '{ "zone": "elsewhere" }');
      expect((await from(elsewhere)).options).toEqual({ zone: 'elsewhere' });
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
    mkdirSync(join(folder, 'src/deep'), { recursive: true });
    expect((await resolve({}, {}, join(folder, 'src/deep'))).file).toBe(path);
  });

  test('FOUNDATION_CONFIG names one, or none', async () => {
    write('foundation.config.json', '{ "zone": "z" }');
    const other = write('deploy/blue.json', '{ "zone": "blue" }');
    expect((await resolve({}, { FOUNDATION_CONFIG: 'deploy/blue.json' })).options).toEqual({ zone: 'blue' });
    expect((await resolve({}, { FOUNDATION_CONFIG: other })).file).toBe(other);
    expect(await resolve({}, { FOUNDATION_CONFIG: 'off' })).toMatchObject({
      options: {},
      file: undefined,
      warnings: [],
    });
    await expect(resolve({}, { FOUNDATION_CONFIG: 'nope.json' })).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringMatching(/FOUNDATION_CONFIG names .*'nope\.json'.*there is no .*nope\.json/),
    });
    await expect(resolve({}, { FOUNDATION_CONFIG: '' })).rejects.toMatchObject({ code: 'invalid-option' });
  });

  test('the caller may name one, or none, whatever the environment says', async () => {
    write('foundation.config.json', '{ "zone": "z" }');
    write('other.json', '{ "zone": "other" }');
    const env = { FOUNDATION_CONFIG: 'nope.json' };
    expect((await resolveConfiguration({}, { env, cwd: folder, file: 'other.json' })).options.zone).toBe('other');
    expect((await resolveConfiguration({}, { env, cwd: folder, file: false })).options).toEqual({});
  });

  test('two in one folder: an error that names both', async () => {
    write('foundation.config.json', '{}');
    write('foundation.config.ts', 'export default {};');
    await expect(resolve()).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/foundation\.config\.ts, .*foundation\.config\.json.*FOUNDATION_CONFIG/),
    });
  });

  test.each([
    [
      'foundation.config.json',
      `{ "secret": "${SECRET}" "zone": 1 }`,
      /can't be used: Expected ',' or '}'.* position \d+/,
    ],
    ['foundation.config.json', `{ "secret": ${SECRET} }`, /can't be used: Unexpected token 'a'/],
    ['foundation.config.json', '', /can't be used: Unexpected end of JSON input/],
    ['foundation.config.json', '[]', /it gives no object; write an object/],
    ['foundation.config.json', '{ "prot": 1 }', /no option 'prot' \(did you mean 'port'\?\)/],
    ['foundation.config.json', '{ "profiles": { "prod": {} } }', /profiles has no option 'prod'/],
    ['foundation.config.json', '{ "profiles": [] }', /'profiles' is no object/],
    ['foundation.config.json', '{ "profiles": { "test": 1 } }', /the profile 'test' is no object/],
    [
      'foundation.config.json',
      '{ "profiles": { "production": { "zoen": 1 } } }',
      /profile production has no option 'zoen'/,
    ],
    [
      'foundation.config.ts',
      `throw Object.assign(new Error('Unknown file extension ".ts"'), { code: 'ERR_UNKNOWN_FILE_EXTENSION' });`,
      /reads no TypeScript\. Run the program under tsx .*Node\.js 22\.18 or later/,
    ],
    ['foundation.config.mjs', 'export const config = {};', /it gives nothing; export an object/],
    [
      'foundation.config.mjs',
      `throw Object.assign(new SyntaxError('Unexpected token'), { stack: "x.mjs:1\\nconst secret = '${SECRET}' oops" });`,
      /Unexpected token \(node --check .* shows where\)/,
    ],
    ['foundation.config.mjs', 'throw new Error("no vault");', /can't be used: no vault/],
    ['foundation.config.mjs', 'export default () => { throw new Error("no vault"); };', /its function threw: no vault/],
    ['foundation.config.mjs', 'import "./nowhere.js"; export default {};', /nowhere\.js/],
  ])('broken: %s %s', async (name, text, message) => {
    const path = write(name, text);
    const error = (await resolve().catch((e: Error) => e)) as Error & { code: string };
    expect(error.code).toBe('invalid-option');
    expect(error.message).toContain(path);
    expect(error.message).toMatch(message);
    for (let at: unknown = error; at instanceof Error; at = at.cause) {
      expect(`${at.stack} ${at.message}`).not.toContain('secret of');
    }
  });
});

describe('the description', () => {
  const key = '-----BEGIN PRIVATE KEY-----';

  test('tells every option, its value and where it comes from', async () => {
    write(
      'foundation.config.json',
      '{ "zone": "z", "profiles": { "production": { "threads": { "entry": "t.js" } } } }',
    );
    const text = describeConfiguration(
      await resolve(
        { discovery: [staticList([])], transport: tcp(), definitions: [actor({ name: 'cart', init: () => ({}) })] },
        { NODE_ENV: 'production', FOUNDATION_PORT: '4370', FOUNDATION_X: '' },
      ),
    );
    const lines = text.split('\n').map(line => line.replace(/ {2,}/g, '  '));
    expect(lines).toEqual(
      expect.arrayContaining([
        'profile: production',
        `file: ${join(folder, 'foundation.config.json')}`,
        "zone  'z'  file",
        "threads.entry  't.js'  file, profile production",
        'threads.count  processors − 1  default',
        'threads.hangTimeout  5000  default',
        'port  4370  environment (FOUNDATION_PORT)',
        "clusterId  'shop'  default",
        'discovery  [ static() ]  argument',
        'transport  tcp (an object)  argument',
        'definitions  [ cart ]  argument',
        'joinTimeout  500  default',
        'secret  none; with cluster the cookie file  default',
        'warning: The environment variable FOUNDATION_X means nothing to Foundation and is ignored.',
      ]),
    );
    // Aligned: the origins begin in one column.
    const columns = text
      .split('\n')
      .filter(line => line.endsWith(' default'))
      .map(line => line.lastIndexOf(' default'));
    expect(new Set(columns).size).toBe(1);
  });

  test('the default that follows from other options', async () => {
    const text = describeConfiguration(await resolve({ cluster: true }, { FOUNDATION_EXPECTED_NODES: '3' }));
    expect(text.replace(/ {2,}/g, '  ')).toContain('joinTimeout  30000  default');
  });

  test('never a secret, a private key or a password', async () => {
    const { warnings: _, ...configuration } = await resolve(
      {
        secret: [SECRET, `${SECRET} before`],
        tls: { cert: 'CERT', key, ca: ['CA'], passphrase: 'hunter2' },
        metadata: { apiKey: 'hunter2', nested: { token: 'hunter2' }, list: [{ password: 'hunter2' }] },
      },
      {
        FOUNDATION_CLUSTER:
          '{"strategy":"gossip","url":"redis://u:hunter2/x@host:1/0?password=hunter2&a=b","auth":{"username":"u","password":"hunter2"}}',
      },
    );
    const text = describeConfiguration({ ...configuration, warnings: [] });
    for (const hidden of ['secret of', 'hunter2', key, 'CERT']) expect(text).not.toContain(hidden);
    expect(text).toMatch(/^secret +\[\(set, 23 bytes\), \(set, 30 bytes\)\] +argument$/m);
    expect(text).toMatch(/^tls\.key +\(set, 27 bytes\) +argument$/m);
    expect(text).toMatch(/^tls\.passphrase +\(set, 7 bytes\)/m);
    expect(text).toMatch(/^cluster\.url +'redis:\/\/\*\*\*@host:1\/0\?password=\*\*\*&a=b' +environment/m);
    expect(text).toMatch(/^cluster\.auth\.password +\(set, 7 bytes\)/m);
  });
});
