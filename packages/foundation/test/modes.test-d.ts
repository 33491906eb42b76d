import { type StartOptions, sameHost, type Topologies } from 'foundation-ts';
import { expectTypeOf, test } from 'vitest';

test('how others are found is typed, down to the options of each keyword', () => {
  expectTypeOf<'gossip'>().toExtend<NonNullable<StartOptions['cluster']>>();
  const options: StartOptions[] = [
    { cluster: true },
    { cluster: 'mdns' },
    { cluster: { strategy: 'kubernetes', appName: 'shop' } },
    { cluster: { strategy: 'static', nodes: ['10.0.0.5:4370'] } },
    // @ts-expect-error: no such keyword
    { cluster: 'kuberntes' },
    // @ts-expect-error: an option of another strategy
    { cluster: { strategy: 'gossip', appName: 'shop' } },
    // @ts-expect-error: the list of nodes is missing
    { cluster: { strategy: 'static' } },
    // @ts-expect-error: a number
    { cluster: { strategy: 'dns', query: 7 } },
    // @ts-expect-error: no such detail
    { cluster: true, detect: { appname: 'shop' } },
  ];
  const topologies: Topologies[] = [
    { rack: { strategy: sameHost(), connect: address => address.port !== 1, list: all => all.slice(1) } },
    { rack: { strategy: 'gossip', connect: async address => ({ ...address, port: 1 }), overlay: 'full-mesh' } },
    // @ts-expect-error: a strategy is missing
    { rack: {} },
    // @ts-expect-error: the only overlay so far is another
    { rack: { strategy: 'gossip', overlay: 'tree' } },
    // @ts-expect-error: a hook has to answer
    { rack: { strategy: 'gossip', connect: () => undefined } },
  ];
  expectTypeOf(options).toBeArray();
  expectTypeOf(topologies).toBeArray();
});
