import {
  type ExitReason,
  formatReason,
  isFoundationError,
  isOrderly,
  type Pid,
  type Process,
  RestartIntensity,
  type Resumption,
} from '@foundation-ts/core';
import type { ChildEntry } from './child-entry.js';
import type { HostNode } from './host-node.js';
import type { ClaimInit, Registry } from './registry.js';
import type { Mutation } from './replica.js';

/** The life of a child on the node where it runs. */
export type LocalPhase = 'starting' | 'running' | 'restarting' | 'moving' | 'stopping';

/** A child that runs on this node. */
export interface LocalChild {
  readonly id: string;
  readonly birth: string;
  readonly intensity: RestartIntensity;
  /** The entry by which it was started. */
  entry: ChildEntry;
  process: Process;
  phase: LocalPhase;
  /** Settles when it runs; undefined when it ran at once. */
  started: Promise<void> | undefined;
  /** Its claim to its name. */
  claim: Mutation | undefined;
  /** What to do when it dies in the middle of a hand-off. */
  onDeath: ((reason: ExitReason) => void) | undefined;
}

/** How a child starts: anew, or with what it was handed. */
export interface LocalStart {
  readonly resume?: Resumption;
  readonly claim?: ClaimInit;
}

/** What the supervisor hears of its local children. */
export interface LocalChildrenHost {
  /** Whether children may be started and restarted at all. */
  readonly open: boolean;
  readonly maxRestarts: number;
  readonly within: number;
  /** Whether this child is still to run here, after its `init` took its time. */
  wanted(child: LocalChild): boolean;
  /** It ended and is not to be restarted. */
  finished(child: LocalChild, reason: ExitReason): void;
  /** It was restarted too often. */
  gaveUp(child: LocalChild, reason: ExitReason): void;
  /** What runs here has changed. */
  changed(id: string): void;
}

/** The children of one distributed supervisor that run on this node: started, registered under their ids, restarted as OTP does. */
export class LocalChildren {
  readonly #node: HostNode;
  readonly #registry: Registry;
  readonly #host: LocalChildrenHost;
  readonly #children = new Map<string, LocalChild>();

  constructor(node: HostNode, registry: Registry, host: LocalChildrenHost) {
    this.#node = node;
    this.#registry = registry;
    this.#host = host;
  }

  get size(): number {
    return this.#children.size;
  }

  get(id: string): LocalChild | undefined {
    return this.#children.get(id);
  }

  values(): IterableIterator<LocalChild> {
    return this.#children.values();
  }

  /**
   * Starts a child. It runs, and holds its name, on return; or, when its `init` is asynchronous, once `started` resolves.
   * @throws FoundationError (or rejects in `started`) `start-failed`, `unknown-definition`, `name-taken`, `stopped`
   */
  start(entry: ChildEntry, how: LocalStart = {}): LocalChild {
    const process = this.#launch(entry, how.resume);
    const child: LocalChild = {
      id: entry.id,
      birth: entry.birth,
      intensity: new RestartIntensity(this.#host.maxRestarts, this.#host.within),
      entry,
      process,
      phase: 'starting',
      started: undefined,
      claim: undefined,
      onDeath: undefined,
    };
    this.#children.set(entry.id, child);
    if (process.status !== 'starting') {
      this.#runs(child, how.claim);
      return child;
    }
    child.started = this.#node.system.started(process).then(
      () => this.#runs(child, how.claim),
      error => {
        this.#drop(child);
        throw error;
      },
    );
    child.started.catch(() => {});
    return child;
  }

  #launch(entry: ChildEntry, resume: Resumption | undefined): Process {
    const definition = this.#node.definitions.forRemote(entry.definition);
    return this.#node.system.launch({ definition, argument: entry.argument }, resume === undefined ? {} : { resume });
  }

  #runs(child: LocalChild, claim: ClaimInit | undefined): void {
    const { process } = child;
    try {
      if (this.#children.get(child.id) !== child || !this.#host.wanted(child)) {
        throw this.#notWanted(child);
      }
      if (!process.alive) {
        this.#endedInInit(child);
        return;
      }
      child.claim = this.#registry.claim(child.id, process, claim);
    } catch (error) {
      this.#drop(child);
      void this.#node.system.shutdownProcess(process, child.entry.shutdown);
      throw error;
    }
    child.phase = 'running';
    child.started = undefined;
    this.#node.system.watch(process.pid, reason => this.#ended(child, process, process.exitReason ?? reason));
    this.#host.changed(child.id);
  }

  #endedInInit(child: LocalChild): void {
    const { process } = child;
    child.phase = 'running';
    queueMicrotask(() => this.#ended(child, process, process.exitReason ?? 'noproc'));
  }

  #notWanted(child: LocalChild): Error {
    return new NotWanted(`'${child.id}' was stopped, or started elsewhere, while it started on '${this.#node.name}'.`);
  }

  #drop(child: LocalChild): void {
    if (this.#children.get(child.id) !== child) return;
    this.#children.delete(child.id);
    this.#host.changed(child.id);
  }

  #ended(child: LocalChild, process: Process, reason: ExitReason): void {
    if (this.#children.get(child.id) !== child || child.process !== process) return;
    if (child.phase === 'moving') child.onDeath?.(reason);
    else if (child.phase === 'stopping' || isNameConflict(reason)) this.#drop(child);
    else this.exited(child, reason);
  }

  /** The child has ended by itself: restarts it if its kind and the intensity allow. */
  exited(child: LocalChild, reason: ExitReason): void {
    if (!this.#host.open) this.#drop(child);
    else if (needsRestart(child.entry, reason)) this.#restart(child, reason);
    else {
      this.#drop(child);
      this.#host.finished(child, reason);
    }
  }

  #restart(child: LocalChild, reason: ExitReason): void {
    const { clock, log, telemetry } = this.#node;
    if (!child.intensity.allow(clock.now())) {
      this.#drop(child);
      this.#host.gaveUp(child, reason);
      return;
    }
    telemetry.emit('distributed.restart', { count: 1 }, { id: child.id, reason: formatReason(reason) });
    child.phase = 'restarting';
    try {
      child.process = this.#launch(child.entry, undefined);
      if (child.process.status !== 'starting') this.#runs(child, undefined);
      else child.started = this.#finishRestart(child);
    } catch (error) {
      if (this.#isOver(child, error)) return;
      log.warn({ child: child.id, error: error as Error }, 'a restart failed');
      queueMicrotask(() => this.#again(child, error as Error));
    }
  }

  async #finishRestart(child: LocalChild): Promise<void> {
    try {
      await this.#node.system.started(child.process);
      this.#runs(child, undefined);
    } catch (error) {
      if (!this.#isOver(child, error)) this.#again(child, error as Error);
    }
  }

  /** Whether the child is not this node's any more, so that trying again would be wrong. */
  #isOver(child: LocalChild, error: unknown): boolean {
    if (!(error instanceof NotWanted) && !isFoundationError(error, 'name-taken')) return false;
    this.#drop(child);
    return true;
  }

  #again(child: LocalChild, error: Error): void {
    if (this.#children.get(child.id) === child && child.phase === 'restarting') this.#restart(child, error);
  }

  /** Stops a child, as its specification says. */
  async stop(child: LocalChild): Promise<void> {
    child.phase = 'stopping';
    await this.#node.system.shutdownProcess(child.process, child.entry.shutdown);
    this.#drop(child);
  }

  /** The child runs elsewhere now. */
  forget(child: LocalChild): void {
    this.#drop(child);
  }

  /**
   * Starts a child again under a new process in place of one that was handed over in vain, and forwards what waits there.
   * @throws FoundationError as {@link start}
   */
  replace(child: LocalChild, claim: ClaimInit): LocalChild {
    this.#children.delete(child.id);
    return this.start(child.entry, { claim });
  }
}

/** Thrown when a child was not wanted any more by the time it ran. */
export class NotWanted extends Error {}

/** OTP: permanent children always, transient ones after a crash, temporary ones never. */
export function needsRestart(entry: ChildEntry, reason: ExitReason): boolean {
  return entry.restart === 'permanent' || (entry.restart === 'transient' && !isOrderly(reason));
}

/** Whether an actor ended because its name is another's. */
export function isNameConflict(reason: ExitReason): reason is { readonly shutdown: { readonly nameConflict: Pid } } {
  if (typeof reason !== 'object' || reason instanceof Error) return false;
  const { shutdown } = reason;
  return typeof shutdown === 'object' && shutdown !== null && 'nameConflict' in shutdown;
}
