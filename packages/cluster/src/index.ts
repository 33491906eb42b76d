export type { ChannelMetrics } from './channel-metrics.js';
export type { ChannelRule, MessageKind } from './channel-rules.js';
export { BOOTSTRAP_TIMEOUT_MS, JOIN_TIMEOUT_MS } from './defaults.js';
export { Definitions, unknownDefinition } from './definitions.js';
export {
  available,
  type Decision,
  type DowningStrategy,
  downAll,
  keepMajority,
  keepOldest,
  staticQuorum,
} from './downing.js';
export type { ServiceAccess } from './gate.js';
export { isDead, type Member, type MemberStatus } from './member.js';
export type { MembershipEvent, MemberView } from './membership-event.js';
export { ClusterNode } from './node.js';
export type { NodeChannels } from './node-channels.js';
export type { ClusterNodeInit } from './node-init.js';
export type { Permission, Permissions, PermittedAction } from './permissions.js';
export type { ReachabilityView } from './reachability.js';
export type { ConnectContext, ConnectHook, ListHook, Topology } from './topology.js';
