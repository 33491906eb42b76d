import { defineProgram } from './actor.js';
import {
  type ChildLike,
  type ChildSpec,
  type IntensityOptions,
  resolveIntensity,
  toChildSpec,
  toChildSpecs,
} from './child-spec.js';
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

/** Which children are restarted when one ends: that one, all, or that one and those started after it (OTP). */
export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one';

/** What {@link supervisor} takes. */
export interface SupervisorInit extends IntensityOptions {
  /** Default `'one_for_one'`. */
  readonly strategy?: Strategy;
  /** Started in this order, stopped in reverse. */
  readonly children?: readonly ChildLike[];
}

/** A supervisor as plain data. */
export interface SupervisorSpec {
  readonly strategy: Strategy;
  readonly maxRestarts: number;
  readonly within: number;
  readonly children: readonly ChildSpec[];
}

/** The operations of a supervisor. */
export type SupervisorCalls = {
  whichChildren: (state: object) => ChildInfo[];
  countChildren: (state: object) => ChildCounts;
  startChild: (state: object, spec: ChildLike) => Promise<Pid>;
  terminateChild: (state: object, id: string) => Promise<void>;
  restartChild: (state: object, id: string) => Promise<Pid>;
  deleteChild: (state: object, id: string) => void;
};
export type SupervisorDefinition = Definition<SupervisorSpec, SupervisorCalls, unknown>;

const strategies: readonly Strategy[] = ['one_for_one', 'one_for_all', 'rest_for_one'];

/**
 * A supervision tree as plain data; OTP's `supervisor`.
 * @throws FoundationError `invalid-option`
 */
export function supervisor(init: SupervisorInit = {}): Start<SupervisorDefinition> {
  checkKeys('supervisor()', init, ['strategy', 'children', 'maxRestarts', 'within']);
  const { strategy = 'one_for_one' } = init;
  if (!strategies.includes(strategy)) throw invalidOption('strategy', strategy, strategies.join(', '));
  const spec: SupervisorSpec = { strategy, ...resolveIntensity(init), children: toChildSpecs(init.children ?? []) };
  return { definition: supervisorDefinition, argument: spec };
}

/** The state of a supervisor; a restart decision is OTP's, step by step. */
export class SupervisorState {
  readonly children: SupervisedChild[] = [];
  readonly #process: Process;
  readonly #spec: SupervisorSpec;
  readonly #intensity: RestartIntensity;

  constructor(process: Process, spec: SupervisorSpec) {
    this.#process = process;
    this.#spec = spec;
    this.#intensity = new RestartIntensity(spec.maxRestarts, spec.within);
  }

  async startAll(): Promise<this> {
    for (const spec of this.#spec.children) {
      const entry: SupervisedChild = { spec, process: undefined, restarting: false };
      try {
        await startChild(this.#process, entry);
      } catch (error) {
        await this.stopAll();
        throw new FoundationError('start-failed', `Child '${spec.id}' did not start: ${(error as Error).message}`, {
          cause: error,
        });
      }
      this.children.push(entry);
    }
    return this;
  }

  async stopAll(entries: readonly SupervisedChild[] = this.children): Promise<void> {
    for (const entry of [...entries].reverse()) await stopChild(this.#process, entry);
  }

  find(id: string): SupervisedChild | undefined {
    return this.children.find(entry => entry.spec.id === id);
  }

  /** A child has ended by itself. */
  async onChildExit(exit: Exit): Promise<void> {
    const entry = this.children.find(candidate => candidate.process?.pid.equals(exit.pid) === true);
    if (entry === undefined) return;
    entry.process = undefined;
    if (needsRestart(entry.spec, exit.reason)) await this.restart(entry, exit.reason);
    else if (entry.spec.restart === 'temporary') this.children.splice(this.children.indexOf(entry), 1);
  }

  /** Restarts after an end or a failed restart; counts against the intensity, and ends the supervisor when it is over. */
  async restart(entry: SupervisedChild, reason: ExitReason): Promise<void> {
    const { system } = this.#process;
    if (!this.#intensity.allow(system.clock.now())) {
      system.log.error(
        {
          supervisor: this.#process.toString(),
          child: entry.spec.id,
          maxRestarts: this.#spec.maxRestarts,
          within: this.#spec.within,
        },
        'supervisor gives up: too many restarts',
      );
      this.#process.stop('shutdown');
      return;
    }
    reportRestart(system, this.#process, entry, reason);
    const affected = this.#affected(entry);
    await this.stopAll(affected);
    const kept = affected.filter(other => other === entry || other.spec.restart !== 'temporary');
    for (const other of affected) if (!kept.includes(other)) this.children.splice(this.children.indexOf(other), 1);
    for (const other of kept) {
      try {
        await startChild(this.#process, other);
      } catch (error) {
        // Killed meanwhile: nobody is left to restart anything.
        if (!this.#process.alive) return;
        system.log.error(
          { supervisor: this.#process.toString(), child: other.spec.id, error: error as Error },
          'a restart failed',
        );
        other.restarting = true;
        this.#process.enqueueCast('retry', { id: other.spec.id, reason: error });
        return;
      }
    }
  }

  #affected(entry: SupervisedChild): SupervisedChild[] {
    if (this.#spec.strategy === 'one_for_one') return [entry];
    if (this.#spec.strategy === 'one_for_all') return [...this.children];
    return this.children.slice(this.children.indexOf(entry));
  }

  async add(spec: ChildSpec): Promise<Pid> {
    const existing = this.find(spec.id);
    if (existing !== undefined) {
      throw new FoundationError(
        'already-started',
        `A child with the id '${spec.id}' ${existing.process === undefined ? 'is specified already; use restartChild() or deleteChild() first' : 'runs already'}.`,
        { details: { pid: existing.process?.pid } },
      );
    }
    const entry: SupervisedChild = { spec, process: undefined, restarting: false };
    await startChild(this.#process, entry);
    this.children.push(entry);
    return (entry.process as unknown as Process).pid;
  }

  known(id: string): SupervisedChild {
    const entry = this.find(id);
    if (entry !== undefined) return entry;
    const ids = this.children.map(other => other.spec.id).join(', ');
    throw new FoundationError('not-found', `No child has the id '${id}'; there are: ${ids === '' ? 'none' : ids}.`);
  }

  async terminateChild(id: string): Promise<void> {
    const entry = this.known(id);
    await stopChild(this.#process, entry);
    if (entry.spec.restart === 'temporary') this.children.splice(this.children.indexOf(entry), 1);
  }

  async restartChild(id: string): Promise<Pid> {
    const entry = this.known(id);
    if (entry.process !== undefined) {
      throw new FoundationError('already-started', `Child '${id}' runs already as ${entry.process.pid}.`);
    }
    if (entry.restarting) {
      throw new FoundationError(
        'invalid-operation',
        `Child '${id}' is being restarted; terminateChild('${id}') gives that up.`,
      );
    }
    await startChild(this.#process, entry);
    return (entry.process as unknown as Process).pid;
  }

  deleteChild(id: string): void {
    const entry = this.known(id);
    if (entry.process !== undefined || entry.restarting) {
      throw new FoundationError('invalid-operation', `Child '${id}' runs; terminateChild('${id}') first.`);
    }
    this.children.splice(this.children.indexOf(entry), 1);
  }
}

function on<P, T>(operation: (state: SupervisorState, payload: P) => T | Promise<T>): Handler {
  return (state, payload) => failing(() => operation(state as SupervisorState, payload as P));
}

const program: Program = {
  name: 'supervisor',
  init: (argument: unknown, ctx: Context<unknown>) =>
    new SupervisorState((ctx as ActorContext).process, argument as SupervisorSpec).startAll(),
  calls: new Map<string, Handler>([
    ['whichChildren', on((state, _: undefined) => state.children.map(childInfo))],
    ['countChildren', on((state, _: undefined) => countChildren(state.children))],
    ['startChild', on((state, spec: ChildLike) => state.add(toChildSpec(spec)))],
    ['terminateChild', on((state, id: string) => state.terminateChild(id))],
    ['restartChild', on((state, id: string) => state.restartChild(id))],
    ['deleteChild', on((state, id: string) => state.deleteChild(id))],
  ]),
  casts: new Map<string, Handler>([
    [
      'retry',
      (state, payload) => {
        const { id, reason } = payload as { readonly id: string; readonly reason: ExitReason };
        const entry = (state as SupervisorState).find(id);
        if (entry?.restarting === true) return (state as SupervisorState).restart(entry, reason);
        return undefined;
      },
    ],
  ]),
  onDown: undefined,
  onExit: (state, exit) => (state as SupervisorState).onChildExit(exit),
  terminate: state => (state as SupervisorState).stopAll(),
  handOff: undefined,
  resume: undefined,
  version: 0,
  trapExit: true,
  capacity: Number.POSITIVE_INFINITY,
  overflow: 'reject',
  localOnly: true,
  supervisor: true,
};

const supervisorDefinition = defineProgram<SupervisorDefinition>(program);
