import {
  type ActorSystem,
  type Address,
  type AnyDefinition,
  type AnySupervisorDefinition,
  type Clock,
  checkKeys,
  child,
  FoundationError,
  formatAddress,
  type Log,
  type Pid,
  type Random,
  type Ref,
  type SpawnOptions,
  type Start,
  type SupervisorHandle,
  type SupervisorHandleOf,
  supervisor,
  type Telemetry,
} from '@foundation-ts/core';
import type { Endpoint, Peer } from '@foundation-ts/transport';
import { DIAL_TIMEOUT_MS, DRAIN_TIMEOUT_MS } from './defaults.js';
import type { Definitions } from './definitions.js';
import { Dialer } from './dialer.js';
import { discoveryTree } from './discovery-runner.js';
import type { DiscoverySource } from './discovery-sources.js';
import { FirstRound } from './first-round.js';
import { Gate, type ServiceAccess } from './gate.js';
import { Members } from './members.js';
import type { MembershipEvent, MemberView } from './membership-event.js';
import { NodeChannels } from './node-channels.js';
import { type ClusterNodeInit, openEndpoint, type ResolvedInit, resolveInit } from './node-init.js';
import { type PermittedAction, Permitter } from './permissions.js';
import { Router } from './router.js';
import type { Topology } from './topology.js';
import { CONTROL, messageOf } from './wire.js';

/**
 * One node of a cluster: a local runtime, connected with its peers. Everything that a user does with a cluster goes through
 * it, or through the services that higher packages hang onto it.
 */
export class ClusterNode implements AsyncDisposable {
  readonly name: string;
  readonly incarnation: number;
  readonly clusterId: string;
  readonly system: ActorSystem;
  readonly definitions: Definitions;
  readonly channels: NodeChannels;
  readonly #init: ResolvedInit;
  readonly #router: Router;
  readonly #members: Members;
  readonly #dialer: Dialer;
  readonly #endpoint: Endpoint;
  readonly #leaveHooks: ((signal: AbortSignal) => Promise<void>)[] = [];
  /** Each ends a stream of membership events. */
  readonly #streams = new Set<() => void>();
  readonly #stopped: Promise<string>;
  #firstRound: FirstRound | undefined = undefined;
  #trees = 1;
  #address: Address | undefined = undefined;
  #systemBranch: SupervisorHandle | undefined = undefined;
  #userBranch: SupervisorHandle | undefined = undefined;
  /** One supervisor a topology. */
  readonly #discoveryBranches: SupervisorHandle[] = [];
  /** Where there are permissions. */
  readonly #permitter: Permitter | undefined;
  /** What the node's own actors ask of peers, by name. */
  readonly #services = new Map<string, ServiceAccess>();
  #state: 'starting' | 'running' | 'leaving' | 'closed' = 'starting';
  #closing: Promise<void> | undefined = undefined;
  #resolveStopped!: (why: string) => void;

  private constructor(init: ResolvedInit) {
    this.#init = init;
    this.name = init.name;
    this.clusterId = init.clusterId;
    this.system = init.system;
    this.incarnation = init.system.incarnation;
    this.definitions = init.definitions;
    this.channels = new NodeChannels(init.system, () => this.#endpoint);
    this.#stopped = new Promise(resolve => {
      this.#resolveStopped = resolve;
    });
    const self = {
      name: this.name,
      incarnation: this.incarnation,
      address: undefined,
      status: 'up' as const,
      roles: init.roles,
      zone: init.zone,
      version: 1,
      metadata: init.metadata,
    };
    const permitter = init.permissions === undefined ? undefined : new Permitter(init.permissions, this.system);
    this.#permitter = permitter;
    this.#members = new Members(this.system, self, {
      roles: (identity, told) => permitter?.provenOf(identity, told) ?? told,
      lost: peer => this.#router.peerLost(peer),
      changed: () => this.#dialer.sweep(),
      selfDowned: why => this.#selfDowned(why),
    });
    const gate = permitter === undefined ? undefined : new Gate(this.system, permitter, this.#services);
    this.#router = new Router(this.system, this.definitions, node => this.#members.peer(node), gate);
    this.system.gateway = this.#router;
    this.#endpoint = openEndpoint(init, {
      admit: identity => this.#members.admit(identity) ?? permitter?.admit(identity),
      onPeer: peer => this.#peerUp(peer),
      onMessage: (peer, channel, message) => this.#receive(peer, channel, message),
      onUndelivered: (peer, _channel, outcome, messages) => this.#router.undelivered(peer, outcome, messages),
      onPeerClosed: (peer, reason) => this.#peerDown(peer, reason),
    });
    this.#members.events.on('event', ({ type, member }) => {
      if (type !== 'down' && type !== 'left') return;
      this.#endpoint.forget(member.name, member.incarnation);
      this.channels.forget(member.name);
    });
    this.#dialer = new Dialer(this.system, {
      dial: (address, options) => this.#endpoint.dial(address, options),
      wanted: () => this.#wanted(),
      connected: (name, incarnation) => {
        const peer = this.#members.peer(name);
        return peer !== undefined && (incarnation === undefined || peer.identity.incarnation === incarnation);
      },
      refused: name => this.#members.confirmCrash(name),
      dialled: () => this.#firstRound?.changed(),
      goneFor: error => this.#selfDowned(error.message),
    });
  }

  /**
   * Starts a node: listens, becomes findable, and connects with whom it finds. Resolves after a first round of discovery and dialling, or
   * after `joinTimeout`, so that a node that joins a cluster knows it.
   * @throws (rejects) FoundationError `invalid-option`, `insecure` (a bind that would let strangers in), `address-in-use`
   */
  static async start(init: ClusterNodeInit): Promise<ClusterNode> {
    const node = new ClusterNode(resolveInit(init));
    try {
      await node.#start();
    } catch (error) {
      await node.#end('start failed', DRAIN_TIMEOUT_MS);
      throw error;
    }
    return node;
  }

  async #start(): Promise<void> {
    const { host, port, topologies, joinTimeout, expectedNodes } = this.#init;
    const address = await this.#endpoint.listen({ host, port });
    this.#address = address;
    this.#dialer.setOwn(this.#endpoint.addresses);
    this.#members.setAddress(address);
    if (this.#init.transport.local !== true) {
      const addresses = this.#endpoint.addresses.map(formatAddress).join(', ');
      this.log.info({ node: this.name, cluster: this.#init.clusterId, addresses }, 'the node listens');
    }
    this.#systemBranch = await this.system.supervise(supervisor({ maxRestarts: 100, within: 10_000 }));
    this.#userBranch = await this.system.supervise(supervisor({ maxRestarts: 0 }));
    this.#guard(this.#systemBranch.pid);
    const strategies = topologies.reduce((sum, topology) => sum + topology.strategies.length, 0);
    const firstRound = new FirstRound(strategies, expectedNodes, {
      idle: () => this.#dialer.idle,
      connected: () => this.#members.connections,
    });
    this.#firstRound = firstRound;
    this.#state = 'running';
    let next = 0;
    for (const topology of topologies) {
      const first = next;
      next += topology.strategies.length;
      const branch = await this.system.supervise(this.#discovery(topology, index => firstRound.found(first + index)));
      this.#discoveryBranches.push(branch);
      this.#guard(branch.pid);
    }
    await firstRound.over(this.clock, joinTimeout);
    this.#firstRound = undefined;
    const known = this.#members.connections + 1;
    if (known < expectedNodes) {
      this.log.warn(
        { node: this.name, known, expected: expectedNodes },
        `only ${known} of the ${expectedNodes} nodes expected were found within joinTimeout (${joinTimeout} ms); the node goes on without the others`,
      );
    }
    this.channels.start();
  }

  /** Its end is the node's, and nobody else may end it. */
  #guard(branch: Pid): void {
    this.#router.guard([branch], (this.#userBranch as SupervisorHandle).pid);
    this.system.watch(branch, () => {
      const what = "the node's own actors can't be kept running";
      this.#giveUp(`failed: ${what}`, `${what}. It stops.`);
    });
  }

  /** What runs a topology's strategies. */
  #discovery(topology: Topology, told: (index: number) => void): ReturnType<typeof discoveryTree> {
    const { name, strategies, connect, list, protocol } = topology;
    const { addresses } = this.#endpoint;
    const address = addresses.find(each => each.protocol === protocol) ?? (this.#address as Address);
    const { clusterId, incarnation, system } = this;
    const advertised = { name: this.name, clusterId, incarnation, address };
    return discoveryTree(
      strategies.map((strategy, index) => {
        const source: DiscoverySource = { topology: name, strategy: strategy.name, connect };
        const found = (set: readonly Address[]): void => {
          this.#dialer.setSource(source, list === undefined ? set : list(set));
          told(index);
        };
        const failures = { last: undefined };
        return { topology: name, strategy, system, advertised, clusterId, secret: this.#init.secret, found, failures };
      }),
    );
  }

  // --- views ----------------------------------------------------------------------------------------------------

  get address(): Address | undefined {
    return this.#address;
  }

  get clock(): Clock {
    return this.system.clock;
  }

  get random(): Random {
    return this.system.random;
  }

  get log(): Log {
    return this.system.log;
  }

  get telemetry(): Telemetry {
    return this.system.telemetry;
  }

  get self(): MemberView {
    return this.#members.self;
  }

  /** Everybody known who is not gone, this node included, by name. */
  members(): readonly MemberView[] {
    return this.#members.all().sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  member(name: string): MemberView | undefined {
    return this.#members.get(name);
  }

  /** The members that new work can go to: `up` and reachable, this node included. */
  visible(): readonly MemberView[] {
    return this.members().filter(member => member.status === 'up' && member.reachable);
  }

  /** Whether what that incarnation holds (names, children) is in this node's view: it is reachable and not gone. */
  isVisible(name: string, incarnation: number): boolean {
    if (!this.#members.isReachable(name, incarnation)) return false;
    const member = this.#members.get(name);
    return member !== undefined && member.incarnation === incarnation;
  }

  /** Calls `listener` for each event, synchronously and in order, until the result is called. What it throws is logged. */
  onMembership(listener: (event: MembershipEvent) => void): () => void {
    const guarded = (event: MembershipEvent): void => {
      try {
        listener(event);
      } catch (error) {
        this.log.error({ node: this.name, error: error as Error }, 'a listener of membership events failed');
      }
    };
    this.#members.events.on('event', guarded);
    return () => {
      this.#members.events.off('event', guarded);
    };
  }

  /** The events as a stream, from now until `signal` aborts or the node stops. */
  membership({ signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<MembershipEvent, void, void> {
    const queue: MembershipEvent[] = [];
    let wake: (() => void) | undefined;
    let ended = false;
    const off = this.onMembership(event => {
      queue.push(event);
      wake?.();
    });
    const end = (): void => {
      ended = true;
      off();
      this.#streams.delete(end);
      signal?.removeEventListener('abort', end);
      wake?.();
    };
    this.#streams.add(end);
    signal?.addEventListener('abort', end, { once: true });
    if (this.#state === 'closed' || signal?.aborted === true) end();
    async function* read(): AsyncGenerator<MembershipEvent, void, void> {
      try {
        while (true) {
          while (queue.length > 0) yield queue.shift() as MembershipEvent;
          if (ended) return;
          await new Promise<void>(resolve => {
            wake = resolve;
          });
        }
      } finally {
        end();
      }
    }
    return read();
  }

  // --- actors ---------------------------------------------------------------------------------------------------

  /**
   * Starts an actor here or, with `on`, on another member; see `ActorSystem.spawn`.
   * @throws (rejects) FoundationError `stopped` once the node has stopped; `invalid-option`
   */
  async spawn<D extends AnyDefinition>(start: Start<D>, options: SpawnOptions = {}): Promise<Ref<D>> {
    checkKeys('spawn()', options, ['name', 'on']);
    if (this.#state === 'closed') throw new FoundationError('stopped', `spawn: node '${this.name}' has stopped.`);
    return this.system.spawn(start, options);
  }

  /** Starts a supervision tree in the node's user branch, which stops it when the node stops. */
  async supervise<D extends AnySupervisorDefinition>(
    start: Start<D>,
    options: { readonly name?: string } = {},
  ): Promise<SupervisorHandleOf<D>> {
    this.#open('supervise');
    const id = options.name ?? `tree ${this.#trees++}`;
    const pid = await (this.#userBranch as SupervisorHandle).startChild(
      child(start, { ...options, id, restart: 'temporary' }),
    );
    return this.system.supervisorHandle<D>(pid);
  }

  /** A ref on any pid. */
  ref<D extends AnyDefinition = AnyDefinition>(pid: Pid): Ref<D> {
    return this.system.ref<D>(pid);
  }

  /** Casts to an actor by its local name on a member. */
  send(member: string, name: string, op: string, payload?: unknown): void {
    const ref = this.system.refOn(member, name) as unknown as { cast(op: string, payload?: unknown): void };
    ref.cast(op, payload);
  }

  /**
   * For services: starts an actor of the node's own, restarted if it crashes, under a local name that begins with `$`.
   * Peers can send to it by that name, but not end it, nor what is below it; a supervisor they can't command either.
   * @param access - what peers need to be permitted, where there are permissions, for each operation; default: `message`
   */
  async startSystemActor<D extends AnyDefinition>(
    start: Start<D>,
    name: string,
    access?: ServiceAccess,
  ): Promise<Ref<D>> {
    this.#open('startSystemActor');
    if (access !== undefined) this.#services.set(name, access);
    const branch = this.#systemBranch as SupervisorHandle;
    await branch.startChild({
      id: name,
      start,
      restart: 'permanent',
      shutdown: start.definition.program.supervisor ? Number.POSITIVE_INFINITY : 5_000,
      name,
    });
    return this.system.refOn<D>(this.name, name);
  }

  /**
   * Whether a member may do that on this node: by `permissions` and the roles that its certificate proves. This node itself may, and without
   * `permissions` everybody; with them, nobody who is not connected.
   * @param definition - what is to be spawned, for those who may spawn only some
   */
  permits(member: string, action: PermittedAction, definition?: string): boolean {
    if (this.#permitter === undefined || member === this.name) return true;
    const peer = this.#members.peer(member);
    return peer !== undefined && this.#permitter.allows(peer.identity, action, definition);
  }

  // --- connections ----------------------------------------------------------------------------------------------

  /**
   * Connects with the node at an address.
   * @throws (rejects) FoundationError `refused`, `timeout`, `auth-failed`, `wrong-cluster`, `incompatible`, `conflict`,
   *   `protocol` (what it says of itself is malformed), `noproc` (one side holds the other's incarnation for gone)
   */
  async connect(address: Address): Promise<MemberView> {
    this.#open('connect');
    const peer = await this.#endpoint.dial(address, { timeout: DIAL_TIMEOUT_MS });
    const member = this.#members.get(peer.identity.name);
    if (member !== undefined) return member;
    throw new FoundationError('noconnection', `'${peer.identity.name}' was lost again at once.`);
  }

  /** Closes the connection with a member. It counts as unreachable, and is dialled again as long as discovery or membership names it. */
  async disconnect(name: string): Promise<void> {
    await this.#members.peer(name)?.close();
  }

  #wanted(): { readonly name: string; readonly address: Address }[] {
    if (this.#state !== 'running') return [];
    // Of members that are found over another transport this node only hears.
    const spoken = this.#endpoint.addresses.map(({ protocol }) => protocol);
    return this.#members
      .all()
      .filter(({ name, address }) => name !== this.name && address !== undefined && spoken.includes(address.protocol))
      .map(member => ({ name: member.name, address: member.address as Address }));
  }

  #peerUp(peer: Peer): void {
    if (this.#state === 'closed') {
      void peer.close();
      return;
    }
    this.#dialer.connected(peer);
    this.#members.peerUp(peer);
    this.#firstRound?.changed();
  }

  #peerDown(peer: Peer, reason: Error | undefined): void {
    if (this.#state === 'closed') return;
    if (reason !== undefined) {
      this.telemetry.emit(
        'cluster.connection-lost',
        { count: 1 },
        { member: peer.identity.name, reason: reason.message },
      );
    }
    // Who has left is forgotten already.
    if (this.#members.get(peer.identity.name)?.incarnation === peer.identity.incarnation) this.channels.lost(peer);
    this.#dialer.lost(peer);
    this.#members.peerDown(peer);
  }

  #receive(peer: Peer, channel: string, given: unknown): void {
    if (this.#state === 'closed') return;
    try {
      const message = messageOf(given);
      this.#members.heard(peer);
      if (channel === CONTROL && this.#members.receive(peer, message)) return;
      if (this.#router.receive(peer, channel, message)) return;
      throw new FoundationError(
        'protocol',
        `'${peer.identity.name}' sent a message of the unknown kind ${String(message[0])}.`,
      );
    } catch (error) {
      this.log.warn({ node: this.name, member: peer.identity.name }, (error as Error).message);
      void peer.close(error as Error);
    }
  }

  // --- ending ---------------------------------------------------------------------------------------------------

  /** For services: runs when the node leaves, before its peers are told that it is gone; the last registered runs first. */
  onLeave(hook: (signal: AbortSignal) => Promise<void>): void {
    this.#leaveHooks.push(hook);
  }

  /** Resolves when the node has stopped, with the reason as a text. */
  get stopped(): Promise<string> {
    return this.#stopped;
  }

  /**
   * Leaves the cluster in order (takes no new work, hands over what it can, says goodbye) and closes.
   * @param options.timeout - milliseconds for the handing over and the user's trees; default 10,000. What still runs then is killed.
   */
  stop(options: { readonly timeout?: number } = {}): Promise<void> {
    this.#closing ??= this.#end('left', options.timeout ?? DRAIN_TIMEOUT_MS);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #end(why: string, timeout: number): Promise<void> {
    const controller = new AbortController();
    const timer = this.clock.setTimeout(() => {
      controller.abort(new FoundationError('timeout', `Leaving took longer than ${timeout} ms.`));
      this.log.warn(
        { node: this.name, timeout },
        'leaving took too long; the node closes without handing over the rest',
      );
      this.#killUsers();
    }, timeout);
    if (this.#state === 'running') await this.#leave(controller.signal);
    await this.#close(why);
    timer.cancel();
  }

  async #leave(signal: AbortSignal): Promise<void> {
    this.#state = 'leaving';
    this.#dialer.stop();
    this.#members.setStatus('leaving');
    const aborted = new Promise<void>(resolve => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([Promise.all([this.#leaveDiscovery(), this.#runLeaveHooks(signal)]), aborted]);
    await this.#userBranch?.stop();
    this.#members.setStatus('removed');
  }

  /** Nobody is to find this node any more, nor it anybody. */
  async #leaveDiscovery(): Promise<void> {
    await Promise.all(this.#discoveryBranches.map(branch => branch.stop()));
  }

  async #runLeaveHooks(signal: AbortSignal): Promise<void> {
    for (const hook of [...this.#leaveHooks].reverse()) {
      try {
        await hook(signal);
      } catch (error) {
        this.log.error({ node: this.name, error: error as Error }, 'a service failed while the node was leaving');
      }
    }
  }

  /** Ends everything but the node's own actors, at once. */
  #killUsers(): void {
    const own = [this.#systemBranch, ...this.#discoveryBranches].map(branch => branch?.pid);
    for (const { pid, parent } of [...this.system.processes()]) {
      if (!own.some(branch => branch?.equals(pid) || (parent !== undefined && branch?.equals(parent))))
        this.system.exit(pid, 'kill');
    }
  }

  async #close(why: string): Promise<void> {
    if (this.#state === 'closed') return;
    await this.#userBranch?.stop();
    await this.#leaveDiscovery();
    await this.#systemBranch?.stop();
    this.#dialer.stop();
    this.channels.stop();
    this.#members.close();
    await this.#endpoint.close();
    this.#state = 'closed';
    this.system.gateway = undefined;
    await this.system.shutdown();
    for (const end of [...this.#streams]) end();
    this.#resolveStopped(why);
  }

  #selfDowned(why: string): void {
    this.#giveUp(
      `downed: ${why}`,
      `the cluster holds this node for gone: ${why}. It stops; start it again as a new incarnation.`,
    );
  }

  #giveUp(why: string, message: string): void {
    if (this.#state !== 'running') return;
    this.log.error({ node: this.name, incarnation: this.incarnation }, message);
    this.#state = 'leaving';
    this.#closing ??= this.#end(why, DRAIN_TIMEOUT_MS);
  }

  #open(what: string): void {
    if (this.#state === 'running' || this.#state === 'starting') return;
    throw new FoundationError('stopped', `${what}: node '${this.name}' is ${this.#state}.`);
  }
}
