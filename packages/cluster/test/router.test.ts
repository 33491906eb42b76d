import { actor, type FoundationError } from '@foundation-ts/core';
import { SimulatedCluster } from '@foundation-ts/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let gate: Promise<void> = Promise.resolve();
const Sink = actor({
  name: 'sink',
  init: (_argument: unknown) => ({ seen: [] as number[] }),
  calls: { seen: s => s.seen },
  casts: {
    block: () => gate,
    note: (s, n: number) => {
      s.seen.push(n);
    },
  },
  mailbox: { capacity: 2 },
});

let cluster: SimulatedCluster<undefined>;
beforeEach(async () => {
  cluster = new SimulatedCluster({ seed: 1, hosts: ['a', 'b'], definitions: [Sink], services: async () => undefined });
  await cluster.start();
  await cluster.formed();
});
afterEach(() => cluster.dispose());

describe('what goes to another node', () => {
  test('a remote spawn with an argument that can not be sent fails once, and nothing is left', async () => {
    const argument = (): void => {};
    const error = await cluster.finish(
      cluster
        .host('a')
        .node.spawn(Sink(argument), { on: 'b' })
        .catch((e: FoundationError) => e),
    );
    expect(error).toMatchObject({ code: 'not-sendable' });
    await cluster.run(20_000);
  });

  test('an offer whose caller on another node has given up is not accepted later', async () => {
    let open!: () => void;
    gate = new Promise(resolve => {
      open = resolve;
    });
    const sink = await cluster.finish(cluster.host('a').node.spawn(Sink(undefined), { on: 'b' }));
    sink.cast('block');
    await cluster.run(10);
    const offers = [1, 2, 3, 4, 5].map(n =>
      sink.offer('note', n, { timeout: 100 }).then(
        () => n,
        () => 0,
      ),
    );
    expect(await cluster.finish(Promise.all(offers))).toEqual([1, 2, 0, 0, 0]);
    await cluster.run(100);
    open();
    await cluster.run(100);
    expect(await cluster.finish(sink.call('seen'))).toEqual([1, 2]);
  });
});

test('an answer for which the channel of its call has no room comes on data, and nobody is disconnected', async () => {
  const Big = actor({
    name: 'big',
    init: () => ({}),
    calls: { get: (_s, n: number) => new Uint8Array(500_000).fill(n) },
  });
  const own = new SimulatedCluster({
    seed: 2,
    hosts: ['a', 'b'],
    definitions: [Big],
    services: async () => undefined,
    faults: { delay: 1, jitter: 1, bandwidth: 2_000_000 },
    node: { channels: [{ name: 'control' }, { name: 'data' }, { name: 'tight', queueMessages: 2 }] },
  });
  await own.start();
  await own.formed();
  const big = await own.finish(own.host('a').node.spawn(Big(), { on: 'b' }));
  const calls: Promise<Uint8Array>[] = [];
  for (let n = 1; n <= 6; n++) {
    calls.push(big.call('get', n, { channel: 'tight' }));
    await own.run(10);
  }
  const answers = await own.finish(Promise.all(calls));
  expect(answers.map(answer => answer[0])).toEqual([1, 2, 3, 4, 5, 6]);
  expect(own.host('b').node.visible()).toHaveLength(2);
  own.dispose();
});
