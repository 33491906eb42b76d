import type { Clock, FoundationError } from '@foundation-ts/core';
import { expect, test } from 'vitest';
import { createCodec } from '../src/index.js';
import { Link } from '../src/internal/link.js';

test("the time of a handshake is time in which the event loop ran: while it stands, the other side's answer waits unread", () => {
  const due: { readonly at: number; readonly run: () => void }[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    wallTime: () => now,
    setTimeout: (run, ms) => {
      const timer = { at: now + ms, run };
      due.push(timer);
      return {
        cancel: () => {
          const index = due.indexOf(timer);
          if (index >= 0) due.splice(index, 1);
        },
      } as ReturnType<Clock['setTimeout']>;
    },
  };
  let reason: Error | undefined;
  const address = { protocol: 'tcp', host: 'b', port: 1 };
  new Link({
    connection: { remote: address, send: () => true, pause: () => {}, resume: () => {}, close: async () => {} },
    handshake: { role: 'dialler', clusterId: 'test', name: 'a', incarnation: 1, nonce: new Uint8Array(32) },
    clock,
    timeout: 2_000,
    codec: createCodec(),
    owner: {
      proven: () => {},
      control: () => {},
      data: () => {},
      drained: () => {},
      closed: (_link, why) => {
        reason = why;
      },
    },
  });
  /** The event loop runs again: timers that are due go off, once each. */
  const turn = (at: number): void => {
    now = at;
    for (const timer of [...due]) {
      if (timer.at > now) continue;
      due.splice(due.indexOf(timer), 1);
      timer.run();
    }
  };
  turn(60_000);
  expect(reason).toBeUndefined();
  for (let at = 60_010; at < 61_700; at += 10) turn(at);
  expect(reason).toBeUndefined();
  for (let at = 61_700; at <= 61_800; at += 10) turn(at);
  expect((reason as FoundationError | undefined)?.code).toBe('timeout');
});
