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
