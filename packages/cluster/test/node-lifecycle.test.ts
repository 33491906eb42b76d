import { ClusterNode, type MembershipEvent } from '@foundation-ts/cluster';
import { actor, type Log, silentLog, supervisor } from '@foundation-ts/core';
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
const Stuck = actor({ name: 'stuck', init: () => ({}), trapExit: true, terminate: () => new Promise<void>(() => {}) });

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
    definitions: [Big, Stuck],
    log,
    services: async node => {
      const events: MembershipEvent[] = [];
      node.onMembership(event => events.push(event));
      return events;
    },
    // So that the listener above hears of everyone.
    node: { joinTimeout: 0 },
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

describe('what users hang onto a node', () => {
  test('a listener that throws harms neither the node nor other listeners', async () => {
    await up(['a', 'b', 'c']);
    const host = node('a');
    host.onMembership(() => {
      throw new Error('a bug of the user');
    });
    const seen: string[] = [];
    host.onMembership(event => seen.push(event.type));
    cluster.network.reset('a', 'b');
    await cluster.run(1_000);
    expect(seen).toEqual(['unreachable', 'reachable']);
    cluster.partition(['a'], ['b', 'c']);
    await cluster.run(20_000);
    cluster.heal();
    await cluster.formed();
    expect(warnings.some(line => line.includes('listener'))).toBe(true);
  });

  test('a stream of membership begins when it is asked for, not when it is first read', async () => {
    await up(['a', 'b', 'c'], ['a', 'b']);
    const stream = node('a').membership();
    await cluster.start(['c']);
    await cluster.formed();
    const { value } = await stream.next();
    expect(value).toMatchObject({ type: 'up', member: { name: 'c' } });
    await stream.return();
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

  test('ends in the time given, whatever the user tree does', async () => {
    await up(['a', 'b']);
    const children = Array.from({ length: 10 }, (_, index) => ({
      id: `stuck ${index}`,
      start: Stuck(),
      restart: 'permanent' as const,
      shutdown: 60_000,
    }));
    await node('a').supervise(supervisor({ children }));
    await node('a').spawn(Stuck());
    await node('a').spawn(Stuck());
    const before = cluster.clock.now();
    await cluster.leave('a');
    expect(cluster.clock.now() - before).toBeLessThan(11_000);
    await cluster.run(100);
    expect(kinds('b', 'a')).toEqual(['up', 'leaving', 'left']);
  });

  test('does not report the others as unreachable', async () => {
    await up(['a', 'b', 'c']);
    const events = cluster.host('a').services;
    await cluster.leave('a');
    expect(events.map(event => `${event.member.name} ${event.type}`).slice(2)).toEqual(['a leaving']);
    expect(warnings).toEqual([]);
  });

  test('a node whose own actors can not be kept alive stops, and says why', async () => {
    await up(['a', 'b']);
    let crash = false;
    const Broken = actor({
      name: 'broken',
      init: (_: void, ctx) => {
        if (crash) ctx.after(0, 'fail');
        return {};
      },
      casts: {
        fail: () => {
          throw new Error('again');
        },
      },
    });
    await cluster.finish(node('a').startSystemActor(Broken(), '$broken'));
    crash = true;
    const { stopped } = node('a');
    node('a').send('a', '$broken', 'fail');
    expect(await cluster.finish(stopped)).toMatch(/own actors/);
  });
});
