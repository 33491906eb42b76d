import { type DeadLetter, footprint, Pid } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { expect, test } from 'vitest';
import { bench, Counter, rejection } from './support.js';

test('a cast never throws for a dead target: it becomes a dead letter with its reason', async () => {
  const { system } = bench();
  const counter = await system.spawn(Counter(0));
  system.exit(counter.pid, 'kill');
  counter.cast('add', 1);
  system.ref<typeof Counter>(counter.pid).cast('add', 2);
  system.refOn<typeof Counter>('local', 'nobody').cast('add', 3);
  system.refOn<typeof Counter>('elsewhere', 'nobody').cast('add', 4);
  system.ref<typeof Counter>(new Pid('elsewhere', 1, 1)).cast('add', 5);
  expect(system.deadLetters.recent.map(letter => [letter.payload, letter.reason])).toEqual([
    [1, 'noproc'],
    [2, 'noproc'],
    [3, 'noproc'],
    [4, 'noconnection'],
    [5, 'noconnection'],
  ]);
  expect(system.deadLetters.recent[0]?.to).toContain('counter');
});

test('the pid of an earlier incarnation of this node is nobody, whatever lives under its number now', async () => {
  const { system } = bench();
  const counter = await system.spawn(Counter(0));
  const old = system.ref<typeof Counter>(new Pid('local', system.incarnation - 1, counter.pid.id));
  old.cast('add', 1);
  expect(await rejection(old.call('get'))).toMatchObject({ code: 'noproc' });
  system.exit(old.pid, 'kill');
  expect(await counter.call('get')).toBe(0);
  expect(system.deadLetters.recent).toMatchObject([{ op: 'add', reason: 'noproc' }]);
});

test('are counted always, kept up to a hundred, and told to subscribers until they unsubscribe', async () => {
  const { system } = bench();
  const counter = await system.spawn(Counter(0));
  system.exit(counter.pid, 'kill');
  const heard: DeadLetter[] = [];
  const unsubscribe = system.deadLetters.subscribe(letter => heard.push(letter));
  for (let n = 0; n < 250; n++) counter.cast('add', n);
  unsubscribe();
  counter.cast('add', 250);
  expect(system.deadLetters.count).toBe(251);
  expect(system.deadLetters.recent.map(letter => letter.payload)).toEqual(
    Array.from({ length: 100 }, (_, n) => n + 151),
  );
  expect(heard.map(letter => letter.payload)).toEqual(Array.from({ length: 250 }, (_, n) => n));
});

test('a subscriber that throws is logged; the sender and the other subscribers are not disturbed', async () => {
  const { system, lines } = bench();
  const counter = await system.spawn(Counter(0));
  const other = await system.spawn(Counter(5));
  const heard: unknown[] = [];
  system.deadLetters.subscribe(() => {
    throw new Error('bad subscriber');
  });
  system.deadLetters.subscribe(letter => heard.push(letter.payload));
  system.exit(counter.pid, 'kill');
  expect(() => counter.cast('add', 1)).not.toThrow();
  // From inside a mailbox that is being emptied, too.
  other.cast('add', 2);
  system.exit(other.pid, 'kill');
  await settle();
  expect(heard).toEqual([1, 2]);
  expect(lines.map(line => (line.fields.error as Error).message)).toEqual(['bad subscriber', 'bad subscriber']);
  expect(await (await system.spawn(Counter(3))).call('get')).toBe(3);
});

test('of large payloads only a text is kept, and subscribers get them whole', async () => {
  const { system } = bench();
  const heard: DeadLetter[] = [];
  system.deadLetters.subscribe(letter => heard.push(letter));
  const nobody = system.refOn<typeof Counter>('local', 'nobody') as unknown as { cast(op: string, p: unknown): void };
  const view = new Uint8Array(new ArrayBuffer(1_000_000), 0, 8);
  const large = [new Uint8Array(100_000), { text: 'x'.repeat(70_000) }, view, Array.from({ length: 10_000 }, () => 1)];
  for (const payload of [...large, new Uint8Array(60_000), { text: 'x' }]) nobody.cast('add', payload);
  expect(heard.map(letter => letter.payload).slice(0, 4)).toEqual(large);
  expect(system.deadLetters.recent.map(letter => letter.payload)).toEqual([
    ...large.map(() => '(over 65536 bytes: not kept)'),
    new Uint8Array(60_000),
    { text: 'x' },
  ]);
});

test('a footprint counts what is shared once, calls no getter, and ends above its limit', () => {
  const cycle: unknown[] = ['x'.repeat(100)];
  cycle.push(cycle, cycle);
  expect(footprint(cycle, 1_000)).toBeLessThan(200);
  const trap = {
    get value(): never {
      throw new Error('called');
    },
  };
  expect(footprint(trap, 1_000)).toBeLessThan(100);
  const deep = { left: new Map([[{ key: 1 }, new Set([new Error('x'.repeat(500))])]]) };
  expect(footprint(deep, 100_000)).toBeGreaterThan(500);
  expect(footprint(new Array(1_000_000), 1_000)).toBeGreaterThan(1_000);
});
