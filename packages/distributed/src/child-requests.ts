import type { MemberView } from '@foundation-ts/cluster';
import {
  type AnyDefinition,
  type ChildSpec,
  checkKeys,
  child as childSpec,
  FoundationError,
  isFoundationError,
  type Pid,
  type Ref,
  type Start,
  type Timer,
} from '@foundation-ts/core';
import { type ChildEntry, entryFromValue, entryToValue, isWanted } from './child-entry.js';
import type { ChildTable } from './child-table.js';
import { REQUEST_RETRY, REQUEST_TIMEOUT } from './defaults.js';
import type { HostNode } from './host-node.js';
import { replicaId } from './internal/replica-id.js';
import { checkSendable } from './internal/sendable.js';
import type { LocalChild, LocalChildren } from './local-children.js';
import type { PlacementReason } from './placement.js';
import { type Ack, type Acknowledgement, checkAck, type Registry } from './registry.js';
import { Replica } from './replica.js';

/** Options of {@link DistributedSupervisor.startChild}. */
export interface StartChildOptions {
  /** On how many members the fact must live before the promise resolves, at least one of them not the one that runs the child; default `'one'`. */
  readonly ack?: Ack;
  /** Milliseconds; default 5,000. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** A ref on the child that was started, and how many members beside the one that runs it are known to hold the fact. */
export type StartedChild<D extends AnyDefinition = AnyDefinition> = Ref<D> & Acknowledgement;

/** What the requests need of their supervisor. */
export interface RequestsHost {
  readonly name: string;
  isOpen(): boolean;
  /** Whether this node knows what those decided who chose before it. */
  readonly isAgreed: boolean;
  chooserOf(id: string): string | undefined;
  place(id: string, reason: PlacementReason, without?: readonly string[]): MemberView | undefined;
  /** Starts a child on this node. @throws FoundationError */
  begin(entry: ChildEntry): LocalChild;
}

interface StartRequest {
  readonly id: string;
  readonly definition: string;
  readonly argument: unknown;
  readonly restart: ChildEntry['restart'];
  readonly shutdown: ChildEntry['shutdown'];
  readonly birth: string;
  readonly needed: number;
  readonly ack: Ack;
  readonly timeout: number;
}

interface RunRequest {
  readonly id: string;
  readonly birth: string;
  readonly table: unknown;
}

interface Ran {
  readonly pid: Pid;
  readonly registry: unknown;
}

/** A chooser's answer: the child runs there, with the facts about it; or `again`: ask whom you now hold for the chooser. */
type StartAnswer =
  | { readonly again: true }
  | (Ran & { readonly again?: false; readonly table: unknown; readonly mark?: number; readonly acked: number });

type Ask = Ref<
  AnyDefinition & {
    readonly '~types'?: { readonly argument: unknown; readonly calls: AskCalls; readonly casts: unknown };
  }
>;
type AskCalls = {
  start: (s: object, request: StartRequest) => unknown;
  run: (s: object, request: RunRequest) => unknown;
  stop: (s: object, request: RunRequest) => unknown;
};

interface Waiter {
  readonly birth: string;
  readonly resolve: (pid: Pid) => void;
  readonly reject: (error: Error) => void;
  timer: Timer | undefined;
}

/** Failed first starts that are remembered for those who ask again. */
const FAILURES_KEPT = 1_000;

/** Starting and terminating children: the side that asks, the chooser, and the node that runs them. */
export class ChildRequests {
  readonly #node: HostNode;
  readonly #registry: Registry;
  readonly #table: ChildTable;
  readonly #local: LocalChildren;
  readonly #host: RequestsHost;
  readonly #self: string;
  readonly #failures = new Map<string, Error>();
  readonly #waiters = new Map<string, Set<Waiter>>();
  #next = 1;

  constructor(node: HostNode, registry: Registry, table: ChildTable, local: LocalChildren, host: RequestsHost) {
    this.#node = node;
    this.#registry = registry;
    this.#table = table;
    this.#local = local;
    this.#host = host;
    this.#self = replicaId(node.name, node.incarnation);
  }

  // --- who asks -------------------------------------------------------------------------------------------------

  /** See `DistributedSupervisor.startChild`. */
  async startChild<D extends AnyDefinition>(
    given: ChildSpec<D> | Start<D>,
    options: StartChildOptions,
  ): Promise<StartedChild<D>> {
    checkKeys('startChild()', options, ['ack', 'timeout', 'signal']);
    const { ack = 'one', timeout = REQUEST_TIMEOUT, signal } = options;
    checkAck(ack);
    const spec = 'start' in given ? given : childSpec(given);
    checkSendable(spec.start.argument, `The argument of child '${spec.id}'`);
    const request = {
      id: spec.id,
      definition: spec.start.definition.name,
      argument: spec.start.argument,
      restart: spec.restart,
      shutdown: spec.shutdown,
      birth: `${this.#node.clock.wallTime().toString(36)}.${this.#next++}.${this.#self}`,
      needed: this.#registry.needed(ack),
      ack,
    };
    const deadline = this.#node.clock.now() + timeout;
    const { answer, chooser } = await this.#ask(request, deadline, timeout, signal);
    if (chooser !== this.#node.name) {
      this.#table.replica.join(answer.table);
      this.#registry.join(answer.registry);
    }
    const acked = await this.#confirm(request, answer, chooser, deadline);
    return Object.assign(this.#node.system.ref<D>(answer.pid), { acked });
  }

  /** Asks the chooser; the next one if that is lost. The same request twice starts one child. */
  async #ask(
    request: Omit<StartRequest, 'timeout'>,
    deadline: number,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly answer: Exclude<StartAnswer, { again: true }>; readonly chooser: string }> {
    let failed: unknown;
    let sent = false;
    for (;;) {
      if (signal?.aborted === true)
        throw this.#unknown(request.id, sent, 'aborted', 'the caller gave up', signal.reason);
      const left = deadline - this.#node.clock.now();
      if (left <= 0) throw this.#unknown(request.id, sent, 'timeout', `within ${timeout} ms`, failed);
      const chooser = this.#host.chooserOf(request.id);
      if (chooser !== undefined) {
        try {
          const answer = await this.#askOne(chooser, { ...request, timeout: left }, signal);
          if (answer.again !== true) return { answer, chooser };
        } catch (error) {
          if (!isLost(error)) throw error;
          failed = error;
          sent ||= !error.retryable;
        }
      }
      await new Promise<void>(resolve => this.#node.clock.setTimeout(resolve, REQUEST_RETRY));
    }
  }

  #askOne(chooser: string, request: StartRequest, signal: AbortSignal | undefined): Promise<StartAnswer> {
    if (chooser === this.#node.name) return this.receiveStart(request);
    const options = signal === undefined ? { timeout: request.timeout } : { timeout: request.timeout, signal };
    return this.#ref(chooser).call('start', request, options) as Promise<StartAnswer>;
  }

  #unknown(id: string, sent: boolean, code: 'aborted' | 'timeout', why: string, cause: unknown): FoundationError {
    return new FoundationError(
      sent ? 'unknown-outcome' : code,
      `startChild('${id}') was not confirmed (${why})${sent ? '; it may run, or start yet. Look it up before trying again' : '; nothing was started'}.`,
      { cause },
    );
  }

  /** The fact must live with somebody who doesn't run the child: the one who asked, or the chooser, or else another. */
  async #confirm(
    request: Omit<StartRequest, 'timeout'>,
    answer: Exclude<StartAnswer, { again: true }>,
    chooser: string,
    deadline: number,
  ): Promise<number> {
    const runner = answer.pid.node;
    const holders = new Set([this.#node.name, chooser]);
    holders.delete(runner);
    if (request.ack === 'one' && holders.size === 0) {
      const timeout = Math.max(1, deadline - this.#node.clock.now());
      return this.#table.replica.acked(1, answer.mark === undefined ? { timeout } : { timeout, mark: answer.mark });
    }
    return request.ack === 'quorum' ? answer.acked : holders.size;
  }

  #ref(node: string): Ask {
    return this.#node.system.refOn(node, `$dsup:${this.#host.name}`) as unknown as Ask;
  }

  // --- the chooser ----------------------------------------------------------------------------------------------

  /** Decides where a new child runs and has it started there. @throws FoundationError */
  async receiveStart(message: unknown): Promise<StartAnswer> {
    const request = message as StartRequest;
    const { id, birth } = request;
    if (!this.#host.isOpen() || this.#host.chooserOf(id) !== this.#node.name) return { again: true };
    const entry = this.#table.get(id);
    if (!this.#host.isAgreed && entry?.birth !== birth) return { again: true };
    if (isWanted(entry)) {
      if (entry.birth !== birth) throw this.#alreadyStarted(id);
      return this.#facts(id, await this.#whenRunning(id, birth, request.timeout));
    }
    if (entry?.birth === birth) throw this.#startError(entry);
    if (this.#registry.holder(id) !== undefined && this.#local.get(id) === undefined) throw this.#alreadyStarted(id);
    const target = this.#host.place(id, 'start');
    if (target === undefined) return { again: true };
    const { definition, argument, restart, shutdown } = request;
    const given: ChildEntry = {
      id,
      definition,
      argument,
      restart,
      shutdown,
      node: target.name,
      incarnation: target.incarnation,
      epoch: (entry?.epoch ?? 0) + 1,
      birth,
      desired: 'start',
      why: '',
      tried: [],
    };
    if (typeof id !== 'string' || entryFromValue(id, entryToValue(given)) === undefined)
      throw new TypeError('a malformed request to start a child');
    const mutation = this.#table.put(given);
    const ran = await this.#runOn(target.name, { id, birth, table: Replica.pack([mutation]) }, request.timeout);
    const table = Replica.pack([mutation]);
    if (request.ack !== 'quorum') return { ...ran, table, mark: mutation.mark, acked: 0 };
    const acked = await this.#table.replica.acked(request.needed, { mark: mutation.mark, timeout: request.timeout });
    return { ...ran, table, acked };
  }

  async #runOn(target: string, request: RunRequest, timeout: number): Promise<Ran> {
    if (target === this.#node.name) return this.receiveRun(request);
    try {
      return (await this.#ref(target).call('run', request, { timeout })) as Ran;
    } catch (error) {
      if (!isLost(error)) throw error;
      // The table has it: whoever it is given to next will run it.
      const pid = await this.#whenRunning(request.id, request.birth, timeout);
      return { pid, registry: Replica.pack([]) };
    }
  }

  #facts(id: string, pid: Pid): StartAnswer {
    return { pid, table: this.#table.fragment(id), registry: Replica.pack([]), acked: 0 };
  }

  #alreadyStarted(id: string): FoundationError {
    const pid = this.#registry.holder(id)?.pid;
    return new FoundationError(
      'already-started',
      `A child, or another actor, named '${id}' is there already${pid === undefined ? '' : `: ${pid}`}; look it up, or choose another id.`,
      { details: pid === undefined ? { id } : { id, pid } },
    );
  }

  #startError(entry: ChildEntry): Error {
    const known = this.#failures.get(entry.birth);
    if (known !== undefined) return known;
    return new FoundationError('start-failed', `'${entry.id}' was started, but does not run any more: ${entry.why}`);
  }

  /** For the supervisor: a first start has failed here. */
  noteFailure(birth: string, error: Error): void {
    if (this.#failures.size >= FAILURES_KEPT) {
      const oldest = this.#failures.keys().next().value;
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
    this.#failures.set(birth, error);
  }

  // --- the node that runs it ------------------------------------------------------------------------------------

  /** Starts a child that was assigned to this node, unless it runs already. @throws FoundationError */
  async receiveRun(message: unknown): Promise<Ran> {
    const { id, birth, table } = message as RunRequest;
    if (table !== undefined) this.#table.replica.join(table);
    for (;;) {
      const child = this.#local.get(id);
      if (child?.birth === birth) {
        await child.started;
        return { pid: child.process.pid, registry: Replica.pack(child.claim === undefined ? [] : [child.claim]) };
      }
      const failure = this.#failures.get(birth);
      if (failure !== undefined) throw failure;
      const entry = this.#table.get(id);
      if (entry?.birth !== birth)
        throw new FoundationError('conflict', `'${id}' was started by another request at the same time.`);
      if (!isWanted(entry)) throw this.#startError(entry);
      if (entry.node !== this.#node.name || entry.incarnation !== this.#node.incarnation) throw this.#notHere(entry);
      if (child === undefined) this.#host.begin(entry);
      else await this.#node.system.whenEnded(child.process.pid);
    }
  }

  /** The chooser, or the one who takes its place, is looking after it. */
  #notHere(entry: ChildEntry): FoundationError {
    return new FoundationError(
      'noproc',
      `'${entry.id}' is to run on ${replicaId(entry.node, entry.incarnation)}, not on ${this.#self}.`,
    );
  }

  /** Stops a child that is not wanted any more. */
  async receiveStop(message: unknown): Promise<boolean> {
    const { id, birth, table } = message as RunRequest;
    this.#table.replica.join(table);
    const child = this.#local.get(id);
    if (child === undefined || child.birth !== birth) return false;
    if (child.phase === 'running') await this.#local.stop(child);
    else if (child.phase === 'stopping') await this.#node.system.whenEnded(child.process.pid);
    else return false;
    return true;
  }

  // --- terminating ----------------------------------------------------------------------------------------------

  /** See `DistributedSupervisor.terminateChild`. */
  async terminateChild(id: string, options: { readonly timeout?: number }): Promise<void> {
    checkKeys('terminateChild()', options, ['timeout']);
    const { timeout = REQUEST_TIMEOUT } = options;
    const entry = this.#table.get(id);
    if (entry === undefined || entry.desired === 'stopped') {
      throw new FoundationError('not-found', `terminateChild('${id}'): '${this.#host.name}' has no such child.`);
    }
    const deadline = this.#node.clock.now() + timeout;
    const { birth } = entry;
    const mutation = this.#table.put({ ...entry, desired: 'stopped', epoch: entry.epoch + 1, why: 'terminated' });
    const request = { id, birth, table: Replica.pack([mutation]) };
    while (this.#isThere(id, birth)) {
      const left = deadline - this.#node.clock.now();
      if (left <= 0) throw this.#notStopped(id, timeout);
      if (await this.#stopOne(id, request, left)) continue;
      await new Promise<void>(resolve => this.#node.clock.setTimeout(resolve, REQUEST_RETRY));
    }
    await this.#table.replica.acked(1, {
      mark: mutation.mark,
      timeout: Math.max(1, deadline - this.#node.clock.now()),
    });
  }

  #isThere(id: string, birth: string): boolean {
    return this.#local.get(id)?.birth === birth || this.#registry.holder(id) !== undefined;
  }

  async #stopOne(id: string, request: RunRequest, timeout: number): Promise<boolean> {
    const node = this.#local.get(id) === undefined ? this.#registry.holder(id)?.pid.node : this.#node.name;
    if (node === undefined) return true;
    try {
      return node === this.#node.name
        ? await this.receiveStop(request)
        : (await this.#ref(node).call('stop', request, { timeout })) === true;
    } catch (error) {
      if (isLost(error)) return false;
      throw error;
    }
  }

  #notStopped(id: string, timeout: number): FoundationError {
    return new FoundationError(
      'unknown-outcome',
      `terminateChild('${id}'): it is to stop, but still ran after ${timeout} ms; it will stop when it can.`,
    );
  }

  // --- waiting --------------------------------------------------------------------------------------------------

  #whenRunning(id: string, birth: string, timeout: number): Promise<Pid> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { birth, resolve, reject, timer: undefined };
      const waiters = this.#waiters.get(id) ?? new Set();
      waiters.add(waiter);
      this.#waiters.set(id, waiters);
      waiter.timer = this.#node.clock.setTimeout(() => {
        waiters.delete(waiter);
        reject(new FoundationError('unknown-outcome', `'${id}' did not run within ${timeout} ms; it may start yet.`));
      }, timeout);
      this.changed(id);
    });
  }

  /** Something about a child has changed: those who wait for it look again. */
  changed(id: string): void {
    const waiters = this.#waiters.get(id);
    if (waiters === undefined) return;
    const entry = this.#table.get(id);
    const pid = this.#registry.holder(id)?.pid;
    for (const waiter of waiters) {
      if (entry !== undefined && isWanted(entry) && entry.birth === waiter.birth && pid === undefined) continue;
      waiter.timer?.cancel();
      waiters.delete(waiter);
      if (entry === undefined)
        waiter.reject(new FoundationError('start-failed', `'${id}' was taken out of the table before it ran.`));
      else if (entry.birth !== waiter.birth) waiter.reject(this.#alreadyStarted(id));
      else if (!isWanted(entry)) waiter.reject(this.#startError(entry));
      else waiter.resolve(pid as Pid);
    }
    if (waiters.size === 0) this.#waiters.delete(id);
  }

  /** Nobody waits any more: the node closes. */
  close(): void {
    for (const [id, waiters] of this.#waiters) {
      for (const waiter of waiters) {
        waiter.timer?.cancel();
        waiter.reject(
          new FoundationError(
            'stopped',
            `'${id}': the distributed supervisor '${this.#host.name}' was stopped on '${this.#node.name}'.`,
          ),
        );
      }
    }
    this.#waiters.clear();
  }
}

/** Whether the one who was asked, rather than the request, was the trouble: the next one is asked. */
function isLost(error: unknown): error is FoundationError {
  return isFoundationError(
    error,
    'noconnection',
    'not-delivered',
    'unknown-outcome',
    'noproc',
    'timeout',
    'mailbox-full',
    'stopped',
  );
}
