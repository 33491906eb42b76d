import { expect, test } from 'vitest';
import { Program } from '../hostile/program.js';
import { LossyNetwork, lossyNetworkMissing } from '../support/lossy-network.js';
import { until } from '../support/until.js';

interface Seen {
  readonly events: readonly string[];
  readonly registered: number;
  readonly failed: number;
}

const missing = lossyNetworkMissing();
if (missing !== undefined) console.warn(`skipped: fault 16 on real sockets: ${missing}`);
const long = process.env.FAULTS_LONG === '1';
const seconds = long ? 60 : 10;
const program = new URL('./programs/lossy-node.ts', import.meta.url);

async function end(nodes: readonly Program[]): Promise<void> {
  await Promise.all(nodes.map(node => node[Symbol.asyncDispose]()));
}

test.skipIf(missing !== undefined)(
  `16: ${seconds} s of 30 % loss, 100 ± 50 ms delay, reordering and duplication on real sockets: nobody is down, replicas get equal`,
  async () => {
    await using network = await LossyNetwork.start(3, { loss: 0, duplication: 0, delay: 0, jitter: 0 });
    const addresses = network.hosts.map(({ address }) => `${address}:7000`);
    const nodes: Program[] = [];
    await using _ = { [Symbol.asyncDispose]: () => end(nodes) };
    for (const [index, { address }] of network.hosts.entries()) {
      const others = addresses.filter((_, other) => other !== index);
      const node = await Program.startWithin(network.prefix(index), program, `n${index}`, address, '7000', ...others);
      nodes.push(node);
    }
    const output = (): string => nodes.map(node => node.output).join('\n');
    const joined = async (): Promise<boolean> =>
      (await Promise.all(nodes.map(node => node.ask<number>('members')))).every(count => count === 3);
    await until(joined, () => `three members: ${output()}`);

    await network.impair({ loss: 30, duplication: 5, delay: 100, jitter: 50 });
    const count = seconds * 2;
    await Promise.all(nodes.map(node => node.ask('register', { count, every: 500 })));
    const before = await Promise.all(nodes.map(node => node.ask<Seen>('seen')));
    expect(before.map(({ registered, failed }) => [registered, failed])).toEqual(nodes.map(() => [count, 0]));

    // TCP itself may stand still for tens of seconds under such loss, and who is not heard leaves a view for so long.
    await network.impair({ loss: 0, duplication: 0, delay: 0, jitter: 0 });
    const names = nodes.flatMap((_, index) => Array.from({ length: count }, (__, number) => `n${index}-${number}`));
    const views = (): Promise<string[]> =>
      Promise.all(nodes.map(async node => (await node.ask<string[]>('names', names)).join()));
    const equal = async (): Promise<boolean> => {
      const seen = await views();
      return new Set(seen).size === 1 && !seen[0]?.includes('nobody');
    };
    await until(equal, () => 'equal registries', 60_000);
    const after = await Promise.all(nodes.map(node => node.ask<Seen>('seen')));
    for (const { events } of after) expect(events.filter(event => event.startsWith('down'))).toEqual([]);
    await until(joined, () => `three members again: ${output()}`, 30_000);
    for (const node of nodes) expect(await node.ask('ask', names)).toBe(names.length);
  },
  300_000,
);
