import { systemClock } from '@foundation-ts/core';
import { transportSuite } from '@foundation-ts/testing/transport-suite';
import { MemoryNetwork, memory } from '../src/memory/index.js';

const network = new MemoryNetwork({ clock: systemClock });
network.crash('dark', { silent: true });

transportSuite('memory', {
  transport: () => memory({ network, host: 'a' }),
  dialler: () => memory({ network, host: 'b' }),
  host: 'a',
  silent: { protocol: 'memory', host: 'dark', port: 1 },
});
