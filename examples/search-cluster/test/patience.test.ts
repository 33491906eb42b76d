import { expect, test } from 'vitest';
import { TimeoutError, until } from '../src/patience.js';

test('gives the first result there is', async () => {
  const results = [undefined, undefined, 'found', 'late'];
  await expect(until('nothing', 10_000, () => results.shift())).resolves.toBe('found');
});

test('gives up when the time is over, and says on what', async () => {
  const attempt = until('nobody came', 0, () => undefined);
  await expect(attempt).rejects.toThrow(TimeoutError);
  await expect(attempt).rejects.toThrow('Gave up after 0 s: nobody came');
});
