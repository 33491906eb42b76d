import type { ChildSpec } from './child-spec.js';
import { FoundationError } from './errors.js';
import type { Pid } from './pid.js';
import type { Process } from './process.js';
import type { Pending, SupervisedChild } from './supervised-child.js';
import { Supervision, type SupervisionSpec } from './supervision.js';

/** Which children are restarted when one ends: that one, all, or that one and those started after it (OTP). */
export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one';

/** The state of a supervisor of children in order, each with its id. */
export class SupervisorState extends Supervision {
  /** By id, in the order of their start. */
  readonly #children = new Map<string, SupervisedChild>();
  readonly #strategy: Strategy;

  constructor(process: Process, spec: SupervisionSpec, strategy: Strategy) {
    super(process, spec);
    this.#strategy = strategy;
  }

  entries(): Iterable<SupervisedChild> {
    return this.#children.values();
  }

  find(id: string): SupervisedChild | undefined {
    return this.#children.get(id);
  }

  /** @throws (or rejects) FoundationError `start-failed` when a child does not start; those started before it are stopped */
  startAll(specs: readonly ChildSpec[], from = 0): this | Promise<this> {
    for (let index = from; index < specs.length; index++) {
      const entry = this.entryOf(specs[index] as ChildSpec);
      let starting: Pending;
      try {
        starting = this.start(entry);
      } catch (error) {
        return this.#startFailed(entry, error);
      }
      if (starting === undefined) {
        this.#children.set(entry.spec.id, entry);
        continue;
      }
      return starting.then(
        () => {
          this.#children.set(entry.spec.id, entry);
          return this.startAll(specs, index + 1);
        },
        error => this.#startFailed(entry, error),
      );
    }
    return this;
  }

  #startFailed({ spec }: SupervisedChild, cause: unknown): Promise<never> {
    const error = new FoundationError('start-failed', `Child '${spec.id}' did not start: ${(cause as Error).message}`, {
      cause,
    });
    const stopping = this.stopAll();
    if (stopping === undefined) throw error;
    return stopping.then(() => {
      throw error;
    });
  }

  stopAll(): Pending {
    return this.#stopEach([...this.#children.values()]);
  }

  /** In reverse. */
  #stopEach(entries: readonly SupervisedChild[], from: number = entries.length - 1): Pending {
    for (let index = from; index >= 0; index--) {
      const stopping = this.stop(entries[index] as SupervisedChild);
      if (stopping !== undefined) return stopping.then(() => this.#stopEach(entries, index - 1));
    }
    return undefined;
  }

  /** OTP: a temporary child's specification goes with it, any other's stays. */
  protected forget(entry: SupervisedChild): void {
    if (entry.spec.restart === 'temporary') this.#children.delete(entry.spec.id);
  }

  #affected(entry: SupervisedChild): SupervisedChild[] {
    const all = [...this.#children.values()];
    return this.#strategy === 'one_for_all' ? all : all.slice(all.indexOf(entry));
  }

  protected stopAffected(entry: SupervisedChild): Pending {
    if (this.#strategy === 'one_for_one') return undefined;
    const affected = this.#affected(entry);
    const stopping = this.#stopEach(affected);
    if (stopping !== undefined) return stopping.then(() => this.#forgetTemporary(affected));
    this.#forgetTemporary(affected);
    return undefined;
  }

  #forgetTemporary(stopped: readonly SupervisedChild[]): void {
    for (const entry of stopped) this.forget(entry);
  }

  protected startAffected(entry: SupervisedChild): Pending {
    if (this.#strategy !== 'one_for_one') return this.#startEach(this.#affected(entry), 0);
    try {
      return this.start(entry)?.catch(error => this.restartFailed(entry, error));
    } catch (error) {
      this.restartFailed(entry, error);
      return undefined;
    }
  }

  /** In order, up to the first that fails: the next try goes on from that one. */
  #startEach(entries: readonly SupervisedChild[], from: number): Pending {
    for (let index = from; index < entries.length; index++) {
      const entry = entries[index] as SupervisedChild;
      let starting: Pending;
      try {
        starting = this.start(entry);
      } catch (error) {
        this.restartFailed(entry, error);
        return undefined;
      }
      if (starting === undefined) continue;
      return starting.then(
        () => this.#startEach(entries, index + 1),
        error => this.restartFailed(entry, error),
      );
    }
    return undefined;
  }

  // --- what is asked of it --------------------------------------------------------------------------------------

  add(spec: ChildSpec): Pid | Promise<Pid> {
    const entry = this.entryOf(spec);
    const existing = this.find(spec.id);
    if (existing !== undefined) {
      throw new FoundationError(
        'already-started',
        `A child with the id '${spec.id}' ${existing.process === undefined ? 'is specified already; use restartChild() or deleteChild() first' : 'runs already'}.`,
        { details: { pid: existing.process?.pid } },
      );
    }
    const starting = this.start(entry);
    if (starting === undefined) return this.#added(entry);
    return starting.then(() => this.#added(entry));
  }

  #added(entry: SupervisedChild): Pid {
    this.#children.set(entry.spec.id, entry);
    return (entry.process as Process).pid;
  }

  #known(id: string): SupervisedChild {
    const entry = this.find(id);
    if (entry !== undefined) return entry;
    const ids = [...this.#children.keys()].join(', ');
    throw new FoundationError('not-found', `No child has the id '${id}'; there are: ${ids === '' ? 'none' : ids}.`);
  }

  terminateChild(id: string): Pending {
    const entry = this.#known(id);
    const stopping = this.stop(entry);
    if (stopping !== undefined) return stopping.then(() => this.forget(entry));
    this.forget(entry);
    return undefined;
  }

  restartChild(id: string): Pid | Promise<Pid> {
    const entry = this.#known(id);
    if (entry.process !== undefined) {
      throw new FoundationError('already-started', `Child '${id}' runs already as ${entry.process.pid}.`);
    }
    if (entry.restarting) {
      throw new FoundationError(
        'invalid-operation',
        `Child '${id}' is being restarted; terminateChild('${id}') gives that up.`,
      );
    }
    const starting = this.start(entry);
    if (starting === undefined) return (entry.process as unknown as Process).pid;
    return starting.then(() => (entry.process as unknown as Process).pid);
  }

  deleteChild(id: string): void {
    const entry = this.#known(id);
    if (entry.process !== undefined || entry.restarting) {
      throw new FoundationError('invalid-operation', `Child '${id}' runs; terminateChild('${id}') first.`);
    }
    this.#children.delete(id);
  }
}
