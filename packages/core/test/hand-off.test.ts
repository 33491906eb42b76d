import { actor, type Process } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import { bench, gate, Puppet, rejection } from './support.js';

const Journal = actor({
  name: 'journal',
  version: 3,
  init: (start: number[]) => ({ notes: [...start] }),
  calls: {
    note: (s, n: number) => s.notes.push(n),
    hold: async (_s, until: Promise<void>) => {
      await until;
    },
    all: s => s.notes,
  },
  casts: { note: (s, n: number) => s.notes.push(n) },
  handOff: s => s.notes,
  resume: (notes: number[], _start, info) => ({ notes: [...notes, info.fromVersion] }),
  mailbox: { capacity: 100 },
});

const processOf = (
  system: ReturnType<typeof bench>['system'],
  ref: { pid: import('@foundation-ts/core').Pid },
): Process => {
  const process = system.process(ref.pid);
  if (process === undefined) throw new Error('gone');
  return process;
};

describe('seal', () => {
  test('stops handling after the handler under way; what arrives waits; unseal goes on', async () => {
    const { system } = bench();
    const until = gate();
    const journal = await system.spawn(Journal([]));
    const process = processOf(system, journal);
    const held = journal.call('hold', until.promise);
    await settle();
    const sealed = process.seal();
    await settle();
    expect(process.status).toBe('running');
    journal.cast('note', 1);
    until.open();
    expect(await sealed).toBe(true);
    await held;
    const all = journal.call('all');
    await settle();
    expect(process.state).toEqual({ notes: [] });
    expect(await process.seal()).toBe(true);
    process.unseal();
    expect(await all).toEqual([1]);
    process.unseal();
  });

  test('of an idle actor is at once; of one that ends first, or is gone, false', async () => {
    const { system } = bench();
    const journal = await system.spawn(Journal([]));
    expect(await processOf(system, journal).seal()).toBe(true);
    const other = await system.spawn(Journal([]));
    const process = processOf(system, other);
    const held = rejection(other.call('hold', gate().promise));
    await settle();
    const sealed = process.seal();
    system.exit(other.pid, 'kill');
    expect(await sealed).toBe(false);
    expect(await process.seal()).toBe(false);
    await held;
  });

  test('asked for within a handler is when that handler is through', async () => {
    const { system } = bench();
    const puppet = await system.spawn(Puppet(undefined));
    const process = processOf(system, puppet);
    let sealed: Promise<boolean> | undefined;
    await puppet.call('run', () => {
      sealed = process.seal();
      expect(process.status).toBe('running');
    });
    expect(await sealed).toBe(true);
    expect(process.status).toBe('sealed');
  });

  test('does not protect from exits', async () => {
    const { system } = bench();
    const journal = await system.spawn(Journal([]));
    const process = processOf(system, journal);
    await process.seal();
    const ended = system.whenEnded(journal);
    system.exit(journal.pid, 'shutdown');
    expect(await ended).toBe('shutdown');
  });
});

describe('handOver', () => {
  test('forwards what waits and what still arrives, in order; afterwards says moved', async () => {
    const { system } = bench();
    const old = await system.spawn(Journal([1, 2]));
    const process = processOf(system, old);
    const ended = system.whenEnded(old);
    await process.seal();
    old.cast('note', 4);
    const called = old.call('note', 5);
    const offered = old.offer('note', 6);
    const next = system.launch(Journal([]), {
      resume: { handed: Journal.program.handOff?.(process.state), fromVersion: Journal.program.version },
    });
    const stopForwarding = system.handOver(process, next.pid);
    old.cast('note', 7);
    const late = old.call('note', 8);
    system.ref<typeof Journal>(old.pid).cast('note', 9);
    await Promise.all([called, offered, late]);
    expect(await system.ref<typeof Journal>(next.pid).call('all')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await ended).toEqual({ shutdown: 'handed-off' });

    stopForwarding();
    const error = await rejection(old.call('note', 10));
    expect(error).toMatchObject({ code: 'moved', retryable: true, details: { to: next.pid } });
    expect(await rejection(old.offer('note', 11))).toMatchObject({ code: 'moved' });
    old.cast('note', 12);
    system.receive(old.pid.id, 'note', 13, undefined, undefined);
    expect(system.deadLetters.recent.map(letter => [letter.payload, letter.reason])).toEqual([
      [12, 'moved'],
      [13, 'moved'],
    ]);
  });

  test('offers that wait for room are forwarded too, behind the messages', async () => {
    const { system } = bench();
    const Small = actor({
      name: 'small',
      init: () => ({ notes: [] as number[] }),
      calls: { all: s => s.notes },
      casts: { note: (s, n: number) => s.notes.push(n) },
      mailbox: { capacity: 1 },
    });
    const [old, next] = [await system.spawn(Small()), await system.spawn(Journal([]))];
    const process = processOf(system, old);
    await process.seal();
    const offers = [1, 2, 3].map(n => old.offer('note', n));
    system.handOver(process, next.pid);
    await Promise.all(offers);
    expect(await next.call('all')).toEqual([1, 2, 3]);
  });

  test('a forwarded call keeps its deadline', async () => {
    const { system, clock } = bench();
    const old = await system.spawn(Journal([]));
    const next = await system.spawn(Journal([]));
    const held = rejection(next.call('hold', gate().promise));
    const process = processOf(system, old);
    await process.seal();
    const call = rejection(old.call('note', 1, { timeout: 100 }));
    await clock.advance(40);
    system.handOver(process, next.pid);
    await clock.advance(60);
    expect(await call).toMatchObject({ code: 'timeout' });
    await clock.advance(5_000);
    await held;
  });

  test('without resume is start-failed', async () => {
    const { system } = bench();
    expect(() => system.launch(Puppet(undefined), { resume: { handed: 1, fromVersion: 0 } })).toThrow(
      expect.objectContaining({ code: 'start-failed' }),
    );
    expect(system.processCount).toBe(0);
  });
});
