import type { MembershipEvent, MemberView } from '@foundation-ts/cluster';
import {
  type AnyDefinition,
  actor,
  type ChildCounts,
  type ChildInfo,
  type ChildSpec,
  type Context,
  type ExitReason,
  failing,
  failure,
  formatReason,
  invalidOption,
  isFoundationError,
  noReply,
  type Pid,
  type Ref,
  type Start,
  type Timer,
} from '@foundation-ts/core';
import { Agreement } from './agreement.js';
import { type ChildEntry, isWanted } from './child-entry.js';
import { ChildRequests, type StartChildOptions, type StartedChild } from './child-requests.js';
import { ChildTable } from './child-table.js';
import { Chooser } from './chooser.js';
import { FOLLOW_AFTER, RECONCILE_SLICE } from './defaults.js';
import {
  type DistributedSupervisorOptions,
  type ResolvedOptions,
  resolveOptions,
} from './distributed-supervisor-init.js';
import { HandOffs } from './hand-offs.js';
import type { HostNode } from './host-node.js';
import { Housekeeping } from './housekeeping.js';
import { replicaId } from './internal/replica-id.js';
import { type LocalChild, LocalChildren, NotWanted } from './local-children.js';
import { Migration } from './migration.js';
import { Participants } from './participants.js';
import type { PlacementReason } from './placement.js';
import { reconcile, type Situation } from './reconcile.js';
import type { Registry } from './registry.js';

/** A child as {@link DistributedSupervisor.children} tells of it. */
export interface DistributedChild {
  readonly id: string;
  /** The node that runs it, or is to. */
  readonly node: string;
  /** Undefined while it does not run in this node's view. */
  readonly pid: Pid | undefined;
  readonly definition: string;
  /** `failed`: given up, after too many restarts or because no node could start it. */
  readonly status: 'running' | 'starting' | 'failed';
}

/**
 * Starts this node's part of the distributed supervisor `name`. Children go only to nodes that have started theirs. Resolves when this node
 * knows what the others know, and takes part.
 * @throws (rejects) FoundationError `invalid-option`, `already-started`
 */
export function createDistributedSupervisor(
  node: HostNode,
  registry: Registry,
  name: string,
  options: DistributedSupervisorOptions = {},
): Promise<DistributedSupervisor> {
  if (typeof name !== 'string' || name.length === 0)
    return Promise.reject(invalidOption('name', name, 'a non-empty string'));
  try {
    return DistributedSupervisor.start(node, registry, name, resolveOptions(options));
  } catch (error) {
    return Promise.reject(error);
  }
}

interface Role {
  player: DistributedSupervisor;
}

/**
 * One node's part of a supervisor that spans the cluster. Its table of children is replicated; for each child one node, its chooser, assigns where
 * it runs, and the registry's claim is the one fact about who does. Children outlive their nodes.
 */
export class DistributedSupervisor implements AsyncDisposable {
  readonly name: string;
  readonly #node: HostNode;
  readonly #registry: Registry;
  readonly #options: ResolvedOptions;
  readonly #table: ChildTable;
  readonly #participants: Participants;
  readonly #chooser = new Chooser();
  readonly #agreement: Agreement;
  readonly #local: LocalChildren;
  readonly #requests: ChildRequests;
  readonly #handOffs: HandOffs;
  readonly #migration: Migration;
  readonly #housekeeping: Housekeeping;
  readonly #dirty = new Set<string>();
  /** Since when the table and the registry differ about a child. */
  readonly #differs = new Map<string, number>();
  readonly #offs: (() => void)[] = [];
  readonly #run = (): void => this.#reconcileSome();
  #armed = false;
  #participantsDirty = false;
  #state: 'starting' | 'open' | 'leaving' | 'closed' = 'starting';
  #leaving: Promise<void> | undefined = undefined;
  #stopping: Promise<void> | undefined = undefined;
  #isStopped = false;
  /** Whom the node's actor of this name, which stays, acts for. */
  #role: Role = { player: this };
  #margin: Timer | undefined = undefined;
  #followTimer: Timer | undefined = undefined;

  private constructor(node: HostNode, registry: Registry, name: string, options: ResolvedOptions, table: ChildTable) {
    this.name = name;
    this.#node = node;
    this.#registry = registry;
    this.#options = options;
    this.#table = table;
    this.#participants = new Participants(node, table, options.failoverAfter);
    this.#agreement = new Agreement(node, [table.replica, registry], () => this.#markAll());
    const supervisor = this;
    this.#local = new LocalChildren(node, registry, {
      get open() {
        return supervisor.#isOpen();
      },
      maxRestarts: options.maxRestarts,
      within: options.within,
      wanted: child => this.#wantedHere(child),
      finished: (child, reason) => this.#finished(child, reason),
      gaveUp: (child, reason) => this.#gaveUp(child, reason),
      changed: id => this.#mark(id),
    });
    this.#requests = new ChildRequests(node, registry, table, this.#local, {
      name,
      isOpen: () => this.#isOpen(),
      get isAgreed() {
        return supervisor.#agreement.isReached;
      },
      chooserOf: id => this.#chooser.of(id, this.#participants.names),
      place: (id, reason, without) => this.#place(id, reason, without),
      begin: entry => this.#begin(entry),
    });
    const handOffs = new HandOffs(node, registry, table, this.#local, { name, options, isOpen: () => this.#isOpen() });
    this.#handOffs = handOffs;
    this.#migration = new Migration({
      node,
      registry,
      table,
      participants: this.#participants,
      local: this.#local,
      handOffs,
      options,
      isOpen: () => this.#isOpen(),
      place: (id, reason, without) => this.#place(id, reason, without),
      refresh: () => this.#refreshParticipants(),
      reconcileNow: id => {
        this.#dirty.add(id);
        this.#reconcileSome();
      },
    });
    this.#housekeeping = new Housekeeping({
      node,
      table,
      isChooser: key => this.#isOpen() && this.#chooser.of(key, this.#participants.names) === node.name,
      isOver: id => this.#local.get(id) === undefined && registry.holder(id) === undefined,
    });
  }

  /** See {@link createDistributedSupervisor}. */
  static async start(
    node: HostNode,
    registry: Registry,
    name: string,
    options: ResolvedOptions,
  ): Promise<DistributedSupervisor> {
    let supervisor: DistributedSupervisor | undefined;
    const listener = {
      child: (id: string) => {
        if (supervisor !== undefined) supervisor.#mark(id);
      },
      participants: () => {
        if (supervisor !== undefined) supervisor.#participantsChanged();
      },
    };
    const earlier = registry.retired.get(name);
    registry.retired.delete(name);
    const table =
      earlier === undefined
        ? await ChildTable.start(node, name, listener)
        : ChildTable.resume(node, earlier.#table, listener);
    supervisor = new DistributedSupervisor(node, registry, name, options, table);
    await supervisor.#start(earlier);
    return supervisor;
  }

  /** @param earlier - of the same name, stopped on this node: its actor is there already */
  async #start(earlier: DistributedSupervisor | undefined): Promise<void> {
    const node = this.#node;
    this.#offs.push(
      node.onMembership(event => this.#membership(event)),
      this.#registry.onChange(change => {
        if (this.#table.get(change.name) !== undefined) this.#mark(change.name);
      }),
    );
    if (earlier === undefined) {
      const role = this.#role;
      node.onLeave(() => role.player.#leave());
      await node.startSystemActor(this.#definition(role)(), `$dsup:${this.name}`, () => 'supervise');
    } else {
      this.#role = earlier.#role;
      this.#role.player = this;
      this.#handOffs.continueAfter(earlier.#handOffs);
    }
    await Promise.all([this.#table.replica.ready, this.#registry.ready]);
    if (this.#state !== 'starting') return;
    this.#state = 'open';
    this.#table.announce();
    this.#refreshParticipants();
    // From the announcement on the others leave decisions to this node; those that they made before come now.
    this.#table.replica.pushNow();
    this.#agreement.seek(this.#participants.names);
    this.#housekeeping.start();
    this.#markAll();
  }

  #definition(role: Role) {
    const later = (ctx: Context, work: () => Promise<unknown>): typeof noReply => {
      const { from } = ctx;
      work().then(
        value => ctx.reply(from, value),
        error => ctx.reply(from, failure(error as Error)),
      );
      return noReply;
    };
    return actor({
      name: 'distributed-supervisor',
      localOnly: true,
      init: () => ({}),
      calls: {
        start: (_: object, request: unknown, ctx: Context) =>
          later(ctx, () => role.player.#requests.receiveStart(request)),
        run: (_: object, request: unknown, ctx: Context) => later(ctx, () => role.player.#requests.receiveRun(request)),
        stop: (_: object, request: unknown, ctx: Context) =>
          later(ctx, () => role.player.#requests.receiveStop(request)),
        adopt: (_: object, request: unknown, ctx: Context) =>
          later(ctx, () => role.player.#handOffs.receiveAdopt(request)),
        whereabouts: (_: object, token: unknown) => failing(() => role.player.#handOffs.whereabouts(token)),
      },
      terminate: (_: object, reason: ExitReason) => {
        // The node closes: nothing is started any more. After a crash of this actor alone everything goes on.
        if (reason === 'shutdown') role.player.#close();
      },
    });
  }

  // --- children -------------------------------------------------------------------------------------------------

  /**
   * Starts a child somewhere in the cluster, once. Resolves with a ref when it runs and is held by as many members as `ack` says.
   * @returns a ref on the child, with `acked`: how many members beside the one that runs it are known to hold the fact (0 when there are none)
   * @throws (rejects) FoundationError `already-started` (with `details.pid`), `start-failed`, `unknown-definition`, `invalid-operation` (local-only),
   *   `not-sendable`, `noconnection` (no quorum; nothing was changed), `unknown-outcome` (it may run, or start yet)
   */
  startChild<D extends AnyDefinition>(
    child: ChildSpec<D> | Start<D>,
    options: StartChildOptions = {},
  ): Promise<StartedChild<D>> {
    return this.#requests.startChild(child, options);
  }

  /**
   * Stops a child, wherever it runs, for good.
   * @throws (rejects) FoundationError `not-found`, `unknown-outcome`
   */
  terminateChild(id: string, options: { readonly timeout?: number } = {}): Promise<void> {
    return this.#requests.terminateChild(id, options);
  }

  /** All children, as known here: a local read. */
  children(): DistributedChild[] {
    const children: DistributedChild[] = [];
    for (const entry of this.#table.entries()) {
      if (entry.desired === 'stopped') continue;
      const pid = this.#registry.holder(entry.id)?.pid;
      const status = entry.desired === 'failed' ? 'failed' : pid === undefined ? 'starting' : 'running';
      children.push({ id: entry.id, node: pid?.node ?? entry.node, pid, definition: entry.definition, status });
    }
    return children;
  }

  /** {@link children} in the form that local supervisors give. */
  async whichChildren(): Promise<ChildInfo[]> {
    return this.children().map(child => ({
      id: child.id,
      pid: child.pid,
      status: child.status === 'running' ? 'running' : child.status === 'starting' ? 'restarting' : 'stopped',
      type: this.#typeOf(child.definition),
      definition: child.definition,
    }));
  }

  /** OTP's `count_children`, cluster-wide. */
  async countChildren(): Promise<ChildCounts> {
    const children = await this.whichChildren();
    const supervisors = children.filter(child => child.type === 'supervisor').length;
    const active = children.filter(child => child.pid !== undefined).length;
    return { specs: children.length, active, supervisors, workers: children.length - supervisors };
  }

  #typeOf(definition: string): 'worker' | 'supervisor' {
    return this.#node.definitions.get(definition)?.program.supervisor === true ? 'supervisor' : 'worker';
  }

  /** The child with that id, as seen from here: a local read. */
  whereis<D extends AnyDefinition>(definition: D, id: string): Ref<D> | undefined {
    return isWanted(this.#table.get(id)) ? this.#registry.whereis(definition, id) : undefined;
  }

  /** The nodes that take part, in this node's view. */
  participants(): readonly string[] {
    return this.#participants.names;
  }

  /** Why a child is where it is, in one line for people. */
  explain(id: string): string {
    const entry = this.#table.get(id);
    if (entry === undefined) return `'${id}': no such child`;
    const assigned = `${entry.desired} on ${replicaId(entry.node, entry.incarnation)}, epoch ${entry.epoch}`;
    const chooser = this.#chooser.of(id, this.#participants.names) ?? 'nobody';
    return `${assigned}; chooser ${chooser}; ${this.#registry.explain(id)}`;
  }

  /**
   * Ends this node's part: its children are handed over to the others that take part; if there are none, they end. After that one of the same name
   * can be created here again.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Whether {@link stop} is through. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  async #stop(): Promise<void> {
    await this.#leave();
    this.#close();
    await this.#table.replica.stop();
    this.#registry.retired.set(this.name, this);
    this.#isStopped = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // --- following the table --------------------------------------------------------------------------------------

  #isOpen(): boolean {
    return this.#state === 'open' && this.#node.self.status === 'up';
  }

  #mark(id: string): void {
    this.#dirty.add(id);
    this.#arm();
  }

  #markAll(): void {
    for (const id of this.#table.ids()) this.#dirty.add(id);
    for (const child of this.#local.values()) this.#dirty.add(child.id);
    if (this.#dirty.size > 0) this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    queueMicrotask(this.#run);
  }

  #participantsChanged(): void {
    this.#participantsDirty = true;
    this.#arm();
  }

  #reconcileSome(): void {
    this.#armed = false;
    if (this.#state === 'closed' || this.#state === 'starting') return;
    if (this.#participantsDirty) this.#refreshParticipants();
    const now = this.#node.clock.now();
    const open = this.#isOpen();
    let left = RECONCILE_SLICE;
    for (const id of this.#dirty) {
      if (left-- === 0) break;
      this.#dirty.delete(id);
      try {
        this.#look(id, now, open);
      } catch (error) {
        this.#node.log.error(
          { supervisor: this.name, child: id, error: error as Error },
          'a child could not be looked after',
        );
      }
    }
    if (this.#dirty.size === 0 || this.#armed) return;
    this.#armed = true;
    setImmediate(this.#run);
  }

  #look(id: string, now: number, open: boolean): void {
    const entry = this.#table.get(id);
    const child = this.#local.get(id);
    this.#requests.changed(id);
    this.#housekeeping.noteEntry(id, entry?.desired === 'stopped', now);
    if (child !== undefined && entry?.birth === child.birth) child.entry = entry;
    const situation = this.#situation(id, entry, child, now, open);
    const step = reconcile(situation);
    if (situation.assigned === 'waiting' && situation.wanted === true) this.#armMargin();
    if (step !== 'follow' && step !== 'reclaim') this.#differs.delete(id);
    if (step === 'start' && entry !== undefined) this.#startAssigned(entry);
    else if (step === 'stop' && child !== undefined) void this.#local.stop(child);
    else if (step === 'assign' && entry !== undefined) this.#assign(entry, open ? 'failover' : 'leave');
    else if (step === 'follow' || step === 'reclaim') this.#correctTable(id, step, now);
  }

  #situation(
    id: string,
    entry: ChildEntry | undefined,
    child: LocalChild | undefined,
    now: number,
    open: boolean,
  ): Situation {
    const holder = this.#registry.holder(id);
    let claim: Situation['claim'] = 'none';
    if (holder !== undefined) {
      if (this.#node.system.isLocal(holder.pid)) claim = 'here';
      else if (holder.pid.node === entry?.node && holder.pid.incarnation === entry.incarnation) claim = 'assigned';
      else claim = 'elsewhere';
    }
    return {
      wanted: entry === undefined ? undefined : isWanted(entry),
      local: child === undefined ? 'none' : child.phase === 'running' ? 'running' : 'busy',
      sameBirth: child !== undefined && child.birth === entry?.birth,
      claim,
      assigned: entry === undefined ? 'gone' : this.#participants.stateOf(entry.node, entry.incarnation, now),
      chooser: open && this.#agreement.isReached && this.#chooser.of(id, this.#participants.names) === this.#node.name,
      open,
    };
  }

  #startAssigned(entry: ChildEntry): void {
    try {
      this.#begin(entry);
      if (entry.desired === 'run')
        this.#node.telemetry.emit('distributed.failover', { count: 1 }, { supervisor: this.name, id: entry.id });
    } catch {
      // Recorded by #begin; whoever asked for the start is told.
    }
  }

  /** Starts a child here. What goes wrong, at once or later, is recorded in the table. @throws FoundationError as `LocalChildren.start` */
  #begin(entry: ChildEntry): LocalChild {
    try {
      const child = this.#local.start(entry);
      child.started?.catch(error => this.#startFailed(entry, error as Error));
      return child;
    } catch (error) {
      this.#startFailed(entry, error as Error);
      throw error;
    }
  }

  /** A first start that fails is its caller's affair; one after that is tried on the other nodes, once each. */
  #startFailed(entry: ChildEntry, error: Error): void {
    const now = this.#table.get(entry.id);
    if (error instanceof NotWanted || now?.birth !== entry.birth || !isWanted(now)) return;
    if (entry.desired === 'start') {
      this.#requests.noteFailure(entry.birth, error);
      this.#table.put({ ...now, desired: 'stopped', epoch: now.epoch + 1, why: error.message });
      return;
    }
    if (isFoundationError(error, 'name-taken')) return;
    this.#node.log.error(
      { supervisor: this.name, child: entry.id, error },
      `'${entry.id}' could not be started here; another node is to try`,
    );
    this.#assign({ ...now, tried: [...now.tried, this.#node.name] }, 'failover');
  }

  #assign(entry: ChildEntry, reason: PlacementReason): void {
    const epoch = entry.epoch + 1;
    if (entry.restart === 'temporary') {
      this.#table.put({ ...entry, desired: 'stopped', epoch, why: `'${entry.node}' was lost` });
      return;
    }
    const target = this.#place(entry.id, reason, entry.tried);
    if (target !== undefined) {
      this.#table.put({ ...entry, node: target.name, incarnation: target.incarnation, epoch, desired: 'run' });
    } else if (this.#participants.names.some(name => entry.tried.includes(name))) {
      const why = `no node could start it: ${entry.tried.join(', ')}`;
      this.#node.log.error({ supervisor: this.name, child: entry.id }, `'${entry.id}' is given up: ${why}`);
      this.#table.put({ ...entry, desired: 'failed', epoch, why });
    }
  }

  #place(id: string, reason: PlacementReason, without: readonly string[] = []): MemberView | undefined {
    const members = this.#candidates(without);
    if (members.length === 0) return undefined;
    return this.#options.placement.choose(id, members, {
      reason,
      load: member => this.#table.load(member),
      random: this.#node.random,
    });
  }

  #candidates(without: readonly string[]): readonly MemberView[] {
    const { members } = this.#participants;
    return without.length === 0 ? members : members.filter(member => !without.includes(member.name));
  }

  /** The table follows the one who runs the child, once it is clear that nothing is under way. */
  #correctTable(id: string, step: 'follow' | 'reclaim', now: number): void {
    const since = this.#differs.get(id);
    if (since === undefined || now - since < FOLLOW_AFTER) {
      if (since === undefined) this.#differs.set(id, now);
      this.#followTimer ??= this.#node.clock.setTimeout(() => this.#recheckDiffering(), FOLLOW_AFTER, { unref: true });
      return;
    }
    this.#differs.delete(id);
    const entry = this.#table.get(id);
    const child = this.#local.get(id);
    const holder = this.#registry.holder(id)?.pid;
    if (entry === undefined || holder === undefined) return;
    const epoch = entry.epoch + 1;
    const where = { node: holder.node, incarnation: holder.incarnation, epoch, tried: [] };
    if (step === 'reclaim' && child !== undefined) this.#table.put({ ...child.entry, ...where, desired: 'run' });
    else if (step === 'follow' && this.#participants.names.includes(holder.node))
      this.#table.put({ ...entry, ...where, desired: 'run' });
  }

  #recheckDiffering(): void {
    this.#followTimer = undefined;
    for (const id of this.#differs.keys()) this.#mark(id);
  }

  #wantedHere(child: LocalChild): boolean {
    const entry = this.#table.get(child.id);
    return this.#isOpen() && isWanted(entry) && entry.birth === child.birth;
  }

  #finished(child: LocalChild, reason: ExitReason): void {
    const entry = this.#table.get(child.id);
    if (entry?.birth !== child.birth || !isWanted(entry)) return;
    this.#table.put({ ...entry, desired: 'stopped', epoch: entry.epoch + 1, why: `ended: ${formatReason(reason)}` });
  }

  #gaveUp(child: LocalChild, reason: ExitReason): void {
    const { maxRestarts, within } = this.#options;
    const why = `more than ${maxRestarts} restarts within ${within} ms; the last reason: ${formatReason(reason)}`;
    this.#node.log.error({ supervisor: this.name, child: child.id }, `'${child.id}' is given up: ${why}`);
    this.#node.telemetry.emit('distributed.gave-up', { count: 1 }, { supervisor: this.name, id: child.id });
    const entry = this.#table.get(child.id);
    if (entry?.birth !== child.birth || !isWanted(entry)) return;
    this.#table.put({ ...entry, desired: 'failed', epoch: entry.epoch + 1, why });
  }

  // --- members --------------------------------------------------------------------------------------------------

  #membership(event: MembershipEvent): void {
    const { name, incarnation } = event.member;
    const now = this.#node.clock.now();
    if (event.type === 'unreachable') this.#participants.noteReachable(name, incarnation, false, now);
    else if (event.type === 'up' || event.type === 'reachable')
      this.#participants.noteReachable(name, incarnation, true, now);
    else if (event.type === 'down' || event.type === 'left') {
      this.#participants.noteGone(name, incarnation);
      this.#housekeeping.noteGone(name, incarnation, now);
      const others = this.#participants.names.filter(other => other !== name);
      if (this.#chooser.of(name, others) === this.#node.name) this.#table.withdraw(replicaId(name, incarnation));
    }
    if (this.#state === 'open') {
      const came = event.type === 'up' || event.type === 'reachable';
      this.#agreement.seek(came ? [name] : this.#participants.names.filter(other => other !== name));
    }
    this.#participantsChanged();
  }

  #refreshParticipants(): void {
    this.#participantsDirty = false;
    const newcomers = this.#participants.refresh();
    if (this.#isOpen() && !this.#participants.names.includes(this.#node.name)) {
      this.#table.announce();
      this.#participants.refresh();
      this.#participantsDirty = false;
    }
    this.#markAll();
    this.#migration.joined(newcomers);
  }

  #armMargin(): void {
    if (this.#margin !== undefined) return;
    this.#margin = this.#node.clock.setTimeout(
      () => {
        this.#margin = undefined;
        this.#participants.recheck();
        this.#markAll();
      },
      this.#options.failoverAfter,
      { unref: true },
    );
  }

  // --- leaving --------------------------------------------------------------------------------------------------

  #leave(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve();
    if (this.#leaving === undefined) {
      this.#state = 'leaving';
      this.#leaving = this.#migration.leave();
    }
    return this.#leaving;
  }

  #close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    for (const off of this.#offs) off();
    this.#agreement.stop();
    this.#margin?.cancel();
    this.#followTimer?.cancel();
    this.#migration.cancel();
    this.#housekeeping.stop();
    this.#requests.close();
  }
}
