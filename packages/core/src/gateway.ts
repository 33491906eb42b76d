import type { ExitReason } from './exit-reason.js';
import type { PendingCall } from './pending-call.js';
import type { Pid } from './pid.js';
import type { AnyDefinition, MonitorRef, SendOptions, Start } from './types.js';

/** An actor named by the node that it lives on and its local name there. */
export class RemoteName {
  readonly node: string;
  readonly name: string;

  constructor(node: string, name: string) {
    this.node = node;
    this.name = name;
  }

  toString(): string {
    return `'${this.name}' on ${this.node}`;
  }
}

/** An actor that sends, as far as a gateway has to know it. */
export interface Sender {
  /** What the gateway remembers of where the actor's messages went; 0: nothing. Only the gateway reads and writes it. */
  trail: number;
}

/** What the node of an exit signal's sender knows that the receiver may not have heard of yet. */
export interface EarlyExit {
  readonly viaLink: boolean;
  /** Whether its sender is linked with the receiver. */
  readonly linked: boolean;
  /** The monitors that its sender has on the receiver. */
  readonly monitors: readonly MonitorRef[];
}

/** Options of a spawn. */
export interface SpawnOptions {
  /** Registers the actor under this local name before its `init` runs. */
  readonly name?: string;
  /** The member to spawn it on; default: here. */
  readonly on?: string;
}

/**
 * What the local runtime needs of a cluster: how to reach pids of other nodes. Signals from a node to a pid keep their order, and `exit` and
 * `down` come behind what their sender (`by`, where it is known) has sent to actors of that node before.
 * The cluster package implements it; without one, everything remote is `noconnection`.
 */
export interface RemoteGateway {
  /** @throws FoundationError `not-sendable`, `too-large`; what can't be delivered becomes a dead letter. */
  cast(
    to: Pid | RemoteName,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    by: Sender | undefined,
  ): void;
  /** Settles `call` in any event (unless its time runs out first). @throws as {@link cast} */
  call(
    to: Pid | RemoteName,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    call: PendingCall,
    by: Sender | undefined,
  ): void;
  /** Settles `call` once the target's mailbox has accepted the cast. @throws as {@link cast} */
  offer(
    to: Pid | RemoteName,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    call: PendingCall,
    by: Sender | undefined,
  ): void;
  spawn(on: string, start: Start<AnyDefinition>, options: SpawnOptions, parent: Pid | undefined): Promise<Pid>;
  link(from: Pid, to: Pid): void;
  unlink(from: Pid, to: Pid): void;
  exit(from: Pid, to: Pid, reason: ExitReason, viaLink: boolean, by: Sender | undefined): void;
  /** Carries an exit signal ahead of all that waits, if it can; `exit` follows with the same in its place. */
  exitEarly?(from: Pid, to: Pid, reason: ExitReason, early: EarlyExit): void;
  monitor(from: Pid, to: Pid, monitor: MonitorRef): void;
  demonitor(from: Pid, to: Pid, monitor: MonitorRef): void;
  /** `from`, a local actor watched by the remote `to`, has ended. */
  down(from: Pid, to: Pid, monitor: MonitorRef, reason: ExitReason, by: Sender | undefined): void;
}

/** What `ctx.subscribe` needs of a pub/sub service. */
export interface TopicSource {
  /** Casts `op` with each message of the topic to that local actor until it ends or the result is called. */
  subscribeActor(topic: string, subscriber: Pid, op: string): () => void;
}
