import { getEventListeners } from 'node:events';
import { actor, type FoundationError } from '@foundation-ts/core';
import { channelOf, PubSub, topic } from '@foundation-ts/pubsub';
import { SimulatedCluster } from '@foundation-ts/testing';
import { afterEach, describe, expect, test } from 'vitest';

interface Order {
  readonly id: number;
}
const Placed = topic<Order>('orders.placed');
const Listener = actor({
  name: 'listener',
  init: (_: void, ctx) => {
    ctx.subscribe(Placed, 'placed');
    return { ids: [] as number[] };
  },
  calls: { ids: s => s.ids },
  casts: {
    placed: (s, order: Order) => {
      s.ids.push(order.id);
    },
  },
});

let cluster: SimulatedCluster<PubSub>;
const up = async (): Promise<SimulatedCluster<PubSub>> => {
  cluster = new SimulatedCluster({ seed: 3, hosts: ['a', 'b', 'c'], services: node => PubSub.start(node) });
  await cluster.start();
  await cluster.formed();
  return cluster;
};
afterEach(() => cluster.dispose());

describe('topics', () => {
  test('a broadcast reaches the subscribers of every node, once, in order', async () => {
    await up();
    const listeners = await Promise.all(['a', 'a', 'b', 'c'].map(name => cluster.host(name).node.spawn(Listener())));
    for (let id = 0; id < 50; id++) cluster.host('a').services.broadcast(Placed, { id });
    await cluster.run(1_000);
    for (const listener of listeners)
      expect(await listener.call('ids')).toEqual(Array.from({ length: 50 }, (_, id) => id));
  });

  test('a message crosses to each other node once, however many subscribe there', async () => {
    await up();
    const a = cluster.host('a');
    for (let count = 0; count < 20; count++) await cluster.host('b').node.spawn(Listener());
    await cluster.run(2_500);
    const before = cluster.network.stats().frames;
    for (let id = 0; id < 10; id++) a.services.broadcast(Placed, { id });
    await cluster.run(100);
    expect(cluster.network.stats().frames - before).toBeLessThan(60);
  });

  test('broadcastFrom leaves its sender out, localBroadcast stays, directBroadcast reaches one node', async () => {
    await up();
    const mine = await cluster.host('a').node.spawn(Listener());
    const neighbour = await cluster.host('a').node.spawn(Listener());
    const far = await cluster.host('b').node.spawn(Listener());
    const { services } = cluster.host('a');
    services.broadcastFrom(mine, Placed, { id: 1 });
    services.localBroadcast(Placed, { id: 2 });
    services.directBroadcast('b', Placed, { id: 3 });
    await cluster.run(100);
    expect(await mine.call('ids')).toEqual([2]);
    expect(await neighbour.call('ids')).toEqual([1, 2]);
    expect(await far.call('ids')).toEqual([1, 3]);
  });

  test('a subscriber that ends is forgotten', async () => {
    await up();
    const { node, services } = cluster.host('a');
    const listener = await node.spawn(Listener());
    expect(services.subscriberCount(Placed)).toBe(1);
    node.system.exit(listener.pid, 'kill');
    expect(services.subscriberCount(Placed)).toBe(0);
  });

  test('code outside actors iterates; the queue is bounded and drops the oldest', async () => {
    await up();
    const { services } = cluster.host('a');
    const controller = new AbortController();
    const subscription = services.subscribe(Placed, { signal: controller.signal, capacity: 3 });
    for (let id = 0; id < 5; id++) services.broadcast(Placed, { id });
    const seen: number[] = [];
    for await (const order of subscription) {
      seen.push(order.id);
      if (seen.length === 3) controller.abort();
    }
    expect(seen).toEqual([2, 3, 4]);
    expect(subscription.dropped).toBe(2);
    expect(services.subscriberCount(Placed)).toBe(0);
  });

  test('a subscription that is closed leaves nothing on its signal', async () => {
    await up();
    const controller = new AbortController();
    for (let count = 0; count < 10; count++) {
      cluster.host('a').services.subscribe(Placed, { signal: controller.signal }).close();
    }
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('malformed messages of a peer crash nothing', async () => {
    await up();
    const listener = await cluster.host('a').node.spawn(Listener());
    const receiver = cluster.host('a').node.system.whereis('$pubsub')?.pid;
    for (const malformed of [undefined, null, 7, 'text', {}, { topic: 7 }, { topic: ['orders.placed'] }]) {
      for (let count = 0; count < 50; count++) cluster.host('b').node.send('a', '$pubsub', 'deliver', malformed);
    }
    cluster.host('b').services.broadcast(Placed, { id: 1 });
    await cluster.run(1_000);
    expect(cluster.host('a').node.system.whereis('$pubsub')?.pid).toEqual(receiver);
    expect(await listener.call('ids')).toEqual([1]);
  });

  test('under strictMessages local subscribers too get a copy, and what can not be sent throws', async () => {
    cluster = new SimulatedCluster({
      seed: 3,
      hosts: ['a'],
      services: node => PubSub.start(node),
      node: { strictMessages: true },
    });
    await cluster.start();
    const { services } = cluster.host('a');
    const subscription = services.subscribe(Placed);
    const order = { id: 1 };
    services.broadcast(Placed, order);
    for await (const received of subscription) {
      expect(received).toEqual(order);
      expect(received).not.toBe(order);
      break;
    }
    expect(() => services.localBroadcast(topic<() => void>('functions'), () => {})).toThrowError(
      expect.objectContaining({ code: 'not-sendable' }) as FoundationError,
    );
  });

  test('what can not be sent throws at its sender', async () => {
    await up();
    const wrong = topic<() => void>('functions');
    expect(() => cluster.host('a').services.broadcast(wrong, () => {})).toThrowError(
      expect.objectContaining({ code: 'not-sendable' }) as FoundationError,
    );
  });

  test('standard topics travel on the channel of their name', () => {
    expect(channelOf(topic('telemetry'))).toBe('telemetry');
    expect(channelOf(topic('events.order'))).toBe('events');
    expect(channelOf(topic('config'))).toBe('control');
    expect(channelOf(topic('orders'))).toBe('data');
    expect(channelOf(topic('constructor'))).toBe('data');
    expect(channelOf(topic('orders', { channel: 'bulk' }))).toBe('bulk');
    expect(() => topic('')).toThrowError(/non-empty/);
  });

  test.each([
    ['events.order', 'events'],
    ['telemetry', 'telemetry'],
  ])('%s has sockets of its own on a node that says nothing of channels', async (name, channel) => {
    await up();
    const sent = (): number | undefined =>
      cluster
        .host('a')
        .node.channels.metrics()
        .find(metrics => metrics.member === 'b' && metrics.channel === channel)?.messagesSent;
    expect(sent()).toBe(0);
    cluster.host('a').services.broadcast(topic<number>(name), 1);
    await cluster.run(50);
    expect(sent()).toBe(1);
  });
});
