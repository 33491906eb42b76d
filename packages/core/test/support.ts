import { ActorSystem, type ActorSystemInit, actor, type ExitReason, type Log, type Pid } from '@foundation-ts/core';
import { SimulatedClock } from '@foundation-ts/testing';

/** One line that was logged. */
export interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A system in simulated time whose log is kept. */
export interface Bench {
  readonly clock: SimulatedClock;
  readonly system: ActorSystem;
  readonly lines: Line[];
}

export function bench(init: ActorSystemInit = {}): Bench {
  const clock = new SimulatedClock();
  const lines: Line[] = [];
  const write =
    (level: string) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      lines.push({ level, fields, message });
    };
  const log: Log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  return { clock, lines, system: new ActorSystem({ clock, log, ...init }) };
}

/** A promise with its two ends. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  open(value: T): void;
  fail(error: Error): void;
}

export function gate<T = void>(): Gate<T> {
  let open!: (value: T) => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  promise.catch(() => {});
  return { promise, open, fail };
}

/** How the actors of these tests end: says everything that it is told into one list. */
export interface Seen {
  readonly what: 'down' | 'exit' | 'terminate';
  readonly reason: ExitReason;
  readonly pid?: Pid;
}

/**
 * An actor that does what it is told, by functions that get its context; so that a test reads in one place. `trapping` keeps exits
 * as messages.
 */
function puppet(name: string, trapExit: boolean) {
  return actor({
    name,
    trapExit,
    init: (seen: Seen[] | undefined) => ({ seen: seen ?? [] }),
    calls: {
      seen: s => s.seen,
      run: (_s, work: (ctx: Ctx) => unknown, ctx) => work(ctx),
    },
    casts: {
      run: (_s, work: (ctx: Ctx) => unknown, ctx) => work(ctx),
      crash: (_s, error: Error) => {
        throw error;
      },
    },
    onDown: (s, down) => {
      s.seen.push({ what: 'down', reason: down.reason, pid: down.pid });
    },
    onExit: (s, exit) => {
      s.seen.push({ what: 'exit', reason: exit.reason, pid: exit.pid });
    },
    terminate: (s, reason) => {
      s.seen.push({ what: 'terminate', reason });
    },
  });
}

type Ctx = import('@foundation-ts/core').Context<unknown>;
export const Puppet = puppet('puppet', false);
export const Trapper = puppet('trapper', true);

/** Counts; crashes and blocks when told. */
export const Counter = actor({
  name: 'counter',
  init: (start: number) => ({ count: start }),
  calls: {
    get: s => s.count,
    add: (s, n: number) => {
      s.count += n;
      return s.count;
    },
    fail: (_s, error: Error): number => {
      throw error;
    },
    failLater: async (_s, error: Error): Promise<number> => {
      await Promise.resolve();
      throw error;
    },
    wait: async (s, until: Promise<unknown>) => {
      await until;
      return s.count;
    },
  },
  casts: {
    add: (s, n: number) => {
      s.count += n;
    },
    crash: (_s, error: Error) => {
      throw error;
    },
  },
});

/** What a promise rejects with; fails when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error & { code?: string };
  }
  throw new Error('it resolved');
}
