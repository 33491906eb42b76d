import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { actor, type DeadLetter, type FoundationError, type TelemetryEvent } from '@foundation-ts/core';
import { SimulatedCluster } from '@foundation-ts/testing';
import type { ChannelDeclaration } from '@foundation-ts/transport';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { channelRouter } from '../src/channel-rules.js';
import { wire } from '../src/wire.js';

const Sink = actor({
  name: 'sink',
  init: (_argument: unknown) => ({ seen: [] as unknown[] }),
  calls: { seen: s => s.seen, echo: (_s, value: unknown) => value },
  casts: {
    note: (s, value: unknown) => {
      s.seen.push(value);
    },
  },
});

let cluster: SimulatedCluster<undefined>;
afterEach(() => cluster.dispose());

async function started(
  channels?: readonly ChannelDeclaration[],
  hosts: readonly string[] = ['a', 'b'],
  bandwidth = Number.POSITIVE_INFINITY,
): Promise<void> {
  cluster = new SimulatedCluster({
    seed: 3,
    hosts,
    definitions: [Sink],
    services: async () => undefined,
    faults: { delay: 1, bandwidth },
    ...(channels === undefined ? {} : { node: { channels } }),
  });
  await cluster.start();
  await cluster.formed();
}

function node(name: string) {
  return cluster.host(name).node;
}

describe('node.channels', () => {
  test.each([[['bulk']], [['data', 'bulk']], [['control', 'bulk']]])(
    'has control and data also where only %j are declared',
    async names => {
      await started(names.map(name => ({ name })));
      const own = node('a').channels.list();
      expect(own.map(({ name }) => name).sort()).toEqual(['bulk', 'control', 'data']);
      const sink = await cluster.finish(node('a').spawn(Sink(undefined), { on: 'b' }));
      expect(await cluster.finish(sink.call('echo', 1))).toBe(1);
    },
  );

  test('opens, lists, carries and closes a channel', async () => {
    await started();
    expect(
      node('a')
        .channels.list()
        .map(({ name }) => name),
    ).toEqual(['control', 'data', 'gossip', 'events', 'telemetry']);
    for (const host of ['a', 'b']) node(host).channels.open({ name: 'bulk', connections: 2 });
    await cluster.run(100);
    expect(
      node('a')
        .channels.metrics()
        .map(({ member, channel, connections }) => [member, channel, connections]),
    ).toEqual([
      ['b', 'bulk', 2],
      ['b', 'control', 1],
      ['b', 'data', 1],
      ['b', 'events', 1],
      ['b', 'gossip', 1],
      ['b', 'telemetry', 1],
    ]);
    const sink = await cluster.finish(node('a').spawn(Sink(undefined), { on: 'b' }));
    sink.cast('note', 1, { channel: 'bulk' });
    await cluster.run(20);
    expect(await cluster.finish(sink.call('seen'))).toEqual([1]);
    const bulk = () =>
      node('a')
        .channels.metrics()
        .find(({ channel }) => channel === 'bulk');
    expect(bulk()).toMatchObject({ messagesSent: 1, queuedMessages: 0, errors: 0 });
    expect(node('a').channels.close('bulk')).toBe(true);
    await cluster.run(100);
    expect(bulk()).toBeUndefined();
    sink.cast('note', 2, { channel: 'bulk' });
    expect(await cluster.finish(sink.call('seen'))).toEqual([1, 2]);
  });

  test('broadcasts to the actor of a name on every other member', async () => {
    await started([{ name: 'control' }, { name: 'data' }, { name: 'events' }], ['a', 'b', 'c']);
    const sinks = await cluster.finish(
      Promise.all(['a', 'b', 'c'].map(host => node(host).spawn(Sink(undefined), { name: 'sink' }))),
    );
    expect(node('a').channels.broadcast('events', 'sink', 'note', 'hello')).toBe(2);
    await cluster.run(50);
    expect(await cluster.finish(Promise.all(sinks.map(sink => sink.call('seen'))))).toEqual([[], ['hello'], ['hello']]);
  });

  test('counts over sessions, reports as telemetry, and forgets who is gone', async () => {
    await started();
    const sink = await cluster.finish(node('a').spawn(Sink(undefined), { on: 'b' }));
    for (let index = 0; index < 10; index++) sink.cast('note', index);
    await cluster.run(50);
    const data = () =>
      node('a')
        .channels.metrics()
        .find(({ channel }) => channel === 'data');
    const before = data()?.messagesSent as number;
    expect(before).toBeGreaterThanOrEqual(10);
    cluster.network.reset('a', 'b');
    await cluster.run(5_000);
    expect(data()?.connections).toBe(1);
    sink.cast('note', 10);
    await cluster.run(50);
    expect(data()?.messagesSent).toBe(before + 1);
    expect(data()?.roundTrips.count).toBeGreaterThan(1);
    const seen: TelemetryEvent[] = [];
    const on = (event: unknown): void => {
      if ((event as TelemetryEvent).node === 'a') seen.push(event as TelemetryEvent);
    };
    subscribe('foundation:cluster.channel', on);
    await cluster.run(10_000);
    unsubscribe('foundation:cluster.channel', on);
    expect(seen.map(({ metadata }) => metadata.channel)).toEqual(['control', 'data', 'events', 'gossip', 'telemetry']);
    expect(seen[1]?.measurements.messagesSent).toBe(before + 1);
    await cluster.leave('b');
    await cluster.run(1_000);
    expect(node('a').channels.metrics()).toEqual([]);
  });
});

describe('what is said of messages that were lost', () => {
  test('is certain for what was never written, and open for the rest', async () => {
    await started(undefined, ['a', 'b'], 10_000_000);
    const sink = await cluster.finish(node('a').spawn(Sink(undefined), { on: 'b' }));
    const letters: DeadLetter[] = [];
    node('a').system.deadLetters.subscribe(letter => letters.push(letter));
    const outcome = (op: 'seen' | 'echo', value?: unknown) =>
      (sink as unknown as { call(op: string, value: unknown): Promise<unknown> }).call(op, value).then(
        () => 'answered',
        (error: FoundationError) => error.code,
      );
    const written = outcome('echo', 'small');
    await Promise.resolve();
    // Fills the window; what follows has to wait.
    sink.cast('note', new Uint8Array(4_000_000));
    const waiting = outcome('seen');
    sink.cast('note', 'never');
    await cluster.run(0);
    cluster.network.reset('a', 'b');
    expect(await cluster.finish(Promise.all([written, waiting]))).toEqual(['unknown-outcome', 'not-delivered']);
    expect(letters.map(({ op, reason }) => [op, reason])).toEqual([
      ['note', 'not-delivered'],
      ['note', 'not-delivered'],
    ]);
    expect(letters.some(({ payload, to }) => payload === 'never' && to === String(sink.pid))).toBe(true);
  });

  test('a cast on an acknowledged channel arrives once although the connection is lost', async () => {
    await started([{ name: 'control' }, { name: 'data' }, { name: 'orders', reliability: 'acknowledged' }]);
    const sink = await cluster.finish(node('a').spawn(Sink(undefined), { on: 'b' }));
    for (let index = 0; index < 20; index++) {
      sink.cast('note', index, { channel: 'orders' });
      if (index % 5 === 0) {
        cluster.network.reset('a', 'b');
        await cluster.until(() => node('a').visible().length === 2, 'both to see each other again');
        await cluster.run(500);
      }
    }
    await cluster.run(1_000);
    expect(await cluster.finish(sink.call('seen'))).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  test('what an acknowledged channel kept for a member that is gone becomes dead letters', async () => {
    await started([{ name: 'control' }, { name: 'data' }, { name: 'orders', reliability: 'acknowledged' }]);
    const sink = await cluster.finish(node('a').spawn(Sink(undefined), { on: 'b' }));
    const letters: DeadLetter[] = [];
    node('a').system.deadLetters.subscribe(letter => letters.push(letter));
    sink.cast('note', 'lost', { channel: 'orders' });
    await Promise.resolve();
    cluster.crash('b');
    await cluster.until(() => letters.length > 0, 'the letter');
    expect(letters).toMatchObject([{ op: 'note', payload: 'lost', reason: 'unknown-outcome' }]);
  });
});

describe('rules', () => {
  test('move messages by size and kind, signals never, and what names a channel never', () => {
    const kinds = { cast: wire.cast, call: wire.call, offer: wire.offer, reply: wire.reply } as const;
    const route = channelRouter([
      { aboveBytes: 1_000, kinds: ['cast', 'reply'], channel: 'bulk' },
      { kinds: ['call'], channel: 'calls' },
      { aboveBytes: 5_000, channel: 'huge' },
    ]);
    fc.assert(
      fc.property(
        fc.constantFrom('cast', 'call', 'offer', 'reply'),
        fc.integer({ min: 1, max: 10_000 }),
        fc.constantFrom('data', 'other'),
        (kind, bytes, channel) => {
          const wanted =
            channel !== 'data'
              ? channel
              : bytes > 1_000 && (kind === 'cast' || kind === 'reply')
                ? 'bulk'
                : kind === 'call'
                  ? 'calls'
                  : bytes > 5_000
                    ? 'huge'
                    : 'data';
          expect(route?.(channel, [kinds[kind as 'cast']], bytes)).toBe(wanted);
        },
      ),
    );
    for (const signal of [wire.link, wire.exit, wire.monitor, wire.down, wire.spawn])
      expect(route?.('data', [signal], 9_999)).toBe('data');
    expect(channelRouter([])).toBeUndefined();
  });

  test.each([
    ['channelRules', 'bulk'],
    ['channelRules[0].channel', [{ channel: '' }]],
    ['channelRules[0].aboveBytes', [{ channel: 'x', aboveBytes: -1 }]],
    ['channelRules[0].kinds', [{ channel: 'x', kinds: ['gossip'] }]],
    ['channelRules[0]', [null]],
  ])('that are wrong name the option: %s', (option, rules) => {
    expect(() => channelRouter(rules as never)).toThrow(`'${option}'`);
  });
});
