import type { ChildSpec } from './child-spec.js';
import { type ExitReason, isOrderly } from './exit-reason.js';
import type { Pid } from './pid.js';
import type { Process } from './process.js';

/** Undefined when done at once, else the promise of it: no promise where nothing waits. */
export type Pending = Promise<void> | undefined;

/** What a supervisor with backoff remembers of a child. */
export interface Patience {
  /** Restarts since it last ran for long. */
  attempts: number;
  /** When it was last started. */
  since: number;
  timer: { cancel(): void } | undefined;
}

/** One child as its supervisor sees it. */
export interface SupervisedChild {
  readonly spec: ChildSpec;
  /** Undefined while it does not run. */
  process: Process | undefined;
  /** It is to run, and does not yet: a restart has failed and is tried again, or waits for its time. */
  restarting: boolean;
  patience: Patience | undefined;
}

/** A child as reported by `whichChildren`. */
export interface ChildInfo {
  readonly id: string;
  readonly pid: Pid | undefined;
  readonly status: 'running' | 'restarting' | 'stopped';
  readonly type: 'worker' | 'supervisor';
  readonly definition: string;
}

/** Counts as reported by `countChildren` (OTP's `count_children`). */
export interface ChildCounts {
  readonly specs: number;
  /** Those that live. */
  readonly active: number;
  readonly supervisors: number;
  readonly workers: number;
}

/**
 * Starts the child, linked with its supervisor, and waits for its `init`.
 * @throws (or rejects) what `launch` and `started` of the system do
 */
export function startChild(supervisor: Process, entry: SupervisedChild): Pending {
  const { spec } = entry;
  const process = supervisor.system.launch(spec.start, { linkWith: supervisor, name: spec.name });
  entry.process = process;
  if (process.status === 'running') {
    entry.restarting = false;
    return undefined;
  }
  return supervisor.system.started(process).then(
    () => {
      entry.restarting = false;
    },
    error => {
      entry.process = undefined;
      throw error;
    },
  );
}

/**
 * Stops the child as its specification says, and gives up its restart; the supervisor does not hear of it as an exit. One that
 * can end at once does so before this returns.
 */
export function stopChild(supervisor: Process, entry: SupervisedChild): Pending {
  const { process, patience } = entry;
  const { shutdown } = entry.spec;
  entry.process = undefined;
  entry.restarting = false;
  if (patience?.timer !== undefined) {
    patience.timer.cancel();
    supervisor.timers?.delete(patience.timer);
    patience.timer = undefined;
  }
  if (process === undefined || !process.alive) return undefined;
  const { system } = supervisor;
  system.unlink(supervisor, process.pid);
  if (shutdown === 'brutal_kill') system.exit(process.pid, 'kill');
  else if (!process.trapExit) system.exit(process.pid, 'shutdown');
  // One that traps ends behind what it has got: now, when that is nothing.
  else if (process.status === 'running' && !process.busy && !process.active && process.mailbox.size === 0)
    process.stop('shutdown');
  if (!process.alive) return undefined;
  return system.shutdownProcess(process, shutdown).then(() => {});
}

/** Whether OTP restarts such a child after such an end. */
export function needsRestart(spec: ChildSpec, reason: ExitReason): boolean {
  return spec.restart === 'permanent' || (spec.restart === 'transient' && !isOrderly(reason));
}

export function childInfo(entry: SupervisedChild): ChildInfo {
  return {
    id: entry.spec.id,
    pid: entry.process?.pid,
    status: entry.process !== undefined ? 'running' : entry.restarting ? 'restarting' : 'stopped',
    type: entry.spec.start.definition.program.supervisor ? 'supervisor' : 'worker',
    definition: entry.spec.start.definition.name,
  };
}

export function countChildren(entries: Iterable<SupervisedChild>): ChildCounts {
  let specs = 0;
  let active = 0;
  let supervisors = 0;
  for (const entry of entries) {
    specs++;
    if (entry.process?.alive === true) active++;
    if (entry.spec.start.definition.program.supervisor) supervisors++;
  }
  return { specs, active, supervisors, workers: specs - supervisors };
}
