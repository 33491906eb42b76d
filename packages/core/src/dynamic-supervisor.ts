import { defineProgram } from './actor.js';
import { type ChildLike, type ChildSpec, toChildSpec } from './child-spec.js';
import type { ActorContext, Context } from './context.js';
import { checkKeys, FoundationError, invalidOption } from './errors.js';
import type { Pid } from './pid.js';
import type { Process } from './process.js';
import type { Handler, Program } from './program.js';
import type { ChildCounts, ChildInfo, Pending, SupervisedChild } from './supervised-child.js';
import {
  answering,
  resolveSupervision,
  Supervision,
  type SupervisionOptions,
  type SupervisionSpec,
  supervisionKeys,
} from './supervision.js';
import { commonCalls, supervisorProgram } from './supervisor.js';
import type { Definition, Exit, Start } from './types.js';

/** What {@link dynamicSupervisor} takes. */
export interface DynamicSupervisorInit extends SupervisionOptions {
  /** Most children at a time, those that wait for their restart included; default unbounded. */
  readonly maxChildren?: number;
}

interface DynamicSpec extends SupervisionSpec {
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
  checkKeys('dynamicSupervisor()', init, ['maxChildren', ...supervisionKeys]);
  const { maxChildren = Number.POSITIVE_INFINITY } = init;
  if (typeof maxChildren !== 'number' || !(maxChildren >= 1))
    throw invalidOption('maxChildren', maxChildren, '1 or more, or Infinity');
  return { definition: dynamicSupervisorDefinition, argument: { ...resolveSupervision(init), maxChildren } };
}

class DynamicState extends Supervision {
  /** Those that are to run again, by the number of the pid that they had. */
  readonly #restarting = new Map<number, SupervisedChild>();
  readonly #keys = new Map<SupervisedChild, number>();
  readonly #maxChildren: number;

  constructor(process: Process, spec: DynamicSpec) {
    super(process, spec);
    this.#maxChildren = spec.maxChildren;
  }

  *entries(): Iterable<SupervisedChild> {
    yield* this.running.values();
    yield* this.#restarting.values();
  }

  add(spec: ChildSpec): Pid | Promise<Pid> {
    const size = this.running.size + this.#restarting.size;
    if (size >= this.#maxChildren) {
      throw new FoundationError('max-children', `The supervisor has ${size} children, its 'maxChildren'.`);
    }
    const entry = this.entryOf(spec);
    const starting = this.start(entry);
    if (starting === undefined) return (entry.process as unknown as Process).pid;
    return starting.then(() => (entry.process as unknown as Process).pid);
  }

  terminateChild(pid: Pid): Pending {
    const local = this.process.system.isLocal(pid);
    const entry = local ? (this.running.get(pid.id) ?? this.#restarting.get(pid.id)) : undefined;
    if (entry === undefined) throw new FoundationError('not-found', `${pid} is no child of this supervisor.`);
    this.forget(entry);
    return this.stop(entry);
  }

  stopAll(): Pending {
    const stopping: Promise<void>[] = [];
    for (const entry of [...this.entries()]) {
      const pending = this.stop(entry);
      if (pending !== undefined) stopping.push(pending);
    }
    this.#restarting.clear();
    this.#keys.clear();
    return stopping.length === 0 ? undefined : Promise.all(stopping).then(() => {});
  }

  protected override ending(entry: SupervisedChild, exit: Exit): void {
    super.ending(entry, exit);
    this.#restarting.set(exit.pid.id, entry);
    this.#keys.set(entry, exit.pid.id);
  }

  protected forget(entry: SupervisedChild): void {
    const key = this.#keys.get(entry);
    if (key === undefined) return;
    this.#keys.delete(entry);
    this.#restarting.delete(key);
  }

  protected stopAffected(): Pending {
    return undefined;
  }

  protected startAffected(entry: SupervisedChild): Pending {
    try {
      const starting = this.start(entry);
      if (starting === undefined) {
        this.forget(entry);
        return undefined;
      }
      return starting.then(
        () => this.forget(entry),
        error => this.restartFailed(entry, error),
      );
    } catch (error) {
      this.restartFailed(entry, error);
      return undefined;
    }
  }
}

const program: Program = {
  ...supervisorProgram,
  name: 'dynamic-supervisor',
  init: (argument: unknown, ctx: Context<unknown>) =>
    new DynamicState((ctx as ActorContext).process, argument as DynamicSpec),
  calls: new Map<string, Handler>([
    ...commonCalls,
    ['startChild', answering((state: DynamicState, spec: ChildLike) => state.add(toChildSpec(spec)))],
    ['terminateChild', answering((state: DynamicState, pid: Pid) => state.terminateChild(pid))],
  ]),
};

const dynamicSupervisorDefinition = defineProgram<DynamicSupervisorDefinition>(program);
