import { ActorSystem, actor, Pid, silentLog } from '@foundation-ts/core';
import { SimulatedClock } from '@foundation-ts/testing';
import type { Peer } from '@foundation-ts/transport';
import { expect, test } from 'vitest';
import { Members } from '../src/members.js';
import { wire } from '../src/wire.js';

const Idle = actor({ name: 'idle', init: () => ({}) });

test('what a member that is gone binds with actors here until its connection ends, ends then', async () => {
  const clock = new SimulatedClock();
  const system = new ActorSystem({ node: 'a', incarnation: 1, clock, log: silentLog });
  const self = { incarnation: 1, address: undefined, status: 'up', roles: [], zone: undefined, version: 1 } as const;
  const members = new Members(
    system,
    { ...self, name: 'a', metadata: {} },
    { lost: () => {}, changed: () => {}, roles: (_identity, told) => told, selfDowned: () => {} },
  );
  // It takes nothing, so that the connection stays for a while.
  const peer = {
    identity: { name: 'b', incarnation: 5, clusterId: 'x', address: undefined, metadata: {} },
    send: () => 'sent',
    close: () => new Promise(() => {}),
  } as unknown as Peer;
  const { pid } = await system.spawn(Idle());
  members.peerUp(peer);
  members.receive(peer, [wire.gossip, [['b', 5, 3, 50, null, [], null, {}, 0]]]);
  expect(members.get('b')).toBeUndefined();
  system.receiveLink(new Pid('b', 5, 7), pid);
  members.peerDown(peer);
  expect(system.process(pid)).toBeUndefined();
  members.close();
});
