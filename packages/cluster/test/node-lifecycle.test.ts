import { ClusterNode, type MembershipEvent } from '@foundation-ts/cluster';
import { actor, type Log, silentLog } from '@foundation-ts/core';
import { staticList } from '@foundation-ts/discovery/static';
import { SimulatedCluster } from '@foundation-ts/testing';
import { memory } from '@foundation-ts/transport/memory';
import { afterEach, describe, expect, test } from 'vitest';

let answers = 0;
const Big = actor({
  name: 'big',
  init: () => ({}),
  calls: {
    get: () => {
      answers++;
      return 'x'.repeat(4_000_000);
    },
  },
});

let cluster: SimulatedCluster<MembershipEvent[]>;
let warnings: string[] = [];
const log: Log = {
  ...silentLog,
  warn: (_fields, message) => warnings.push(message),
  error: (_fields, message) => warnings.push(message),
};
const up = async (hosts: readonly string[], start = hosts): Promise<void> => {
  warnings = [];
  cluster = new SimulatedCluster({
    seed: 1,
    hosts,
    definitions: [Big],
    log,
    services: async node => {
      const events: MembershipEvent[] = [];
      node.onMembership(event => events.push(event));
      return events;
    },
  });
  await cluster.start(start);
  await cluster.formed();
};
const node = (name: string): ClusterNode => cluster.host(name).node;
const kinds = (name: string, of: string): string[] =>
  cluster
    .host(name)
    .services.filter(event => event.member.name === of)
    .map(event => event.type);
const start = (name: string, host: string, discovery: readonly string[] = [], port = 4370): Promise<ClusterNode> =>
  cluster.finish(
    ClusterNode.start({
      name,
      clusterId: 'simulation',
      transport: memory({ network: cluster.network, host }),
      host,
      port,
      discovery: [staticList(discovery.map(seed => ({ protocol: 'memory', host: seed, port: 4370 })))],
      clock: cluster.clock,
      log: silentLog,
      incarnation: cluster.clock.wallTime() + 1_000,
    }),
  );

afterEach(() => cluster.dispose());

describe('members that come and go', () => {
  test('one that crashes while it leaves is down', async () => {
    await up(['a', 'b', 'c']);
    node('b').onLeave(() => new Promise(() => {}));
    void node('b').stop();
    await cluster.run(1_000);
    cluster.crash('b');
    await cluster.run(30_000);
    expect(kinds('a', 'b')).toEqual(['up', 'leaving', 'unreachable', 'down']);
    expect(node('a').member('b')).toBeUndefined();
  });

  test('another node at the address where a member stood is found', async () => {
    await up(['a', 'b'], ['a', 'b']);
    cluster.crash('b');
    const moved = await start('b', 'elsewhere', ['a']);
    await cluster.until(() => node('a').member('b')?.address?.host === 'elsewhere', 'the one that moved');
    const other = await start('c', 'b');
    await cluster.until(() => node('a').visible().length === 3, 'the one in its place', 30_000);
    expect(node('a').member('c')?.address?.host).toBe('b');
    void moved.stop();
    void other.stop();
    await cluster.run(1_000);
  });

  test('an incarnation that was held for gone while it was away learns of it, and stops', async () => {
    await up(['a', 'b']);
    const old = node('b');
    cluster.partition(['a'], ['b']);
    await cluster.until(() => kinds('a', 'b').includes('unreachable'), 'b to be unreachable');
    const next = await start('b', 'elsewhere', ['a']);
    await cluster.until(() => node('a').visible().length === 2, 'the new incarnation');
    await cluster.finish(next.stop());
    await cluster.run(1_000);
    cluster.heal();
    expect(await cluster.finish(old.stopped)).toMatch(/downed/);
  });
});

describe('stopping', () => {
  test('lets answers that were given before arrive', async () => {
    await up(['a', 'b']);
    const far = await cluster.finish(node('a').spawn(Big(), { on: 'b' }));
    answers = 0;
    const answer = far.call('get');
    await cluster.until(() => answers > 0, 'an answer');
    const left = cluster.leave('b');
    expect(await cluster.finish(answer)).toHaveLength(4_000_000);
    await left;
  });
});
