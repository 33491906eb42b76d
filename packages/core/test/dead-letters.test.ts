import { type DeadLetter, Pid } from '@foundation-ts/core';
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
