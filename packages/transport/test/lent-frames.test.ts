import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ConnectionEvents, Transport } from '../src/index.js';
import { memory } from '../src/memory/index.js';
import { World } from './world.js';

/** Offers every frame in memory that is overwritten at once. */
function lending(inner: Transport, lent: { taken: number }): Transport {
  const events = (receiver: ConnectionEvents): ConnectionEvents => ({
    frame: bytes => {
      const memory = Buffer.from(bytes);
      const taken = receiver.lend?.(memory) === true;
      memory.fill(0xee);
      if (taken) lent.taken++;
      else receiver.frame(bytes);
    },
    drain: () => receiver.drain(),
    close: reason => receiver.close(reason),
  });
  return {
    protocol: inner.protocol,
    listen: options => inner.listen({ ...options, accept: connection => events(options.accept(connection)) }),
    dial: (to, options) => inner.dial(to, { ...options, open: connection => events(options.open(connection)) }),
  };
}

const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constant('x'.repeat(300)));
const binary = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(20_000, 70_000, 200_000).map(length => new Uint8Array(length).fill(length & 0x7f)),
);
const message = fc.array(
  fc.oneof(
    text,
    binary,
    fc.integer(),
    fc.bigInt(),
    fc.constant(undefined),
    fc.date({ noInvalidDate: true }),
    fc.dictionary(
      fc.string({ maxLength: 8 }).filter(key => key !== '__proto__'),
      fc.oneof(text, fc.float32Array({ maxLength: 20 })),
    ),
  ),
  { maxLength: 5 },
);

test.each([false, true])(
  'nothing of a frame that was lent is looked at later (acknowledged: %s)',
  async acknowledged => {
    const lent = { taken: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 12 }), async messages => {
        const world = new World();
        const channels = [
          { name: 'control' },
          { name: 'data', reliability: acknowledged ? 'acknowledged' : 'best-effort' },
        ] as const;
        const over = (host: string) => ({
          transport: lending(memory({ network: world.network, host }), lent),
          channels,
        });
        const a = await world.node('a', over('a'));
        const b = await world.node('b', over('b'));
        await world.settled(a.endpoint.dial(b.address));
        await world.clock.advance(50);
        for (const each of messages) expect(a.peer('b').send('data', each)).toBe('sent');
        await world.clock.advanceUntil(() => b.messages.length >= messages.length, {
          within: 5_000,
          what: 'all arrive',
        });
        expect(b.messages.map(([, , value]) => value)).toEqual(messages);
        expect(a.closed).toEqual([]);
        await Promise.all([world.settled(a.endpoint.close()), world.settled(b.endpoint.close())]);
      }),
      { numRuns: 12 },
    );
    expect(lent.taken).toBeGreaterThan(20);
  },
);
