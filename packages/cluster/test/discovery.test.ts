import { ClusterNode } from '@foundation-ts/cluster';
import { silentLog } from '@foundation-ts/core';
import { memory } from '@foundation-ts/transport/memory';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { at, DiscoveryWorld, Told } from './discovery-world.js';

let world: DiscoveryWorld;
beforeEach(() => {
  world = new DiscoveryWorld();
});
afterEach(() => world.dispose());

describe('telemetry', () => {
  test('tells what each topology finds and loses, address by address, and not the node itself', async () => {
    const said = world.telemetry('discovery.found', 'discovery.lost');
    const told = new Told([at('b'), at('a')]);
    await world.start('a', { topologies: [{ name: 'rack', strategies: [told] }] });
    told.tell([at('a'), at('b'), at('c')]);
    await world.run(10);
    told.tell([at('c')]);
    await world.run(10);
    told.tell([at('c')]);
    await world.run(10);
    expect(said).toEqual([
      'a: discovery.found rack told memory://b:4370',
      'a: discovery.found rack told memory://c:4370',
      'a: discovery.lost rack told memory://b:4370',
    ]);
  });

  test('tells whom a topology connects the node with, and who refuses', async () => {
    const said = world.telemetry('discovery.connected', 'discovery.refused');
    const b = await world.start('b');
    const a = await world.start('a', { discovery: [new Told([at('b'), at('nobody')])] });
    await world.formed(a, b);
    expect(said).toContain('a: discovery.connected default memory://b:4370 b');
    expect(said).toContain('a: discovery.refused default memory://nobody:4370 refused');
    expect(said.filter(line => line.includes('connected'))).toHaveLength(1);
  });

  test('tells what a strategy could not look up, and the last set stands', async () => {
    const said = world.telemetry('discovery.failed', 'discovery.lost');
    const told = new Told([at('b')]);
    const b = await world.start('b');
    const a = await world.start('a', { discovery: [told] });
    told.miss();
    world.network.reset('a', 'b');
    await world.formed(a, b);
    expect(said).toEqual(['a: discovery.failed default told']);
    expect(world.warnings).toContain('discovery failed: no answer');
  });
});

test('a failure is logged once, until another one, or a set, comes between', async () => {
  const told = new Told();
  await world.start('a', { discovery: [told] });
  const warned = (): number => world.warnings.filter(line => line.startsWith('discovery failed')).length;
  for (let times = 0; times < 5; times++) told.miss();
  expect(warned()).toBe(1);
  told.tell([at('b')]);
  await world.run(10);
  told.miss();
  expect(warned()).toBe(2);
  for (let restart = 1; restart < 4; restart++) {
    told.fail();
    await world.until(() => told.starts.length > restart, 'a restart');
  }
  expect(warned()).toBe(3);
});

test('a failure that comes back after a while is logged again, though no set came between', async () => {
  const told = new Told();
  await world.start('a', { discovery: [told] });
  const warned = (): number => world.warnings.filter(line => line.startsWith('discovery failed')).length;
  for (let times = 0; times < 30; times++) {
    told.miss();
    await world.run(36_000);
  }
  expect(warned()).toBe(1);
  await world.run(10 * 60_000);
  told.miss();
  expect(warned()).toBe(2);
});

test('of a crowd of addresses so many are dialled at a time, and everybody gets his turn', async () => {
  const crowd = Array.from({ length: 2_000 }, (_, index) => at(`nobody-${index}`));
  const told = new Told(crowd);
  const asked = new Set<string>();
  const connect = (address: { readonly host: string }): boolean | Promise<boolean> => {
    asked.add(address.host);
    return address.host === 'b' || new Promise<boolean>(() => {});
  };
  const a = await world.start('a', { joinTimeout: 0, topologies: [{ name: 'crowd', strategies: [told], connect }] });
  await world.run(1_000);
  expect(asked.size).toBe(512);
  const b = await world.start('b');
  told.tell([...crowd, at('b')]);
  await world.formed(a, b);
  expect(asked.size).toBe(2_001);
  // A member does not wait among the others.
  const lost = world.clock.now();
  asked.delete('b');
  world.network.reset('a', 'b');
  await world.until(() => asked.has('b'), 'a redial');
  expect(world.clock.now() - lost).toBeLessThan(1_000);
});

test('complaints about addresses that somebody invents are forgotten some day, also where nobody is a member', async () => {
  const told = new Told([at('first')]);
  const said = world.telemetry('cluster.dial-failed');
  await world.start('a', { discovery: [told] });
  await world.until(() => said.length === 1, 'a dial that fails');
  for (let batch = 0; batch < 3; batch++) {
    told.tell(Array.from({ length: 500 }, (_, index) => at(`nobody-${batch}-${index}`)));
    await world.until(() => said.length === (batch + 1) * 500 + 1, 'as many dials that fail');
  }
  told.tell([at('first')]);
  await world.until(() => said.length === 1_502, 'a complaint');
});

describe('a strategy whose watch throws or ends', () => {
  test.each(['fail', 'end'] as const)('(%s) is started again after growing, jittered pauses', async how => {
    const said = world.telemetry('discovery.failed');
    const told = new Told();
    await world.start('a', { discovery: [told] });
    for (let restart = 1; restart <= 7; restart++) {
      told[how]();
      await world.until(() => told.starts.length > restart, 'a restart', 40_000);
    }
    const pauses = told.starts.slice(1).map((start, index) => start - (told.starts[index] as number));
    for (const [index, pause] of pauses.entries()) {
      const longest = Math.min(30_000, 1_000 * 2 ** index);
      expect(pause).toBeGreaterThanOrEqual(longest / 2);
      expect(pause).toBeLessThanOrEqual(longest + 1_000);
    }
    expect(new Set(pauses.map(pause => pause % 1_000)).size).toBeGreaterThan(1);
    expect(said).toHaveLength(7);
    expect(world.nodes[0]?.members()).toHaveLength(1);
  });

  test('leaves what it named last: a lost connection is dialled again', async () => {
    const told = new Told([at('b')]);
    const b = await world.start('b');
    const a = await world.start('a', { discovery: [told] });
    await world.formed(a, b);
    told.end();
    world.network.reset('a', 'b');
    await world.formed(a, b);
  });

  test('is advertised again when it is started again, also when it could not be advertised at first', async () => {
    const told = new Told();
    told.failAdvertise = true;
    await world.start('a', { discovery: [told] });
    await world.run(100);
    expect(told.advertised).toEqual([]);
    told.failAdvertise = false;
    await world.until(() => told.advertised.length === 1, 'the advertisement');
    told.fail();
    await world.run(100);
    expect(told.advertised).toEqual([]);
    await world.until(() => told.advertised.length === 1, 'the advertisement');
  });

  test('does not touch the strategies of other topologies', async () => {
    const [broken, sound] = [new Told([], 'broken'), new Told([], 'sound')];
    await world.start('a', {
      topologies: [
        { name: 'one', strategies: [broken] },
        { name: 'two', strategies: [sound] },
      ],
    });
    for (let restart = 1; restart <= 20; restart++) {
      broken.fail();
      await world.until(() => broken.starts.length > restart, 'a restart', 40_000);
    }
    expect(sound.starts).toHaveLength(1);
  });
});

describe('topologies', () => {
  test('a list hook decides what counts of a set; one that throws changes nothing', async () => {
    const said = world.telemetry('discovery.failed');
    let broken = false;
    const told = new Told([at('b'), at('c')]);
    const b = await world.start('b');
    const c = await world.start('c');
    const list = (addresses: readonly { host: string }[]) => {
      if (broken) throw new Error('a bug of the user');
      return addresses.filter(({ host }) => host !== 'c') as never;
    };
    const a = await world.start('a', { topologies: [{ name: 'rack', strategies: [told], list }] });
    await world.formed(a, b);
    await world.run(5_000);
    expect(c.members()).toHaveLength(1);
    broken = true;
    told.tell([at('c')]);
    await world.run(100);
    expect(said).toHaveLength(1);
    world.network.reset('a', 'b');
    await world.formed(a, b);
    expect(c.members()).toHaveLength(1);
    expect(told.starts).toHaveLength(1);
  });

  test('a connect hook vetoes a dial, is asked again later, and knows who asks', async () => {
    const said = world.telemetry('discovery.refused');
    const asked: unknown[] = [];
    let open = false;
    const b = await world.start('b');
    const a = await world.start('a', {
      topologies: [
        {
          name: 'rack',
          strategies: [new Told([at('b')])],
          connect: (address, context) => {
            asked.push({ ...address, ...context });
            return open;
          },
        },
      ],
    });
    await world.run(20_000);
    expect(a.members()).toHaveLength(1);
    expect(asked[0]).toEqual({ ...at('b'), topology: 'rack', node: 'a' });
    expect(asked.length).toBeGreaterThan(3);
    expect(asked.length).toBeLessThan(40);
    expect(said[0]).toBe('a: discovery.refused rack memory://b:4370 vetoed');
    open = true;
    await world.formed(a, b);
  });

  test('a veto holds as long as no other topology lets the address be dialled, also when a member tells of it', async () => {
    const rack = (host: string) => ({ name: 'rack', strategies: [new Told([at(host)])], connect: () => false });
    const seeds = () => ({ name: 'seeds', strategies: [new Told([at('c')], 'seeds')] });
    const c = await world.start('c');
    // Each would dial the other as soon as it hears of it.
    const b = await world.start('b', { topologies: [rack('a'), seeds()] });
    const a = await world.start('a', { topologies: [rack('b'), seeds()] });
    await world.until(() => a.member('b') !== undefined && b.member('a') !== undefined, 'hearsay');
    await world.run(20_000);
    expect(a.member('b')?.reachable).toBe(false);
    expect(c.visible()).toHaveLength(3);
    const also = { name: 'also', strategies: [new Told([at('b')], 'also')] };
    const d = await world.start('d', { topologies: [rack('b'), also] });
    await world.until(() => d.member('b')?.reachable === true, 'b by the other topology');
  });

  test('a connect hook may name another address to dial', async () => {
    const b = await world.start('b');
    const a = await world.start('a', {
      topologies: [
        {
          name: 'nat',
          strategies: [new Told([at('outside')])],
          connect: async address => ({ ...address, host: 'b' }),
        },
      ],
    });
    await world.formed(a, b);
    await world.run(10_000);
    expect(a.member('b')?.reachable).toBe(true);
  });

  test('a connect hook that throws or never answers is a dial that failed', async () => {
    const said = world.telemetry('discovery.refused');
    const topology = (name: string, host: string, connect: () => Promise<boolean>) => ({
      name,
      strategies: [new Told([at(host)], name)],
      connect,
    });
    await world.start('a', {
      topologies: [
        topology('silent', 'x', () => new Promise(() => {})),
        topology('thrown', 'y', async () => {
          throw new Error('a bug of the user');
        }),
      ],
    });
    await world.run(6_000);
    expect(said).toContain('a: discovery.refused silent memory://x:4370 timeout');
    expect(said).toContain('a: discovery.refused thrown memory://y:4370 Error');
  });

  test.each([
    [{ discovery: [], topologies: [] }, /either 'topologies' or 'discovery'/],
    [{ topologies: {} }, /'topologies' is an object; allowed: a list/],
    [{ topologies: [{ name: '', strategies: [] }] }, /'topologies.name' is ''/],
    [{ topologies: [{ name: 'x', strategies: [{}] }] }, /'topologies.x.strategies\[0\]'/],
    [{ topologies: [{ name: 'x', strategies: [], conect: 1 }] }, /did you mean 'connect'/],
    [{ topologies: [{ name: 'x', strategies: [], connect: 1 }] }, /'topologies.x.connect' is 1/],
    [{ topologies: [{ name: 'x', strategies: [], list: 1 }] }, /'topologies.x.list' is 1/],
    [
      {
        topologies: [
          { name: 'x', strategies: [] },
          { name: 'x', strategies: [] },
        ],
      },
      /'topologies' is 'x'; allowed: each name once/,
    ],
    [{ expectedNodes: 0 }, /'expectedNodes' is 0; allowed: 1 to 20000/],
  ])('%j is refused', async (init, message) => {
    const transport = memory({ network: world.network, host: 'a' });
    const starting = ClusterNode.start({
      ...{ name: 'a', clusterId: 'world', host: 'a', transport, log: silentLog },
      ...(init as object),
    });
    await expect(starting).rejects.toMatchObject({ code: 'invalid-option', message: expect.stringMatching(message) });
  });
});

describe('a start that waits for the nodes expected', () => {
  const options = (...hosts: string[]) => ({ discovery: [new Told(hosts.map(at))], expectedNodes: 3 });

  test('resolves when they are connected, whoever dialled whom', async () => {
    const began = world.clock.now();
    const ended: number[] = [];
    const starting = (name: string, ...hosts: string[]) =>
      world.starting(name, options(...hosts)).then(node => {
        ended.push(world.clock.now() - began);
        return node;
      });
    const first = starting('a');
    const second = starting('b', 'a');
    await world.run(10_000);
    expect(ended).toEqual([]);
    const third = starting('c', 'a', 'b');
    const nodes = await world.finish(Promise.all([first, second, third]));
    expect(Math.max(...ended)).toBeLessThan(11_000);
    for (const node of nodes) expect(node.visible()).toHaveLength(3);
    expect(world.warnings.filter(line => line.includes('expected'))).toEqual([]);
  });

  test('goes on with a warning after 30 s, or joinTimeout', async () => {
    const began = world.clock.now();
    await world.start('a', options());
    expect(world.clock.now() - began).toBeGreaterThanOrEqual(30_000);
    const later = world.clock.now();
    await world.start('b', { ...options('a'), joinTimeout: 1_000 });
    expect(world.clock.now() - later).toBeLessThan(2_000);
    expect(world.warnings.filter(line => line.includes('of the 3 nodes expected'))).toEqual([
      expect.stringMatching(/^only 1 of the 3 nodes expected were found within joinTimeout \(30000 ms\)/),
      expect.stringMatching(/^only 2 of the 3/),
    ]);
  });
});

describe('a node that leaves', () => {
  test('is not findable any more while it drains, and neither dials nor rejoins', async () => {
    const told = new Told([at('b')]);
    const b = await world.start('b');
    const a = await world.start('a', { discovery: [told] });
    await world.formed(a, b);
    let drained = (): void => {};
    a.onLeave(() => new Promise(resolve => (drained = resolve)));
    const left = a.stop({ timeout: 60_000 });
    await world.run(100);
    expect(told.advertised).toEqual([]);
    const dialled = world.telemetry('discovery.connected', 'discovery.refused', 'discovery.found');
    // Discovery sees more peers, and the connection with the one known is lost.
    const c = await world.start('c');
    told.tell([at('b'), at('c')]);
    world.network.partition(['a'], ['b']);
    await world.run(5_000);
    world.network.heal();
    await world.run(5_000);
    expect(dialled.filter(line => line.startsWith('a:'))).toEqual([]);
    expect(c.members()).toHaveLength(1);
    drained();
    await world.finish(left);
    await world.run(30_000);
    expect(b.member('a')).toBeUndefined();
  });

  test('does not wait for a strategy that can not be withdrawn', async () => {
    const told = new Told();
    const stuck = {
      ...told,
      name: 'stuck',
      watch: told.watch.bind(told),
      advertise: async () => ({ [Symbol.asyncDispose]: () => new Promise<void>(() => {}) }),
    };
    const a = await world.start('a', { discovery: [stuck] });
    const began = world.clock.now();
    await world.finish(a.stop());
    expect(world.clock.now() - began).toBeLessThan(3_000);
  });
});
