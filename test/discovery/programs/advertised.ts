/** Advertises a node in the cluster `shop` by a store until it ends: in order when its standard input does. */
import { parseAddress, stderrLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import type { DiscoveryContext } from '@foundation-ts/discovery';
import { etcd } from '@foundation-ts/discovery/etcd';
import { redis } from '@foundation-ts/discovery/redis';

const [kind, init, name, addressText] = process.argv.slice(2) as [string, string, string, string];
const strategy = kind === 'etcd' ? etcd(JSON.parse(init)) : redis(JSON.parse(init));
const address = parseAddress(addressText);
const stopping = new AbortController();
const ctx: DiscoveryContext = {
  self: { name, clusterId: 'shop', address },
  secret: undefined,
  clock: systemClock,
  random: systemRandom,
  log: stderrLog(),
  telemetry: new Telemetry(name),
  signal: stopping.signal,
  failed: error => console.error(error.message),
};
const entry = await strategy.advertise?.({ name, clusterId: 'shop', incarnation: process.pid, address }, ctx);
console.log('advertised');
process.stdin.resume();
process.stdin.on('end', async () => {
  await entry?.[Symbol.asyncDispose]();
  stopping.abort();
  // nothing holds the process: a forgotten connection would
});
