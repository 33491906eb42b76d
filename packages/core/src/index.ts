export { type ActorInit, actor, defineProgram } from './actor.js';
export { type Address, formatAddress, parseAddress } from './address.js';
export { type AsyncStreamOptions, asyncStream } from './async-stream.js';
export type { BackoffOptions } from './backoff.js';
export {
  type ChildLike,
  type ChildOptions,
  type ChildSpec,
  child,
  type IntensityOptions,
  type Restart,
  type Shutdown,
} from './child-spec.js';
export { type Clock, systemClock, type Timer } from './clock.js';
export type { Context, NodeHandle } from './context.js';
export { type DeadLetter, type DeadLetterReason, DeadLetters } from './dead-letters.js';
export { CALL_TIMEOUT, LONG_MAILBOX, SLOW_HANDLER } from './defaults.js';
export {
  type DynamicSupervisorCalls,
  type DynamicSupervisorDefinition,
  type DynamicSupervisorInit,
  dynamicSupervisor,
} from './dynamic-supervisor.js';
export {
  checkKeys,
  type ErrorCode,
  FoundationError,
  type FoundationErrorInit,
  invalidOption,
  isFoundationError,
  nearest,
} from './errors.js';
export { type ExitReason, formatReason, isOrderly, toExitReason } from './exit-reason.js';
export { Failure, failing, failure } from './failure.js';
export { footprint } from './footprint.js';
export {
  type EarlyExit,
  type RemoteGateway,
  RemoteName,
  type Sender,
  type SpawnOptions,
  type TopicSource,
} from './gateway.js';
export {
  type ArgumentOf,
  GenServer,
  type GenServerInit,
  genServer,
  type OperationName,
  type Operations,
} from './gen-server.js';
export { LocalNames } from './local-names.js';
export {
  DuplicateRegistry,
  type LocalRegistry,
  type LocalRegistryInit,
  localRegistry,
  type RegistryEvent,
  type RegistryOwner,
  UniqueRegistry,
  type ValueArgs,
} from './local-registry.js';
export { type Log, type LogLevel, silentLog, stderrLog } from './log.js';
export {
  type MachineContext,
  type MachineHandler,
  type MachineInit,
  type MachineOperations,
  type MachineStart,
  machine,
  type StateInit,
} from './machine.js';
export {
  type PartitionKey,
  type PartitionSupervisorCalls,
  type PartitionSupervisorDefinition,
  type PartitionSupervisorInit,
  partitionSupervisor,
} from './partition-supervisor.js';
export { type Answer, type CallKeeper, PendingCall } from './pending-call.js';
export { Pid } from './pid.js';
export { Process, type ProcessStatus } from './process.js';
export type { Handler, Overflow, Program } from './program.js';
export { type Random, seededRandom, systemRandom } from './random.js';
export { ActorRef, type Target, type TargetResolver } from './ref.js';
export type { Registration } from './registration.js';
export { RestartIntensity } from './restart-intensity.js';
export type { Schedule } from './scheduler.js';
export type { ChildCounts, ChildInfo } from './supervised-child.js';
export type { AutoShutdown, SupervisionOptions } from './supervision.js';
export {
  type SupervisorCalls,
  type SupervisorDefinition,
  type SupervisorInit,
  type SupervisorSpec,
  supervisor,
} from './supervisor.js';
export type {
  AnySupervisorDefinition,
  DynamicSupervisorHandle,
  PartitionSupervisorHandle,
  SupervisorHandle,
  SupervisorHandleOf,
} from './supervisor-handle.js';
export type { Strategy } from './supervisor-state.js';
export { ActorSystem, type ActorSystemInit, type Resumption } from './system.js';
export {
  Task,
  type TaskFunction,
  type TaskOwner,
  type TaskResult,
  type TaskWaitOptions,
} from './task.js';
export { type TaskCalls, type TaskDefinition, type TaskInit, task } from './task-definition.js';
export { type TaskChildOptions, type TaskSupervisorHandle, taskSupervisor, tasksOf } from './task-supervisor.js';
export { Telemetry, type TelemetryEvent } from './telemetry.js';
export { formatTree, type TreeNode, type TreeSource, treesOf } from './tree.js';
export {
  type AnyDefinition,
  type CallOptions,
  type Calls,
  type CallsOf,
  type Casts,
  type CastsOf,
  type Definition,
  type Down,
  type Exit,
  type MonitorRef,
  type NoReply,
  noReply,
  type PayloadArgs,
  type PayloadOf,
  type Ref,
  type ReplyOf,
  type ReplyTo,
  type SendOptions,
  type Start,
  type StartArgs,
} from './types.js';
