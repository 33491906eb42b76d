import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import { describe, expect, test } from 'vitest';
import { staticList } from '../src/static.js';
import { testContext, Watching } from './context.js';

const addresses = [
  { protocol: 'tcp', host: '10.0.0.1', port: 4370 },
  { protocol: 'tcp', host: '10.0.0.2', port: 4370 },
];

discoverySuite('staticList', () => ({ strategy: () => staticList(addresses), names: addresses }));

describe('staticList', () => {
  test('reads texts and addresses, and names each once', async () => {
    const ctx = testContext();
    const watching = new Watching(
      staticList(['b:2', 'ws://[::1]:80', 'b:2', { protocol: 'tcp', host: 'a', port: 1 }]),
      ctx,
    );
    await new Promise(resolve => setImmediate(resolve));
    ctx.abort();
    await watching.ended;
    expect(watching.values).toEqual([['tcp://a:1', 'tcp://b:2', 'ws://[::1]:80']]);
  });

  test.each([
    [['a:1', 'nonsense'], "Option 'addresses[1]' is 'nonsense'"],
    [['a:70000'], "Option 'addresses[0]' is 'a:70000'"],
    [[{ protocol: 'tcp', host: 'a', port: 0 }], "Option 'addresses[0]' is an object"],
    [[undefined], "Option 'addresses[0]' is undefined"],
    ['a:1', "Option 'addresses' is 'a:1'"],
  ])('refuses %j at construction', (given, message) => {
    expect(() => staticList(given as never)).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(message) }),
    );
  });
});
