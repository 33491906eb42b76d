import { silentLog, systemClock, systemRandom, Telemetry } from '@foundation-ts/core';
import { sameHost } from '@foundation-ts/discovery/same-host';

const [directory, name, port] = process.argv.slice(2) as [string, string, string];
const self = {
  name,
  clusterId: 'shop',
  incarnation: 1,
  address: { protocol: 'tcp', host: '127.0.0.1', port: Number(port) },
};
const stopping = new AbortController();
const entry = await sameHost({ directory }).advertise?.(self, {
  self,
  secret: undefined,
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  telemetry: new Telemetry(name),
  signal: stopping.signal,
  failed: error => {
    throw error;
  },
});
process.stdout.write('advertised\n');
process.stdin.on('end', () => void entry?.[Symbol.asyncDispose]());
process.stdin.resume();
