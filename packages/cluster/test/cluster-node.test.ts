import { ClusterNode, type MembershipEvent } from '@foundation-ts/cluster';
import { actor, FoundationError, type Log, type Pid, type Ref, silentLog, supervisor } from '@foundation-ts/core';
import { SimulatedCluster } from '@foundation-ts/testing';
import { memory } from '@foundation-ts/transport/memory';
import { afterEach, describe, expect, test } from 'vitest';

const Counter = actor({
  name: 'counter',
  init: (start: number) => ({ count: start, seen: [] as number[] }),
  calls: {
    get: s => s.count,
    seen: s => s.seen,
    add: (s, n: number) => (s.count += n),
    boom: (): number => {
      throw new Error('bang');
    },
    never: () => new Promise<void>(() => {}),
    echo: (_s, value: unknown) => value,
    function: () => ({ on: () => {} }),
    die: (_s, _p: void, ctx) => ctx.stop('shutdown'),
  },
  casts: {
    note: (s, n: number) => {
      s.seen.push(n);
    },
  },
});

interface WatchState {
  events: { monitor: number; reason: unknown; from: string }[];
  exits: unknown[];
}
const Watcher = actor({
  name: 'watcher',
  init: (): WatchState => ({ events: [], exits: [] }),
  calls: {
    watch: (_s, pid: Pid, ctx) => ctx.monitor(pid),
    unwatch: (_s, monitor: number, ctx) => ctx.demonitor(monitor),
    link: (_s, pid: Pid, ctx) => ctx.link(pid),
    events: s => s.events,
    exits: s => s.exits,
  },
  onDown: (s, down) => {
    s.events.push({ monitor: down.monitor, reason: down.reason, from: down.pid.node });
  },
  onExit: (s, exit) => {
    s.exits.push(exit.reason);
  },
});
const Picky = actor({
  name: 'picky',
  init: (ok: boolean) => {
    if (!ok) throw new Error('not today');
    return {};
  },
});
const Local = actor({ name: 'local', init: () => ({}), localOnly: true });
const Unknown = actor({ name: 'unknown', init: () => ({}) });

let cluster: SimulatedCluster<MembershipEvent[]>;
const make = (hosts: readonly string[], seed = 1): SimulatedCluster<MembershipEvent[]> => {
  cluster = new SimulatedCluster({
    seed,
    hosts,
    definitions: [Counter, Watcher, Picky, Local],
    services: async node => {
      const events: MembershipEvent[] = [];
      node.onMembership(event => events.push(event));
      return events;
    },
    // So that the listener above hears of everyone.
    node: { joinTimeout: 0 },
  });
  return cluster;
};
const up = async (hosts: readonly string[], seed = 1): Promise<SimulatedCluster<MembershipEvent[]>> => {
  make(hosts, seed);
  await cluster.start();
  await cluster.formed();
  return cluster;
};
const node = (name: string): ClusterNode => cluster.host(name).node;
const kinds = (name: string, of: string): string[] =>
  cluster
    .host(name)
    .services.filter(event => event.member.name === of)
    .map(event => event.type);
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await cluster.finish(
    promise.then(
      () => undefined,
      e => e as FoundationError,
    ),
  );
  expect(error).toBeInstanceOf(FoundationError);
  return (error as FoundationError).code;
};

afterEach(() => cluster?.dispose());

describe('formation', () => {
  test('nodes that start at once see each other, all up', async () => {
    await up(['a', 'b', 'c', 'd', 'e']);
    for (const { node: each } of cluster.running) {
      expect(each.visible().map(member => member.name)).toEqual(['a', 'b', 'c', 'd', 'e']);
    }
    expect(kinds('a', 'b')).toEqual(['up']);
  });

  test('a node that joins later is seen by all', async () => {
    make(['a', 'b', 'c']);
    await cluster.start(['a', 'b']);
    await cluster.formed();
    await cluster.start(['c']);
    await cluster.formed();
    expect(kinds('a', 'c')).toEqual(['up']);
    expect(kinds('c', 'a')).toEqual(['up']);
  });

  test.each(Array.from({ length: 20 }, (_, seed) => seed))('forms with delay and loss (seed %i)', async seed => {
    cluster = new SimulatedCluster({
      seed,
      hosts: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'],
      services: async (): Promise<MembershipEvent[]> => [],
      faults: { delay: 50, jitter: 50, loss: 0.1 },
    });
    await cluster.start();
    await cluster.formed();
    await cluster.run(60_000);
    expect(cluster.running.every(host => host.node.visible().length === 8)).toBe(true);
  });

  test('nodes of another cluster id are left alone', async () => {
    await up(['a', 'b']);
    const stranger = await cluster.finish(
      ClusterNode.start({
        name: 'x',
        clusterId: 'another',
        transport: memory({ network: cluster.network, host: 'x' }),
        host: 'x',
        port: 4370,
        clock: cluster.clock,
        log: silentLog,
      }),
    );
    expect(await codeOf(stranger.connect({ protocol: 'memory', host: 'a', port: 4370 }))).toBe('wrong-cluster');
    expect(node('a').members()).toHaveLength(2);
    void stranger.stop();
    await cluster.run(1_000);
  });

  test('a second live node of a taken name is refused and told so', async () => {
    await up(['a', 'b']);
    const twin = await cluster.finish(
      ClusterNode.start({
        name: 'b',
        clusterId: 'simulation',
        transport: memory({ network: cluster.network, host: 'x' }),
        host: 'x',
        port: 4370,
        clock: cluster.clock,
        log: silentLog,
      }),
    );
    expect(await codeOf(twin.connect({ protocol: 'memory', host: 'a', port: 4370 }))).toBe('conflict');
    await cluster.run(5_000);
    expect(node('a').member('b')?.incarnation).toBe(node('b').incarnation);
    void twin.stop();
    await cluster.run(1_000);
  });
});

describe('messages', () => {
  test('calls, casts and spawns reach another node', async () => {
    await up(['a', 'b']);
    const far = await cluster.finish(node('a').spawn(Counter(3), { on: 'b' }));
    expect(far.pid.node).toBe('b');
    expect(await cluster.finish(far.call('add', 2))).toBe(5);
    for (let n = 0; n < 100; n++) far.cast('note', n);
    expect(await cluster.finish(far.call('seen'))).toEqual(Array.from({ length: 100 }, (_, n) => n));
    await cluster.finish(far.offer('note', 100));
    expect(await cluster.finish(far.call('seen'))).toHaveLength(101);
  });

  test('a ref sent to another node works there, and a pid arrives equal', async () => {
    await up(['a', 'b']);
    const here = await node('a').spawn(Counter(7));
    const far = await cluster.finish(node('a').spawn(Counter(0), { on: 'b' }));
    const back = (await cluster.finish(far.call('echo', { ref: here, pid: here.pid }))) as {
      ref: typeof here;
      pid: Pid;
    };
    expect(back.pid.equals(here.pid)).toBe(true);
    expect(await cluster.finish(back.ref.call('get'))).toBe(7);
  });

  test('a name on another node can be addressed', async () => {
    await up(['a', 'b']);
    await node('b').spawn(Counter(9), { name: 'nine' });
    expect(await cluster.finish(node('a').system.refOn<typeof Counter>('b', 'nine').call('get'))).toBe(9);
    node('a').send('b', 'nine', 'note', 4);
    await cluster.run(100);
    expect(await cluster.finish(node('a').system.refOn<typeof Counter>('b', 'nine').call('seen'))).toEqual([4]);
  });

  test('a failing handler fails the caller on the other node', async () => {
    await up(['a', 'b']);
    const far = await cluster.finish(node('a').spawn(Counter(0), { on: 'b' }));
    const error = await cluster.finish(far.call('boom').catch((e: FoundationError) => e));
    expect(error).toMatchObject({ code: 'handler-failed', cause: { message: 'bang' } });
    expect(await codeOf(far.call('get'))).toBe('noproc');
  });

  test('a spawn that can not be done says why', async () => {
    await up(['a', 'b']);
    expect(await codeOf(node('a').spawn(Unknown(), { on: 'b' }))).toBe('unknown-definition');
    await expect(cluster.finish(node('a').spawn(Unknown(), { on: 'b' }))).rejects.toThrow(
      "Node 'b' has no definition 'unknown'; it has: counter, watcher, picky, local. Add it to 'definitions'",
    );
    expect(await codeOf(node('a').spawn(Picky(false), { on: 'b' }))).toBe('start-failed');
    expect(await codeOf(node('a').spawn(Local(), { on: 'b' }))).toBe('invalid-operation');
    expect(await codeOf(node('a').spawn(Counter(1), { on: 'nowhere' }))).toBe('noconnection');
  });

  test('what can not be sent throws at its sender and hurts nobody', async () => {
    await up(['a', 'b']);
    const far = await cluster.finish(node('a').spawn(Counter(0), { on: 'b' }));
    expect(await codeOf(far.call('echo', { deep: [() => {}] }))).toBe('not-sendable');
    await expect(far.call('echo', { deep: [() => {}] })).rejects.toThrow(
      "Can't send the payload of 'echo': payload.deep[0]: it is a function.",
    );
    await expect(cluster.finish(far.call('function'))).rejects.toThrow("Can't send the reply.on: it is a function.");
    expect(await cluster.finish(far.call('get'))).toBe(0);
    const local = await node('b').spawn(Counter(0));
    void local;
    expect(kinds('a', 'b')).toEqual(['up']);
  });

  test('a call to a silent actor times out; one cut off midway is of unknown outcome', async () => {
    await up(['a', 'b']);
    const far = await cluster.finish(node('a').spawn(Counter(0), { on: 'b' }));
    expect(await codeOf(far.call('never', undefined, { timeout: 200 }))).toBe('timeout');
    const second = await cluster.finish(node('a').spawn(Counter(0), { on: 'b' }));
    const pending = codeOf(second.call('never'));
    await cluster.run(10);
    cluster.crash('b');
    expect(await pending).toBe('unknown-outcome');
    expect(await codeOf(second.call('get'))).toBe('noconnection');
    second.cast('note', 1);
    expect(node('a').system.deadLetters.recent.at(-1)).toMatchObject({ op: 'note', reason: 'noconnection' });
  });
});

describe('monitors and links across nodes', () => {
  const setUp = async (): Promise<{ watcher: Ref<typeof Watcher>; far: Ref<typeof Counter> }> => {
    await up(['a', 'b', 'c']);
    const watcher = await node('a').spawn(Watcher());
    const far = await cluster.finish(node('a').spawn(Counter(0), { on: 'b' }));
    return { watcher, far };
  };

  test('a monitor fires once with the reason, at once with noproc when it is gone', async () => {
    const { watcher, far } = await setUp();
    await watcher.call('watch', far.pid);
    await cluster.finish(far.call('die'));
    await cluster.run(100);
    expect(await watcher.call('events')).toMatchObject([{ reason: 'shutdown', from: 'b' }]);
    await watcher.call('watch', far.pid);
    await cluster.run(100);
    expect(await watcher.call('events')).toMatchObject([{ reason: 'shutdown' }, { reason: 'noproc' }]);
    await cluster.run(20_000);
    expect(await watcher.call('events')).toHaveLength(2);
  });

  test('a demonitored actor is not reported', async () => {
    const { watcher, far } = await setUp();
    const monitor = await watcher.call('watch', far.pid);
    await watcher.call('unwatch', monitor);
    await cluster.run(10);
    await cluster.finish(far.call('die'));
    await cluster.run(1_000);
    expect(await watcher.call('events')).toEqual([]);
  });

  test('a link carries the exit both ways', async () => {
    const { watcher, far } = await setUp();
    await watcher.call('link', far.pid);
    await cluster.run(10);
    await cluster.finish(far.call('boom').catch(() => undefined));
    await cluster.run(100);
    expect(await watcher.call('exits')).toMatchObject([{ message: 'bang' }]);
    const second = await cluster.finish(node('a').spawn(Counter(0), { on: 'b' }));
    await watcher.call('link', second.pid);
    await cluster.run(10);
    node('a').system.exit(watcher.pid, 'kill');
    await cluster.run(100);
    expect(await codeOf(second.call('get'))).toBe('noproc');
  });

  test('a crashed node fires noconnection, once, and is confirmed down within milliseconds', async () => {
    const { watcher, far } = await setUp();
    await watcher.call('watch', far.pid);
    await watcher.call('link', far.pid);
    await cluster.run(10);
    const before = cluster.clock.now();
    cluster.crash('b');
    await cluster.until(() => kinds('a', 'b').includes('down'), 'b to be down');
    expect(cluster.clock.now() - before).toBeLessThan(20);
    expect(await watcher.call('events')).toMatchObject([{ reason: 'noconnection' }]);
    expect(await watcher.call('exits')).toEqual(['noconnection']);
    expect(kinds('a', 'b')).toEqual(['up', 'unreachable', 'down']);
    await cluster.run(60_000);
    expect(await watcher.call('events')).toHaveLength(1);
    expect(kinds('a', 'b')).toHaveLength(3);
  });

  test('a silent node is noticed within 7 s, is unreachable but not down, and comes back as it was', async () => {
    const { watcher, far } = await setUp();
    await watcher.call('watch', far.pid);
    await cluster.run(10_000);
    const before = cluster.clock.now();
    cluster.partition(['a', 'c'], ['b']);
    await cluster.until(() => kinds('a', 'b').includes('unreachable'), 'b to be unreachable');
    expect(cluster.clock.now() - before).toBeLessThanOrEqual(7_000);
    expect(await watcher.call('events')).toMatchObject([{ reason: 'noconnection' }]);
    await cluster.run(30_000);
    expect(kinds('a', 'b')).toEqual(['up', 'unreachable']);
    cluster.heal();
    await cluster.formed();
    expect(kinds('a', 'b')).toEqual(['up', 'unreachable', 'reachable']);
    expect(await cluster.finish(far.call('add', 1))).toBe(1);
    expect(await watcher.call('events')).toHaveLength(1);
  });

  test('a short split is not noticed', async () => {
    await up(['a', 'b', 'c']);
    await cluster.run(10_000);
    cluster.partition(['a', 'b'], ['c']);
    await cluster.run(2_000);
    cluster.heal();
    await cluster.run(20_000);
    expect(kinds('a', 'c')).toEqual(['up']);
    expect(kinds('c', 'a')).toEqual(['up']);
  });

  test('a node that comes back at its address is a new incarnation; the old one is down', async () => {
    const { watcher, far } = await setUp();
    await watcher.call('watch', far.pid);
    await cluster.run(10);
    cluster.crash('b');
    await cluster.start(['b']);
    await cluster.formed();
    await cluster.run(100);
    expect(kinds('a', 'b').filter(kind => kind !== 'unreachable')).toEqual(['up', 'down', 'up']);
    expect(await watcher.call('events')).toMatchObject([{ reason: 'noconnection' }]);
    expect(['noproc', 'noconnection']).toContain(await codeOf(far.call('get')));
  });
});

describe('leaving', () => {
  test('a node that leaves says so; nobody takes it for a failure', async () => {
    await up(['a', 'b', 'c']);
    await cluster.leave('b');
    await cluster.run(100);
    expect(kinds('a', 'b')).toEqual(['up', 'leaving', 'left']);
    expect(
      node('a')
        .members()
        .map(member => member.name),
    ).toEqual(['a', 'c']);
    await cluster.run(60_000);
    expect(kinds('a', 'b')).toEqual(['up', 'leaving', 'left']);
    expect(kinds('c', 'b')).toEqual(['up', 'leaving', 'left']);
  });

  test('leave hooks run before, last registered first, and a stuck one does not hold the node for ever', async () => {
    await up(['a', 'b']);
    const order: string[] = [];
    node('b').onLeave(async () => {
      order.push('first');
    });
    node('b').onLeave(async signal => {
      order.push('second');
      await new Promise(resolve => signal.addEventListener('abort', resolve));
    });
    const before = cluster.clock.now();
    await cluster.leave('b');
    expect(order[0]).toBe('second');
    expect(cluster.clock.now() - before).toBeLessThanOrEqual(11_000);
    await cluster.run(100);
    expect(kinds('a', 'b')).toEqual(['up', 'leaving', 'left']);
  });

  test('supervised trees stop with their node', async () => {
    await up(['a', 'b']);
    const stopped: string[] = [];
    const Worker = actor({
      name: 'worker',
      init: (id: string) => ({ id }),
      terminate: s => {
        stopped.push(s.id);
      },
    });
    const tree = await node('a').supervise(
      supervisor({
        children: [
          { id: 'x', start: Worker('x'), restart: 'permanent', shutdown: 100 },
          { id: 'y', start: Worker('y'), restart: 'permanent', shutdown: 100 },
        ],
      }),
    );
    expect(await tree.countChildren()).toMatchObject({ active: 2 });
    await cluster.leave('a');
    expect(stopped).toEqual(['y', 'x']);
  });
});

describe('robustness', () => {
  test('an unreachable seed is one clear line, and the node stays up', async () => {
    const lines: string[] = [];
    const log: Log = {
      ...silentLog,
      warn: (_fields, message) => lines.push(message),
      error: (_fields, message) => lines.push(message),
    };
    cluster = new SimulatedCluster({
      seed: 1,
      hosts: ['a', 'ghost'],
      services: async (): Promise<MembershipEvent[]> => [],
      log,
    });
    await cluster.start(['a']);
    await cluster.run(60_000);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/ghost.*4370.*Is the node there running.*tried again/);
    expect(node('a').visible()).toHaveLength(1);
  });

  test('a wrong secret is one clear error on both sides, and both stay up', async () => {
    const lines: string[] = [];
    const log: Log = {
      ...silentLog,
      error: (_fields, message) => lines.push(message),
      warn: (_fields, message) => lines.push(message),
    };
    cluster = new SimulatedCluster({
      seed: 1,
      hosts: ['a', 'b'],
      services: async (): Promise<MembershipEvent[]> => [],
      log,
      node: { secret: new Uint8Array(16).fill(1) },
    });
    await cluster.start(['a']);
    const stranger = await cluster.finish(
      ClusterNode.start({
        name: 'x',
        clusterId: 'simulation',
        transport: memory({ network: cluster.network, host: 'x' }),
        host: 'x',
        port: 4370,
        secret: new Uint8Array(16).fill(2),
        clock: cluster.clock,
        log: silentLog,
      }),
    );
    expect(await codeOf(stranger.connect({ protocol: 'memory', host: 'a', port: 4370 }))).toBe('auth-failed');
    await cluster.run(1_000);
    expect(lines.some(line => /secret/.test(line))).toBe(true);
    expect(node('a').visible()).toHaveLength(1);
    void stranger.stop();
    await cluster.run(1_000);
  });

  test.each(Array.from({ length: 10 }, (_, seed) => seed))(
    'connections cut at random: monitors never fire twice, the cluster heals (seed %i)',
    async seed => {
      await up(['a', 'b', 'c', 'd'], seed);
      const watcher = await node('a').spawn(Watcher());
      const far = await cluster.finish(node('a').spawn(Counter(0), { on: 'b' }));
      await watcher.call('watch', far.pid);
      for (let round = 0; round < 20; round++) {
        const [left, right] = [...cluster.hosts].sort(() => cluster.random.next() - 0.5);
        cluster.network.reset(left as string, right as string);
        await cluster.run(cluster.random.next() * 300);
      }
      await cluster.formed();
      const events = await watcher.call('events');
      expect(events.length).toBeLessThanOrEqual(1);
      expect(await cluster.finish(far.call('get'))).toBe(0);
    },
  );
});
