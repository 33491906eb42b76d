import { expect, test } from 'vitest';
import { Latest } from '../src/index.js';

test('gives a slow reader the newest value only', async () => {
  const latest = new Latest<number>(new AbortController().signal);
  const reader = latest[Symbol.asyncIterator]();
  latest.push(1);
  expect((await reader.next()).value).toBe(1);
  latest.push(2);
  latest.push(3);
  expect((await reader.next()).value).toBe(3);
});

test('wakes a waiting reader by a value, a failure or the abort', async () => {
  const stopping = new AbortController();
  const latest = new Latest<number>(stopping.signal);
  const reader = latest[Symbol.asyncIterator]();
  const value = reader.next();
  latest.push(1);
  expect(await value).toEqual({ done: false, value: 1 });
  const end = reader.next();
  stopping.abort();
  expect(await end).toEqual({ done: true, value: undefined });

  const failing = new Latest<number>(new AbortController().signal);
  const failure = failing[Symbol.asyncIterator]().next();
  failing.fail(new Error('broken'));
  await expect(failure).rejects.toThrow('broken');
});

test('ends without a value when the signal has aborted before', async () => {
  const latest = new Latest<number>(AbortSignal.abort());
  latest.push(1);
  expect(await latest[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
});
