export type {
  ChannelMetrics,
  ChannelRule,
  ConnectContext,
  ConnectHook,
  ListHook,
  MembershipEvent,
  MemberView,
  NodeChannels,
  Permission,
  Permissions,
  PermittedAction,
} from '@foundation-ts/cluster';
export {
  type Address,
  type AsyncStreamOptions,
  actor,
  asyncStream,
  type CallOptions,
  type ChildInfo,
  type ChildSpec,
  type Context,
  child,
  type DeadLetter,
  type Definition,
  type Down,
  type DynamicSupervisorHandle,
  dynamicSupervisor,
  type ErrorCode,
  type Exit,
  type ExitReason,
  FoundationError,
  failure,
  formatAddress,
  formatTree,
  GenServer,
  genServer,
  isFoundationError,
  type Log,
  type MachineContext,
  machine,
  noReply,
  type PartitionSupervisorHandle,
  Pid,
  parseAddress,
  partitionSupervisor,
  type Ref,
  type ReplyTo,
  type Start,
  type SupervisorHandle,
  stderrLog,
  supervisor,
  Task,
  type TaskResult,
  type TaskSupervisorHandle,
  task,
  taskSupervisor,
  tasksOf,
} from '@foundation-ts/core';
export {
  type Advertised,
  addressSet,
  type DiscoveryContext,
  type DiscoveryStrategy,
  sameAddressSet,
} from '@foundation-ts/discovery';
export { gossip } from '@foundation-ts/discovery/gossip';
export { sameHost } from '@foundation-ts/discovery/same-host';
export { staticList } from '@foundation-ts/discovery/static';
export { type DistributedSupervisor, type Placement, Registry, rendezvous } from '@foundation-ts/distributed';
export { type Subscription, type Topic, topic } from '@foundation-ts/pubsub';
export type { ChannelDeclaration } from '@foundation-ts/transport';
export { tcp } from '@foundation-ts/transport/tcp';
export { ThreadBroker, threads } from '@foundation-ts/transport/threads';
export { type TlsFiles, type TlsOptions, type TlsProvider, tlsFiles } from '@foundation-ts/transport/tls';
export { ws } from '@foundation-ts/transport/ws';
export {
  type Configuration,
  type ConfigurationSources,
  defineConfig,
  type FoundationConfig,
  type FoundationConfigExport,
  resolveConfiguration,
} from './configuration.js';
export type { Origin, Profile } from './configuration-merge.js';
export { describeConfiguration } from './configuration-text.js';
export type { EffectiveOptions } from './effective-options.js';
export { type InProcessOptions, inProcess } from './in-process.js';
export {
  fullForm,
  type KeywordOptions,
  type Listening,
  STRATEGY_KEYWORDS,
  type StrategyKeyword,
  strategyOf,
} from './keywords.js';
export { FoundationNode } from './node.js';
export { startNode } from './start-node.js';
export type { DetectOptions, StartOptions } from './start-options.js';
export type { Topologies, TopologyOptions } from './topologies.js';
