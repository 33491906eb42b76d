import { type AnyDefinition, actor, FoundationError, type Pid } from '@foundation-ts/core';
import { SimulatedCluster } from '@foundation-ts/testing';
import type { ChannelDeclaration, Peer } from '@foundation-ts/transport';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MAX_HELD_SIGNALS } from '../src/defaults.js';
import type { Gate } from '../src/gate.js';
import { Router } from '../src/router.js';
import { wire } from '../src/wire.js';

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

/** A link on which large messages wait, and queues in which few have room. */
async function narrow(
  definition: AnyDefinition,
  data: Partial<ChannelDeclaration>,
): Promise<SimulatedCluster<undefined>> {
  const own = new SimulatedCluster({
    seed: 2,
    hosts: ['a', 'b'],
    definitions: [definition],
    services: async () => undefined,
    faults: { delay: 1, jitter: 1, bandwidth: 2_000_000 },
    node: {
      channels: [
        { name: 'control' },
        { name: 'data', ...data },
        { name: 'tight', queueMessages: 2 },
        { name: 'brief', queueMessages: 2, whenFull: 'drop-newest' },
        { name: 'short', queueMessages: 2, whenFull: 'drop-oldest', window: 4096 },
        { name: 'newest', monotonic: true, window: 4096 },
      ],
    },
  });
  await own.start();
  await own.formed();
  return own;
}

describe('where a queue is full', () => {
  const Big = actor({
    name: 'big',
    init: () => ({ downs: [] as unknown[] }),
    calls: {
      get: (_s, n: number) => new Uint8Array(500_000).fill(n),
      watch: (_s, pid: Pid, ctx) => void ctx.monitor(pid),
      downs: s => s.downs,
      poke: (_s, ref: { with(options: object): { cast(op: 'take', bytes: Uint8Array): void } }) =>
        ref.with({ channel: 'newest' }).cast('take', new Uint8Array(1)),
    },
    casts: { block: () => gate, take: (_s, _bytes: Uint8Array) => {} },
    onDown: (s, { reason }) => void s.downs.push(reason),
  });
  type Answers = (Uint8Array | FoundationError)[];
  const ask = async (own: SimulatedCluster<undefined>, channel: string): Promise<Answers> => {
    const big = await own.finish(own.host('a').node.spawn(Big(), { on: 'b' }));
    const calls: Promise<Uint8Array | FoundationError>[] = [];
    for (let n = 1; n <= 6; n++) {
      calls.push(big.call('get', n, { channel }).catch((error: FoundationError) => error));
      await own.run(10);
    }
    const answers = await own.finish(Promise.all(calls));
    expect(own.host('b').node.visible()).toHaveLength(2);
    own.dispose();
    return answers;
  };

  test.each(['tight', 'brief', 'newest'])('an answer to a call on another channel comes all the same: %s', async on => {
    const answers = await ask(await narrow(Big, {}), on);
    expect(answers.map(answer => (answer as Uint8Array)[0])).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('an answer that its channel drops later is given up, and its caller told', async () => {
    const own = await narrow(Big, {});
    let open!: () => void;
    gate = new Promise(resolve => {
      open = resolve;
    });
    const big = await own.finish(own.host('a').node.spawn(Big(), { on: 'b' }));
    big.cast('block');
    const outcomes: Promise<string>[] = [];
    for (let n = 1; n <= 6; n++) {
      const call = big.call('get', n, { channel: 'short' });
      outcomes.push(
        call.then(
          () => 'answered',
          (error: FoundationError) => error.code,
        ),
      );
      await own.run(10);
    }
    // All are answered in one turn.
    open();
    expect(new Set(await own.finish(Promise.all(outcomes)))).toEqual(new Set(['answered', 'unknown-outcome']));
    own.dispose();
  });

  test('an answer and a message to the actor whose number is that of the call do not replace each other', async () => {
    const own = await narrow(Big, {});
    const near = await own.finish(own.host('a').node.spawn(Big()));
    const big = await own.finish(own.host('a').node.spawn(Big(), { on: 'b' }));
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 2 * near.pid.id; n++)
      calls.push(big.call('poke', near, { channel: 'newest', partition: `call ${n}` }));
    expect(await own.finish(Promise.all(calls))).toHaveLength(2 * near.pid.id);
    own.dispose();
  });

  test('an answer on data is given up, and its caller told', async () => {
    const answers = await ask(await narrow(Big, { queueBytes: 1_200_000 }), 'data');
    expect((answers[0] as Uint8Array)[0]).toBe(1);
    expect(answers.at(-1)).toMatchObject({ code: 'unknown-outcome', message: expect.stringContaining('queue') });
  });

  test('signals between actors still pass', async () => {
    const own = await narrow(Big, { queueMessages: 2 });
    const { node } = own.host('a');
    const far = await own.finish(node.spawn(Big(), { on: 'b' }));
    const near = await own.finish(node.spawn(Big()));
    for (let n = 0; n < 3; n++) far.cast('take', new Uint8Array(500_000));
    expect(node.system.deadLetters.recent.map(({ reason }) => reason)).toContain('not-delivered');
    await own.finish(near.call('watch', far.pid));
    await own.run(5_000);
    own.host('b').node.system.exit(far.pid, 'shutdown');
    await own.run(5_000);
    expect(await own.finish(near.call('downs'))).toEqual(['shutdown']);
    expect(node.visible()).toHaveLength(2);
    own.dispose();
  });
});

test('exit signals that are not permitted leave nothing behind, however many fences come with them', async () => {
  const { node } = cluster.host('a');
  const sink = await cluster.finish(node.spawn(Sink(undefined)));
  const refusal = new FoundationError('not-permitted', 'not permitted');
  const gate = { end: () => refusal, lets: () => false } as unknown as Gate;
  const router = new Router(node.system, node.definitions, () => undefined, gate);
  const identity = { name: 'c', incarnation: 1 };
  const peer = { identity, tag: 77, open: true, routed: 'data', send: () => 'sent' } as unknown as Peer;
  for (let fence = 1; fence <= MAX_HELD_SIGNALS + 1; fence++) {
    router.receive(peer, 'data', [wire.exit, 5, sink.pid.id, 'shutdown', false, peer.tag, fence, 1]);
    router.receive(peer, 'bulk', [wire.fence, peer.tag, fence]);
  }
  expect(await cluster.finish(sink.call('seen'))).toEqual([]);
});
