import { checkStart } from './child-spec.js';
import { type Clock, systemClock } from './clock.js';
import { callingSelf, type NodeHandle } from './context.js';
import { DeadLetters } from './dead-letters.js';
import { Deadlines } from './deadlines.js';
import { LONG_MAILBOX, MOVED_KEPT, SHUTDOWN_TIMEOUT, SLOW_HANDLER } from './defaults.js';
import { FoundationError, invalidOption, isFoundationError } from './errors.js';
import { type ExitReason, formatError, formatReason, formatValue, toExitReason } from './exit-reason.js';
import { type EarlyExit, type RemoteGateway, RemoteName, type SpawnOptions, type TopicSource } from './gateway.js';
import { Links } from './links.js';
import { LocalNames } from './local-names.js';
import { guardedLog, type Log, stderrLog } from './log.js';
import { type Answer, type CallHost, PendingCall } from './pending-call.js';
import { Pid } from './pid.js';
import { DOWN, EXIT, Process, RUN, type Watcher } from './process.js';
import { PromptCalls } from './prompt-calls.js';
import { type Random, systemRandom } from './random.js';
import { ActorRef, type Target, type TargetResolver } from './ref.js';
import { releaseRegistrations } from './registration.js';
import { RemoteBonds } from './remote-bonds.js';
import { Reports } from './reports.js';
import { type Schedule, Scheduler } from './scheduler.js';
import type { SupervisorDefinition } from './supervisor.js';
import { type AnySupervisorDefinition, handleOf, type SupervisorHandleOf, superviseIn } from './supervisor-handle.js';
import { Telemetry } from './telemetry.js';
import type { AnyDefinition, CallOptions, MonitorRef, Ref, SendOptions, Start } from './types.js';

/** How an {@link ActorSystem} is made; every field is optional. */
export interface ActorSystemInit {
  /** The node's name, part of every pid; default `'local'`. */
  readonly node?: string;
  /** The node's incarnation, part of every pid; default: the wall time at the start. */
  readonly incarnation?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Where crashes and warnings go; default: stderr, from `warn` on. */
  readonly log?: Log;
  /**
   * Copies each payload and reply on its way, so that what works locally works remotely too; default: none, local payloads
   * pass by reference.
   */
  readonly strictMessages?: (value: unknown) => unknown;
  /**
   * Messages waiting in an unbounded mailbox at which a warning and `actor.mailbox.long` go out, and again at each doubling;
   * default 10,000; `Infinity` for never.
   */
  readonly longMailbox?: number;
  /**
   * Milliseconds for which an actor may keep the event loop before a warning and `actor.handler.slow` go out; default 100;
   * `Infinity` for never.
   */
  readonly slowHandler?: number;
  /** Who runs next of those that have messages; default: first come, first served. For tests. */
  readonly schedule?: Schedule;
}

/** How an actor continues elsewhere after a hand-off. */
export interface Resumption {
  readonly handed: unknown;
  readonly fromVersion: number;
}

interface Moved {
  readonly to: Pid;
  forward: boolean;
}

/** Everything of one node that is local: its processes, names, timers, dead letters. Has no global state. */
export class ActorSystem implements CallHost {
  readonly node: string;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly names: LocalNames = new LocalNames();
  readonly deadLetters: DeadLetters = new DeadLetters(error =>
    this.log.error({ node: this.node, error }, 'a subscriber of dead letters failed'),
  );
  readonly deadlines: Deadlines;
  readonly scheduler: Scheduler;
  readonly promptCalls: PromptCalls;
  /** For the runtime. */
  readonly reports: Reports;
  readonly copy: ((value: unknown) => unknown) | undefined;
  /** Messages from which on an unbounded mailbox is reported. */
  readonly longMailbox: number;
  /** Makes targets of refs that crossed from other nodes by name; see `TargetResolver.portable`. */
  readonly resolvers: Map<string, (name: string) => TargetResolver> = new Map();
  /** What `ctx.node` gives. */
  handle: NodeHandle = {} as NodeHandle;
  /** The cluster, when there is one. */
  gateway: RemoteGateway | undefined = undefined;
  /** Pub/sub, when there is one. */
  topics: TopicSource | undefined = undefined;
  /** The process whose handler is on the stack. */
  current: Process | undefined = undefined;
  readonly #processes = new Map<number, Process>();
  readonly #moved = new Map<number, Moved>();
  readonly #bonds = new RemoteBonds();
  /** Who waits for the end of an actor of another node that it has asked to end, by pid. */
  readonly #stopping = new Map<string, Set<(error: Error) => void>>();
  readonly #signals: (() => void)[] = [];
  #delivering = false;
  #nextId = 1;
  #nextMonitor = 1;

  constructor(init: ActorSystemInit = {}) {
    this.node = init.node ?? 'local';
    this.clock = init.clock ?? systemClock;
    this.incarnation = init.incarnation ?? this.clock.wallTime();
    this.random = init.random ?? systemRandom;
    this.log = guardedLog(init.log ?? stderrLog());
    this.telemetry = new Telemetry(this.node);
    this.copy = init.strictMessages;
    this.reports = new Reports(this);
    this.deadlines = new Deadlines(this.clock);
    this.longMailbox = threshold('longMailbox', init.longMailbox, LONG_MAILBOX);
    this.scheduler = new Scheduler(this.clock, () => this.deadlines.rest(), {
      schedule: init.schedule,
      slowAfter: threshold('slowHandler', init.slowHandler, SLOW_HANDLER),
      onSlow: (runnable, ms, messages) => this.reports.slow(runnable, ms, messages),
    });
    this.promptCalls = new PromptCalls(this.scheduler);
  }

  /** How many actors live here. */
  get processCount(): number {
    return this.#processes.size;
  }

  /** Keeps the housekeeping of deadlines going. */
  touch(): void {
    this.scheduler.touch();
  }

  // --- starting -------------------------------------------------------------------------------------------------

  /**
   * Starts an actor and waits for its `init`.
   * @throws (rejects) FoundationError `start-failed` (`cause` is what `init` threw), `name-taken`; for `on`: `noconnection`,
   *   `unknown-definition`, `not-found`
   */
  spawn<D extends AnyDefinition>(start: Start<D>, options: SpawnOptions = {}, linkWith?: Process): Promise<Ref<D>> {
    if (options.on !== undefined && options.on !== this.node) return this.#spawnRemote(start, options, linkWith);
    let process: Process;
    try {
      process = this.launch(start, { name: options.name, linkWith });
    } catch (error) {
      return Promise.reject(error);
    }
    if (process.status === 'running') return Promise.resolve(this.refTo<D>(process));
    return this.started(process).then(() => this.refTo<D>(process));
  }

  async #spawnRemote<D extends AnyDefinition>(
    start: Start<D>,
    options: SpawnOptions,
    linkWith: Process | undefined,
  ): Promise<Ref<D>> {
    const on = options.on as string;
    if (this.gateway === undefined) {
      throw new FoundationError(
        'noconnection',
        `Can't spawn ${start.definition.name} on '${on}': this system has no cluster.`,
      );
    }
    const pid = await this.gateway.spawn(on, start, options, linkWith?.pid);
    if (linkWith?.alive === true) this.link(linkWith, pid);
    else if (linkWith !== undefined) this.exit(pid, linkWith.exitReason ?? 'normal', linkWith.pid);
    return this.ref<D>(pid);
  }

  /**
   * Creates a process and begins its `init`; the process is `running` on return when `init` is synchronous, else `starting`
   * (or on its way out, when its `init` brought about its end: see {@link started}).
   * @throws FoundationError `start-failed`, `name-taken`, `invalid-option`, `stopped` when the process to link with has ended
   */
  launch(
    start: Start<AnyDefinition>,
    options: {
      readonly name?: string | undefined;
      readonly linkWith?: Process | undefined;
      readonly resume?: Resumption;
      readonly before?: (process: Process) => void;
    } = {},
  ): Process {
    checkStart(start);
    const { program } = start.definition;
    if (options.linkWith?.alive === false) {
      throw new FoundationError(
        'stopped',
        `${program.name} was not started: ${options.linkWith}, who starts it, has ended.`,
      );
    }
    const pid = new Pid(this.node, this.incarnation, this.#nextId++);
    const process = new Process(this, pid, program, start, options.linkWith?.pid);
    if (options.name !== undefined) this.names.register(options.name, process);
    this.#processes.set(pid.id, process);
    if (options.linkWith !== undefined) this.#linkLocal(options.linkWith, process);
    options.before?.(process);
    const outer = this.current;
    this.current = process;
    process.active = true;
    try {
      const state = this.#initialise(process, options.resume);
      process.active = false;
      if (isPromise(state)) {
        this.#initLater(process, state);
        // An exit signal arrived during its synchronous part: as in a handler, it does not wait for the rest.
        if (process.doomed) {
          const reason = process.exitReason ?? 'killed';
          this.#stopStarting(process, reason);
          process.exit(reason);
        }
      } else {
        this.#initialised(process, state);
      }
    } catch (error) {
      process.active = false;
      this.#failStart(process, error, options.linkWith);
      throw startFailed(process, error);
    } finally {
      this.current = outer;
    }
    return process;
  }

  #initialise(process: Process, resume: Resumption | undefined): unknown {
    const { program, start } = process;
    if (resume === undefined) return program.init(start.argument, process.context);
    if (program.resume === undefined) {
      throw new FoundationError('invalid-operation', `${program.name} was handed over but has no 'resume'.`);
    }
    return program.resume(resume.handed, start.argument, { fromVersion: resume.fromVersion }, process.context);
  }

  #initialised(process: Process, state: unknown): void {
    if (process.status !== 'starting') return;
    process.state = state;
    process.status = 'running';
    if (process.exitReason !== undefined) process.stop(process.exitReason);
    else if (process.mailbox.size > 0) this.scheduler.schedule(process);
  }

  readonly #starting = new Map<Process, { readonly promise: Promise<void>; readonly fail: (error: Error) => void }>();

  #initLater(process: Process, state: PromiseLike<unknown>): void {
    let fail!: (error: Error) => void;
    const promise = new Promise<void>((resolve, reject) => {
      fail = reject;
      Promise.resolve(state).then(
        value => {
          this.#starting.delete(process);
          this.#initialised(process, value);
          this.started(process).then(resolve, reject);
        },
        error => {
          this.#starting.delete(process);
          if (process.status === 'starting') this.#failStart(process, error, undefined);
          reject(startFailed(process, error));
        },
      );
    });
    promise.catch(() => {});
    this.#starting.set(process, { promise, fail });
  }

  /**
   * Resolves when `init` is through; to be asked in the same turn as {@link launch}.
   * @throws (rejects) `start-failed`, also when the actor was ended during its `init`: once it has ended, its names free
   */
  started(process: Process): Promise<void> {
    if (process.status === 'running' || process.status === 'sealed') return Promise.resolve();
    const starting = this.#starting.get(process);
    if (starting !== undefined) return starting.promise;
    return this.whenEnded(process.pid).then(() => {
      throw endedDuringInit(process, process.exitReason ?? 'normal');
    });
  }

  #failStart(process: Process, error: unknown, linkWith: Process | undefined): void {
    if (linkWith !== undefined) this.#unlinkLocal(linkWith, process);
    else if (process.parent !== undefined) this.#unlinkParent(process);
    process.finish(toExitReason(error));
  }

  #unlinkParent(process: Process): void {
    const parent = process.parent === undefined ? undefined : this.#processes.get(process.parent.id);
    if (parent !== undefined) this.#unlinkLocal(parent, process);
  }

  /** Starts a supervision tree, of any kind of supervisor, and gives a handle on its root. @throws (rejects) as {@link spawn} */
  supervise<D extends AnySupervisorDefinition>(
    start: Start<D>,
    options: { readonly name?: string } = {},
  ): Promise<SupervisorHandleOf<D>> {
    return superviseIn(this, start, options);
  }

  /** A handle on a supervisor that runs here. @throws FoundationError `noproc` */
  supervisorHandle<D extends AnySupervisorDefinition = SupervisorDefinition>(pid: Pid): SupervisorHandleOf<D> {
    const process = this.process(pid);
    if (process === undefined) throw new FoundationError('noproc', `No live supervisor is ${pid}.`);
    return handleOf<D>(this, process);
  }

  // --- refs -----------------------------------------------------------------------------------------------------

  /** A ref on any pid, of this node or another. */
  ref<D extends AnyDefinition = AnyDefinition>(pid: Pid): Ref<D> {
    const process = this.isLocal(pid) ? this.#processes.get(pid.id) : undefined;
    return new ActorRef(this, process ?? pid, undefined) as unknown as Ref<D>;
  }

  /** A ref that looks its target up at each send. */
  refBy<D extends AnyDefinition = AnyDefinition>(resolver: TargetResolver, options?: CallOptions): Ref<D> {
    return new ActorRef(this, undefined, resolver, options) as unknown as Ref<D>;
  }

  /** A ref on the local name `name` of the node `node`, which need not exist yet. */
  refOn<D extends AnyDefinition = AnyDefinition>(node: string, name: string, options?: CallOptions): Ref<D> {
    if (node !== this.node)
      return new ActorRef(this, new RemoteName(node, name), undefined, options) as unknown as Ref<D>;
    const resolver: TargetResolver = { resolve: () => this.names.whereis(name), toString: () => `'${name}'` };
    return this.refBy<D>(resolver, options);
  }

  refTo<D extends AnyDefinition = AnyDefinition>(process: Process): Ref<D> {
    return new ActorRef(this, process, undefined) as unknown as Ref<D>;
  }

  /** The actor with a local name. */
  whereis<D extends AnyDefinition = AnyDefinition>(name: string): Ref<D> | undefined {
    const process = this.names.whereis(name);
    return process === undefined ? undefined : this.refTo<D>(process);
  }

  isLocal(pid: Pid): boolean {
    return pid.node === this.node && pid.incarnation === this.incarnation;
  }

  /** The process of a local pid; undefined when it is dead or remote. */
  process(pid: Pid): Process | undefined {
    return this.isLocal(pid) ? this.#processes.get(pid.id) : undefined;
  }

  /** The live process of that number. */
  processAt(id: number): Process | undefined {
    return this.#processes.get(id);
  }

  /** All local processes, in the order of their start. */
  processes(): IterableIterator<Process> {
    return this.#processes.values();
  }

  // --- messages -------------------------------------------------------------------------------------------------

  /** @param by - who sends; default: the actor whose handler is on the stack. So of {@link call} and {@link offer} */
  cast(target: Target, op: string, payload: unknown, options: SendOptions | undefined, by?: Process): void {
    const local = this.#localTarget(target);
    if (local instanceof Process) {
      local.enqueueCast(op, this.copy === undefined ? payload : this.#copied(local, payload));
    } else if (local === undefined) {
      const moved = this.#movedTo(target);
      if (moved?.forward === true) this.cast(moved.to, op, payload, options, by);
      else this.deadLetters.add({ to: String(target), op, payload, reason: moved === undefined ? 'noproc' : 'moved' });
    } else if (this.gateway === undefined) {
      this.deadLetters.add({ to: String(target), op, payload, reason: 'noconnection' });
    } else {
      this.gateway.cast(local, op, payload, options, by ?? this.current);
    }
  }

  call(
    target: Target,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    call: PendingCall,
    by?: Process,
  ): void {
    const local = this.#localTarget(target);
    if (local instanceof Process) {
      if (local === this.current) call.fail(callingSelf(op, local));
      else if (this.copy === undefined) local.enqueueCall(op, payload, call);
      else this.#attempt(call, () => local.enqueueCall(op, this.#copied(local, payload), call));
    } else if (local === undefined) {
      const moved = this.#movedTo(target);
      if (moved?.forward === true) this.call(moved.to, op, payload, options, call, by);
      else call.fail(this.#gone(target, op, moved));
    } else {
      this.#remotely('call', local, op, payload, options, call, by ?? this.current);
    }
  }

  offer(
    target: Target,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    call: PendingCall,
    by?: Process,
  ): void {
    const local = this.#localTarget(target);
    if (local instanceof Process) {
      this.#attempt(call, () => local.enqueueOffer(op, this.#copied(local, payload), call));
    } else if (local === undefined) {
      const moved = this.#movedTo(target);
      if (moved?.forward === true) this.offer(moved.to, op, payload, options, call, by);
      else call.fail(this.#gone(target, op, moved));
    } else {
      this.#remotely('offer', local, op, payload, options, call, by ?? this.current);
    }
  }

  #remotely(
    act: 'call' | 'offer',
    to: Pid | RemoteName,
    op: string,
    payload: unknown,
    options: SendOptions | undefined,
    call: PendingCall,
    by: Process | undefined,
  ): void {
    const { gateway } = this;
    if (gateway === undefined) {
      call.fail(new FoundationError('noconnection', `'${op}' to ${to} was not sent: this system has no cluster.`));
      return;
    }
    try {
      if (act === 'call') gateway.call(to, op, payload, options, call, by);
      else gateway.offer(to, op, payload, options, call, by);
    } catch (error) {
      call.fail(toExitReason(error));
    }
  }

  /** A message that can't be sent is a failure of its call. */
  #attempt(call: PendingCall, send: () => void): void {
    try {
      send();
    } catch (error) {
      call.fail(toExitReason(error));
    }
  }

  /** Supervisors take start data, which holds definitions: they never cross to another node, and are not copied. */
  #copied(to: Process, payload: unknown): unknown {
    return this.copy === undefined || to.program.supervisor ? payload : this.copy(payload);
  }

  /** A message that came from another node for a local actor. The answer, if there is one, goes back by `answer`. */
  receive(
    to: number | string,
    op: string,
    payload: unknown,
    answer: Answer | undefined,
    accept: Answer | undefined,
  ): void {
    const process = typeof to === 'number' ? this.#processes.get(to) : this.names.whereis(to);
    if (process !== undefined) {
      if (answer !== undefined) {
        answer.by = process;
        process.enqueueCall(op, payload, answer);
      } else if (accept !== undefined) process.enqueueOffer(op, payload, accept);
      else process.enqueueCast(op, payload);
      return;
    }
    const target = typeof to === 'number' ? new Pid(this.node, this.incarnation, to) : new RemoteName(this.node, to);
    const moved = typeof to === 'number' ? this.#moved.get(to) : undefined;
    if (moved?.forward === true) {
      this.#forward(moved.to, op, payload, answer, accept);
      return;
    }
    const waiting = answer ?? accept;
    if (waiting !== undefined) waiting.fail(this.#gone(target, op, moved));
    else this.deadLetters.add({ to: String(target), op, payload, reason: moved === undefined ? 'noproc' : 'moved' });
  }

  #forward(to: Pid, op: string, payload: unknown, answer: Answer | undefined, accept: Answer | undefined): void {
    const waiting = answer ?? accept;
    if (waiting === undefined) {
      this.cast(to, op, payload, undefined);
      return;
    }
    const call = new PendingCall(this, op, to);
    call.promise.then(
      value => waiting.succeed(value),
      error => waiting.fail(error as Error),
    );
    call.start(waiting.remaining(), undefined);
    if (answer !== undefined) this.call(to, op, payload, undefined, call);
    else this.offer(to, op, payload, undefined, call);
  }

  /** A Process, something remote, or undefined for a local actor that is gone. */
  #localTarget(target: Target): Process | Pid | RemoteName | undefined {
    if (target instanceof Process) return target.alive ? target : undefined;
    if (target instanceof Pid) {
      if (target.node !== this.node) return target;
      return target.incarnation === this.incarnation ? this.#processes.get(target.id) : undefined;
    }
    return target.node === this.node ? this.names.whereis(target.name) : target;
  }

  #movedTo(target: Target): Moved | undefined {
    const pid = target instanceof Process ? target.pid : target;
    return pid instanceof Pid && this.isLocal(pid) ? this.#moved.get(pid.id) : undefined;
  }

  #gone(target: Target, op: string, moved: Moved | undefined): FoundationError {
    if (moved !== undefined) {
      return new FoundationError('moved', `'${op}' was not handled: ${target} was handed over; look it up again.`, {
        details: { to: moved.to },
      });
    }
    return target instanceof Process
      ? target.notAlive(op)
      : new FoundationError('noproc', `'${op}' was not handled: no live actor is ${target}.`);
  }

  // --- signals --------------------------------------------------------------------------------------------------

  /** Sends an exit signal, by default in the name of no actor; `kill` can't be trapped, `normal` ends none but its sender. */
  exit(to: Pid, reason: ExitReason, from: Pid = this.#hostPid()): void {
    if (to.node === this.node) this.#signal(() => this.receiveExit(from, to, reason, false));
    else {
      const process = this.process(from);
      const monitors = reason === 'normal' ? undefined : this.#bonds.monitorsOn(to, process);
      const linked = process?.links?.has(this.#linkId(to)) === true;
      if (monitors !== undefined) this.gateway?.exitEarly?.(from, to, reason, { viaLink: false, linked, monitors });
      this.gateway?.exit(from, to, reason, false, process);
    }
  }

  /** An exit signal has arrived for a local pid. */
  receiveExit(from: Pid, to: Pid, reason: ExitReason, viaLink: boolean): void {
    const process = this.#processes.get(to.id);
    if (process === undefined || !this.isLocal(to)) return;
    if (viaLink) {
      if (process.links?.delete(this.#linkId(from)) !== true) return;
      if (!this.isLocal(from)) this.#bonds.removeLink(to, from);
    }
    if (reason === 'kill' && !viaLink) {
      this.#stopStarting(process, 'killed');
      process.exit('killed');
    } else if (process.trapExit) {
      process.enqueueSignal(EXIT, { pid: from, reason });
      if (process.status === 'starting' && process.parent?.equals(from) === true) {
        this.#stopStarting(process, reason);
        process.exit(reason);
      }
    } else if (reason !== 'normal' || from.equals(to)) {
      this.#stopStarting(process, reason);
      process.exit(reason);
    }
  }

  /**
   * An exit signal has overtaken what its sender sent before it, and comes again behind that. It acts only where it takes the actor down whatever
   * waits: a trapped one keeps its place, and so does one whose link is not known here, since that may be under way.
   * @throws FoundationError `protocol` when its node has too many monitors here
   */
  receiveExitEarly(from: Pid, to: Pid, reason: ExitReason, { viaLink, linked, monitors }: EarlyExit): void {
    const process = this.process(to);
    if (process === undefined) return;
    if (linked && process.links?.has(this.#linkId(from)) !== true) return;
    if (!(reason === 'kill' && !viaLink) && (process.trapExit || reason === 'normal')) return;
    for (const monitor of monitors) this.receiveMonitor(from, to, monitor);
    this.receiveExit(from, to, reason, viaLink);
  }

  #stopStarting(process: Process, reason: ExitReason): void {
    const waiting = this.#starting.get(process);
    if (waiting === undefined) return;
    this.#starting.delete(process);
    waiting.fail(endedDuringInit(process, reason));
  }

  link(process: Process, to: Pid): void {
    if (to.equals(process.pid)) return;
    if (to.node === this.node) {
      const other = this.process(to);
      if (other !== undefined) this.#linkLocal(process, other);
      else this.#linkGone(process, to, 'noproc');
      return;
    }
    if (this.gateway === undefined) {
      this.#linkGone(process, to, 'noconnection');
      return;
    }
    this.addRemoteLink(process, to);
    this.gateway.link(process.pid, to);
  }

  #linkGone(process: Process, to: Pid, reason: ExitReason): void {
    process.links ??= new Links();
    process.links.set(this.#linkId(to), to);
    this.#signal(() => this.receiveExit(to, process.pid, reason, true));
  }

  /** Records a link between a local process and a remote pid. */
  addRemoteLink(process: Process, remote: Pid): void {
    process.links ??= new Links();
    process.links.set(this.#linkId(remote), remote);
    this.#bonds.addLink(process, remote);
  }

  unlink(process: Process, to: Pid): void {
    if (process.links?.delete(this.#linkId(to)) !== true) return;
    if (this.isLocal(to)) {
      this.#processes.get(to.id)?.links?.delete(this.#linkId(process.pid));
      return;
    }
    this.#bonds.removeLink(process.pid, to);
    this.gateway?.unlink(process.pid, to);
  }

  /** The other side of a link has unlinked. */
  receiveUnlink(from: Pid, to: Pid): void {
    this.process(to)?.links?.delete(this.#linkId(from));
    this.#bonds.removeLink(to, from);
  }

  /** A remote actor links with a local one. @throws FoundationError `protocol` when its node has too many links with this one */
  receiveLink(from: Pid, to: Pid): void {
    const process = this.process(to);
    if (process !== undefined) {
      this.#bonds.checkLinks(from);
      this.addRemoteLink(process, from);
    } else this.gateway?.exit(to, from, 'noproc', true, undefined);
  }

  /** What a link is kept under: of local pids the number, which costs no text. */
  #linkId(pid: Pid): number | string {
    return this.isLocal(pid) ? pid.id : pid.key;
  }

  #linkLocal(left: Process, right: Process): void {
    left.links ??= new Links();
    right.links ??= new Links();
    left.links.set(this.#linkId(right.pid), right.pid);
    right.links.set(this.#linkId(left.pid), left.pid);
  }

  #unlinkLocal(left: Process, right: Process): void {
    left.links?.delete(this.#linkId(right.pid));
    right.links?.delete(this.#linkId(left.pid));
  }

  /** @param target - undefined for nobody, which fires with `noproc` */
  monitor(watcher: Process, target: Pid | undefined): MonitorRef {
    const monitor = this.#nextMonitor++;
    if (!watcher.alive) return monitor;
    const to = target ?? this.#hostPid();
    watcher.monitoring ??= new Map();
    watcher.monitoring.set(monitor, to);
    this.#watch(watcher, { monitor, pid: watcher.pid, callback: undefined }, to);
    return monitor;
  }

  /** Calls `callback` once when `to` ends (asynchronously, if it is gone already). For the runtime and for hosts. */
  watch(to: Pid, callback: (reason: ExitReason) => void): () => void {
    const monitor = this.#nextMonitor++;
    if (to.node === this.node && this.process(to) === undefined) {
      let cancelled = false;
      queueMicrotask(() => {
        if (!cancelled) this.#signal(() => callback('noproc'));
      });
      return () => {
        cancelled = true;
      };
    }
    const watcher: Watcher = { monitor, pid: undefined, callback };
    this.#watch(watcher, watcher, to);
    return () => {
      if (this.isLocal(to)) this.#processes.get(to.id)?.watchers?.delete(watcherKey(watcher));
      else if (this.#bonds.removeWatch(monitor, to)) this.gateway?.demonitor(this.#hostPid(), to, monitor);
    };
  }

  #watch(owner: Process | Watcher, watcher: Watcher, to: Pid): void {
    if (to.node === this.node) {
      const process = this.process(to);
      if (process === undefined) this.#signal(() => this.#fire(owner, watcher.monitor, to, 'noproc'));
      else addWatcher(process, watcher);
      return;
    }
    if (this.gateway === undefined) {
      this.#signal(() => this.#fire(owner, watcher.monitor, to, 'noconnection'));
      return;
    }
    this.#bonds.addWatch(watcher.monitor, owner, to);
    this.gateway.monitor(watcher.pid ?? this.#hostPid(), to, watcher.monitor);
  }

  demonitor(watcher: Process, monitor: MonitorRef): void {
    const to = watcher.monitoring?.get(monitor);
    if (to === undefined) return;
    watcher.monitoring?.delete(monitor);
    this.dropMonitor(watcher, monitor, to);
  }

  /** Takes a monitor off its target. */
  dropMonitor(watcher: Process, monitor: MonitorRef, to: Pid): void {
    if (this.isLocal(to)) {
      this.#processes.get(to.id)?.watchers?.delete(watcherKey({ monitor, pid: watcher.pid }));
    } else if (this.#bonds.removeWatch(monitor, to)) {
      this.gateway?.demonitor(watcher.pid, to, monitor);
    }
  }

  /** A remote actor monitors a local one. @throws FoundationError `protocol` when its node has too many monitors here */
  receiveMonitor(from: Pid, to: Pid, monitor: MonitorRef): void {
    const process = this.process(to);
    if (process === undefined) {
      this.gateway?.down(to, from, monitor, 'noproc', undefined);
      return;
    }
    const watcher: Watcher = { monitor, pid: from, callback: undefined };
    if (process.watchers?.has(watcherKey(watcher)) === true) return;
    this.#bonds.watched(from);
    addWatcher(process, watcher);
  }

  receiveDemonitor(from: Pid, to: Pid, monitor: MonitorRef): void {
    if (this.process(to)?.watchers?.delete(watcherKey({ monitor, pid: from })) === true) this.#bonds.unwatched(from);
  }

  /** A remote actor that something here monitors has ended. */
  receiveDown(from: Pid, monitor: MonitorRef, reason: ExitReason): void {
    const watcher = this.#bonds.fireWatch(monitor, from);
    if (watcher !== undefined) this.#fire(watcher, monitor, from, reason);
  }

  /** A node is gone or out of reach: every link and monitor on it fires with `noconnection`, once. */
  nodeDown(node: string, incarnation: number): void {
    const { watches, links } = this.#bonds.lost(node, incarnation);
    for (const [monitor, watch] of watches) this.#fire(watch.watcher, monitor, watch.pid, 'noconnection');
    for (const { process, pid } of links) this.receiveExit(pid, process.pid, 'noconnection', true);
    for (const process of this.#processes.values()) {
      if (process.watchers === undefined) continue;
      for (const [watcherId, watcher] of process.watchers) {
        if (watcher.pid?.node === node && watcher.pid.incarnation === incarnation) process.watchers.delete(watcherId);
      }
    }
  }

  #fire(owner: Process | Watcher, monitor: MonitorRef, pid: Pid, reason: ExitReason): void {
    if (owner instanceof Process) {
      if (owner.alive) owner.enqueueSignal(DOWN, { monitor, pid, reason });
    } else {
      this.#signal(() => owner.callback?.(reason));
    }
  }

  /** `process` has ended: tells one who watches it. */
  tellDown(process: Process, watcher: Watcher, reason: ExitReason): void {
    this.#signal(() => {
      if (watcher.callback !== undefined) watcher.callback(reason);
      else if (watcher.pid !== undefined && this.isLocal(watcher.pid)) {
        const owner = this.#processes.get(watcher.pid.id);
        if (owner !== undefined) this.#fire(owner, watcher.monitor, process.pid, reason);
      } else if (watcher.pid !== undefined) {
        this.#bonds.unwatched(watcher.pid);
        this.gateway?.down(process.pid, watcher.pid, watcher.monitor, reason, process);
      }
    });
  }

  /** `process` has ended: tells one who is linked with it. */
  tellExit(process: Process, to: Pid, reason: ExitReason): void {
    this.#signal(() => {
      if (this.isLocal(to)) {
        this.receiveExit(process.pid, to, reason, true);
      } else {
        this.#bonds.removeLink(process.pid, to);
        if (reason !== 'normal') this.gateway?.exitEarly?.(process.pid, to, reason, BY_LINK);
        this.gateway?.exit(process.pid, to, reason, true, process);
      }
    });
  }

  /** Signals are delivered one after another, never one within another: a chain of a million links needs no stack. */
  #signal(deliver: () => void): void {
    this.#signals.push(deliver);
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let index = 0; index < this.#signals.length; index++) this.#deliver(this.#signals[index] as () => void);
    } finally {
      this.#signals.length = 0;
      this.#delivering = false;
    }
  }

  /** What a host's callback throws must not keep others from hearing. */
  #deliver(signal: () => void): void {
    try {
      signal();
    } catch (error) {
      this.log.error({ node: this.node, error }, 'a callback on the end of an actor failed');
    }
  }

  #hostPid(): Pid {
    return new Pid(this.node, this.incarnation, 0);
  }

  // --- ending ---------------------------------------------------------------------------------------------------

  /**
   * Asks an actor to end after the messages that it has already (OTP's `GenServer.stop`), waits, and kills it when it takes
   * too long. An actor of another node gets an exit signal (`shutdown` in place of `normal`, which would not end it).
   * @param reason - default `'normal'`
   * @param timeout - milliseconds, or `Infinity`; default 5,000
   * @returns the reason with which it ended
   * @throws (rejects) FoundationError `not-permitted` when its node does not let this one end it
   */
  stop(target: Ref | Pid, reason: ExitReason = 'normal', timeout: number = SHUTDOWN_TIMEOUT): Promise<ExitReason> {
    const pid = target instanceof Pid ? target : target.pid;
    return this.#end(pid, timeout, () => {
      const process = this.process(pid);
      if (process !== undefined) process.enqueueSignal(RUN, () => process.stop(reason));
      else this.exit(pid, reason === 'normal' ? 'shutdown' : reason);
    });
  }

  /**
   * What a supervisor does to a child: one that traps exits ends in order, others at once; killed after `timeout`.
   * @param timeout - milliseconds, `Infinity`, or `'brutal_kill'`
   */
  shutdownProcess(
    process: Process,
    timeout: number | 'brutal_kill',
    reason: ExitReason = 'shutdown',
  ): Promise<ExitReason> {
    const { pid } = process;
    const limit = timeout === 'brutal_kill' ? Number.POSITIVE_INFINITY : timeout;
    return this.#end(pid, limit, () => {
      if (timeout === 'brutal_kill') this.exit(pid, 'kill');
      else if (process.trapExit && process.status !== 'starting')
        process.enqueueSignal(RUN, () => process.stop(reason));
      else if (process.trapExit) this.exit(pid, 'kill');
      else this.exit(pid, reason);
    });
  }

  #end(pid: Pid, timeout: number, ask: () => void): Promise<ExitReason> {
    return new Promise((resolve, reject) => {
      const timer =
        timeout === Number.POSITIVE_INFINITY ? undefined : this.clock.setTimeout(() => this.exit(pid, 'kill'), timeout);
      const refused = (error: Error): void => {
        timer?.cancel();
        unwatch();
        reject(error);
      };
      if (!this.isLocal(pid)) {
        const waiting = this.#stopping.get(pid.key) ?? new Set();
        this.#stopping.set(pid.key, waiting.add(refused));
      }
      const unwatch = this.watch(pid, reason => {
        timer?.cancel();
        const waiting = this.#stopping.get(pid.key);
        if (waiting?.delete(refused) === true && waiting.size === 0) this.#stopping.delete(pid.key);
        resolve(reason);
      });
      ask();
    });
  }

  /** The node of `to` has not let this one end it: whoever waits for that end hears it. */
  receiveRefusal(to: Pid, error: Error): void {
    const waiting = this.#stopping.get(to.key);
    this.#stopping.delete(to.key);
    for (const refused of waiting ?? []) refused(error);
  }

  /** Resolves with the reason when the actor has ended; at once, with `noproc`, when it is gone. */
  whenEnded(target: Ref | Pid): Promise<ExitReason> {
    const pid = target instanceof Pid ? target : target.pid;
    return new Promise(resolve => this.watch(pid, resolve));
  }

  /**
   * Ends every actor of this system: first those that no live actor started with a link, last started first. A supervisor
   * ends its own children; who is left over comes next.
   */
  async shutdown(): Promise<void> {
    while (this.#processes.size > 0) {
      const roots = [...this.#processes.values()].filter(
        ({ parent }) => parent === undefined || this.process(parent) === undefined,
      );
      for (const process of roots.reverse()) {
        await this.shutdownProcess(process, process.program.supervisor ? Number.POSITIVE_INFINITY : SHUTDOWN_TIMEOUT);
      }
    }
  }

  /** The process has ended: takes it out of the tables. */
  forget(process: Process): void {
    this.#processes.delete(process.pid.id);
    this.names.release(process);
    if (process.registrations !== undefined) releaseRegistrations(process);
  }

  /** The longest mailboxes, longest first. Looks at every actor. @param most - how many; default 10 */
  longestMailboxes(most = 10): { readonly pid: Pid; readonly definition: string; readonly length: number }[] {
    return [...this.#processes.values()]
      .filter(process => process.mailbox.size > 0)
      .sort((left, right) => right.mailbox.size - left.mailbox.size)
      .slice(0, most)
      .map(({ pid, program, mailbox }) => ({ pid, definition: program.name, length: mailbox.size }));
  }

  // --- hand-off -------------------------------------------------------------------------------------------------

  /**
   * Ends a sealed process in favour of `to`: what waits in its mailbox and what still arrives is forwarded in order, its monitors
   * hear `{ shutdown: 'handed-off' }`.
   * @returns a function that stops the forwarding; later messages are answered with `moved`, for five minutes, then with `noproc`
   */
  handOver(process: Process, to: Pid): () => void {
    const moved: Moved = { to, forward: true };
    this.#moved.set(process.pid.id, moved);
    process.drainTo((op, payload, answer) => this.#forward(to, op, payload, answer, undefined));
    process.finish({ shutdown: 'handed-off' });
    return () => {
      if (!moved.forward) return;
      moved.forward = false;
      this.clock.setTimeout(() => this.#moved.delete(process.pid.id), MOVED_KEPT, { unref: true });
    };
  }
}

const BY_LINK: EarlyExit = { viaLink: true, linked: true, monitors: [] };

function threshold(option: string, given: number | undefined, otherwise: number): number {
  const value = given ?? otherwise;
  if (typeof value !== 'number' || !(value > 0)) throw invalidOption(option, given, 'a number above 0, or Infinity');
  return value;
}

function startFailed(process: Process, error: unknown): FoundationError {
  const crash = toExitReason(error);
  if (isFoundationError(crash, 'start-failed')) return crash;
  const reason = crash === error ? formatError(crash, ({ message }) => `${message}`) : formatValue(error);
  return new FoundationError('start-failed', `${process.program.name} did not start: ${reason}`, { cause: error });
}

function endedDuringInit(process: Process, reason: ExitReason): FoundationError {
  return startFailed(process, new Error(`ended during init: ${formatReason(reason)}`));
}

function addWatcher(process: Process, watcher: Watcher): void {
  process.watchers ??= new Map();
  process.watchers.set(watcherKey(watcher), watcher);
}

function watcherKey(watcher: { readonly monitor: MonitorRef; readonly pid: Pid | undefined }): string {
  return watcher.pid === undefined ? `${watcher.monitor}` : `${watcher.monitor} ${watcher.pid.key}`;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && typeof (value as { then?: unknown }).then === 'function';
}
