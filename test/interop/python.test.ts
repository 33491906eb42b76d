import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { actor, type FoundationNode, startNode } from 'foundation-ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../support/until.js';

const client = fileURLToPath(new URL('client.py', import.meta.url));
const secret = 'known-to-the-node-and-to-python';
const clusterId = 'interop';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const give = (length: number): Uint8Array => new Uint8Array(length).map((_, index) => (index * 31) % 251);

const Greeter = actor({
  name: 'greeter',
  init: () => ({}),
  calls: { greet: (_s, who: string) => `Hello, ${who}`, self: (_s, _: void, ctx) => ctx.self },
});
const Vault = actor({
  name: 'vault',
  init: (start: { readonly owner: string }) => ({ ...start, has: undefined as unknown }),
  calls: {
    look: s => [s.owner, s.has],
    give: (_s, length: number) => give(length),
    take: (_s, bytes: Uint8Array) => sha256(bytes),
  },
  casts: {
    put: (s, what: unknown) => {
      s.has = what;
    },
    end: (_s, _: void, ctx) => ctx.stop('shutdown'),
  },
});

interface Told {
  readonly [label: string]: unknown;
  /** Digest, fragments, times that credit was given. */
  readonly received?: readonly [string, number, number];
  /** Whether it arrived whole, times that credit was waited for. */
  readonly sent?: readonly [boolean, number];
  /** Heartbeats, pings, calls. */
  readonly answered?: readonly [number, number, number];
}

interface Ran {
  /** What was printed, by its label. */
  readonly told: Told;
  readonly errors: string;
  readonly code: number | null;
}

/** Runs the client to its end. */
function run(what: 'show' | 'stay', port: number): Promise<Ran> {
  return new Promise(resolve => {
    const child = execFile(
      'python3',
      [client, what, '127.0.0.1', String(port), clusterId],
      { env: { ...process.env, FOUNDATION_SECRET: secret, PYTHONDONTWRITEBYTECODE: '1' }, timeout: 30_000 },
      (_error, stdout, errors) => {
        const lines = stdout.trim().split('\n').filter(Boolean);
        const told = lines.map(line => [
          line.slice(0, line.indexOf(': ')),
          JSON.parse(line.slice(line.indexOf(': ') + 2)),
        ]);
        resolve({ told: Object.fromEntries(told), errors, code: child.exitCode });
      },
    );
  });
}

/** The listener's hello, in a frame, after that of the dialler. */
function imitated(hello: Buffer): Buffer {
  const own = Buffer.from(hello);
  own[4 + 7] = 2;
  own.fill(7, 4 + 9, 4 + 41);
  return own;
}

function hasPython(): boolean {
  try {
    execFileSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))']);
    return true;
  } catch {
    console.log('test/interop: skipped, since there is no python3 of version 3.8 or later on the PATH');
    return false;
  }
}

describe.skipIf(!hasPython())('a client in Python, written from docs/wire.md', () => {
  let node: FoundationNode;
  let port: number;
  let events: string[];
  beforeEach(async () => {
    node = await startNode({
      name: 'main',
      clusterId,
      secret,
      port: 0,
      joinTimeout: 0,
      definitions: [Vault],
      handleSignals: false,
      log: 'silent',
    });
    port = node.address?.port as number;
    events = [];
    void (async () => {
      for await (const { type, member } of node.membership()) events.push(`${type} ${member.name}`);
    })();
    await node.spawn(Greeter(), { name: 'greeter' });
  });
  afterEach(() => node.stop());

  test('calls, casts, spawns, sends and receives under credit, monitors, and leaves in order', async () => {
    const { told, errors, code } = await run('show', port);
    expect(errors).toBe('');
    expect(code).toBe(0);
    expect(told).toEqual({
      'wrong secret': 'auth-failed',
      'wrong cluster': 'wrong-cluster',
      'connected with': 'main',
      call: 'Hello, Ada',
      resolved: ['main', true],
      'call by pid': 'Hello, Grace',
      'no such operation': 'invalid-operation',
      'nobody there': 'noproc',
      spawned: ['python', [1, -2, 2 ** 40, 2.5, null, true, 'ü', { a: [] }]],
      received: [sha256(give(5 * 1024 * 1024)), 81, expect.any(Number)],
      sent: [true, expect.any(Number)],
      down: 'shutdown',
      'down, who is gone already': 'noproc',
      answered: [expect.any(Number), expect.any(Number), expect.any(Number)],
      closed: [1, 1],
    });
    // 5 MiB and 3 MiB through windows of 256 KiB.
    expect(told.received?.[2]).toBeGreaterThanOrEqual(20);
    expect(told.sent?.[1]).toBeGreaterThanOrEqual(1);
    const [heartbeats, pings, calls] = told.answered ?? [];
    expect(heartbeats).toBeGreaterThanOrEqual(2);
    expect(pings).toBeGreaterThanOrEqual(2);
    expect(calls).toBeGreaterThanOrEqual(1);
    await until(
      () => events.length >= 3,
      () => `the node to see it go: ${events.join()}`,
    );
    expect(events).toEqual(['up python', 'leaving python', 'left python']);
    expect(node.members().map(member => member.name)).toEqual(['main']);
  });

  test('stays a member, and closes in order when the node stops', async () => {
    const running = run('stay', port);
    await until(
      () => node.members().some(member => member.name === 'python-stays' && member.reachable),
      () => 'the client to be a member',
    );
    // One other member is to hold a name, unless there is none that holds names.
    const greeter = await node.spawn(Greeter());
    expect(await node.registry.register('greeters/1', greeter)).toEqual({ acked: 0 });
    await node.stop();
    expect(await running).toEqual({ told: { 'connected with': 'main', closed: [1, 1] }, errors: '', code: 0 });
  });

  test('refuses a listener that does not know the secret', async () => {
    const sent: Buffer[] = [];
    const server = createServer((socket: Socket) => {
      let frames = 0;
      socket.on('data', (data: Buffer) => {
        sent.push(data);
        frames++;
        if (frames === 1) socket.write(imitated(data));
        if (frames === 2) socket.write(Buffer.from(`0000002546444e3102${'00'.repeat(32)}`, 'hex'));
      });
    }).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const ran = await run('stay', (server.address() as AddressInfo).port);
      expect(ran).toEqual({ told: {}, errors: "auth-failed: the listener's proof is wrong\n", code: 1 });
      expect(Buffer.concat(sent).subarray(-10).toString('hex')).toBe('0000000646444e310301');
    } finally {
      server.close();
    }
  });
});
