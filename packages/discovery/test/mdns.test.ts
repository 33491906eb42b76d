import { discoverySuite } from '@foundation-ts/testing/discovery-suite';
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
