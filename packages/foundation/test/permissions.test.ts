import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type Log, silentLog, systemClock, systemRandom, Telemetry, type TelemetryEvent } from '@foundation-ts/core';
import { createCodec, Endpoint, type Peer } from '@foundation-ts/transport';
import { tcp } from '@foundation-ts/transport/tcp';
import {
  actor,
  child,
  type FoundationNode,
  type Permissions,
  Pid,
  type StartOptions,
  startNode,
  staticList,
  supervisor,
  topic,
} from 'foundation-ts';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Authority } from '../../../test/support/certificates.js';

const authority = new Authority('cluster authority');
const credentials = (name: string, ...roles: string[]) =>
  authority.issue([`DNS:${name}`, ...roles.map(role => `URI:foundation:role/${role}`)].join(','));
const guard = credentials('a');
const ops = credentials('o', 'ops');
const worker = credentials('w', 'worker');
const nobody = credentials('n');
afterAll(() => authority.dispose());

const Counter = actor({
  name: 'counter',
  init: (start: number) => ({ count: start }),
  calls: { get: s => s.count },
  casts: {
    add: (s, n: number) => {
      s.count += n;
    },
  },
});
const Other = actor({ name: 'other', init: () => ({}), calls: { ping: () => 'pong' } });
/** Links itself with whom it is told to, and tells with what it ended. */
const Linked = actor({
  name: 'linked',
  trapExit: true,
  init: () => ({ exits: [] as unknown[] }),
  calls: {
    link: (_s, pid: Pid, ctx) => ctx.link(pid),
    exits: s => s.exits,
  },
  onExit: (s, { reason }) => void s.exits.push(reason),
});
const Fragile = actor({ name: 'fragile', init: () => ({}), calls: { link: (_s, pid: Pid, ctx) => ctx.link(pid) } });
const definitions = [Counter, Other, Linked, Fragile];

const permissions: Permissions = {
  ops: ['message', 'spawn', 'exit', 'supervise', 'register', 'observe'],
  worker: ['message', { spawn: ['counter'] }],
};

const nodes: FoundationNode[] = [];
const endpoints: Endpoint[] = [];
afterEach(async () => {
  await Promise.all(endpoints.splice(0).map(endpoint => endpoint.close()));
  await Promise.all(nodes.splice(0).map(node => node.stop({ timeout: 1_000 })));
});

async function start(options: StartOptions): Promise<FoundationNode> {
  const node = await startNode({ clusterId: 'roles', log: 'silent', handleSignals: false, definitions, ...options });
  nodes.push(node);
  return node;
}
/** A session without a node behind it, which says what it likes. */
async function bare(name: string, incarnation: number, tls: typeof worker, to: FoundationNode): Promise<Peer> {
  const endpoint = new Endpoint({
    self: { name, incarnation, clusterId: 'roles', metadata: { roles: [] } },
    transport: tcp({ tls }),
    codec: createCodec(),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    telemetry: new Telemetry(name),
    onPeer: () => {},
    onPeerClosed: () => {},
    onMessage: () => {},
  });
  endpoints.push(endpoint);
  return await endpoint.dial(to.address as NonNullable<typeof to.address>);
}
function seeds({ address }: FoundationNode) {
  if (address === undefined) throw new Error('the node does not listen');
  return [staticList([address])];
}
const untyped = (node: FoundationNode, pid: Pid) =>
  node.ref(pid) as unknown as { call(op: string, payload?: unknown): Promise<unknown> };
const refused = { code: 'not-permitted' };

describe.each(['tcp', 'ws'] as const)('permissions over %s', transport => {
  const guarded = (over: StartOptions = {}): Promise<FoundationNode> =>
    start({ name: 'a', transport, tls: guard, permissions, ...over });

  test('let a node do what one of its proven roles may do', async () => {
    const a = await guarded();
    const o = await start({ name: 'o', transport, tls: ops, roles: ['ops'], discovery: seeds(a) });
    const counter = await o.spawn(Counter(1), { on: 'a' });
    expect(await counter.call('get')).toBe(1);
    await o.system.stop(counter);
    expect(a.system.process(counter.pid)).toBeUndefined();
    const own = await a.spawn(Other());
    await o.system.stop(o.ref(own.pid));
    expect(a.system.process(own.pid)).toBeUndefined();
    const tree = await a.supervise(supervisor({ children: [child(Counter(1), { id: 'one' })] }));
    const remote = untyped(o, tree.pid);
    expect(await remote.call('countChildren')).toMatchObject({ active: 1 });
    await remote.call('terminateChild', 'one');
    expect(await tree.countChildren()).toMatchObject({ active: 0 });
    expect(['message', 'observe'].map(action => a.cluster.permits('o', action as 'observe'))).toEqual([true, true]);
    expect(a.members().find(({ name }) => name === 'o')?.roles).toEqual(['ops']);
  });

  test('refuse a node everything else, with a typed error, and nothing happens', async () => {
    const a = await guarded();
    const w = await start({ name: 'w', transport, tls: worker, roles: ['worker'], discovery: seeds(a) });
    const mine = await a.spawn(Counter(5), { name: 'mine' });
    const tree = await a.supervise(supervisor({ children: [child(Counter(1), { id: 'one' })] }), { name: 'tree' });
    expect(await w.ref<typeof Counter>(mine.pid).call('get')).toBe(5);
    await expect(w.spawn(Other(), { on: 'a' })).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(/'a' does not let 'w' spawn 'other'.*'spawn' in that node's permissions/),
      details: { node: 'a', member: 'w', action: 'spawn' },
    });
    // What there is is not told either.
    await expect(w.spawn(actor({ name: 'guess', init: () => ({}) })(), { on: 'a' })).rejects.toMatchObject(refused);
    await expect(w.system.stop(w.ref(mine.pid))).rejects.toMatchObject(refused);
    await expect(w.system.stop(w.ref(mine.pid), 'shutdown', Number.POSITIVE_INFINITY)).rejects.toMatchObject(refused);
    w.system.exit(mine.pid, 'kill');
    for (const op of [
      'whichChildren',
      'countChildren',
      'restartChild',
      'terminateChild',
      'deleteChild',
      'startChild',
    ]) {
      await expect(untyped(w, tree.pid).call(op, 'one')).rejects.toMatchObject(refused);
    }
    const byName = w.system.refOn('a', 'tree') as unknown as { call(op: string, id: string): Promise<unknown> };
    await expect(byName.call('terminateChild', 'one')).rejects.toMatchObject(refused);
    expect(await mine.call('get')).toBe(5);
    expect(await tree.countChildren()).toMatchObject({ active: 1 });
    expect(a.cluster.permits('w', 'spawn', 'counter')).toBe(true);
    expect([a.cluster.permits('w', 'spawn'), a.cluster.permits('w', 'observe')]).toEqual([false, false]);
    expect([a.cluster.permits('a', 'observe'), a.cluster.permits('unknown', 'message')]).toEqual([true, false]);
  });

  test('let who may spawn end, and link with, what it started itself', async () => {
    const a = await guarded();
    const w = await start({ name: 'w', transport, tls: worker, discovery: seeds(a) });
    const counter = await w.spawn(Counter(1), { on: 'a' });
    await w.system.stop(counter);
    expect(a.system.process(counter.pid)).toBeUndefined();
    const second = await w.spawn(Counter(1), { on: 'a' });
    const fragile = await w.spawn(Fragile());
    await fragile.call('link', second.pid);
    const ended = a.system.whenEnded(second.pid);
    w.system.exit(fragile.pid, 'shutdown');
    expect(await ended).toBe('shutdown');
  });

  test('refuse links, by which the end of an actor would be sent, but not those of one’s own actors', async () => {
    const a = await guarded();
    const w = await start({ name: 'w', transport, tls: worker, discovery: seeds(a) });
    const mine = await a.spawn(Fragile());
    const theirs = await w.spawn(Linked());
    await theirs.call('link', mine.pid);
    await expect.poll(async () => (await theirs.call('exits')).length).toBe(1);
    expect((await theirs.call('exits'))[0]).toMatchObject(refused);
    w.system.exit(theirs.pid, 'kill');
    await w.system.whenEnded(theirs.pid);
    expect(await untyped(w, (await a.spawn(Counter(1))).pid).call('get')).toBe(1);
    expect(a.system.process(mine.pid)).toBeDefined();
    const another = await w.spawn(Other());
    await mine.call('link', another.pid);
    // Comes behind the link.
    expect(await untyped(a, another.pid).call('ping')).toBe('pong');
    const ended = a.system.whenEnded(mine.pid);
    w.system.exit(another.pid, 'kill');
    expect(await ended).toBe('killed');
  });

  test('refuse messages of one that may nothing, and its names, topics, and hold on distributed supervisors', async () => {
    const a = await guarded();
    const n = await start({ name: 'n', transport, tls: nobody, discovery: seeds(a) });
    const mine = await a.spawn(Counter(5), { name: 'mine' });
    await a.registry.register('mine', mine, { ack: 'local' });
    const ref = n.ref<typeof Counter>(mine.pid);
    await expect(ref.call('get')).rejects.toMatchObject(refused);
    await expect(ref.offer('add', 1)).rejects.toMatchObject(refused);
    ref.cast('add', 1);
    const heard: unknown[] = [];
    const news = topic<string>('news');
    const subscription = a.pubsub.subscribe(news);
    void (async () => {
      for await (const message of subscription) heard.push(message);
    })();
    n.pubsub.broadcast(news, 'false');
    await n.registry.register('theirs', await n.spawn(Counter(1)), { ack: 'local' });
    await expect(ref.call('get')).rejects.toMatchObject(refused);
    expect(await mine.call('get')).toBe(5);
    expect(heard).toEqual([]);
    expect(a.registry.whereis(Counter, 'theirs')).toBeUndefined();
    subscription.close();
  });

  test('take names from who may register, and let others look them up', async () => {
    const a = await guarded();
    const o = await start({ name: 'o', transport, tls: ops, discovery: seeds(a) });
    const w = await start({ name: 'w', transport, tls: worker, discovery: seeds(a) });
    await a.registry.register('of a', await a.spawn(Counter(1)), { ack: 'local' });
    await w.registry.register('of w', await w.spawn(Counter(2)), { ack: 'local' });
    await o.registry.register('of o', await o.spawn(Counter(3)), { ack: 'local' });
    await expect.poll(() => w.registry.whereis(Counter, 'of a') !== undefined, { timeout: 15_000 }).toBe(true);
    await expect.poll(() => a.registry.whereis(Counter, 'of o') !== undefined, { timeout: 15_000 }).toBe(true);
    expect(await w.registry.whereis(Counter, 'of a')?.call('get')).toBe(1);
    expect(a.registry.whereis(Counter, 'of w')).toBeUndefined();
  });

  test('have children of distributed supervisors placed by who may supervise', async () => {
    const all = { transport, permissions };
    const a = await start({ name: 'a', tls: guard, ...all });
    const o = await start({ name: 'o', tls: ops, ...all, discovery: seeds(a) });
    const w = await start({ name: 'w', tls: worker, ...all, discovery: seeds(a) });
    const b = await start({ name: 'b', tls: credentials('b', 'ops'), ...all, discovery: seeds(o) });
    await expect.poll(() => [a, o, w, b].map(node => node.members().length), { timeout: 5_000 }).toEqual([4, 4, 4, 4]);
    const [ofO, ofW] = await Promise.all([o, w, b].map(node => node.distributedSupervisor('jobs')));
    await expect.poll(() => ofO?.participants(), { timeout: 10_000 }).toEqual(['b', 'o']);
    for (let n = 0; n < 8; n++) {
      const job = await ofO?.startChild(child(Counter(n), { id: `job ${n}` }));
      expect(['b', 'o']).toContain(job?.pid.node);
    }
    await expect.poll(() => o.members().length).toBe(4);
    expect(ofW?.children().filter(({ node }) => node !== 'w')).toEqual([]);
    await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) => ofW?.startChild(child(Counter(n), { id: `foreign ${n}` }), { timeout: 500 })),
    );
    expect(ofO?.children().filter(({ id }) => id.startsWith('foreign'))).toEqual([]);
    expect(
      [...o.system.processes(), ...b.system.processes()].filter(({ program }) => program.name === 'counter'),
    ).toHaveLength(8);
  });

  test('let nobody in who claims a role that its certificate does not prove', async () => {
    const a = await guarded();
    const w = await start({ name: 'w', transport, tls: worker, roles: ['worker', 'ops'], port: 0 });
    await expect(w.connect(a.address as NonNullable<typeof a.address>)).rejects.toMatchObject({
      code: 'auth-failed',
      message: expect.stringMatching(/claims the roles 'ops'.*URI:foundation:role\/ops/),
    });
    await expect(a.connect(w.address as NonNullable<typeof w.address>)).rejects.toMatchObject({ code: 'auth-failed' });
    expect(a.members().map(({ name }) => name)).toEqual(['a']);
  });

  test('follow a renewed certificate from the next connection on; the one that stands is as it was', async () => {
    let mine = worker;
    const a = await guarded();
    const w = await start({ name: 'w', transport, tls: () => mine, discovery: seeds(a) });
    await expect(w.spawn(Other(), { on: 'a' })).rejects.toMatchObject(refused);
    mine = credentials('w', 'ops');
    await expect(w.spawn(Other(), { on: 'a' })).rejects.toMatchObject(refused);
    await w.disconnect('a');
    const isConnected = (): boolean => w.cluster.isVisible('a', a.incarnation);
    await expect.poll(() => a.cluster.permits('w', 'observe') && isConnected(), { timeout: 10_000 }).toBe(true);
    expect(await (await w.spawn(Other(), { on: 'a' })).call('ping')).toBe('pong');
    mine = worker;
    await a.disconnect('w');
    await expect
      .poll(() => a.cluster.permits('w', 'message') && !a.cluster.permits('w', 'exit') && isConnected(), {
        timeout: 10_000,
      })
      .toBe(true);
    await expect(w.spawn(Other(), { on: 'a' })).rejects.toMatchObject(refused);
  });
});

describe('permissions', () => {
  test('need mutual TLS', async () => {
    const secret = 'a secret that proves nobody’s role';
    await expect(start({ name: 'a', secret, port: 0, permissions })).rejects.toMatchObject({
      code: 'insecure',
      message: expect.stringMatching(/'permissions' needs mutual TLS/),
    });
  });

  test('are named wrongly with an error that names the right one', async () => {
    await expect(
      start({ name: 'a', tls: guard, permissions: { ops: ['observer'] } as unknown as Permissions }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/did you mean 'observe'/) });
  });

  test('want a certificate for the roles of the node itself', async () => {
    await expect(start({ name: 'w', tls: worker, roles: ['ops'], permissions })).rejects.toMatchObject({
      code: 'invalid-option',
    });
  });

  test('do not concern a node alone', async () => {
    const node = await start({ name: 'a', permissions, roles: ['any'] });
    expect(await (await node.spawn(Counter(1))).call('get')).toBe(1);
  });
});

describe('a hostile peer without permissions', () => {
  const wire = { cast: 1, call: 2, offer: 3, spawn: 6, refused: 7, link: 10, exit: 12, exitEarly: 16 };

  test('gets nothing by forged frames, and others are not affected', async () => {
    const warnings: string[] = [];
    const log: Log = { ...silentLog, warn: (_fields, text) => warnings.push(text) };
    const a = await start({ name: 'a', tls: guard, permissions, log });
    const o = await start({ name: 'o', tls: ops, discovery: seeds(a) });
    const mine = await a.spawn(Counter(5), { name: 'mine' });
    const tree = await a.supervise(supervisor({ children: [child(Counter(1), { id: 'one' })] }), { name: 'tree' });
    await a.registry.register('mine', mine, { ack: 'local' });
    const before = [...a.system.processes()];
    const answers: unknown[][] = [];
    const endpoint = new Endpoint({
      self: { name: 'n', incarnation: Date.now(), clusterId: 'roles', metadata: { roles: [] } },
      transport: tcp({ tls: nobody }),
      codec: createCodec({
        extensions: [
          {
            type: 1,
            class: Pid,
            encode: (value: unknown) => [(value as Pid).node, (value as Pid).incarnation, (value as Pid).id],
            decode: (plain: unknown) => new Pid(...(plain as [string, number, number])),
          },
        ],
      }),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      telemetry: new Telemetry('n'),
      onPeer: () => {},
      onPeerClosed: () => {},
      onMessage: (_peer, _channel, message) => answers.push(message as unknown[]),
    });
    endpoints.push(endpoint);
    const peer: Peer = await endpoint.dial(a.address as NonNullable<typeof a.address>);
    const children = [...a.system.processes()].filter(({ program }) => program.name === 'counter');
    const supervisors = before.filter(({ pid }) => pid.equals(tree.pid));
    const forged: unknown[][] = [
      ...['counter', 'other', 'unheard-of', 'constructor', '__proto__'].map((name, n) => [
        wire.spawn,
        100 + n,
        name,
        1,
        null,
      ]),
      [wire.spawn, 110, 'counter', 1, 'squatter'],
      ...children.flatMap(({ pid }) => [
        [wire.exit, 7, pid.id, 'kill', false],
        [wire.exit, 0, pid.id, 'shutdown', false],
        [wire.exit, 7, pid.id, 'boom', true],
        [wire.exitEarly, 7, pid.id, 'kill', false, false, []],
        [wire.exitEarly, 7, pid.id, 'boom', true, false, []],
        [wire.exitEarly, 0, pid.id, 'shutdown', false, false, [1, 2]],
        [wire.link, 7, pid.id],
        [wire.exit, 7, pid.id, 'boom', true],
        [wire.cast, pid.id, 'add', 1],
      ]),
      ...supervisors.flatMap(({ pid }) => [
        [wire.exit, 7, pid.id, 'kill', false],
        [wire.call, 120, pid.id, 'terminateChild', 'one', 1_000],
        [wire.call, 121, 'tree', 'terminateChild', 'one', 1_000],
        [wire.offer, 122, pid.id, 'retry', null, 1_000],
        [wire.cast, pid.id, 'retry', null],
      ]),
      [wire.call, 130, '$dsup:jobs', 'run', { id: 'x', birth: 'x' }, 1_000],
      [wire.cast, '$replica:registry', 'delta', ['o', o.incarnation, a.incarnation, 0, 1, []]],
      [wire.cast, '$replica:registry', 'delta', ['n', 1, a.incarnation, 0, 1, []]],
      [wire.call, 131, '$replica:registry', 'buckets', [0], 1_000],
      [wire.cast, '$pubsub', 'deliver', { topic: 'news', message: 'false' }],
      [wire.refused, mine.pid.id, new Error('forged')],
    ];
    for (let round = 0; round < 20; round++) for (const message of forged) peer.send('data', message);
    peer.send('data', [wire.call, 999, 'mine', 'get', undefined, 1_000]);
    await expect.poll(() => answers.some(([kind, id]) => kind === 5 && id === 999), { timeout: 5_000 }).toBe(true);
    expect(peer.open).toBe(true);
    for (const [kind, , error] of answers.filter(([first]) => first === 5)) {
      expect(kind).toBe(5);
      expect(error).toMatchObject(refused);
    }
    expect(answers.filter(([kind]) => kind === 4)).toEqual([]);
    const alive = new Set([...a.system.processes()]);
    expect(before.every(process => alive.has(process))).toBe(true);
    expect(a.system.processCount).toBe(before.length);
    expect(await o.ref<typeof Counter>(mine.pid).call('get')).toBe(5);
    expect(a.system.whereis('squatter')).toBeUndefined();
    expect(await (await o.spawn(Counter(1), { on: 'a' })).call('get')).toBe(1);
    // Once for each action, and once for what it sent as a refusal.
    const told = warnings.filter(warning => warning.startsWith("'n' may not"));
    expect(told.length).toBeLessThanOrEqual(6);
    expect(warnings.filter(warning => warning === 'forged')).toHaveLength(1);
  });

  test('can not say in the name of another that it holds a name', async () => {
    const a = await start({ name: 'a', tls: guard, permissions });
    const o = await start({ name: 'o', tls: ops, discovery: seeds(a) });
    const refusals: unknown[] = [];
    const hear = (event: unknown): void => {
      const { member, action } = (event as TelemetryEvent).metadata;
      refusals.push([member, action]);
    };
    subscribe('foundation:cluster.not-permitted', hear);
    const incarnation = Date.now();
    const peer = await bare('w', incarnation, worker, a);
    const say = (op: string, from: string, of: number): void =>
      void peer.send('data', [wire.cast, '$replica:registry', op, [from, of, a.incarnation, 0, 9]]);
    for (const op of ['ack', 'complete']) say(op, 'w', incarnation);
    for (const op of ['ack', 'complete']) say(op, 'o', o.incarnation);
    await expect.poll(() => refusals.length, { timeout: 5_000 }).toBeGreaterThanOrEqual(2);
    unsubscribe('foundation:cluster.not-permitted', hear);
    expect(refusals).toEqual([
      ['w', 'register'],
      ['w', 'register'],
    ]);
  });

  test('is not let in with a role of its own making', async () => {
    const a = await start({ name: 'a', tls: guard, permissions });
    const endpoint = new Endpoint({
      self: { name: 'n', incarnation: Date.now(), clusterId: 'roles', metadata: { roles: ['ops'] } },
      transport: tcp({ tls: nobody }),
      codec: createCodec(),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      telemetry: new Telemetry('n'),
      onPeer: () => {},
      onPeerClosed: () => {},
      onMessage: () => {},
    });
    endpoints.push(endpoint);
    await expect(endpoint.dial(a.address as NonNullable<typeof a.address>)).rejects.toMatchObject({
      code: 'auth-failed',
    });
    expect(a.members()).toHaveLength(1);
  });

  test('gives itself no role by gossip', async () => {
    const a = await start({ name: 'a', tls: guard, permissions });
    const incarnation = Date.now();
    const peer = await bare('n', incarnation, nobody, a);
    peer.send('control', [34, [['n', incarnation, 1, 5, null, ['ops'], 'elsewhere', {}, 0]]]);
    await expect.poll(() => a.members().find(({ name }) => name === 'n')?.zone, { timeout: 5_000 }).toBe('elsewhere');
    expect(a.members().find(({ name }) => name === 'n')?.roles).toEqual([]);
    expect(a.cluster.permits('n', 'exit')).toBe(false);
  });
});
