import { readFileSync, readlinkSync } from 'node:fs';

/** Which operating-system process wrote something, precisely enough that a reused pid is not mistaken for it. */
export interface OsProcess {
  readonly pid: number;
  /** When it started, as the kernel counts; undefined where `/proc` does not say. */
  readonly started: string | undefined;
  /** Which boot of the machine. */
  readonly boot: string | undefined;
  /** The pid namespace (container) that the pid belongs to. */
  readonly namespace: string | undefined;
}

/**
 * - `'gone'`: it certainly runs no more
 * - `'elsewhere'`: its pid means nothing here (another container), so nothing is known about it
 */
export type OsProcessState = 'running' | 'gone' | 'elsewhere';

/** The process that runs this code. */
export function thisProcess(): OsProcess {
  return {
    pid: process.pid,
    started: startOf(process.pid),
    boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    namespace: attempt(() => readlinkSync('/proc/self/ns/pid')),
  };
}

/** Whether `other` runs still, seen from `self`. */
export function stateOf(other: OsProcess, self: OsProcess): OsProcessState {
  if (other.boot !== self.boot) return 'gone';
  if (other.namespace !== self.namespace) return 'elsewhere';
  if (!exists(other.pid)) return 'gone';
  return other.started === undefined || other.started === startOf(other.pid) ? 'running' : 'gone';
}

/** Whether a process with that pid exists. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Field 22 of `/proc/<pid>/stat`; the second field is the command in parentheses, which may hold anything. */
function startOf(pid: number): string | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}

/** Where `/proc` does not exist, or hides the process, the answer is "unknown", which is no failure. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
