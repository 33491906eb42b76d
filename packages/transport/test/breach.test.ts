import type { FoundationError } from '@foundation-ts/core';
import { expect, test } from 'vitest';
import type { Transport } from '../src/index.js';
import { memory } from '../src/memory/index.js';
import { World } from './world.js';

/** Sends each frame through `change` first. */
function changing(inner: Transport, change: (frame: Uint8Array) => Uint8Array): Transport {
  return {
    protocol: inner.protocol,
    listen: options => inner.listen(options),
    dial: async (to, options) =>
      inner.dial(to, {
        ...options,
        open: connection => {
          const send = connection.send.bind(connection);
          connection.send = frame => send(change(frame));
          return options.open(connection);
        },
      }),
  };
}

const pass = (inner: Transport): Transport => ({
  protocol: inner.protocol,
  listen: options => inner.listen(options),
  dial: (to, options) => inner.dial(to, options),
});

const INTRODUCE = 1;
const BATCH = 6;

test.each([
  ['an unknown type of frame', (frame: Uint8Array) => frame.with(1, 99), /protocol/],
  ['a batch that is none', (frame: Uint8Array) => frame.slice(0, 10), /protocol/],
  ['a number that is not next', (frame: Uint8Array) => frame.with(7, 200), /protocol/],
])('who sends %s is told so, on the wire, and the session ends on both sides', async (_what, breach, code) => {
  const world = new World();
  let breaks = false;
  const change = (frame: Uint8Array): Uint8Array => (breaks && frame[1] === BATCH ? breach(frame) : frame);
  const a = await world.node('a', { transport: changing(memory({ network: world.network, host: 'a' }), change) });
  const b = await world.node('b');
  await world.settled(a.endpoint.dial(b.address));
  await world.clock.advance(50);
  breaks = true;
  a.peer('b').send('data', ['hello']);
  await world.clock.advanceUntil(() => a.closed.length > 0 && b.closed.length > 0, {
    within: 1_000,
    what: 'both sides give up the session',
  });
  expect(b.messages).toEqual([]);
  const found = b.closed[0]?.[1] as FoundationError;
  expect(found.code).toMatch(code);
  const heard = a.closed[0]?.[1] as FoundationError;
  expect(heard.code).toBe('noconnection');
  expect(heard.retryable).toBe(true);
  expect(heard.message).toBe(`Node 'b' ended the session: ${found.message} (${found.code})`);
  expect((heard.cause as FoundationError).code).toBe(found.code);
});

test('who goes on after that is cut off after a second', async () => {
  const world = new World();
  const cut: FoundationError[] = [];
  const inner = memory({ network: world.network, host: 'b' });
  /** Connections that are over only when they are cut, as where the other side goes on sending. */
  const transport: Transport = {
    protocol: inner.protocol,
    dial: (to, options) => inner.dial(to, options),
    listen: options =>
      inner.listen({
        ...options,
        accept: connection => {
          const close = connection.close.bind(connection);
          connection.close = reason => {
            if (reason === undefined) return new Promise(() => {});
            cut.push(reason as FoundationError);
            return close(reason);
          };
          const events = options.accept(connection);
          return { frame: bytes => events.frame(bytes), drain: () => events.drain(), close: () => {} };
        },
      }),
  };
  let breaks = false;
  const change = (frame: Uint8Array): Uint8Array => (breaks && frame[1] === BATCH ? frame.with(1, 99) : frame);
  const a = await world.node('a', { transport: changing(memory({ network: world.network, host: 'a' }), change) });
  const b = await world.node('b', { transport });
  await world.settled(a.endpoint.dial(b.address));
  await world.clock.advance(50);
  breaks = true;
  a.peer('b').send('data', ['hello']);
  await world.clock.advanceUntil(() => b.closed.length > 0, { within: 1_000, what: 'the session ends' });
  await world.clock.advance(900);
  expect(cut).toEqual([]);
  await world.clock.advance(200);
  expect(cut.length).toBeGreaterThan(0);
  expect(cut.every(({ code }) => code === 'protocol')).toBe(true);
});

test('who introduces itself again while its session waits for our own dial is cut off', async () => {
  const world = new World();
  const inner = memory({ network: world.network, host: 'a' });
  // Our own dial takes for ever.
  const a = await world.node('a', { transport: { ...pass(inner), dial: () => new Promise(() => {}) } });
  const repeating: Transport = {
    ...pass(memory({ network: world.network, host: 'z' })),
    dial: (to, options) =>
      memory({ network: world.network, host: 'z' }).dial(to, {
        ...options,
        open: connection => {
          const send = connection.send.bind(connection);
          connection.send = frame => {
            const takes = send(frame);
            return frame[1] === INTRODUCE && frame.length > 40 ? send(frame.with(7, (frame[7] as number) + 1)) : takes;
          };
          return options.open(connection);
        },
      }),
  };
  const z = await world.node('z', { transport: repeating });
  void a.endpoint.dial(z.address).catch(() => {});
  await world.clock.advance(10);
  const failure = await world.failure(z.endpoint.dial(a.address));
  expect(failure.message).toContain('The peer introduced itself twice.');
  expect(a.opened).toEqual([]);
});
