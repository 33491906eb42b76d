import { subscribe } from 'node:diagnostics_channel';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import type { Log, TelemetryEvent } from '@foundation-ts/core';
import { mdns } from '@foundation-ts/discovery/mdns';
import { gossip, startNode } from 'foundation-ts';
import type { HostileVictimInit, Report } from '../../support/programs.js';

/** A node on loopback with gossip and mDNS, which reports by a line of JSON, for each line of input, what was done to it. */
const { name, clusterId, gossipPort, mdnsPort } = JSON.parse(process.argv[2] as string) as HostileVictimInit;
const lag = monitorEventLoopDelay({ resolution: 5 });
const counts: Record<string, number> = {};
const lines: Record<string, number> = {};
const events: string[] = [];
for (const strategy of ['gossip', 'mdns']) {
  subscribe(`foundation:discovery.${strategy}.dropped`, message => {
    const { measurements, metadata } = message as TelemetryEvent;
    const key = `${strategy} ${metadata.reason}`;
    counts[key] = (counts[key] ?? 0) + (measurements.count as number);
  });
}
const line =
  (level: string) =>
  (fields: Readonly<Record<string, unknown>>, message: string): void => {
    const strategy = /^(gossip|mdns) discovery: dropped/.exec(message)?.[1];
    const key = `${level} ${strategy === undefined ? message : `${strategy} ${fields.reason}`}`;
    lines[key] = (lines[key] ?? 0) + 1;
  };
const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
const node = await startNode({
  name,
  clusterId,
  host: '127.0.0.1',
  discovery: [
    gossip({ port: gossipPort, interfaces: ['127.0.0.1'], broadcast: false, interval: 300 }),
    mdns({ port: mdnsPort }),
  ],
  log,
});
void (async () => {
  for await (const event of node.membership()) events.push(`${event.type} ${event.member.name}`);
})();
lag.enable();
for await (const _ of createInterface({ input: process.stdin })) {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const report: Report = {
    members: node.members().map(member => `${member.name} ${member.reachable ? member.status : 'unreachable'}`),
    memory: heapUsed + external,
    rss,
    lag: lag.max / 1e6,
    counts,
    lines,
    events,
  };
  lag.reset();
  process.stdout.write(`${JSON.stringify({ at: Date.now(), type: 'report', report })}\n`);
}
