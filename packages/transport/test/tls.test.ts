import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { FoundationError, silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import { transportSuite } from '@foundation-ts/testing/transport-suite';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Authority } from '../../../test/support/certificates.js';
import { createCodec, Endpoint, type EndpointInit, type Peer, type Transport } from '../src/index.js';
import { tcp } from '../src/tcp/index.js';
import { certifiedBy, identityOf, namesNode } from '../src/tls/identity.js';
import { type TlsOptions, type TlsProvider, tlsFiles } from '../src/tls/index.js';
import { ws } from '../src/ws/index.js';

const ours = new Authority('our authority');
const theirs = new Authority('their authority');
const a = ours.issue('DNS:a');
const b = ours.issue('DNS:b');
afterAll(() => {
  ours.dispose();
  theirs.dispose();
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map(close => close()));
});

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within 10 s: ${what}`);
    await new Promise(resolve => setImmediate(resolve));
  }
}

interface Served {
  readonly endpoint: Endpoint;
  readonly peers: Peer[];
  readonly messages: unknown[];
  readonly closed: (Error | undefined)[];
  readonly warnings: string[];
}

function node(name: string, transport: Transport, over: Partial<EndpointInit> = {}): Served {
  const served = { peers: [], messages: [], closed: [], warnings: [] } as unknown as Served;
  const endpoint = new Endpoint({
    self: { name, incarnation: 1, clusterId: 'test' },
    transport,
    codec: createCodec(),
    clock: systemClock,
    random: systemRandom,
    log: { ...silentLog, warn: (_fields, text) => served.warnings.push(text) },
    telemetry: new Telemetry(name),
    onPeer: peer => served.peers.push(peer),
    onMessage: (_peer, _channel, message) => served.messages.push(message),
    onPeerClosed: (_peer, reason) => served.closed.push(reason),
    ...over,
  });
  closers.push(() => endpoint.close());
  return Object.assign(served, { endpoint });
}

async function failure(promise: Promise<unknown>): Promise<FoundationError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FoundationError);
  return error as FoundationError;
}

const here = { host: '127.0.0.1', port: 0 };

transportSuite('tcp with TLS', { transport: () => tcp({ tls: a }) });
transportSuite('ws with TLS', { transport: () => ws({ tls: a }) });

describe.each([
  ['tcp', (tls?: TlsOptions | TlsProvider) => tcp(tls === undefined ? {} : { tls })],
  ['ws', (tls?: TlsOptions | TlsProvider) => ws(tls === undefined ? {} : { tls })],
])('mutual TLS over %s', (protocol, transport) => {
  test('lets nodes with certificates of their names hold a session, without any secret', async () => {
    const left = node('a', transport(a));
    const right = node('b', transport(b));
    const peer = await left.endpoint.dial(await right.endpoint.listen(here));
    peer.send('data', new Uint8Array(3_000_000).fill(7));
    peer.send('data', 'hello');
    await until(() => right.messages.length === 2, 'both messages');
    expect(peer.identity.name).toBe('b');
    await left.endpoint.close();
    await until(() => right.closed.length === 1, 'the close');
    expect(right.closed).toEqual([undefined]);
  });

  test('lets nodes in whose certificates have alternative names alone', async () => {
    const right = node('b', transport(ours.issue('DNS:b', { subject: '/' })));
    const left = node('a', transport(ours.issue('DNS:a', { subject: '/' })));
    expect((await left.endpoint.dial(await right.endpoint.listen(here))).identity.name).toBe('b');
  });

  test('tells both sides what the certificate of the other one proves, and of a session that stands what it proved', async () => {
    let mine = ours.issue('DNS:b,URI:foundation:role/ops,URI:foundation:role/shard%201');
    const plain = transport(() => mine);
    expect(plain.security?.roles()).toEqual(['ops', 'shard 1']);
    const right = node('b', plain);
    const left = node('a', transport(a));
    const peer = await left.endpoint.dial(await right.endpoint.listen(here));
    expect(peer.identity).toMatchObject({ certificate: { names: ['b'], roles: ['ops', 'shard 1'] }, local: false });
    await until(() => right.peers.length === 1, 'the session at the other end');
    expect(right.peers[0]?.identity).toMatchObject({ certificate: { names: ['a'], roles: [] }, local: false });
    mine = ours.issue('DNS:b,URI:foundation:role/worker');
    right.endpoint.openChannel({ name: 'late' });
    left.endpoint.openChannel({ name: 'late' });
    const third = node('c', transport(ours.issue('DNS:c')));
    const renewed = await third.endpoint.dial(right.endpoint.address as NonNullable<typeof right.endpoint.address>);
    expect(renewed.identity.certificate?.roles).toEqual(['worker']);
    expect(peer.open).toBe(true);
    expect(peer.identity.certificate?.roles).toEqual(['ops', 'shard 1']);
  });

  test('refuses a node that claims a name which its certificate does not give it', async () => {
    const left = node('c', transport(ours.issue('DNS:c')));
    const right = node('b', transport(b));
    const impostor = node('a', spoofed(transport(b)));
    const address = await right.endpoint.listen(here);
    await left.endpoint.dial(address);
    const error = await failure(impostor.endpoint.dial(address));
    expect(error).toMatchObject({ code: 'auth-failed' });
    expect(error.message).toMatch(/the certificate of this node does not name 'a'/);
    await until(() => right.warnings.length > 0, 'a warning');
    expect(right.warnings.join()).toMatch(/calls itself 'a', but its certificate is for 'b'/);
    expect(right.peers.length).toBe(1);
  });

  test('does not take the node that it dials for another one than its certificate says', async () => {
    const impostor = node('a', spoofed(transport(b)));
    const address = await impostor.endpoint.listen(here);
    const error = await failure(node('c', transport(ours.issue('DNS:c'))).endpoint.dial(address));
    expect(error).toMatchObject({ code: 'auth-failed' });
    expect(error.message).toMatch(/calls itself 'a', but its certificate is for 'b'/);
  });

  test.each<[string, () => TlsOptions, RegExp]>([
    ['an expired certificate', () => ours.issue('DNS:a', { days: -1 }), /expired on .* Renew it/],
    [
      'a certificate of another authority',
      () => ({ ...theirs.issue('DNS:a'), ca: ours.ca }),
      /an authority that this node does not trust \(CN=their authority\)/,
    ],
    [
      'a certificate of another authority that names nobody',
      () => ({ ...theirs.issue('DNS:a', { subject: '/' }), ca: ours.ca }),
      /its certificate \(without a subject\) is of an authority that this node does not trust/,
    ],
    [
      'a certificate that is for servers only',
      () => ours.issue('DNS:a', { ext: 'extendedKeyUsage=serverAuth' }),
      /not for this use.*clientAuth/,
    ],
  ])('refuses to be dialled with %s, and both sides say so', async (_what, credentials, why) => {
    const right = node('b', transport(b));
    const error = await failure(node('a', transport(credentials())).endpoint.dial(await right.endpoint.listen(here)));
    expect(error).toMatchObject({ code: 'auth-failed' });
    expect(error.message).toMatch(/did not accept the certificate of this node/);
    await until(() => right.warnings.length > 0, 'a warning');
    expect(right.warnings.join()).toMatch(why);
    expect(right.peers).toEqual([]);
  });

  test('refuses a certificate that its authority has withdrawn', async () => {
    const withdrawn = ours.issue('DNS:a');
    const right = node('b', transport({ ...b, crl: ours.withdraw(withdrawn) }));
    const address = await right.endpoint.listen(here);
    await node('c', transport(ours.issue('DNS:c'))).endpoint.dial(address);
    expect(await failure(node('a', transport(withdrawn)).endpoint.dial(address))).toMatchObject({
      code: 'auth-failed',
    });
    await until(() => right.warnings.length > 0, 'a warning');
    expect(right.warnings.join()).toMatch(/was withdrawn by its authority/);
  });

  test.each<[string, () => TlsOptions, RegExp]>([
    ['an expired certificate', () => ours.issue('DNS:b', { days: -1 }), /expired on .* Renew it/],
    [
      'a certificate of another authority',
      () => ({ ...theirs.issue('DNS:b'), ca: ours.ca }),
      /an authority that this node does not trust.*Add that authority to this node's tls\.ca/,
    ],
    [
      'an expired certificate that names nobody',
      () => ours.issue('DNS:b', { days: -1, subject: '/' }),
      /its certificate \(without a subject\) expired on/,
    ],
  ])('refuses to dial a node with %s', async (_what, credentials, why) => {
    const address = await node('b', transport(credentials())).endpoint.listen(here);
    const error = await failure(node('a', transport(a)).endpoint.dial(address));
    expect(error).toMatchObject({ code: 'auth-failed' });
    expect(error.message).toMatch(why);
  });

  test('refuses nodes without TLS, and says to those with TLS that the other side may have none', async () => {
    const secured = node('b', transport(b));
    const plain = node('a', transport());
    const toSecured = await secured.endpoint.listen(here);
    const toPlain = await plain.endpoint.listen(here);
    expect((await failure(plain.endpoint.dial(toSecured, { timeout: 3_000 }))).code).toBe('noconnection');
    const error = await failure(secured.endpoint.dial(toPlain, { timeout: 3_000 }));
    expect(error.code).toBe('noconnection');
    expect(error.message).toMatch(/Does the other node use TLS too/);
    if (protocol === 'ws') return; // Node's server for HTTP closes it
    await until(() => plain.warnings.length > 0, 'a warning of the node without TLS');
    expect(plain.warnings.join()).toMatch(/It speaks TLS: give this node 'tls' too/);
  });

  test('demands the secret too when there is one', async () => {
    const right = node('b', transport(b), { secret: new Uint8Array(32).fill(1) });
    const address = await right.endpoint.listen(here);
    const wrong = node('a', transport(a), { secret: new Uint8Array(32).fill(2) });
    expect(await failure(wrong.endpoint.dial(address))).toMatchObject({ code: 'auth-failed' });
    const good = node('a', transport(a), { secret: new Uint8Array(32).fill(1) });
    expect((await good.endpoint.dial(address)).identity.name).toBe('b');
  });

  test('uses new certificates for new connections, and lets those that stand be', async () => {
    let mine = ours.issue('DNS:b');
    const right = node(
      'b',
      transport(() => mine),
    );
    const address = await right.endpoint.listen(here);
    const left = node('a', transport(a));
    const peer = await left.endpoint.dial(address);
    // The new one is of an authority that only those who know both trust.
    mine = { ...theirs.issue('DNS:b'), ca: [ours.ca, theirs.ca] };
    const late = node('c', transport(ours.issue('DNS:c')));
    expect(await failure(late.endpoint.dial(address))).toMatchObject({ code: 'auth-failed' });
    // As of a file that two were written into.
    const knowsBoth = node('d', transport({ ...ours.issue('DNS:d'), ca: `${ours.ca}${theirs.ca}` }));
    expect((await knowsBoth.endpoint.dial(address)).identity.name).toBe('b');
    peer.send('data', 'still there');
    await until(() => right.messages.length === 1, 'a message on the old session');
    expect([left.closed, right.closed]).toEqual([[], []]);
  });

  test('reports a provider that gives nothing of use, keeps what stands, and recovers', async () => {
    let broken = false;
    const right = node(
      'b',
      transport(() => {
        if (broken) throw new Error('the vault is sealed');
        return b;
      }),
    );
    const address = await right.endpoint.listen(here);
    const left = node('a', transport(a));
    const peer = await left.endpoint.dial(address);
    broken = true;
    const late = node('c', transport(ours.issue('DNS:c')));
    expect((await failure(late.endpoint.dial(address))).code).toBe('noconnection');
    await until(() => right.warnings.length > 0, 'a warning');
    expect(right.warnings.join()).toMatch(/the vault is sealed/);
    broken = false;
    await late.endpoint.dial(address);
    expect(peer.open).toBe(true);
  });

  test('closes strangers who never finish the TLS handshake', async () => {
    const right = node('b', transport(b));
    const address = await right.endpoint.listen(here);
    const strangers = Array.from({ length: 300 }, () => connectTcp(address.port, address.host));
    let gone = 0;
    for (const stranger of strangers) {
      stranger.on('error', () => {});
      stranger.on('close', () => gone++);
      stranger.resume();
      closers.push(() => stranger.destroy());
    }
    await until(() => gone >= 300 - 256, 'all but 256 were dropped');
    const left = node('a', transport(a));
    await left.endpoint.dial(address);
    await until(() => gone === 300, 'the rest was dropped in time');
  });
});

describe('mutual TLS', () => {
  test('speaks nothing older than TLS 1.3', async () => {
    const address = await node('b', tcp({ tls: b })).endpoint.listen(here);
    const { cert, key, ca } = a as { cert: string; key: string; ca: string };
    const socket = connectTls({ port: address.port, host: address.host, cert, key, ca, maxVersion: 'TLSv1.2' });
    const error = await new Promise<Error>(resolve => {
      socket.once('error', resolve);
    });
    expect(error.message).toMatch(/alert|version/);
  });

  test('tells a client without a certificate that it needs one', async () => {
    const right = node('b', tcp({ tls: b }));
    const address = await right.endpoint.listen(here);
    const socket = connectTls({ port: address.port, host: address.host, rejectUnauthorized: false });
    const chunks: Buffer[] = [];
    socket.on('data', chunk => chunks.push(chunk));
    socket.on('error', () => {});
    await new Promise(resolve => {
      socket.once('close', resolve);
    });
    // A frame of six bytes: the magic, "rejected", "certificate".
    expect(Buffer.concat(chunks).toString('hex')).toBe('0000000646444e310305');
    await until(() => right.warnings.length > 0, 'a warning');
    expect(right.warnings.join()).toMatch(/showed no certificate/);
  });

  test('notices someone in between who ends TLS on both sides with a certificate of the right name', async () => {
    const right = node('b', tcp({ tls: b }), { secret: new Uint8Array(32).fill(1) });
    const address = await right.endpoint.listen(here);
    const between = await middleman(address.port);
    const left = node('a', tcp({ tls: a }), { secret: new Uint8Array(32).fill(1) });
    const error = await failure(left.endpoint.dial({ protocol: 'tcp', host: '127.0.0.1', port: between }));
    expect(error).toMatchObject({ code: 'auth-failed' });
    expect(right.peers).toEqual([]);
  });

  test('checks at the start that the certificate is of the node', () => {
    expect(() => node('x', tcp({ tls: a }))).toThrow(
      /tls\.cert is the certificate of 'a', and this node is called 'x'/,
    );
  });

  test.each<[string, unknown, RegExp]>([
    ['no options', 'PRIVATE KEY', /Option 'tls' is 'a value of type string'; allowed: \{ cert, key, ca \}/],
    ['no certificate', { key: a.key, ca: a.ca }, /tls\.cert.*this node's certificate, in PEM form/],
    ['no authority', { cert: a.cert, key: a.key }, /tls\.ca/],
    ['a path', { ...a, cert: '/etc/node.pem' }, /tls\.cert holds no certificate.*not its path/],
    ['a key of another certificate', { ...a, key: b.key }, /tls\.key belongs to another certificate/],
    ['an unknown option', { ...a, cipher: 'x' }, /cipher/],
  ])('says what is wrong with %s, without the key', (_what, tls, message) => {
    for (const make of [tcp, ws]) {
      let error: Error | undefined;
      try {
        make({ tls: tls as TlsOptions });
      } catch (thrown) {
        error = thrown as Error;
      }
      expect(error).toMatchObject({ code: 'invalid-option' });
      expect(error?.message).toMatch(message);
      expect(error?.message).not.toContain('PRIVATE');
    }
  });

  test('does not show a key that was given in place of its path', () => {
    const { cert, key, ca } = a as { cert: string; key: string; ca: string };
    let error: Error | undefined;
    try {
      tlsFiles({ cert: 'a.pem', key, ca: 'ca.pem' })();
    } catch (thrown) {
      error = thrown as Error;
    }
    expect(error).toMatchObject({ code: 'invalid-option' });
    expect(error?.message).toMatch(/'key' is 'a text in PEM form'; allowed: the path of a file/);
    expect(error?.message).not.toContain('PRIVATE');
    expect(() => tlsFiles({ cert, key: 'a.key', ca })).toThrow(/'cert' is 'a text in PEM form'/);
  });

  test('reads files again when they were replaced', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tls-files-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const write = (options: TlsOptions): void => {
      for (const file of ['cert', 'key', 'ca'] as const) {
        writeFileSync(join(folder, `${file}.new`), options[file] as string);
        renameSync(join(folder, `${file}.new`), join(folder, file));
      }
    };
    write(a);
    const provider = tlsFiles({ cert: join(folder, 'cert'), key: join(folder, 'key'), ca: join(folder, 'ca') });
    expect(provider()).toEqual(a);
    expect(provider()).toBe(provider());
    write(b);
    expect(provider()).toEqual(b);
    rmSync(join(folder, 'key'));
    expect(() => provider()).toThrow(/tls\.key: the file '.*key' can't be read \(ENOENT\)/);
  });
});

describe('the names in a certificate', () => {
  test.each<[string, string | undefined, string | undefined, string[]]>([
    ['DNS names', 'DNS:a, DNS:b.shop', 'c', ['a', 'b.shop']],
    ['URIs', 'URI:foundation:caf%C3%A9', 'c', ['foundation:caf%C3%A9', 'café']],
    ['the common name, if there is nothing else', undefined, 'c', ['c']],
    ['the common name beside IP addresses', 'IP Address:127.0.0.1', 'c', ['c']],
    ['values in quotes, which are one', 'DNS:"a, DNS:evil", DNS:b', 'c', ['a, DNS:evil', 'b']],
    ['nothing after what is malformed', 'DNS:a, DNS:"b', 'c', ['a']],
    ['nobody', undefined, undefined, []],
  ])('are %s', (_what, subjectaltname, CN, expected) => {
    const certificate = { subject: { CN }, subjectaltname } as unknown as Parameters<typeof identityOf>[0];
    expect(identityOf(certificate)).toEqual(expected);
  });

  test.each<[string, string, string[], string[]]>([
    [
      'are those of its role URIs',
      'DNS:a, URI:foundation:role/ops, URI:foundation:role/caf%C3%A9',
      ['a'],
      ['ops', 'café'],
    ],
    ['give no name: the common name counts', 'URI:foundation:role/ops', ['c'], ['ops']],
    ['in any case of the scheme', 'DNS:a, URI:Foundation:Role/ops', ['a'], ['ops']],
    [
      'not in quotes, which are one URI',
      'DNS:a, URI:"foundation:role/x, URI:foundation:role/ops"',
      ['a'],
      ['x, URI:foundation:role/ops'],
    ],
    ['not of DNS names', 'DNS:a, DNS:foundation:role/ops', ['a', 'foundation:role/ops'], []],
    ['not of other URIs', 'URI:spiffe://shop/foundation:role/ops', ['spiffe://shop/foundation:role/ops'], []],
    [
      'not where the encoding is wrong, or nothing is there',
      'DNS:a, URI:foundation:role/%zz, URI:foundation:role/',
      ['a'],
      [],
    ],
    ['not of a node whose name looks like one', 'URI:foundation:role%2Fops', ['foundation:role%2Fops', 'role/ops'], []],
    ['not after what is malformed', 'DNS:a, DNS:"b, URI:foundation:role/ops', ['a'], []],
  ])('and its roles %s', (_what, subjectaltname, names, roles) => {
    const certificate = { subject: { CN: 'c' }, subjectaltname } as unknown as Parameters<typeof certifiedBy>[0];
    expect(certifiedBy(certificate)).toEqual({ names, roles });
  });

  test.each<[string[], string, boolean]>([
    [['a'], 'a', true],
    [['a'], 'A', false],
    [['a'], 'ab', false],
    [['*.shop'], 'a.shop', true],
    [['*.shop'], 'a.b.shop', false],
    [['*.shop'], '.shop', false],
    [['*.shop'], 'shop', false],
    [['*'], 'a', false],
    [['*.'], 'a.', false],
    [[], 'a', false],
  ])('%j, for a node %j: %j', (identity, name, expected) => {
    expect(namesNode(identity, name)).toBe(expected);
  });
});

/** A transport that says nothing of its own certificate, so that the endpoint takes any name. */
function spoofed(transport: Transport): Transport {
  return {
    protocol: transport.protocol,
    listen: options => transport.listen(options),
    dial: (to, options) => transport.dial(to, options),
  };
}

/** Has stolen the keys of both nodes, and not their secret. */
async function middleman(target: number): Promise<number> {
  const strings = (options: TlsOptions) => ({ cert: String(options.cert), key: String(options.key) });
  const server = createTlsServer({ ...strings(b), requestCert: true, rejectUnauthorized: false }, left => {
    const right = connectTls({ port: target, host: '127.0.0.1', ...strings(a), rejectUnauthorized: false });
    left.pipe(right).pipe(left);
    left.on('error', () => right.destroy());
    right.on('error', () => left.destroy());
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closers.push(() => server.close());
  return (server.address() as { port: number }).port;
}
