import { FoundationError, silentLog, Telemetry } from '@foundation-ts/core';
import { SimulatedClock } from '@foundation-ts/testing';
import { expect, test } from 'vitest';
import { FailureLog } from '../src/internal/failure-log.js';
import type { Settings } from '../src/internal/settings.js';

function failureLog(): { readonly log: FailureLog; readonly clock: SimulatedClock; readonly lines: string[] } {
  const clock = new SimulatedClock();
  const lines: string[] = [];
  const settings = {
    clock,
    telemetry: new Telemetry('a'),
    log: { ...silentLog, warn: (_fields: object, message: string) => lines.push(message) },
  };
  return { log: new FailureLog(settings as unknown as Settings), clock, lines };
}

const error = new FoundationError('protocol', 'It speaks something else.');

test('a host is logged once a minute for each kind of failure', async () => {
  const { log, clock, lines } = failureLog();
  for (let n = 0; n < 10; n++) log.report('10.0.0.1', error);
  log.report('10.0.0.1', new FoundationError('timeout', 'It was slow.'));
  log.report('10.0.0.2', error);
  expect(lines.length).toBe(3);
  await clock.advance(60_000);
  log.report('10.0.0.1', error);
  expect(lines.length).toBe(4);
});

test('a stranger with many addresses does not flood the log, and others are logged again after a minute', async () => {
  const { log, clock, lines } = failureLog();
  for (let n = 0; n < 5_000; n++) log.report(`2001:db8::${n.toString(16)}`, error);
  expect(lines.length).toBe(101);
  expect(lines.at(-1)).toMatch(/more connections than 100 were not accepted within a minute; others are only counted/);
  await clock.advance(60_000);
  log.report('10.0.0.1', error);
  expect(lines.at(-1)).toMatch(/connection from 10\.0\.0\.1 not accepted/);
});
