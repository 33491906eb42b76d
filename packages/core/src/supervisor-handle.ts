import type { ChildLike } from './child-spec.js';
import type { ExitReason } from './exit-reason.js';
import type { Pid } from './pid.js';
import type { Process } from './process.js';
import type { ChildCounts, ChildInfo } from './supervised-child.js';
import type { SupervisorDefinition, SupervisorState } from './supervisor.js';
import type { ActorSystem } from './system.js';
import type { AnyDefinition, Ref, Start } from './types.js';

/** A running supervision tree. Operations reject with `not-found`, `already-started`, `start-failed`, `noproc`. */
export interface SupervisorHandle extends AsyncDisposable {
  readonly pid: Pid;
  /** The child with that id: follows its restarts, so it outlives crashes. */
  ref<D extends AnyDefinition>(definition: D, id: string): Ref<D>;
  whichChildren(): Promise<ChildInfo[]>;
  countChildren(): Promise<ChildCounts>;
  startChild(child: ChildLike): Promise<Pid>;
  terminateChild(id: string): Promise<void>;
  restartChild(id: string): Promise<Pid>;
  deleteChild(id: string): Promise<void>;
  /** Stops the children in reverse order, then the supervisor. */
  stop(reason?: ExitReason): Promise<ExitReason>;
}

/** Starts a tree in a system; see `ActorSystem.supervise`. */
export async function superviseIn(
  system: ActorSystem,
  start: Start<SupervisorDefinition>,
  options: { readonly name?: string; readonly linkWith?: Process },
): Promise<SupervisorHandle> {
  const process = system.launch(start, options);
  await system.started(process);
  return handleOf(system, process);
}

/** A handle on a supervisor that runs here. */
export function handleOf(system: ActorSystem, process: Process): SupervisorHandle {
  const ref = system.refTo<SupervisorDefinition>(process).with({ timeout: Number.POSITIVE_INFINITY });
  const stop = (reason: ExitReason = 'shutdown'): Promise<ExitReason> =>
    system.stop(process.pid, reason, Number.POSITIVE_INFINITY);
  return {
    pid: process.pid,
    ref: <D extends AnyDefinition>(_definition: D, id: string) =>
      system.refBy<D>({
        resolve: () => (process.state as SupervisorState | undefined)?.find(id)?.process,
        toString: () => `child '${id}' of ${process}`,
      }),
    whichChildren: () => ref.call('whichChildren'),
    countChildren: () => ref.call('countChildren'),
    startChild: child => ref.call('startChild', child),
    terminateChild: id => ref.call('terminateChild', id),
    restartChild: id => ref.call('restartChild', id),
    deleteChild: id => ref.call('deleteChild', id),
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}
