import type { ChildLike } from './child-spec.js';
import type { DynamicSupervisorDefinition } from './dynamic-supervisor.js';
import type { ExitReason } from './exit-reason.js';
import {
  type PartitionKey,
  type PartitionSupervisorDefinition,
  partitionCount,
  partitionOf,
} from './partition-supervisor.js';
import type { Pid } from './pid.js';
import type { Process } from './process.js';
import type { ChildCounts, ChildInfo } from './supervised-child.js';
import type { SupervisorDefinition } from './supervisor.js';
import type { SupervisorState } from './supervisor-state.js';
import type { ActorSystem } from './system.js';
import { type TreeNode, treeOf } from './tree.js';
import type { AnyDefinition, Ref, Start } from './types.js';

/** The definition of any supervisor. */
export type AnySupervisorDefinition =
  | SupervisorDefinition
  | DynamicSupervisorDefinition
  | PartitionSupervisorDefinition;

/** What all handles on supervisors have. Their operations reject with `noproc` when it has ended. */
interface AnySupervisorHandle extends AsyncDisposable {
  /** @throws FoundationError `noproc` when nobody is this supervisor now (for one that is a child, which may be restarting) */
  readonly pid: Pid;
  whichChildren(): Promise<ChildInfo[]>;
  countChildren(): Promise<ChildCounts>;
  /** It and what runs below it, as it is now; does not wait for its turn. */
  tree(): TreeNode | undefined;
  /** Stops the children, then the supervisor. */
  stop(reason?: ExitReason): Promise<ExitReason>;
}

/** A running supervision tree. Operations reject with `not-found`, `already-started`, `start-failed`, `noproc`. */
export interface SupervisorHandle extends AnySupervisorHandle {
  /** The child with that id: follows its restarts, so it outlives crashes. */
  ref<D extends AnyDefinition>(definition: D, id: string): Ref<D>;
  /** A handle on the child with that id, which is a supervisor; follows its restarts. */
  supervisor<D extends AnySupervisorDefinition>(definition: D, id: string): SupervisorHandleOf<D>;
  startChild(child: ChildLike): Promise<Pid>;
  terminateChild(id: string): Promise<void>;
  restartChild(id: string): Promise<Pid>;
  deleteChild(id: string): Promise<void>;
}

/** A running dynamic supervisor. Operations reject with `not-found`, `max-children`, `start-failed`, `noproc`. */
export interface DynamicSupervisorHandle extends AnySupervisorHandle {
  startChild(child: ChildLike): Promise<Pid>;
  /** Also one that waits for its restart, by the pid that it had. */
  terminateChild(pid: Pid): Promise<void>;
}

/** A running partition supervisor. */
export interface PartitionSupervisorHandle extends AnySupervisorHandle {
  /** The child that serves `key`: follows its restarts. */
  ref<D extends AnyDefinition>(definition: D, key: PartitionKey): Ref<D>;
  /** How many partitions there are. */
  partitions(): Promise<number>;
}

/** The handle of a supervisor by its definition. */
export type SupervisorHandleOf<D extends AnySupervisorDefinition> = D extends SupervisorDefinition
  ? SupervisorHandle
  : D extends DynamicSupervisorDefinition
    ? DynamicSupervisorHandle
    : PartitionSupervisorHandle;

type Everything = SupervisorHandle & DynamicSupervisorHandle & PartitionSupervisorHandle;
interface Untyped {
  call(op: string, payload?: unknown): Promise<never>;
}

/** Starts a tree in a system; see `ActorSystem.supervise`. */
export async function superviseIn<D extends AnySupervisorDefinition>(
  system: ActorSystem,
  start: Start<D>,
  options: { readonly name?: string; readonly linkWith?: Process },
): Promise<SupervisorHandleOf<D>> {
  const process = system.launch(start, options);
  await system.started(process);
  return handleOf<D>(system, process);
}

/** A handle on a supervisor that runs here. */
export function handleOf<D extends AnySupervisorDefinition>(
  system: ActorSystem,
  process: Process,
): SupervisorHandleOf<D> {
  return makeHandle(system, system.refTo(process), process.start.definition, () => process) as SupervisorHandleOf<D>;
}

function makeHandle(
  system: ActorSystem,
  target: Ref,
  definition: AnyDefinition,
  find: () => Process | undefined,
): Everything | PartitionSupervisorHandle | DynamicSupervisorHandle | SupervisorHandle {
  const ref = target.with({ timeout: Number.POSITIVE_INFINITY }) as unknown as Untyped;
  const { calls } = definition.program;
  const childBy = (toId: (process: Process) => string, text: string) => ({
    resolve: () => {
      const process = find();
      if (process === undefined) return undefined;
      return (process.state as SupervisorState | undefined)?.find(toId(process))?.process;
    },
    toString: () => `${text} of ${find() ?? target}`,
  });
  const stop = (reason: ExitReason = 'shutdown'): Promise<ExitReason> => {
    const process = find();
    return process === undefined
      ? Promise.resolve('noproc')
      : system.stop(process.pid, reason, Number.POSITIVE_INFINITY);
  };
  const common = {
    get pid() {
      return target.pid;
    },
    whichChildren: () => ref.call('whichChildren'),
    countChildren: () => ref.call('countChildren'),
    tree: () => {
      const process = find();
      return process?.alive === true ? treeOf(system, process) : undefined;
    },
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
  if (calls.has('partitions')) {
    const handle: Omit<PartitionSupervisorHandle, keyof AnySupervisorHandle> = {
      ref: (_definition, key) =>
        system.refBy(childBy(process => `${partitionOf(key, partitionCount(process))}`, `the partition of '${key}'`)),
      partitions: () => ref.call('partitions'),
    };
    return Object.assign(common, handle);
  }
  if (!calls.has('restartChild')) {
    const handle: Omit<DynamicSupervisorHandle, keyof AnySupervisorHandle> = {
      startChild: child => ref.call('startChild', child),
      terminateChild: pid => ref.call('terminateChild', pid),
    };
    return Object.assign(common, handle);
  }
  const handle: Omit<SupervisorHandle, keyof AnySupervisorHandle> = {
    ref: (_definition, id) => system.refBy(childBy(() => id, `child '${id}'`)),
    supervisor: <D extends AnySupervisorDefinition>(nested: D, id: string) => {
      const child = childBy(() => id, `child '${id}'`);
      return makeHandle(system, system.refBy(child), nested, child.resolve) as SupervisorHandleOf<D>;
    },
    startChild: child => ref.call('startChild', child),
    terminateChild: id => ref.call('terminateChild', id),
    restartChild: id => ref.call('restartChild', id),
    deleteChild: id => ref.call('deleteChild', id),
  };
  return Object.assign(common, handle);
}
