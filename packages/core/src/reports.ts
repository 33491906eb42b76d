import type { Clock } from './clock.js';
import { CRASH_LOG_LIMIT, CRASH_LOG_WITHIN, SLOW_LOG_EVERY } from './defaults.js';
import type { Log } from './log.js';
import { Process } from './process.js';
import type { Runnable } from './scheduler.js';
import type { Telemetry } from './telemetry.js';

/** What {@link Reports} are made to. */
export interface ReportsHost {
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
}

/** Tells log and telemetry of crashes, of slow handlers and of long mailboxes, without flooding the log. */
export class Reports {
  readonly #host: ReportsHost;
  #crashes = 0;
  #crashWindow = Number.NEGATIVE_INFINITY;
  #suppressed = 0;
  #slowLogged = Number.NEGATIVE_INFINITY;
  #slowUnlogged = 0;

  constructor(host: ReportsHost) {
    this.#host = host;
  }

  /** Logs a crash, at most so many in so long. */
  crash(process: Process, error: Error): void {
    const { node, clock, log, telemetry } = this.#host;
    const { pid, program } = process;
    telemetry.emit('actor.crash', { count: 1 }, { pid: pid.toString(), definition: program.name, error });
    const now = clock.now();
    if (now - this.#crashWindow > CRASH_LOG_WITHIN) {
      this.#crashWindow = now;
      this.#crashes = 0;
    }
    this.#crashes++;
    if (this.#crashes <= CRASH_LOG_LIMIT) {
      log.error({ node, error }, `${process} crashed`);
    } else if (this.#suppressed++ === 0) {
      clock.setTimeout(() => this.#suppressedCrashes(), this.#crashWindow + CRASH_LOG_WITHIN - now, { unref: true });
    }
  }

  #suppressedCrashes(): void {
    const { node, log } = this.#host;
    log.error({ node, count: this.#suppressed }, 'more actors crashed; reports were suppressed');
    this.#suppressed = 0;
  }

  /** Something kept the event loop: which actor, if it was one alone. */
  slow(runnable: Runnable | undefined, duration: number, messages: number): void {
    const { node, clock, log, telemetry } = this.#host;
    const process = runnable instanceof Process ? runnable : undefined;
    const who = { pid: process?.pid.toString(), definition: process?.program.name };
    telemetry.emit('actor.handler.slow', { duration, messages }, who);
    const now = clock.now();
    if (now - this.#slowLogged < SLOW_LOG_EVERY) {
      this.#slowUnlogged++;
      return;
    }
    this.#slowLogged = now;
    log.warn(
      { node, duration, messages, more: this.#slowUnlogged },
      `${process ?? 'one of several actors'} kept the event loop for ${Math.round(duration)} ms; nothing else ran meanwhile.`,
    );
    this.#slowUnlogged = 0;
  }

  /** An unbounded mailbox has grown long. */
  long(process: Process, length: number): void {
    const { node, log, telemetry } = this.#host;
    const { pid, program } = process;
    telemetry.emit('actor.mailbox.long', { length }, { pid: pid.toString(), definition: program.name });
    log.warn(
      { node, length },
      `${length} messages wait in the unbounded mailbox of ${process}: bound it ('mailbox.capacity'), use offer(), or look at why its handlers are slow.`,
    );
  }

  /** A message met a full mailbox. */
  full({ pid, program }: Process, length: number): void {
    this.#host.telemetry.emit(
      'actor.mailbox.full',
      { length },
      { pid: pid.toString(), definition: program.name, overflow: program.overflow },
    );
  }
}
