import { PendingCall } from '@foundation-ts/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CallTable } from '../src/internal/call-table.js';

const host = {} as ConstructorParameters<typeof PendingCall>[0];

test('holds what a Map holds, whatever comes and goes', () => {
  // Numbers that share a slot, and numbers beyond 32 bits.
  const number = fc.oneof(
    fc.nat(40),
    fc.nat(40).map(n => n * 64),
    fc.nat(20).map(n => 2 ** 40 + n),
  );
  const step = fc.record({ number, add: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), steps => {
      const table = new CallTable();
      const model = new Map<number, PendingCall>();
      for (const { number, add } of steps) {
        if (!add) {
          table.delete(number);
          model.delete(number);
        } else if (!model.has(number)) {
          const call = new PendingCall(host, 'get', 'someone');
          table.add(number, call);
          model.set(number, call);
        }
        expect(table.get(number)).toBe(model.get(number));
        expect(table.size).toBe(model.size);
      }
      for (const [number, call] of model) expect(table.get(number)).toBe(call);
      expect(new Set(table.values())).toEqual(new Set(model.values()));
    }),
  );
});

test('grows for many calls and shrinks again, losing none', () => {
  const table = new CallTable();
  const calls = Array.from({ length: 5_000 }, () => new PendingCall(host, 'get', 'someone'));
  for (const [number, call] of calls.entries()) table.add(number, call);
  for (let number = 0; number < calls.length; number++) if (number % 1_000 !== 7) table.delete(number);
  expect(table.values()).toHaveLength(5);
  for (let number = 7; number < calls.length; number += 1_000) expect(table.get(number)).toBe(calls[number]);
});
