import type { Address } from '@foundation-ts/core';
import { SimulatedClock } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';
import type { DiscoveryStrategy } from '../src/index.js';
import type { LookupParts } from '../src/lookup-state.js';
import { watchLookups } from '../src/lookup-watch.js';
import { testContext, Watching } from './context.js';

const address = (host: string): Address => ({ protocol: 'tcp', host, port: 1 });
const parts = (...hosts: string[]): LookupParts => new Map([['A', { addresses: hosts.map(address), ttl: undefined }]]);

type LookUp = (signal: AbortSignal, drop: (reason: string, count: number) => void) => Promise<LookupParts>;

function watching(lookUp: LookUp, clock = new SimulatedClock()) {
  const ctx = testContext({ clock });
  const init = { strategy: 'dns', query: 'shop', pollInterval: 5_000, lookUp };
  const strategy: DiscoveryStrategy = { name: 'dns', watch: given => watchLookups(given, init) };
  return { clock, ctx, watch: new Watching(strategy, ctx) };
}

describe('a watch of look-ups', () => {
  test('looks up at random times about the interval', async () => {
    const times: number[] = [];
    const clock = new SimulatedClock();
    const { ctx } = watching(async () => {
      times.push(clock.now());
      return parts('b');
    }, clock);
    await clock.advance(100_000);
    const pauses = times.slice(1).map((time, index) => time - (times[index] as number));
    expect(times[0]).toBe(0);
    expect(pauses.length).toBeGreaterThan(15);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(4_000);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(6_000);
    expect(new Set(pauses).size).toBe(pauses.length);
    ctx.abort();
  });

  test('reports each failure to the context, and recovers', async () => {
    let broken = false;
    const { clock, ctx, watch } = watching(async () => {
      if (broken) throw new Error('down');
      return parts('b');
    });
    await clock.advance(0);
    broken = true;
    await clock.advance(20_000);
    expect(ctx.failures.length).toBeGreaterThan(2);
    expect(watch.values).toEqual([['tcp://b:1']]);
    broken = false;
    const before = ctx.failures.length;
    await clock.advance(60_000);
    expect(ctx.failures).toHaveLength(before);
    expect(watch.values).toEqual([['tcp://b:1']]);
    ctx.abort();
  });

  test('gives up a look-up that hangs, and looks up again', async () => {
    let count = 0;
    const { clock, ctx, watch } = watching(signal => {
      if (count++ > 0) return Promise.resolve(parts('b'));
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await clock.advanceUntil(() => watch.values.length > 0);
    expect(ctx.failures).toMatchObject([{ code: 'timeout' }]);
    expect(clock.now()).toBeLessThan(16_000);
    ctx.abort();
  });

  test('ends what is under way, without a failure, when the node stops', async () => {
    let reason: unknown;
    const { clock, ctx, watch } = watching(
      signal =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
            reject(signal.reason);
          });
        }),
    );
    await clock.advance(100);
    ctx.abort();
    await watch.ended;
    await clock.advance(60_000);
    expect(reason).toMatchObject({ code: 'aborted' });
    expect(ctx.failures).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test('logs what is dropped once a kind', async () => {
    const { clock, ctx } = watching(async (_, drop) => {
      drop('wrong-id', 1);
      drop('malformed', 1);
      return parts('b');
    });
    await clock.advance(60_000);
    const warned = ctx.lines.filter(({ level }) => level === 'warn');
    expect(warned.map(({ fields }) => fields.reason)).toEqual(['wrong-id', 'malformed']);
    ctx.abort();
  });

  test('warns of a part that fails once', async () => {
    const { clock, ctx } = watching(async () => new Map([...parts('b'), ['AAAA', { error: new Error('SERVFAIL') }]]));
    await clock.advance(60_000);
    expect(ctx.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect(ctx.failures).toEqual([]);
    ctx.abort();
  });
});
