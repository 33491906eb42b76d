import { FoundationError, type Random, seededRandom } from '@foundation-ts/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ChannelDeclaration, Transport } from '../src/index.js';
import { memory } from '../src/memory/index.js';
import { World } from './world.js';

const channels: readonly ChannelDeclaration[] = [
  { name: 'control' },
  { name: 'data' },
  { name: 'orders', reliability: 'acknowledged' },
  { name: 'packed', compression: { algorithm: 'gzip', above: 500 } },
];
const FIRST_FRAME = 1;
const LAST_FRAME = 17;

/** A transport whose dialled connections change, add and leave out bytes of what is sent in a session. */
function mutating(inner: Transport, random: Random, rate: () => number): Transport {
  const change = (frame: Uint8Array): Uint8Array => {
    const copy = Uint8Array.from(frame);
    const at = (from: number): number => from + Math.floor(random.next() * Math.max(1, copy.length - from));
    const how = random.next();
    // Mostly what stands behind the number of the frame, or nothing but that number would be tested.
    if (how < 0.5 && copy.length > 8) copy[at(8)] = Math.floor(random.next() * 256);
    else if (how < 0.65) copy[1] = FIRST_FRAME + Math.floor(random.next() * LAST_FRAME);
    else if (how < 0.75) copy[2] = Math.floor(random.next() * 16);
    else if (how < 0.85) return copy.slice(0, Math.max(1, at(0)));
    else if (how < 0.95) return Uint8Array.from([...copy, ...random.bytes(5)]);
    else copy[at(0)] = Math.floor(random.next() * 256);
    return copy;
  };
  return {
    protocol: inner.protocol,
    listen: options => inner.listen(options),
    dial: (to, options) =>
      inner.dial(to, {
        ...options,
        open: connection =>
          options.open(
            new Proxy(connection, {
              get(target, key) {
                if (key === 'send')
                  return (frame: Uint8Array) =>
                    target.send(frame[0] === 1 && random.next() < rate() ? change(frame) : frame);
                const value: unknown = Reflect.get(target, key, target);
                return typeof value === 'function' ? value.bind(target) : value;
              },
            }),
          ),
      }),
  };
}

test('a session with changed bytes ends with a typed reason at most, and others notice nothing', async () => {
  let ended = 0;
  const unhandled: unknown[] = [];
  const on = (error: unknown): unknown => unhandled.push(error);
  process.on('unhandledRejection', on);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async seed => {
      const world = new World(seed, { delay: 1 });
      const random = seededRandom(seed);
      let rate = 0;
      const bad = await world.node('bad', {
        channels,
        transport: mutating(memory({ network: world.network, host: 'bad' }), random, () => rate),
      });
      const good = await world.node('good', { channels });
      const node = await world.node('node', { channels, limits: { messageBytes: 1_000_000 } });
      for (const each of [bad, good]) await world.settled(each.endpoint.dial(node.address));
      await world.clock.advance(20);
      bad.endpoint.openChannel({ name: 'late' });
      node.endpoint.openChannel({ name: 'late' });
      rate = 0.2;
      for (let step = 0; step < 12; step++) {
        for (const channel of ['data', 'orders', 'packed', 'late']) {
          bad.endpoint.peers.get('node')?.send(channel, { step, list: [new Map([[1, 'x']]), 'y'.repeat(step * 300)] });
          if (step % 4 === 0) bad.endpoint.peers.get('node')?.send(channel, new Uint8Array(90_000));
        }
        good.peer('node').send('data', step);
        await world.clock.advance(3);
        await new Promise(resolve => setImmediate(resolve));
      }
      for (let turn = 0; turn < 20; turn++) {
        await new Promise(resolve => setImmediate(resolve));
        await world.clock.advance(50);
      }
      for (const [peer, reason] of node.closed) {
        expect(peer.identity.name).toBe('bad');
        if (reason !== undefined) expect(reason).toBeInstanceOf(FoundationError);
        ended++;
      }
      expect(node.messages.filter(([from]) => from === 'good').map(([, , message]) => message)).toEqual([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
      ]);
      expect(good.closed).toEqual([]);
    }),
    { numRuns: 150 },
  );
  process.off('unhandledRejection', on);
  expect(unhandled).toEqual([]);
  expect(ended).toBeGreaterThan(50);
});
