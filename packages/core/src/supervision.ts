import { type Backoff, type BackoffOptions, backoffDelay, resolveBackoff } from './backoff.js';
import { type ChildSpec, type IntensityOptions, resolveIntensity } from './child-spec.js';
import { FoundationError, invalidOption } from './errors.js';
import { type ExitReason, toExitReason } from './exit-reason.js';
import { Failure } from './failure.js';
import { type Process, RUN } from './process.js';
import type { Handler } from './program.js';
import { RestartIntensity } from './restart-intensity.js';
import { needsRestart, type Pending, type SupervisedChild, startChild, stopChild } from './supervised-child.js';
import type { Exit } from './types.js';

/**
 * When a supervisor ends by itself because of its `significant` children (OTP 24): never, when one of them has ended, or when
 * none of them runs any more. A child that is restarted has not ended, nor has one that was stopped on request.
 */
export type AutoShutdown = 'never' | 'any_significant' | 'all_significant';

/** What all supervisors take. */
export interface SupervisionOptions extends IntensityOptions {
  /** Default `'never'`; children may be `significant` only with one of the others. */
  readonly autoShutdown?: AutoShutdown;
  /** Holds restarts back, beyond OTP; default: none, restarts are immediate. */
  readonly backoff?: BackoffOptions;
}

/** {@link SupervisionOptions}, resolved. */
export interface SupervisionSpec {
  readonly maxRestarts: number;
  readonly within: number;
  readonly autoShutdown: AutoShutdown;
  readonly backoff: Backoff | undefined;
}

export const supervisionKeys = ['maxRestarts', 'within', 'autoShutdown', 'backoff'] as const;
const autoShutdowns: readonly AutoShutdown[] = ['never', 'any_significant', 'all_significant'];

/** @throws FoundationError `invalid-option` */
export function resolveSupervision(init: SupervisionOptions): SupervisionSpec {
  const { autoShutdown = 'never' } = init;
  if (!autoShutdowns.includes(autoShutdown))
    throw invalidOption('autoShutdown', autoShutdown, autoShutdowns.join(', '));
  return { ...resolveIntensity(init), autoShutdown, backoff: resolveBackoff(init.backoff) };
}

/** @throws FoundationError `invalid-option` when the child is significant and its supervisor has no use for that (OTP) */
export function checkSignificant(spec: ChildSpec, autoShutdown: AutoShutdown): void {
  if (spec.significant !== true || autoShutdown !== 'never') return;
  throw new FoundationError(
    'invalid-option',
    `Child '${spec.id}' is significant, but its supervisor never shuts down by itself; give the supervisor 'autoShutdown'.`,
  );
}

/** What all supervisors do: OTP's decisions when a child has ended, step by step, without a promise where nothing waits. */
export abstract class Supervision {
  /** The children that run, by the number of their pid. */
  protected readonly running: Map<number, SupervisedChild> = new Map();
  protected readonly process: Process;
  readonly #spec: SupervisionSpec;
  readonly #intensity: RestartIntensity;

  constructor(process: Process, spec: SupervisionSpec) {
    this.process = process;
    this.#spec = spec;
    this.#intensity = new RestartIntensity(spec.maxRestarts, spec.within);
  }

  /** All children, in order. */
  abstract entries(): Iterable<SupervisedChild>;
  /** Stops all children, for the end of the supervisor. */
  abstract stopAll(): Pending;
  /** A child that is not to be restarted has ended. */
  protected abstract forget(entry: SupervisedChild): void;
  /** Stops who is to be stopped before `entry` is started again. */
  protected abstract stopAffected(entry: SupervisedChild): Pending;
  /** Starts `entry` again, and whoever else; what fails goes to {@link restartFailed}. */
  protected abstract startAffected(entry: SupervisedChild): Pending;

  protected entryOf(spec: ChildSpec): SupervisedChild {
    checkSignificant(spec, this.#spec.autoShutdown);
    const patience = this.#spec.backoff === undefined ? undefined : { attempts: 0, since: 0, timer: undefined };
    return { spec, process: undefined, restarting: false, patience };
  }

  /** @throws (or rejects) when it does not start */
  protected start(entry: SupervisedChild): Pending {
    const starting = startChild(this.process, entry);
    if (starting === undefined) {
      this.#started(entry);
      return undefined;
    }
    return starting.then(() => this.#started(entry));
  }

  #started(entry: SupervisedChild): void {
    this.running.set((entry.process as Process).pid.id, entry);
    if (entry.patience !== undefined) entry.patience.since = this.process.system.clock.now();
  }

  protected stop(entry: SupervisedChild): Pending {
    if (entry.process !== undefined) this.running.delete(entry.process.pid.id);
    return stopChild(this.process, entry);
  }

  /** A child has ended by itself. */
  onExit(exit: Exit): Pending {
    const entry = this.running.get(exit.pid.id);
    if (entry?.process?.pid.equals(exit.pid) !== true) return undefined;
    this.running.delete(exit.pid.id);
    entry.process = undefined;
    if (needsRestart(entry.spec, exit.reason)) {
      this.ending(entry, exit);
      return this.#restart(entry, exit.reason);
    }
    this.forget(entry);
    this.#autoShutdown(entry);
    return undefined;
  }

  /** A child that is to be restarted has ended. */
  protected ending(entry: SupervisedChild, _exit: Exit): void {
    const { patience } = entry;
    if (patience === undefined || this.#spec.backoff === undefined) return;
    if (this.process.system.clock.now() - patience.since >= this.#spec.backoff.max) patience.attempts = 0;
  }

  #autoShutdown(entry: SupervisedChild): void {
    if (entry.spec.significant !== true || this.#spec.autoShutdown === 'never') return;
    if (this.#spec.autoShutdown === 'all_significant') {
      for (const other of this.entries()) {
        if (other.spec.significant === true && (other.process !== undefined || other.restarting)) return;
      }
    }
    this.process.stop('shutdown');
  }

  /** Restarts after an end or a failed restart; counts against the intensity, and ends the supervisor when it is over. */
  #restart(entry: SupervisedChild, reason: ExitReason): Pending {
    const { process } = this;
    const { system } = process;
    if (!this.#intensity.allow(system.clock.now())) {
      const { maxRestarts, within } = this.#spec;
      entry.restarting = false;
      this.forget(entry);
      system.log.error(
        { supervisor: process.toString(), child: entry.spec.id, maxRestarts, within },
        'supervisor gives up: too many restarts',
      );
      process.stop('shutdown');
      return undefined;
    }
    system.telemetry.emit(
      'supervisor.restart',
      { count: 1 },
      { supervisor: process.pid.toString(), id: entry.spec.id, reason },
    );
    const stopping = this.stopAffected(entry);
    if (stopping === undefined) return this.#startAgain(entry);
    return stopping.then(() => this.#startAgain(entry));
  }

  #startAgain(entry: SupervisedChild): Pending {
    const { backoff } = this.#spec;
    const { patience } = entry;
    if (backoff === undefined || patience === undefined) return this.startAffected(entry);
    const { clock, random } = this.process.system;
    entry.restarting = true;
    const timer = clock.setTimeout(
      () => {
        this.process.timers?.delete(timer);
        patience.timer = undefined;
        this.process.enqueueSignal(RUN, () => this.#startLater(entry));
      },
      backoffDelay(backoff, patience.attempts++, random.next()),
    );
    patience.timer = timer;
    // Ends with the supervisor, however that ends.
    this.process.timers ??= new Set();
    this.process.timers.add(timer);
    return undefined;
  }

  /** Its time has come, unless it was stopped meanwhile. Who was started in between is stopped again. */
  #startLater(entry: SupervisedChild): Pending {
    if (!entry.restarting) return undefined;
    const stopping = this.stopAffected(entry);
    if (stopping === undefined) return this.startAffected(entry);
    return stopping.then(() => this.startAffected(entry));
  }

  /** A restart did not succeed: it is tried again behind what waits, so that the supervisor answers meanwhile (OTP). */
  protected restartFailed(entry: SupervisedChild, error: unknown): void {
    const { process } = this;
    // Killed meanwhile: nobody is left to restart anything.
    if (!process.alive) return;
    process.system.log.error(
      { supervisor: process.toString(), child: entry.spec.id, error: error as Error },
      'a restart failed',
    );
    entry.restarting = true;
    process.enqueueSignal(RUN, () => (entry.restarting ? this.#restart(entry, toExitReason(error)) : undefined));
  }
}

/** A handler of a supervisor's call: what its operation throws is its caller's failure, not the supervisor's. */
export function answering<S, P>(operation: (state: S, payload: P) => unknown): Handler {
  return (state, payload) => {
    try {
      const result = operation(state as S, payload as P);
      return result instanceof Promise ? result.then(undefined, failed) : result;
    } catch (error) {
      return failed(error);
    }
  };
}

function failed(error: unknown): Failure {
  return new Failure(toExitReason(error));
}
