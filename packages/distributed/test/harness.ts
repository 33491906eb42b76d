import type { ClusterNode } from '@foundation-ts/cluster';
import { actor, type Log, type Process } from '@foundation-ts/core';
import {
  createDistributedSupervisor,
  type DistributedSupervisor,
  type DistributedSupervisorOptions,
  Registry,
} from '@foundation-ts/distributed';
import { SimulatedCluster } from '@foundation-ts/testing';
import type { LinkFaults } from '@foundation-ts/transport/memory';

/** Counts what it handled, and hands that over. */
export const Shard = actor({
  name: 'shard',
  version: 1,
  init: (key: number) => ({ key, seen: [] as number[], resumed: 0 }),
  calls: {
    seen: s => s.seen,
    add: (s, n: number) => {
      s.seen.push(n);
      return s.seen.length;
    },
    resumed: s => s.resumed,
    crash: (): number => {
      throw new Error('bang');
    },
    finish: (_s, _p: void, ctx) => ctx.stop('normal'),
  },
  casts: {
    note: (s, n: number) => {
      s.seen.push(n);
    },
  },
  handOff: s => ({ seen: s.seen, resumed: s.resumed }),
  resume: (handed: { seen: number[]; resumed: number }, key) => ({
    key,
    seen: handed.seen,
    resumed: handed.resumed + 1,
  }),
});

/** Without hand-off. */
export const Plain = actor({
  name: 'plain',
  init: (key: number) => ({ key, seen: 0 }),
  calls: { add: s => ++s.seen },
});

/** For names of its own. */
export const Named = actor({ name: 'named', init: () => ({}), calls: { ping: () => 'pong' } });

export const Broken = actor({
  name: 'broken',
  init: (): object => {
    throw new Error('no such shard');
  },
});

/** Nodes don't have it, unless told. */
export const Unknown = actor({ name: 'unknown', init: () => ({}) });

export const definitions = [Shard, Plain, Named, Broken];

export interface Services {
  readonly registry: Registry;
  shards: DistributedSupervisor;
}

export interface ShardClusterInit {
  readonly seed?: number;
  readonly options?: DistributedSupervisorOptions;
  readonly log?: Log;
  readonly registryOnly?: boolean;
  readonly faults?: LinkFaults;
}

/** A simulated cluster in which each node has a registry and its part of the supervisor 'shards'. */
export function shardCluster(hosts: readonly string[], init: ShardClusterInit = {}): SimulatedCluster<Services> {
  return new SimulatedCluster<Services>({
    seed: init.seed ?? 1,
    hosts,
    definitions,
    ...(init.log === undefined ? {} : { log: init.log }),
    ...(init.faults === undefined ? {} : { faults: init.faults }),
    node: { strictMessages: true },
    services: async (node: ClusterNode) => {
      const registry = await Registry.start(node);
      if (init.registryOnly === true) return { registry, shards: undefined as unknown as DistributedSupervisor };
      const shards = await createDistributedSupervisor(node, registry, 'shards', init.options);
      return { registry, shards };
    },
  });
}

/** Where live actors of a definition run: argument → hosts. */
export function running(cluster: SimulatedCluster<Services>, definition = 'shard'): Map<unknown, string[]> {
  const found = new Map<unknown, string[]>();
  for (const host of cluster.running) {
    for (const process of host.node.system.processes()) {
      if (process.program.name !== definition || !process.alive) continue;
      const key = process.start.argument;
      found.set(key, [...(found.get(key) ?? []), host.name]);
    }
  }
  return found;
}

/** The processes of a definition on one host. */
export function processesOn(cluster: SimulatedCluster<Services>, host: string, definition = 'shard'): Process[] {
  return [...cluster.host(host).node.system.processes()].filter(
    process => process.program.name === definition && process.alive,
  );
}

/** What a node's registry shows, as one text. */
export function view(registry: Registry): string {
  return registry
    .select()
    .map(entry => `${entry.name}=${entry.pid.key}`)
    .sort()
    .join(' ');
}
