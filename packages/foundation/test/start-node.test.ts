import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Log, silentLog } from '@foundation-ts/core';
import {
  actor,
  child,
  FoundationError,
  type FoundationNode,
  type StartOptions,
  startNode,
  staticList,
  tcp,
  topic,
} from 'foundation-ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const Counter = actor({
  name: 'counter',
  init: (start: number) => ({ count: start }),
  calls: {
    get: s => s.count,
    add: (s, n: number) => (s.count += n),
    node: (_s, _p: void, ctx) => ctx.node.name,
  },
});
const Other = actor({ name: 'other', init: () => ({}) });

const nodes: FoundationNode[] = [];
let home: string;
const savedHome = process.env.XDG_CONFIG_HOME;
const start = async (options: StartOptions): Promise<FoundationNode> => {
  const node = await startNode({ log: 'silent', handleSignals: false, ...options });
  nodes.push(node);
  return node;
};
const lines = (): { log: Log; lines: string[] } => {
  const found: string[] = [];
  const add = (fields: Readonly<Record<string, unknown>>, message: string): void => {
    found.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { log: { ...silentLog, info: add, warn: add, error: add }, lines: found };
};
const formed = (...all: FoundationNode[]): Promise<void> =>
  expect
    .poll(() => all.map(node => node.members().filter(member => member.reachable).length), { timeout: 10_000 })
    .toEqual(all.map(() => all.length)) as unknown as Promise<void>;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'foundation-facade-'));
  process.env.XDG_CONFIG_HOME = home;
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(node => node.stop({ timeout: 1_000 })));
  rmSync(home, { recursive: true, force: true });
  if (savedHome === undefined) delete process.env.XDG_CONFIG_HOME;
  else process.env.XDG_CONFIG_HOME = savedHome;
});

describe('a node alone', () => {
  test('runs actors, supervisors, names, topics, without listening', async () => {
    const node = await start({ definitions: [Counter] });
    const counter = await node.spawn(Counter(3));
    expect(await counter.call('add', 2)).toBe(5);
    expect(await counter.call('node')).toBe(node.name);
    const shards = await node.distributedSupervisor('shards');
    const ref = await shards.startChild(child(Counter(1), { id: 'one' }));
    expect(await ref.call('get')).toBe(1);
    expect(await node.via(Counter, 'one').call('add', 1)).toBe(2);
    const Said = topic<string>('said');
    const subscription = node.pubsub.subscribe(Said);
    node.pubsub.broadcast(Said, 'hello');
    for await (const said of subscription) {
      expect(said).toBe('hello');
      break;
    }
    expect(node.address?.protocol).toBe('memory');
    expect(node.members()).toHaveLength(1);
  });

  test('a package.json that is no JSON names no application', async () => {
    const script = process.argv[1] as string;
    writeFileSync(join(home, 'package.json'), '{ "name": ');
    process.argv[1] = join(home, 'main.js');
    try {
      expect((await start({})).clusterId).not.toBe('');
    } finally {
      process.argv[1] = script;
    }
  });

  test('disposing stops it; what is asked of it then says so', async () => {
    const node = await start({});
    await node.stop();
    await node.stop();
    await expect(node.supervise({} as never)).rejects.toMatchObject({ code: 'stopped' });
    await expect(node.spawn(Counter(1))).rejects.toMatchObject({ code: 'stopped' });
  });
});

describe('signals', () => {
  test('a node that has stopped is no longer listening for them, however it came to stop', async () => {
    const before = process.listenerCount('SIGTERM');
    const first = await start({ handleSignals: true });
    const second = await start({ handleSignals: true });
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    await first.stop();
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    await second.cluster.stop();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});

describe('mortal mode', () => {
  test('nodes of one application find each other, and say how', async () => {
    const { log, lines: said } = lines();
    const clusterId = `t-${process.pid}-${Math.floor(performance.now())}`;
    const a = await start({ cluster: true, clusterId, definitions: [Counter], log });
    const b = await start({ cluster: true, clusterId, definitions: [Counter] });
    await formed(a, b);
    const far = await a.spawn(Counter(1), { on: b.name });
    expect(far.pid.node).toBe(b.name);
    expect(await far.call('add', 1)).toBe(2);
    expect(said.filter(line => line.startsWith('cluster: '))).toEqual([
      expect.stringMatching(/Kubernetes: no, KUBERNETES_SERVICE_HOST is not set/),
      expect.stringMatching(/DNS: no, neither FOUNDATION_DNS_NAME nor FLY_APP_NAME is set/),
      expect.stringMatching(/cookie file .*FOUNDATION_SECRET="\$\(cat /),
      expect.stringMatching(/same host: on/),
      expect.stringMatching(/mDNS: on, on loopback only, because the node binds 127\.0\.0\.1/),
      expect.stringMatching(/UDP gossip: on, on loopback only, because the node binds 127\.0\.0\.1/),
    ]);
  });

  test('a node that joins later knows what runs already when it has started', async () => {
    const clusterId = `j-${process.pid}-${Math.floor(performance.now())}`;
    const a = await start({ cluster: true, clusterId, definitions: [Counter] });
    const first = await a.distributedSupervisor('counters');
    await first.startChild(child(Counter(0), { id: 'hits' }));
    await a.via(Counter, 'hits').call('add', 100);
    const b = await start({ cluster: true, clusterId, definitions: [Counter] });
    const second = await b.distributedSupervisor('counters');
    await expect(second.startChild(child(Counter(0), { id: 'hits' }))).rejects.toMatchObject({
      code: 'already-started',
    });
    expect(await b.via(Counter, 'hits').call('add', 100)).toBe(200);
  });

  test('other applications are not met', async () => {
    const stamp = `${process.pid}-${Math.floor(performance.now())}`;
    const a = await start({ cluster: true, clusterId: `x-${stamp}` });
    const b = await start({ cluster: true, clusterId: `y-${stamp}` });
    const c = await start({ cluster: true, clusterId: `x-${stamp}` });
    await formed(a, c);
    expect(b.members()).toHaveLength(1);
  });
});

describe('what is wrong is said clearly', () => {
  const codeAndMessage = async (promise: Promise<unknown>): Promise<string> => {
    const error = await promise.then(
      () => undefined,
      e => e as FoundationError,
    );
    expect(error).toBeInstanceOf(FoundationError);
    return `${error?.code}: ${error?.message}`;
  };

  test('a keyword in place of the options', async () => {
    expect(await codeAndMessage(startNode('gossip' as never))).toMatch(
      /^invalid-option: Option 'options' is 'gossip'; allowed: an object of options, such as \{ cluster/,
    );
  });

  test.each([
    [
      { clutser: true },
      /^invalid-option: startNode\(\) has no option 'clutser' \(did you mean 'cluster'\?\); allowed: name, cluster/,
    ],
    [{ cluster: 'yes' }, /^invalid-option: Option 'cluster' is 'yes'; allowed: true, false/],
    [{ port: 70_000 }, /^invalid-option: Option 'port' is 70000; allowed: 0 to 65535/],
    [
      { host: '0.0.0.0' },
      /^invalid-option: Option 'host' is '0\.0\.0\.0'; allowed: an address at which the other nodes can dial/,
    ],
    [
      { secret: 'short' },
      /^invalid-option: Option 'secret' is '5 bytes long'; allowed: 16 bytes or more, random: openssl rand/,
    ],
    [{ channels: ['bulk'] }, /^invalid-option: Option 'channels' is an array; allowed: a list of channels, such as/],
    [
      { cluster: 'same-host', metadata: { at: () => 1 } },
      /^invalid-option: Option 'metadata' is an object; allowed: plain JSON values, 4096 characters as JSON/,
    ],
    [{ log: 'loud' }, /^invalid-option: Option 'log' is 'loud'; allowed: debug, info, warn, error, silent/],
    [{ discovery: 'gossip' }, /^invalid-option: Option 'discovery' is 'gossip'; allowed: a list of strategies/],
    [
      { discovery: ['127.0.0.1:4370'] },
      /^invalid-option: Option 'discovery\[0\]' is '127\.0\.0\.1:4370'; allowed: a strategy, such as staticList/,
    ],
    [{ definitions: Counter }, /^invalid-option: Option 'definitions' is a function; allowed: a list of definitions/],
    [{ definitions: [Counter(1)] }, /^invalid-option: Option 'definitions\[0\]' is an object; allowed: a definition/],
    [
      { name: 'with space' },
      /^invalid-option: Option 'name' is 'with space'; allowed: 1 to 127 bytes of text without white space/,
    ],
    [{ name: 'é'.repeat(64) }, /^invalid-option: Option 'name' is 'é+'; allowed: 1 to 127 bytes/],
    [{ clusterId: 'c'.repeat(128) }, /^invalid-option: Option 'clusterId' is 'c+'; allowed: 1 to 127 bytes/],
    [{ threads: 4 }, /^invalid-option: Option 'threads' is 4; allowed: \{ count, entry \}/],
    [{ threads: { count: 0, entry: 'x.js' } }, /^invalid-option: Option 'threads\.count' is 0; allowed: 1 to 256/],
    [
      { threads: { count: 1 } },
      /^invalid-option: Option 'threads\.entry' is undefined; allowed: a path or URL of a module/,
    ],
    [
      { threads: { entry: 'x.js', hangTimeout: 0 } },
      /^invalid-option: Option 'threads\.hangTimeout' is 0; allowed: milliseconds/,
    ],
    [
      { threads: { count: 1, entry: '/no/such/module.js' } },
      /^start-failed: Thread '.*-thread-1' did not start: .*no.such.module/,
    ],
    [{ longMailbox: 0 }, /^invalid-option: Option 'longMailbox' is 0/],
    [{ slowHandler: 'x' }, /^invalid-option: Option 'slowHandler' is 'x'/],
    [{ joinTimeout: -1 }, /^invalid-option: Option 'joinTimeout' is -1; allowed: milliseconds, 0 or more/],
    [{ cluster: true, discovery: [] }, /^invalid-option: Give either 'cluster: true'/],
    [
      { definitions: [Counter, actor({ name: 'counter', init: () => ({}) })], port: 0 },
      /^invalid-option: Two definitions are named 'counter'/,
    ],
    [
      { transport: 'udp' },
      /^invalid-option: Option 'transport' is 'udp'; allowed: 'tcp', 'ws', or a transport, such as/,
    ],
    [{ transport: 7 }, /^invalid-option: Option 'transport' is 7/],
    [
      { transport: tcp(), tls: {} },
      /^invalid-option: Option 'tls' is for 'tcp' and 'ws'; give a transport of your own/,
    ],
    [{ tls: {} }, /^invalid-option: Option 'tls\.cert' is undefined; allowed: this node's certificate, in PEM form/],
    [
      { tls: { cert: '/etc/a.pem', key: '/etc/a.key', ca: '/etc/ca.pem' } },
      /^invalid-option: tls\.(cert|ca) holds no certificate in PEM form.*not its path/,
    ],
    [{ secret: [] }, /^invalid-option: Option 'secret' .*a list that begins with the one to prove/],
    [
      { secret: ['0123456789abcdef', 'hunter2'] },
      /^invalid-option: Option 'secret\[1\]' is '7 bytes long'; allowed: 16 bytes or more, random/,
    ],
    [{ secret: [7] }, /^invalid-option: Option 'secret' is 'a value of type number'/],
    [{ host: '192.0.2.1' }, /^insecure: Refused to listen on 192\.0\.2\.1 without a secret.*FOUNDATION_SECRET/],
  ])('%o', async (options, message) => {
    expect(
      await codeAndMessage(startNode({ log: 'silent', handleSignals: false, ...(options as StartOptions) })),
    ).toMatch(message);
  });

  test('options of spawn, of topics, of a second distributed supervisor', async () => {
    const node = await start({});
    expect(await codeAndMessage(node.spawn(Counter(1), { nmae: 'x' } as never))).toMatch(
      /^invalid-option: spawn\(\) has no option 'nmae' \(did you mean 'name'\?\)/,
    );
    const Said = topic<string>('said');
    expect(() => node.pubsub.subscribe(Said, { capacityy: 1 } as never)).toThrow(/did you mean 'capacity'/);
    expect(() => node.pubsub.broadcast('said' as never, 'x' as never)).toThrow(/made by topic\('name'\)/);
    await node.distributedSupervisor('one');
    expect(await codeAndMessage(node.distributedSupervisor('one', { rebalance: 'passive' }))).toMatch(
      /^already-started: The distributed supervisor 'one' runs on this node already/,
    );
    const one = await node.distributedSupervisor('one');
    expect(await node.distributedSupervisor('one')).toBe(one);
    await one.stop();
    const another = await node.distributedSupervisor('one', { rebalance: 'passive' });
    expect(another).not.toBe(one);
    expect(another.participants()).toEqual([node.name]);
  });

  test('a seed that is no address', () => {
    expect(() => staticList(['nowhere'])).toThrow(/Option 'addresses\[0\]' is 'nowhere'; allowed: host:port/);
  });

  test('a port in use', async () => {
    const server = createServer();
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect(await codeAndMessage(startNode({ port, log: 'silent', handleSignals: false }))).toMatch(
      new RegExp(`^address-in-use: .*127\\.0\\.0\\.1:${port}`),
    );
    await new Promise(resolve => server.close(resolve));
  });

  test('an unreachable seed: one line, and the node stays up', async () => {
    const server = createServer();
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise(resolve => server.close(resolve));
    const { log, lines: said } = lines();
    const node = await start({ discovery: [staticList([`127.0.0.1:${port}`])], log });
    const complaints = (): readonly string[] => said.filter(line => !line.includes('the node listens'));
    await expect.poll(() => complaints().length, { timeout: 5_000 }).toBe(1);
    expect(complaints()[0]).toMatch(new RegExp(`127\\.0\\.0\\.1:${port}.*Is the node there running.*tried again`));
    const counter = await node.spawn(Counter(1));
    expect(await counter.call('get')).toBe(1);
  });

  test('a wrong secret: refused on both sides, said once, and both stay up', async () => {
    const { log, lines: said } = lines();
    const a = await start({ name: 'a', clusterId: 's', port: 0, secret: '0123456789abcdef-one' });
    const port = a.address?.port as number;
    const b = await start({
      name: 'b',
      clusterId: 's',
      secret: '0123456789abcdef-two',
      discovery: [staticList([`127.0.0.1:${port}`])],
      log,
    });
    const complaints = (): readonly string[] => said.filter(line => !line.includes('the node listens'));
    await expect.poll(() => complaints().length, { timeout: 5_000 }).toBe(1);
    expect(complaints()[0]).toMatch(/secret/);
    expect(said.join()).not.toMatch(/0123456789abcdef/);
    expect(a.members()).toHaveLength(1);
    expect(b.members()).toHaveLength(1);
  });

  test('a definition that the target lacks', async () => {
    const a = await start({ name: 'a', clusterId: 'd', port: 0, definitions: [Other] });
    const b = await start({
      name: 'b',
      clusterId: 'd',
      discovery: [staticList([`127.0.0.1:${a.address?.port}`])],
      definitions: [Counter, Other],
    });
    await formed(a, b);
    expect(await codeAndMessage(b.spawn(Counter(1), { on: 'a' }))).toMatch(
      /^unknown-definition: Node 'a' has no definition 'counter'; it has: other\. Add it to 'definitions' when that node starts\./,
    );
    expect(await codeAndMessage(b.spawn(Other(), { on: 'nobody' }))).toMatch(/^noconnection: .*'nobody'/);
    await b.spawn(Other(), { on: 'a' });
  });
});
