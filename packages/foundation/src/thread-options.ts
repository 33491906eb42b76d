import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { checkKeys, invalidOption } from '@foundation-ts/core';
import { THREAD_BEAT, THREAD_HANG, THREAD_START } from './defaults.js';

/** Worker threads as nodes: one supervised node a thread. */
export interface ThreadOptions {
  /** How many; default: one a processor but one, which the main thread has. */
  readonly count?: number;
  /**
   * The module that each thread runs, a path or URL; it calls `startNode` with its definitions, as the program of a process does. It may be the
   * main program itself: `import.meta.url`.
   */
  readonly entry: string | URL;
  /** Milliseconds for which a thread's event loop may stand still before it is taken for hung, terminated and started again; default 5,000. */
  readonly hangTimeout?: number;
  /** Milliseconds that a thread may take until its node runs; default 30,000. */
  readonly startTimeout?: number;
  /** Most memory of the old generation of a thread, MiB; a thread that needs more dies alone. Default: Node's. */
  readonly maxOldGenerationSizeMb?: number;
}

/** The options with their defaults. */
export interface ResolvedThreads {
  readonly count: number;
  readonly entry: URL;
  readonly hangTimeout: number;
  readonly startTimeout: number;
  readonly beatInterval: number;
  readonly maxOldGenerationSizeMb: number | undefined;
}

const keys = ['count', 'entry', 'hangTimeout', 'startTimeout', 'maxOldGenerationSizeMb'] as const;

/** @throws FoundationError `invalid-option` */
export function resolveThreads(options: ThreadOptions): ResolvedThreads {
  if (typeof options !== 'object' || options === null) throw invalidOption('threads', options, '{ count, entry }');
  checkKeys('threads', options, keys);
  const { count = Math.max(1, availableParallelism() - 1), entry, maxOldGenerationSizeMb } = options;
  if (!(Number.isInteger(count) && count >= 1 && count <= 256)) throw invalidOption('threads.count', count, '1 to 256');
  const hangTimeout = milliseconds('threads.hangTimeout', options.hangTimeout ?? THREAD_HANG);
  // Node ignores what is no number.
  if (
    maxOldGenerationSizeMb !== undefined &&
    !(Number.isFinite(maxOldGenerationSizeMb) && maxOldGenerationSizeMb > 0)
  ) {
    throw invalidOption('threads.maxOldGenerationSizeMb', maxOldGenerationSizeMb, 'MiB, more than 0');
  }
  return {
    count,
    entry: urlOf(entry),
    hangTimeout,
    startTimeout: milliseconds('threads.startTimeout', options.startTimeout ?? THREAD_START),
    beatInterval: Math.min(THREAD_BEAT, hangTimeout / 4),
    maxOldGenerationSizeMb,
  };
}

function milliseconds(option: string, value: number): number {
  if (!(typeof value === 'number' && value > 0)) throw invalidOption(option, value, 'milliseconds, more than 0');
  return value;
}

function urlOf(entry: string | URL): URL {
  if (entry instanceof URL) return entry;
  if (typeof entry !== 'string' || entry === '')
    throw invalidOption('threads.entry', entry, 'a path or URL of a module');
  return entry.startsWith('file:') ? new URL(entry) : pathToFileURL(entry);
}
