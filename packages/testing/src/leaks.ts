import type { ActorSystem, Pid, Process } from '@foundation-ts/core';
import { SimulatedClock, settle } from './simulated-clock.js';

/** Something that was there at the end of a test and not at its beginning. */
export interface Leak {
  readonly kind: 'actor' | 'timer' | 'monitor' | 'call' | 'message' | 'name';
  /** Says what it is and whose. */
  readonly what: string;
  /** The place in the program where it came from, if that is known. */
  readonly origin: string | undefined;
}

/** A look at a system from the beginning of a test to its end. */
export interface LeakCheck {
  /** What there is now that was not there at the beginning, what is under way included. */
  leaks(): Leak[];
  /**
   * Ends the check: lets what is under way go on, without moving time, and rejects with an Error that lists the leaks, if there are
   * any. Where actors are started after it is not noted.
   */
  assertNone(): Promise<void>;
}

/** Turns of the event loop in which what is under way has to come to rest. */
const PATIENCE = 100;

/**
 * Notes what a system holds, and where actors are started and, on a `SimulatedClock`, timers set from now on. What is reported at the
 * end: actors that live, timers, monitors, calls and messages that nobody has handled, and names. For the tests of a system of your
 * own: begin in `beforeEach`, and `assertNone()` in `afterEach`.
 * @param options.ignore - leaks for which it holds are none
 */
export function leakCheck(system: ActorSystem, options: { readonly ignore?: (leak: Leak) => boolean } = {}): LeakCheck {
  return new SystemLeakCheck(system, options.ignore ?? (() => false));
}

interface Holdings {
  readonly timers: number;
  readonly monitors: number;
}

class SystemLeakCheck implements LeakCheck {
  readonly #system: ActorSystem;
  readonly #ignore: (leak: Leak) => boolean;
  readonly #before = new Map<Process, Holdings>();
  readonly #names: ReadonlySet<string>;
  readonly #timers = new Set<unknown>();
  readonly #origins = new WeakMap<Process, string>();
  #stopNoting: () => void = () => {};

  constructor(system: ActorSystem, ignore: (leak: Leak) => boolean) {
    this.#system = system;
    this.#ignore = ignore;
    this.#names = new Set(system.names.names());
    for (const process of system.processes()) this.#before.set(process, holdings(process));
    if (system.clock instanceof SimulatedClock) {
      for (const { timer } of system.clock.timers()) this.#timers.add(timer);
      system.clock.trace = true;
    }
    this.#noteStarts();
  }

  /** From now on each start is noted with the stack of who asked for it. */
  #noteStarts(): void {
    const system = this.#system;
    const launch = system.launch;
    system.launch = (...args: Parameters<ActorSystem['launch']>): Process => {
      const at = originOf(new Error('start').stack);
      const process = launch.apply(system, args);
      if (at !== undefined) this.#origins.set(process, at);
      return process;
    };
    const noting = system.launch;
    this.#stopNoting = () => {
      if (system.launch === noting) system.launch = launch;
    };
  }

  leaks(): Leak[] {
    const found = [...this.#system.processes()].flatMap(process => this.#leaksOf(process));
    for (const name of this.#system.names.names()) {
      const holder = this.#system.names.whereis(name);
      const known = holder !== undefined && this.#before.has(holder);
      if (known && !this.#names.has(name))
        found.push({ kind: 'name', what: `'${name}' of ${holder}`, origin: undefined });
    }
    return [...found, ...this.#hostTimers()].filter(leak => !this.#ignore(leak));
  }

  async assertNone(): Promise<void> {
    for (let turn = 0; turn < PATIENCE; turn++) {
      await settle();
      if (this.#system.scheduler.idle && this.leaks().length === 0) break;
    }
    this.#stopNoting();
    const leaks = this.leaks();
    if (leaks.length === 0) return;
    const lines = leaks.map(
      ({ kind, what, origin }) => `- ${kind}: ${what}${origin === undefined ? '' : `\n    ${origin}`}`,
    );
    throw new Error(`${leaks.length} left behind:\n${lines.join('\n')}`);
  }

  #leaksOf(process: Process): Leak[] {
    const before = this.#before.get(process);
    const now = holdings(process);
    const leaks: Leak[] = [];
    const add = (kind: Leak['kind'], what: string, origin?: string): void => {
      leaks.push({ kind, what, origin });
    };
    if (before === undefined) {
      const holds = [count(now.timers, 'timer'), count(now.monitors, 'monitor')].filter(text => text !== '');
      const holding = holds.length === 0 ? '' : `, holding ${holds.join(' and ')}`;
      add('actor', `${process} has not ended${holding}`, this.#origins.get(process));
    } else {
      if (now.timers > before.timers)
        add('timer', `${process} has set ${now.timers}, before: ${before.timers}`, this.#timerOf(process));
      if (now.monitors > before.monitors)
        add('monitor', `${process} monitors ${targets(process)}; before: ${before.monitors}`);
    }
    const { from } = process;
    if (from !== undefined && !from.settled) add('call', `${describe(from)} is being handled by ${process}`);
    if (process.deferredCount > 0)
      add('call', `${count(process.deferredCount, 'call')} that ${process} put off was never answered`);
    if (process.mailbox.size > 0)
      add('message', `${count(process.mailbox.size, 'message')} in the mailbox of ${process}`);
    return leaks;
  }

  #timerOf(process: Process): string | undefined {
    const { clock } = this.#system;
    if (!(clock instanceof SimulatedClock)) return undefined;
    const timer = clock.timers().find(one => process.timers?.has(one.timer) === true && !this.#timers.has(one.timer));
    return originOf(timer?.origin);
  }

  /** Timers that belong to no actor. */
  #hostTimers(): Leak[] {
    const { clock } = this.#system;
    if (!(clock instanceof SimulatedClock)) return [];
    const owned = new Set<unknown>([...this.#system.processes()].flatMap(process => [...(process.timers ?? [])]));
    return clock
      .timers()
      .filter(({ timer, unref }) => !unref && !this.#timers.has(timer) && !owned.has(timer))
      .map(({ dueIn, origin }) => ({ kind: 'timer', what: `one that fires in ${dueIn} ms`, origin: originOf(origin) }));
  }
}

function holdings(process: Process): Holdings {
  return { timers: process.timers?.size ?? 0, monitors: process.monitoring?.size ?? 0 };
}

function targets(process: Process): string {
  const pids: Pid[] = [...(process.monitoring?.values() ?? [])];
  return pids.join(', ');
}

function count(number: number, what: string): string {
  if (number === 0) return '';
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function describe(answer: unknown): string {
  const { op } = answer as { readonly op?: string };
  return op === undefined ? 'a call' : `'${op}'`;
}

/** The first line of a stack that is not of Foundation itself. */
function originOf(stack: string | undefined): string | undefined {
  const lines = stack?.split('\n').slice(1) ?? [];
  return lines.map(line => line.trim()).find(line => !INTERNAL.test(line));
}

const INTERNAL =
  /[\\/](?:core|testing|foundation|cluster)[\\/](?:src|dist)[\\/]|node:internal|^at new Promise|<anonymous>\)?$/;
