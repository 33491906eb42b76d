import { defineProgram } from './actor.js';
import { type ChildLike, type ChildSpec, type IntensityOptions, resolveIntensity, toChildSpec } from './child-spec.js';
import type { ActorContext, Context } from './context.js';
import { checkKeys, FoundationError, invalidOption } from './errors.js';
import type { ExitReason } from './exit-reason.js';
import { failing } from './failure.js';
import type { Pid } from './pid.js';
import type { Process } from './process.js';
import type { Handler, Program } from './program.js';
import { RestartIntensity } from './restart-intensity.js';
import {
  type ChildCounts,
  type ChildInfo,
  childInfo,
  countChildren,
  needsRestart,
  reportRestart,
  type SupervisedChild,
  startChild,
  stopChild,
} from './supervised-child.js';
import type { Definition, Exit, Start } from './types.js';

/** What {@link dynamicSupervisor} takes. */
export interface DynamicSupervisorInit extends IntensityOptions {
  /** Most children at a time; default unbounded. */
  readonly maxChildren?: number;
}

interface DynamicSpec {
  readonly maxRestarts: number;
  readonly within: number;
  readonly maxChildren: number;
}

/** The operations of a dynamic supervisor. */
export type DynamicSupervisorCalls = {
  whichChildren: (state: object) => ChildInfo[];
  countChildren: (state: object) => ChildCounts;
  startChild: (state: object, spec: ChildLike) => Promise<Pid>;
  terminateChild: (state: object, pid: Pid) => Promise<void>;
};
export type DynamicSupervisorDefinition = Definition<DynamicSpec, DynamicSupervisorCalls, unknown>;

/**
 * A supervisor of children that are started on demand, `one_for_one`, without order; Elixir's `DynamicSupervisor`.
 * @throws FoundationError `invalid-option`
 */
export function dynamicSupervisor(init: DynamicSupervisorInit = {}): Start<DynamicSupervisorDefinition> {
  checkKeys('dynamicSupervisor()', init, ['maxRestarts', 'within', 'maxChildren']);
  const { maxChildren = Number.POSITIVE_INFINITY } = init;
  if (typeof maxChildren !== 'number' || !(maxChildren >= 1))
    throw invalidOption('maxChildren', maxChildren, '1 or more, or Infinity');
  return { definition: dynamicSupervisorDefinition, argument: { ...resolveIntensity(init), maxChildren } };
}

class DynamicState {
  readonly children = new Map<string, SupervisedChild>();
  readonly #process: Process;
  readonly #spec: DynamicSpec;
  readonly #intensity: RestartIntensity;
  #retries = 0;

  constructor(process: Process, spec: DynamicSpec) {
    this.#process = process;
    this.#spec = spec;
    this.#intensity = new RestartIntensity(spec.maxRestarts, spec.within);
  }

  async add(spec: ChildSpec): Promise<Pid> {
    if (this.children.size >= this.#spec.maxChildren) {
      throw new FoundationError(
        'max-children',
        `The supervisor has ${this.children.size} children, its 'maxChildren'.`,
      );
    }
    const entry: SupervisedChild = { spec, process: undefined, restarting: false };
    await startChild(this.#process, entry);
    const { pid } = entry.process as unknown as Process;
    this.children.set(pid.key, entry);
    return pid;
  }

  async terminateChild(pid: Pid): Promise<void> {
    const entry = this.children.get(pid.key);
    if (entry === undefined) throw new FoundationError('not-found', `${pid} is no child of this supervisor.`);
    this.children.delete(pid.key);
    await stopChild(this.#process, entry);
  }

  async onChildExit(exit: Exit): Promise<void> {
    const entry = this.children.get(exit.pid.key);
    if (entry === undefined) return;
    this.children.delete(exit.pid.key);
    entry.process = undefined;
    if (needsRestart(entry.spec, exit.reason)) await this.restart(entry, exit.reason);
  }

  async restart(entry: SupervisedChild, reason: ExitReason): Promise<void> {
    const { system } = this.#process;
    if (!this.#intensity.allow(system.clock.now())) {
      system.log.error(
        { supervisor: this.#process.toString(), child: entry.spec.id },
        'supervisor gives up: too many restarts',
      );
      this.#process.stop('shutdown');
      return;
    }
    reportRestart(system, this.#process, entry, reason);
    try {
      await startChild(this.#process, entry);
      this.children.set((entry.process as unknown as Process).pid.key, entry);
    } catch (error) {
      // Killed meanwhile: nobody is left to restart anything.
      if (!this.#process.alive) return;
      system.log.error(
        { supervisor: this.#process.toString(), child: entry.spec.id, error: error as Error },
        'a restart failed',
      );
      entry.restarting = true;
      const key = `retry ${this.#retries++}`;
      this.children.set(key, entry);
      this.#process.enqueueCast('retry', { key, reason: error });
    }
  }

  async retry(key: string, reason: ExitReason): Promise<void> {
    const entry = this.children.get(key);
    if (entry === undefined) return;
    this.children.delete(key);
    await this.restart(entry, reason);
  }

  async stopAll(): Promise<void> {
    const entries = [...this.children.values()];
    this.children.clear();
    await Promise.all(entries.map(entry => stopChild(this.#process, entry)));
  }
}

function on<P, T>(operation: (state: DynamicState, payload: P) => T | Promise<T>): Handler {
  return (state, payload) => failing(() => operation(state as DynamicState, payload as P));
}

const program: Program = {
  name: 'dynamic-supervisor',
  init: (argument: unknown, ctx: Context<unknown>) =>
    new DynamicState((ctx as ActorContext).process, argument as DynamicSpec),
  calls: new Map<string, Handler>([
    ['whichChildren', on((state, _: undefined) => [...state.children.values()].map(childInfo))],
    ['countChildren', on((state, _: undefined) => countChildren(state.children.values()))],
    ['startChild', on((state, spec: ChildLike) => state.add(toChildSpec(spec)))],
    ['terminateChild', on((state, pid: Pid) => state.terminateChild(pid))],
  ]),
  casts: new Map<string, Handler>([
    [
      'retry',
      (state, payload) => {
        const { key, reason } = payload as { readonly key: string; readonly reason: ExitReason };
        return (state as DynamicState).retry(key, reason);
      },
    ],
  ]),
  onDown: undefined,
  onExit: (state, exit) => (state as DynamicState).onChildExit(exit),
  terminate: state => (state as DynamicState).stopAll(),
  handOff: undefined,
  resume: undefined,
  version: 0,
  trapExit: true,
  capacity: Number.POSITIVE_INFINITY,
  overflow: 'reject',
  localOnly: true,
  supervisor: true,
};

const dynamicSupervisorDefinition = defineProgram<DynamicSupervisorDefinition>(program);
