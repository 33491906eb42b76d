import { subscribe } from 'node:diagnostics_channel';
import { createInterface } from 'node:readline';
import type { TelemetryEvent } from '@foundation-ts/core';
import { mdns } from '@foundation-ts/discovery/mdns';
import { gossip, startNode } from 'foundation-ts';
import type { ClusterNodeInit } from '../../support/programs.js';

/** A node of a cluster, which tells on its standard output, a line of JSON each, whom it sees; ends by a line of input. */
const { name, clusterId, host, strategy, port } = JSON.parse(process.argv[2] as string) as ClusterNodeInit;
const tell = (event: object): void => void process.stdout.write(`${JSON.stringify({ at: Date.now(), ...event })}\n`);
const peers = new Set<unknown>();
subscribe('foundation:transport.peer.opened', message => {
  peers.add((message as TelemetryEvent).metadata['peer']);
  tell({ type: 'peers', peers: [...peers] });
});

tell({ type: 'starting' });
const init = port === undefined ? {} : { port };
const node = await startNode({
  name,
  clusterId,
  host,
  discovery: [strategy === 'mdns' ? mdns(init) : gossip(init)],
  log: 'warn',
});
const members = (): void =>
  tell({
    type: 'members',
    members: node.members().map(member => `${member.name} ${member.reachable ? member.status : 'unreachable'}`),
  });
const ending = new AbortController();
const watching = (async () => {
  members();
  for await (const _ of node.membership({ signal: ending.signal })) members();
})();
createInterface({ input: process.stdin }).once('line', async () => {
  ending.abort();
  await watching;
  await node.stop();
  process.exit(0);
});
