import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
import { describe, expect, test } from 'vitest';
import { mdns } from '../src/mdns.js';

const freePort = (): number => 20_000 + Math.floor(Math.random() * 40_000);

discoverySuite('mdns', () => {
  const port = freePort();
  return { strategy: () => mdns({ port }) };
});

discoverySuite("mdns on mDNS's own port, one strategy for all nodes", () => {
  const strategy = mdns({ service: 'fnd-suite', interfaces: ['lo'] });
  return { strategy: () => strategy };
});

describe('mdns', () => {
  test.each([
    { service: '' },
    { service: '_foundation._tcp' },
    { service: 'sixteen-letters-' },
    { service: 'two--hyphens' },
    { service: '123' },
    { service: 7 },
    { interfaces: [] },
    { interfaces: 'lo' },
    { port: 0 },
    { port: 65_536 },
    { queryInterval: 999 },
    { maxInstances: 0 },
    { services: 'x' },
  ])('refuses %j at construction', init => {
    expect(() => mdns(init as never)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  test('names the option that was meant', () => {
    expect(() => mdns({ interface: ['lo'] } as never)).toThrow(/interfaces/);
  });
});
