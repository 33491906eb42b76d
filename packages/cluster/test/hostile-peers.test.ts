import type { ClusterNode } from '@foundation-ts/cluster';
import { actor, child, seededRandom, silentLog, supervisor, Telemetry } from '@foundation-ts/core';
import { SimulatedCluster } from '@foundation-ts/testing';
import { createCodec, Endpoint, type Peer } from '@foundation-ts/transport';
import { memory } from '@foundation-ts/transport/memory';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const Counter = actor({
  name: 'counter',
  init: (start: number) => ({ count: start }),
  calls: { get: s => s.count },
});
const wire = {
  cast: 1,
  call: 2,
  offer: 3,
  reply: 4,
  fail: 5,
  spawn: 6,
  link: 10,
  exit: 12,
  monitor: 13,
  down: 15,
  exitEarly: 16,
  fence: 17,
  probe: 32,
  gossip: 34,
};

let cluster: SimulatedCluster<undefined>;
let endpoint: Endpoint;
let received: unknown[][];
const a = (): ClusterNode => cluster.host('a').node;
/** A stranger who knows the protocol, and has proven itself. */
const stranger = (metadata: unknown = {}, name = 'stranger', incarnation = 5): Endpoint =>
  new Endpoint({
    self: { name, incarnation, clusterId: 'simulation', metadata },
    transport: memory({ network: cluster.network, host: 'stranger' }),
    codec: createCodec(),
    clock: cluster.clock,
    random: seededRandom(1),
    log: silentLog,
    telemetry: new Telemetry(name),
    onPeer: () => {},
    onPeerClosed: () => {},
    onMessage: (_peer, _channel, message) => received.push(message as unknown[]),
  });
const dial = (from: Endpoint): Promise<Peer> =>
  cluster.finish(from.dial({ protocol: 'memory', host: 'a', port: 4370 }));

beforeEach(async () => {
  received = [];
  cluster = new SimulatedCluster({
    seed: 1,
    hosts: ['a', 'b'],
    definitions: [Counter],
    services: async () => undefined,
  });
  await cluster.start();
  await cluster.formed();
});
afterEach(async () => {
  void endpoint?.close();
  cluster.dispose();
});

describe('a peer that breaks the protocol', () => {
  test.each([
    ['a spawn without a number', [wire.spawn, 'x', 'counter', 1, null]],
    ['a call without a number', [wire.call, {}, 1, 'get', null, 5]],
    ['a cast to nothing', [wire.cast, null, 'get', 1]],
    ['a kind that is no number of ours', [Number.NaN, 1, 2, 3, 'kill']],
    ['a kind between two', [12.5, 1, 2, 'kill', false]],
    ['no array', 'hello'],
    ['an early exit without a reason', [wire.exitEarly, 1, 2]],
  ])('is closed, and nobody else notices: %s', async (_what, message) => {
    endpoint = stranger();
    const peer = await dial(endpoint);
    peer.send('data', message);
    await cluster.run(200);
    expect(peer.open).toBe(false);
    expect(
      a()
        .visible()
        .map(member => member.name),
    ).toEqual(['a', 'b']);
    expect(
      await cluster.finish(
        a()
          .spawn(Counter(2), { on: 'b' })
          .then(ref => ref.call('get')),
      ),
    ).toBe(2);
  });

  test.each([
    ['metadata that is no JSON', { metadata: { big: 1n } }, 'stranger', 5],
    ['metadata without end', { metadata: { text: 'x'.repeat(10_000) } }, 'stranger', 5],
    ['a thousand roles', { roles: Array.from({ length: 1_000 }, (_, index) => `role-${index}`) }, 'stranger', 5],
    ['a name with spaces', {}, 'a stranger', 5],
    ['an incarnation of the far future', {}, 'stranger', Number.MAX_SAFE_INTEGER],
  ])('is refused when what it says of itself is not well-formed: %s', async (_what, metadata, name, incarnation) => {
    endpoint = stranger(metadata, name, incarnation);
    await expect(dial(endpoint)).rejects.toMatchObject({ code: 'protocol' });
    await cluster.run(1_000);
    expect(
      a()
        .members()
        .map(member => member.name),
    ).toEqual(['a', 'b']);
    expect(cluster.host('b').node.members()).toHaveLength(2);
  });

  test('can neither end nor command what the node itself runs', async () => {
    const System = actor({ name: 'system', init: () => ({}), calls: { ping: () => 'pong' } });
    await cluster.finish(a().startSystemActor(System(), '$mine'));
    const before = [...a().system.processes()];
    const supervisors = before.filter(process => process.program.supervisor);
    const messages = [
      ...before.flatMap(({ pid }) => [
        [wire.exit, 7, pid.id, 'kill', false],
        [wire.exitEarly, 7, pid.id, 'kill', false],
        [wire.link, 7, pid.id],
      ]),
      ...supervisors.flatMap(({ pid }) => [
        [wire.cast, pid.id, 'retry', null],
        [wire.call, 1, pid.id, 'terminateChild', '$mine', 1_000],
        [wire.offer, 1, pid.id, 'retry', null, 1_000],
      ]),
    ];
    for (const message of messages) {
      endpoint = stranger();
      const peer = await dial(endpoint);
      peer.send('data', message);
      await cluster.until(() => !peer.open, `an end after ${message}`);
      await cluster.finish(endpoint.close());
    }
    expect(before.every(process => process.alive)).toBe(true);
    expect([...a().system.processes()]).toEqual(before);
  });

  test('can not end what the node itself runs by the operations that it has for itself', async () => {
    const Worker = actor({ name: 'worker', init: () => ({}) });
    const tree = supervisor({ children: [child(Worker(), { id: 'worker' })] });
    await cluster.finish(a().startSystemActor(tree, '$tree'));
    endpoint = stranger();
    const before = [...a().system.processes()];
    for (const { program, pid } of before) {
      for (const op of program.casts.keys()) {
        for (const payload of [null, {}, new Error('no')]) {
          if (!endpoint.peers.get('a')?.open) await dial(endpoint);
          endpoint.peers.get('a')?.send('data', [wire.cast, pid.id, op, payload]);
          await cluster.run(50);
        }
      }
    }
    for (const message of [
      ...before.map(({ pid }) => [wire.exit, 7, pid.id, 'kill', false]),
      [wire.call, 1, '$tree', 'terminateChild', 'worker', 1_000],
    ]) {
      if (!endpoint.peers.get('a')?.open) await dial(endpoint);
      endpoint.peers.get('a')?.send('data', message);
      await cluster.run(50);
    }
    expect([...a().system.processes()]).toEqual(before);
  });

  test('is closed when it sends fences without end, or a mark that is none; fences of other sessions are nothing', async () => {
    endpoint = stranger();
    const { tag } = await dial(endpoint);
    const [peer] = [...endpoint.peers.values()];
    for (let number = 0; number < 100_100; number++) peer?.send('data', [wire.fence, tag + 1, number]);
    await cluster.run(2_000);
    expect(peer?.open).toBe(true);
    for (let number = 0; number < 100_100; number++) peer?.send('data', [wire.fence, tag, number]);
    await cluster.until(() => peer?.open === false, 'an end');
    await cluster.finish(endpoint.close());
    endpoint = stranger();
    const other = await dial(endpoint);
    other.send('data', [wire.down, 1, 2, 3, 'shutdown', other.tag, 'x', 1]);
    await cluster.until(() => !other.open, 'another end');
  });

  test.each([
    ['down', 3, 0],
    ['removed', 4, 0],
    ['leaving', 2, 0],
    ['a newer incarnation', 1, 1],
  ])('is closed, not believed, when it alone says that a node is %s', async (_what, rank, more) => {
    endpoint = stranger();
    const peer = await dial(endpoint);
    const { name, incarnation } = a();
    peer.send('control', [wire.gossip, [[name, incarnation + more, rank, 50, null, [], null, {}, 0]]]);
    await cluster.run(500);
    expect(peer.open).toBe(false);
    expect(a().self.status).toBe('up');
    expect(
      cluster
        .host('b')
        .node.visible()
        .map(member => member.name),
    ).toEqual(['a', 'b']);
  });

  test('can not take the names of the actors of the node itself', async () => {
    endpoint = stranger();
    const peer = await dial(endpoint);
    peer.send('data', [wire.spawn, 2, 'counter', 1, '$other']);
    await cluster.run(100);
    expect(a().system.whereis('$other')).toBeUndefined();
    expect(received.find(message => message[0] === wire.fail)?.[2]).toMatchObject({ code: 'invalid-operation' });
  });
});
