export type { StartChildOptions, StartedChild } from './child-requests.js';
export type { ConflictPolicy } from './claims.js';
export {
  ANTI_ENTROPY_INTERVAL,
  FAILOVER_AFTER,
  FORWARD_WINDOW,
  MAX_STATE_BYTES,
  REBALANCE_AFTER,
  REBALANCE_CONCURRENCY,
} from './defaults.js';
export { createDistributedSupervisor, type DistributedChild, DistributedSupervisor } from './distributed-supervisor.js';
export type { DistributedSupervisorOptions } from './distributed-supervisor-init.js';
export type { HostNode } from './host-node.js';
export {
  leastLoaded,
  type Placement,
  type PlacementContext,
  type PlacementReason,
  random,
  rendezvous,
} from './placement.js';
export {
  type Ack,
  type Acknowledgement,
  type ClaimInit,
  type RegisterOptions,
  Registry,
  type RegistryEntry,
} from './registry.js';
export type { NameChange } from './registry-index.js';
export { RegistryMeta } from './registry-meta.js';
export { hash32, Rendezvous } from './rendezvous.js';
export { type AckedOptions, type Mutation, Replica, type ReplicaInit, type ReplicaListener } from './replica.js';
