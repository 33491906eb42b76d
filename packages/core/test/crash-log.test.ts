import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { stderrLog, type TelemetryEvent } from '@foundation-ts/core';
import { settle } from '@foundation-ts/testing';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { bench, Counter } from './support.js';

afterEach(() => {
  vi.restoreAllMocks();
});

async function crash(system: ReturnType<typeof bench>['system'], times: number): Promise<void> {
  for (let n = 0; n < times; n++) (await system.spawn(Counter(0))).cast('crash', new Error(`crash ${n}`));
  await settle();
}

test('crashes are logged, up to a rate; the rest is counted in one line, which comes even when no other crash follows', async () => {
  const { system, lines, clock } = bench();
  await crash(system, 50);
  expect(lines).toHaveLength(20);
  expect(lines[0]).toMatchObject({ level: 'error', fields: { error: new Error('crash 0') } });
  await clock.advance(10_001);
  expect(lines).toHaveLength(21);
  expect(lines[20]).toMatchObject({ fields: { count: 30 } });
  await crash(system, 2);
  expect(lines).toHaveLength(23);
  await clock.advance(60_000);
  expect(lines).toHaveLength(23);
});

test('each crash is told to telemetry, suppressed in the log or not', async () => {
  const { system } = bench({ node: 'told' });
  const events: TelemetryEvent[] = [];
  const listener = (event: unknown): void => {
    if ((event as TelemetryEvent).node === 'told') events.push(event as TelemetryEvent);
  };
  subscribe('foundation:actor.crash', listener);
  await crash(system, 30);
  unsubscribe('foundation:actor.crash', listener);
  await crash(system, 1);
  expect(events).toHaveLength(30);
  expect(events[3]).toMatchObject({
    event: 'actor.crash',
    measurements: { count: 1 },
    metadata: { definition: 'counter' },
  });
});

test('a log that fails is an uncaught exception, and does not disturb the system', async () => {
  const uncaught: unknown[] = [];
  vi.stubGlobal('queueMicrotask', (callback: () => void) => {
    expect(callback).toThrow('log is closed');
    uncaught.push(callback);
  });
  onTestFinished(() => {
    vi.unstubAllGlobals();
  });
  const closed = (): never => {
    throw new Error('log is closed');
  };
  const { system } = bench({ log: { debug: closed, info: closed, warn: closed, error: closed } });
  const counter = await system.spawn(Counter(1));
  counter.cast('nope' as never);
  expect(await counter.call('get')).toBe(1);
  counter.cast('crash', new Error('boom'));
  expect(await system.whenEnded(counter)).toMatchObject({ message: 'boom' });
  expect(await (await system.spawn(Counter(2))).call('get')).toBe(2);
  expect(uncaught).toHaveLength(2);
});

test('the log on stderr drops what is under its level and prints any value', () => {
  const written: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation(text => written.push(String(text)) > 0);
  const circular: Record<string, unknown> = { big: 1n };
  circular.self = circular;
  const log = stderrLog();
  log.debug({}, 'no');
  log.info({}, 'no');
  log.warn({ n: 1, text: 'x', nested: { a: [1] } }, 'careful');
  log.error({ circular, odd: Object.create(null), nothing: undefined, symbol: Symbol('s') }, 'broken');
  log.error({}, 'bare');
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  log.error({ error: Object.defineProperty(new Error('odd'), 'stack', { value: Symbol('s') }), proxy }, 'odd');
  const times = written.map(line => line.slice(0, 24));
  for (const time of times) expect(new Date(time).toISOString()).toBe(time);
  const lines = written.map(line => line.slice(25));
  expect(lines[0]).toBe('warn careful n=1 text=x nested={"a":[1]}\n');
  expect(lines[1]).toMatch(/^error broken circular=.+ nothing=undefined symbol=Symbol\(s\)\n$/);
  expect(lines[2]).toBe('error bare\n');
  expect(lines[3]).toBe('error odd error=an Error without a text proxy=<Revoked Proxy>\n');
  expect(written).toHaveLength(4);
});
