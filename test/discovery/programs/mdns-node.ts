import { createInterface } from 'node:readline';
import { formatAddress, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import type { DiscoveryContext } from '@foundation-ts/discovery';
import { mdns } from '@foundation-ts/discovery/mdns';
import type { MdnsNodeInit } from '../../support/programs.js';

/** Advertises a node by mDNS without being one, and tells what it sees; withdraws by a line of input. */
const { name, clusterId, host, port } = JSON.parse(process.argv[2] as string) as MdnsNodeInit;
const tell = (event: object): void => void process.stdout.write(`${JSON.stringify({ at: Date.now(), ...event })}\n`);
const line = (fields: object, message: string): void => tell({ type: 'log', message, fields });
const ending = new AbortController();
const address = { protocol: 'tcp', host, port };
const ctx: DiscoveryContext = {
  self: { name, clusterId, address },
  secret: undefined,
  clock: systemClock,
  random: systemRandom,
  log: { debug: line, info: line, warn: line, error: line },
  telemetry: new Telemetry(name),
  signal: ending.signal,
  failed: error => tell({ type: 'failed', message: error.message }),
};
const strategy = mdns();
const advertisement = await strategy.advertise?.({ name, clusterId, incarnation: 7, address }, ctx);
createInterface({ input: process.stdin }).once('line', async () => {
  await advertisement?.[Symbol.asyncDispose]();
  ending.abort();
});
for await (const set of strategy.watch(ctx)) tell({ type: 'set', addresses: set.map(formatAddress) });
process.exit(0);
