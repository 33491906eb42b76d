import type { ChildSpec } from './child-spec.js';
import type { ExitReason } from './exit-reason.js';
import { isOrderly } from './exit-reason.js';
import type { Pid } from './pid.js';
import type { Process } from './process.js';
import type { ActorSystem } from './system.js';

/** One child as its supervisor sees it. */
export interface SupervisedChild {
  spec: ChildSpec;
  /** Undefined while it does not run. */
  process: Process | undefined;
  /** A restart has failed and is tried again. */
  restarting: boolean;
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
  readonly active: number;
  readonly supervisors: number;
  readonly workers: number;
}

/** Starts the child, linked with its supervisor, and waits for its `init`. */
export async function startChild(supervisor: Process, entry: SupervisedChild): Promise<void> {
  const process = supervisor.system.launch(entry.spec.start, { linkWith: supervisor, name: entry.spec.name });
  entry.process = process;
  if (process.status !== 'running') {
    try {
      await supervisor.system.started(process);
    } catch (error) {
      entry.process = undefined;
      throw error;
    }
  }
  entry.restarting = false;
}

/** Stops the child as its specification says; the supervisor does not hear of it as an exit. */
export async function stopChild(supervisor: Process, entry: SupervisedChild): Promise<void> {
  const { process } = entry;
  entry.process = undefined;
  entry.restarting = false;
  if (process === undefined || !process.alive) return;
  supervisor.system.unlink(supervisor, process.pid);
  await supervisor.system.shutdownProcess(process, entry.spec.shutdown);
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
    if (entry.process !== undefined) active++;
    if (entry.spec.start.definition.program.supervisor) supervisors++;
  }
  return { specs, active, supervisors, workers: specs - supervisors };
}

/** Logs a restart, as telemetry. */
export function reportRestart(
  system: ActorSystem,
  supervisor: Process,
  entry: SupervisedChild,
  reason: ExitReason,
): void {
  system.telemetry.emit(
    'supervisor.restart',
    { count: 1 },
    { supervisor: supervisor.pid.toString(), id: entry.spec.id, reason },
  );
}
