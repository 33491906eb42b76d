import { runCluster } from '@foundation-ts/testing';
import { describe, expect, test } from 'vitest';

describe('a simulated run under faults', () => {
  test.each([1, 2, 3, 4, 5])('promises hold after healing (seed %i)', async seed => {
    const result = await runCluster(seed);
    expect(result.problems, `seed ${seed}`).toEqual([]);
    expect(result.trace.length).toBeGreaterThan(50);
  });

  test('the same seed gives the same run, another seed another', async () => {
    const [first, again, other] = [await runCluster(11), await runCluster(11), await runCluster(12)];
    expect(again.trace).toEqual(first.trace);
    expect(again.fingerprint).toBe(first.fingerprint);
    expect(other.fingerprint).not.toBe(first.fingerprint);
  });
});
