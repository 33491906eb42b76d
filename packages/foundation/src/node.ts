import type { ClusterNode, MembershipEvent, MemberView, NodeChannels } from '@foundation-ts/cluster';
import {
  type ActorSystem,
  type Address,
  type AnyDefinition,
  type AnySupervisorDefinition,
  type DeadLetters,
  FoundationError,
  type Log,
  type Pid,
  type Ref,
  type SpawnOptions,
  type Start,
  type SupervisorHandleOf,
} from '@foundation-ts/core';
import {
  createDistributedSupervisor,
  type DistributedSupervisor,
  type DistributedSupervisorOptions,
  type Registry,
} from '@foundation-ts/distributed';
import type { PubSub } from '@foundation-ts/pubsub';
import { STOP_TIMEOUT } from './defaults.js';
import type { EffectiveOptions } from './effective-options.js';

/** A running node with its services: what `startNode` gives, and what `ctx.node` is inside actors. */
export class FoundationNode implements AsyncDisposable {
  /** The layer below, for what is not offered here. */
  readonly cluster: ClusterNode;
  /** Names across the cluster. */
  readonly registry: Registry;
  /** Topics across the cluster. */
  readonly pubsub: PubSub;
  /** The options that it was started with, from wherever they come, and the defaults; without secrets, frozen. */
  readonly options: EffectiveOptions;
  readonly #supervisors = new Map<string, Promise<DistributedSupervisor>>();

  /** For `startNode`. */
  constructor(
    cluster: ClusterNode,
    services: { readonly registry: Registry; readonly pubsub: PubSub; readonly options: EffectiveOptions },
  ) {
    this.cluster = cluster;
    this.options = services.options;
    this.registry = services.registry;
    this.pubsub = services.pubsub;
  }

  get name(): string {
    return this.cluster.name;
  }

  get incarnation(): number {
    return this.cluster.incarnation;
  }

  get clusterId(): string {
    return this.cluster.clusterId;
  }

  /** Where other nodes dial this one. */
  get address(): Address | undefined {
    return this.cluster.address;
  }

  /** The local runtime. */
  get system(): ActorSystem {
    return this.cluster.system;
  }

  get deadLetters(): DeadLetters {
    return this.cluster.system.deadLetters;
  }

  get log(): Log {
    return this.cluster.log;
  }

  /** Named lanes to the other members: opened and closed while the node runs, spoken on to everybody, measured. */
  get channels(): NodeChannels {
    return this.cluster.channels;
  }

  /** Everybody known who is not gone, this node included. */
  members(): readonly MemberView[] {
    return this.cluster.members();
  }

  /** What happens to members, from now until `signal` aborts or the node stops. */
  membership(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<MembershipEvent> {
    return this.cluster.membership(options);
  }

  /**
   * Starts an actor, here or with `on` on another member.
   * @throws (rejects) FoundationError `start-failed`, `name-taken`, `noconnection`, `unknown-definition`
   */
  spawn<D extends AnyDefinition>(start: Start<D>, options: SpawnOptions = {}): Promise<Ref<D>> {
    return this.cluster.spawn(start, options);
  }

  /** Starts a supervision tree, which is stopped with the node. @throws (rejects) FoundationError `start-failed` */
  supervise<D extends AnySupervisorDefinition>(
    start: Start<D>,
    options: { readonly name?: string } = {},
  ): Promise<SupervisorHandleOf<D>> {
    return this.cluster.supervise(start, options);
  }

  /**
   * The distributed supervisor of that name: one across the cluster, of which each node that calls this is a part. Repeated calls give the
   * same one.
   * @param options - only in the first call on a node; the same on every node
   * @throws (rejects) FoundationError `invalid-option`, `already-started` (options in a later call), `stopped`
   */
  async distributedSupervisor(name: string, options?: DistributedSupervisorOptions): Promise<DistributedSupervisor> {
    const known = this.#supervisors.get(name);
    if (known === undefined) {
      const started = createDistributedSupervisor(this.cluster, this.registry, name, options);
      this.#supervisors.set(name, started);
      started.catch(() => this.#supervisors.delete(name));
      return started;
    }
    if ((await known).isStopped) {
      if (this.#supervisors.get(name) === known) this.#supervisors.delete(name);
      return this.distributedSupervisor(name, options);
    }
    if (options === undefined) return known;
    throw new FoundationError(
      'already-started',
      `The distributed supervisor '${name}' runs on this node already, with the options of the first call; leave them out to get it.`,
    );
  }

  /** A ref on any pid. */
  ref<D extends AnyDefinition = AnyDefinition>(pid: Pid): Ref<D> {
    return this.cluster.ref<D>(pid);
  }

  /** A ref on a cluster-wide name, looked up at each send: it survives fail-over and hand-off. */
  via<D extends AnyDefinition>(definition: D, name: string): Ref<D> {
    return this.registry.via(definition, name);
  }

  /** Casts to an actor by its local name on a member. */
  send(member: string, name: string, op: string, payload?: unknown): void {
    this.cluster.send(member, name, op, payload);
  }

  /** Connects with the node at an address; see `ClusterNode.connect`. */
  connect(address: Address): Promise<MemberView> {
    return this.cluster.connect(address);
  }

  disconnect(member: string): Promise<void> {
    return this.cluster.disconnect(member);
  }

  /** Leaves in order: hands children over with their state, says goodbye, closes. Repeated calls wait for the same stop. */
  stop(options: { readonly timeout?: number } = {}): Promise<void> {
    return this.cluster.stop({ timeout: options.timeout ?? STOP_TIMEOUT });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

declare module '@foundation-ts/core' {
  interface NodeHandle extends FoundationNode {}
}
