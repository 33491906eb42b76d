import { FoundationError, isFoundationError, type Log, type Ref, silentLog } from '@foundation-ts/core';
import type { SimulatedCluster } from '@foundation-ts/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { Named, type Services, shardCluster, view } from './harness.js';

let cluster: SimulatedCluster<Services>;
afterEach(() => cluster.dispose());

async function three(seed = 1, log?: Log): Promise<void> {
  cluster = shardCluster(['a', 'b', 'c'], { seed, registryOnly: true, ...(log === undefined ? {} : { log }) });
  await cluster.start();
  await cluster.formed();
  await cluster.run(500);
}

const registryOf = (host: string) => cluster.host(host).services.registry;
const spawn = (host: string): Promise<Ref<typeof Named>> => cluster.finish(cluster.host(host).node.spawn(Named()));
const code = (promise: Promise<unknown>): Promise<string> =>
  cluster.finish(
    promise.then(
      () => 'resolved',
      error => (isFoundationError(error) ? error.code : String(error)),
    ),
  );

describe('a name', () => {
  test('is found here right after its registration, and on the others when the promise resolves with one of them', async () => {
    await three();
    const ref = await spawn('a');
    const registered = registryOf('a').register('n', ref, { value: { port: 1 } });
    expect(registryOf('a').whereis(Named, 'n')?.pid.key).toBe(ref.pid.key);
    expect(registryOf('a').whereis(Named, 'n')).toBe(registryOf('a').whereis(Named, 'n'));
    const { acked } = await cluster.finish(registered);
    expect(acked).toBeGreaterThanOrEqual(1);
    await cluster.run(10);
    for (const host of ['b', 'c']) {
      expect(registryOf(host).lookup('n')).toMatchObject({ value: { port: 1 }, moves: 0 });
      const far = registryOf(host).whereis(Named, 'n');
      expect(await cluster.finish((far as Ref<typeof Named>).call('ping'))).toBe('pong');
    }
    expect(registryOf('b').keys(ref.pid)).toEqual(['n']);
    expect(registryOf('a').keys(ref)).toEqual(['n']);
    expect(registryOf('c').count()).toBe(1);
  });

  test('is visible on all three within some milliseconds', async () => {
    await three();
    const ref = await spawn('a');
    const from = cluster.clock.now();
    void registryOf('a').register('n', ref);
    await cluster.until(() => ['b', 'c'].every(host => registryOf(host).count() === 1), 'the name to be seen');
    expect(cluster.clock.now() - from).toBeLessThan(10);
  });

  test('goes with its actor, everywhere', async () => {
    await three();
    const ref = await spawn('a');
    await cluster.finish(registryOf('a').register('n', ref));
    cluster.host('a').node.system.exit(ref.pid, 'kill');
    expect(registryOf('a').whereis(Named, 'n')).toBeUndefined();
    await cluster.run(20);
    expect(registryOf('b').count() + registryOf('c').count()).toBe(0);
  });

  test('has one winner of two local racers, and of two nodes the later is refused', async () => {
    await three();
    const [one, two] = [await spawn('a'), await spawn('a')];
    const outcomes = await cluster.finish(
      Promise.allSettled([registryOf('a').register('n', one), registryOf('a').register('n', two)]),
    );
    expect(outcomes.map(outcome => outcome.status)).toEqual(['fulfilled', 'rejected']);
    const far = await spawn('b');
    await cluster.run(10);
    const refused = await cluster.finish(
      registryOf('b')
        .register('n', far)
        .catch((error: FoundationError) => error),
    );
    expect(refused).toMatchObject({ code: 'name-taken', details: { pid: one.pid } });
  });

  test('two hundred local racers of one name: exactly one of each pair gets it', async () => {
    await three();
    for (let round = 0; round < 200; round++) {
      const [one, two] = [await spawn('a'), await spawn('a')];
      const results = await cluster.finish(
        Promise.allSettled([one, two].map(ref => registryOf('a').register(`n${round}`, ref, { ack: 'local' }))),
      );
      expect(results.filter(result => result.status === 'fulfilled')).toHaveLength(1);
    }
  });

  test('registered on two nodes at the same moment is acknowledged to the winner alone', async () => {
    await three();
    for (let index = 0; index < 20; index++) {
      const [one, two] = [await spawn('a'), await spawn('b')];
      const name = `race-${index}`;
      const racers = [
        registryOf('a').register(name, one),
        registryOf('b').register(name, two, { onConflict: 'unname' }),
      ];
      expect((await Promise.all(racers.map(code))).sort()).toEqual(['name-taken', 'resolved']);
      expect(registryOf('c').lookup(name)?.pid.node).toBe(
        (await code(racers[0] as Promise<unknown>)) === 'resolved' ? 'a' : 'b',
      );
    }
  });

  test('is seen by every listener and every node, even if one of the listeners throws', async () => {
    const errors: string[] = [];
    await three(1, { ...silentLog, error: (_fields: object, message: string) => errors.push(message) } as Log);
    const seen: string[] = [];
    registryOf('b').onChange(() => {
      throw new Error('a listener that fails');
    });
    registryOf('b').onChange(change => seen.push(change.name));
    for (const name of ['one', 'two', 'three']) void registryOf('a').register(name, await spawn('a'));
    await cluster.run(20);
    expect(seen.sort()).toEqual(['one', 'three', 'two']);
    expect(registryOf('b').count()).toBe(3);
    expect(errors).toHaveLength(3);
  });

  test('is refused for actors of other nodes, at once', async () => {
    await three();
    const far = await spawn('b');
    expect(() => registryOf('a').register('n', far)).toThrow(/lives on 'b'/);
    expect(() => registryOf('a').register('', far)).toThrow(FoundationError);
    // @ts-expect-error no such option
    expect(() => registryOf('a').register('n', far, { acks: 'one' })).toThrow(/did you mean 'ack'/);
  });

  test('registered again by its holder is no conflict; given up, it is free', async () => {
    await three();
    const ref = await spawn('a');
    await cluster.finish(registryOf('a').register('n', ref));
    await cluster.finish(registryOf('a').register('n', ref));
    expect(registryOf('a').unregister('n')).toBe(true);
    expect(registryOf('a').unregister('n')).toBe(false);
    await cluster.run(10);
    const other = await spawn('b');
    await cluster.finish(registryOf('b').register('n', other));
    await cluster.run(10);
    expect(registryOf('c').whereis(Named, 'n')?.pid.key).toBe(other.pid.key);
  });

  test('has a value with a version of its own, which only the holder changes', async () => {
    await three();
    const ref = await spawn('a');
    await cluster.finish(registryOf('a').register('n', ref, { value: 1 }));
    expect(registryOf('a').updateValue('n', value => (value as number) + 1)).toBe(2);
    await cluster.run(10);
    expect(registryOf('b').lookup('n')).toMatchObject({ value: 2, valueVersion: 1 });
    expect(() => registryOf('b').updateValue('n', () => 3)).toThrow(/holder's node/);
    expect(() => registryOf('a').updateValue('n', () => () => {})).toThrow(/function/);
  });

  test('by via is looked up at each send, on whatever node', async () => {
    await three();
    const via = registryOf('b').via(Named, 'n');
    expect(await code(via.call('ping'))).toBe('noproc');
    const ref = await spawn('a');
    await cluster.finish(registryOf('a').register('n', ref));
    await cluster.run(10);
    expect(await cluster.finish(via.call('ping'))).toBe('pong');
  });

  test('can be waited for', async () => {
    await three();
    const waiting = registryOf('c').awaitVisible('n');
    const ref = await spawn('a');
    void registryOf('a').register('n', ref);
    expect((await cluster.finish(waiting)).pid.key).toBe(ref.pid.key);
    expect(await code(registryOf('c').awaitVisible('m', { timeout: 50 }))).toBe('timeout');
    const controller = new AbortController();
    const aborted = code(registryOf('c').awaitVisible('m', { signal: controller.signal }));
    controller.abort();
    expect(await aborted).toBe('aborted');
  });
});

describe('acknowledgement', () => {
  test('alone: zero', async () => {
    cluster = shardCluster(['a'], { registryOnly: true });
    await cluster.start();
    expect(await cluster.finish(registryOf('a').register('n', await spawn('a')))).toEqual({ acked: 0 });
  });

  test('quorum is counted by the known members, not by those in sight: the minority is refused before anything changes', async () => {
    await three();
    expect(await cluster.finish(registryOf('a').register('n', await spawn('a'), { ack: 'quorum' }))).toEqual({
      acked: 1,
    });
    cluster.partition(['a'], ['b', 'c']);
    await cluster.until(() => cluster.host('a').node.visible().length === 1, 'a to be alone', 60_000);
    expect(await code(registryOf('a').register('m', await spawn('a'), { ack: 'quorum' }))).toBe('noconnection');
    expect(registryOf('a').whereis(Named, 'm')).toBeUndefined();
  });

  test('an acknowledged name survives in the others when its node is cut off a moment later, and comes back with it', async () => {
    await three();
    const ref = await spawn('a');
    await cluster.finish(registryOf('a').register('n', ref));
    cluster.partition(['a'], ['b', 'c']);
    await cluster.until(() => cluster.running.every(host => host.node.visible().length < 3), 'the split', 60_000);
    expect(registryOf('b').count()).toBe(0);
    cluster.heal();
    await cluster.formed();
    await cluster.run(1_000);
    expect(registryOf('b').whereis(Named, 'n')?.pid.key).toBe(ref.pid.key);
  });
});

describe('members', () => {
  test('names of a dead node vanish the moment that its membership does, and stay away', async () => {
    await three();
    await cluster.finish(registryOf('a').register('n', await spawn('a')));
    await cluster.run(10);
    let atEvent = -1;
    cluster.host('b').node.onMembership(event => {
      if (event.member.name === 'a' && event.type === 'unreachable') atEvent = registryOf('b').count();
    });
    cluster.crash('a');
    await cluster.until(() => registryOf('b').count() === 0 && registryOf('c').count() === 0, 'the name to vanish');
    expect(atEvent).toBe(0);
    await cluster.until(() => registryOf('b').explain('n').includes('no claims'), 'nothing to be kept of it');
    await cluster.start(['a']);
    await cluster.formed();
    await cluster.run(15_000);
    expect(['a', 'b', 'c'].map(host => registryOf(host).count())).toEqual([0, 0, 0]);
  });

  test('names leave with a node that leaves', async () => {
    await three();
    await cluster.finish(registryOf('a').register('n', await spawn('a')));
    await cluster.leave('a');
    await cluster.run(100);
    expect(registryOf('b').count() + registryOf('c').count()).toBe(0);
  });

  test('a node that joins gets all names, many of them too', async () => {
    cluster = shardCluster(['a', 'b'], { registryOnly: true });
    await cluster.start(['a']);
    const ref = await spawn('a');
    for (let index = 0; index < 20_000; index++) void registryOf('a').register(`name-${index}`, ref, { ack: 'local' });
    await cluster.start(['b']);
    await cluster.formed();
    await cluster.until(() => registryOf('b').count() === 20_000, 'b to be in sync', 30_000);
    expect(registryOf('b').whereis(Named, 'name-19999')?.pid.key).toBe(ref.pid.key);
  });
});

describe('after a partition', () => {
  test.each([1, 2, 3, 4, 5, 6, 7])(
    'a name held twice has the same winner everywhere, the loser exits and no name is missing (seed %i)',
    async seed => {
      const conflicts: string[] = [];
      await three(seed, { ...silentLog, info: (_fields, message) => conflicts.push(message) });
      const kept = await spawn('c');
      for (let index = 0; index < 50; index++) void registryOf('c').register(`kept-${index}`, kept);
      await cluster.run(50);
      cluster.partition(['a'], ['b', 'c']);
      await cluster.until(
        () => cluster.host('a').node.visible().length === 1 && cluster.host('b').node.visible().length === 2,
        'the split',
      );
      const one = await spawn('a');
      await cluster.finish(registryOf('a').register('n', one));
      const unnamed = await spawn('b');
      await cluster.run(20);
      const two = await spawn('b');
      await cluster.finish(registryOf('b').register('n', two));
      await cluster.finish(registryOf('a').register('m', one));
      await cluster.finish(registryOf('b').register('m', unnamed, { onConflict: 'unname' }));
      const reason = cluster.host('b').node.system.whenEnded(two);
      cluster.heal();
      await cluster.formed();
      await cluster.run(2_000);
      const views = ['a', 'b', 'c'].map(host => view(registryOf(host)));
      expect(new Set(views).size).toBe(1);
      for (const host of ['a', 'b', 'c']) {
        expect(registryOf(host).whereis(Named, 'n')?.pid.key).toBe(one.pid.key);
        expect(registryOf(host).whereis(Named, 'm')?.pid.key).toBe(one.pid.key);
        expect(registryOf(host).count()).toBe(52);
      }
      expect(await cluster.finish(reason)).toEqual({ shutdown: { nameConflict: one.pid } });
      expect(cluster.host('b').node.system.process(unnamed.pid)?.alive).toBe(true);
      expect(conflicts.filter(message => message.includes('held twice'))).toHaveLength(2);
    },
  );
});

describe('what a member brings back', () => {
  test('and has given up meanwhile costs nobody his name', async () => {
    await three();
    const first = await spawn('a');
    await cluster.finish(registryOf('a').register('n', first));
    await cluster.run(20);
    cluster.partition(['a'], ['b', 'c']);
    await cluster.until(() => registryOf('b').count() === 0 && registryOf('c').count() === 0, 'the split');
    const second = await spawn('b');
    await cluster.finish(registryOf('b').register('n', second));
    cluster.host('a').node.system.exit(first.pid, 'kill');
    await cluster.run(20);
    cluster.heal();
    await cluster.formed();
    await cluster.run(2_000);
    for (const host of ['a', 'b', 'c']) expect(registryOf(host).whereis(Named, 'n')?.pid.key).toBe(second.pid.key);
    expect(cluster.host('b').node.system.process(second.pid)?.alive).toBe(true);
  });
});

describe('meta', () => {
  test('the last write wins everywhere, and outlives its writer', async () => {
    await three();
    registryOf('a').meta.put('k', 1);
    await cluster.run(20);
    registryOf('b').meta.put('k', 2);
    await cluster.run(20);
    cluster.crash('b');
    await cluster.run(1_000);
    expect(['a', 'c'].map(host => registryOf(host).meta.get('k'))).toEqual([2, 2]);
    registryOf('c').meta.delete('k');
    await cluster.run(20);
    expect(registryOf('a').meta.keys()).toEqual([]);
  });
});
