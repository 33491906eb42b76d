import type { MembershipEvent } from '@foundation-ts/cluster';
import { ActorSystem, Pid, silentLog } from '@foundation-ts/core';
import { SimulatedClock, settle } from '@foundation-ts/testing';
import { expect, test } from 'vitest';
import { type HandOffHost, HandOffRun } from '../src/hand-off-run.js';
import type { LocalChild } from '../src/local-children.js';
import type { NameChange } from '../src/registry-index.js';
import { Shard } from './harness.js';

/** A hand-off from n1 to n2, whose answer never comes. */
async function underWay() {
  const clock = new SimulatedClock();
  const system = new ActorSystem({ node: 'n1', incarnation: 1, clock, log: silentLog });
  const { pid } = await system.spawn(Shard(1));
  const listeners: { change?: (change: NameChange) => void; member?: (event: MembershipEvent) => void } = {};
  let holder = { pid, claim: [pid.id, 5, 3, 0, 1] };
  const log: string[] = [];
  const host = {
    node: {
      name: 'n1',
      incarnation: 1,
      clock,
      log: silentLog,
      telemetry: system.telemetry,
      onMembership: (listener: (event: MembershipEvent) => void) => {
        listeners.member = listener;
        return () => {};
      },
    },
    registry: {
      setMoving: () => {},
      onChange: (listener: (change: NameChange) => void) => {
        listeners.change = listener;
        return () => {};
      },
      ownClaim: () => [pid.id, 5, 3, 0, 1],
      holder: () => holder,
    },
    maxStateBytes: 1_000,
    failoverAfter: 1_000,
    forwardWindow: 1_000,
    adopt: () => new Promise<Pid>(() => {}),
    whereabouts: () => new Promise(() => {}),
    resumed: () => log.push('resumed'),
    moved: (_child: LocalChild, to: Pid) => log.push(`moved to ${to.node}`),
    died: () => log.push('died'),
  } as unknown as HandOffHost;
  const child = { id: 'shard', process: system.process(pid), entry: { epoch: 1 }, phase: 'running' };
  const outcome = new HandOffRun(host, child as unknown as LocalChild, { name: 'n2', incarnation: 2 }, 'token').run();
  await settle();
  return {
    log,
    outcome,
    claims: (node: string, moves: number): void => {
      const after = new Pid(node, 9, 7);
      const before = holder.pid;
      holder = { pid: after, claim: [7, 5, moves, 0, 1] };
      listeners.change?.({ name: 'shard', before, after });
    },
    leaves: (name: string): void => {
      listeners.member?.({ type: 'left', member: { name, incarnation: 2 } } as MembershipEvent);
    },
  };
}

test('a child that its target handed on before it answered, and left, runs there: no second copy goes on here', async () => {
  const run = await underWay();
  run.claims('n3', 5);
  run.leaves('n2');
  expect(await run.outcome).toBe('moved');
  expect(run.log).toEqual(['moved to n3']);
});

test('a claim that has moved no more often than the child did says nothing of the hand-off', async () => {
  const run = await underWay();
  run.claims('n3', 3);
  run.leaves('n2');
  expect(await run.outcome).toBe('resumed');
  expect(run.log).toEqual(['resumed']);
});
