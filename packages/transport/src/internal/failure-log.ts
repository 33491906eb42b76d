import type { FoundationError } from '@foundation-ts/core';
import type { Settings } from './settings.js';

/** How long the same kind of failure from the same host is not logged again, milliseconds. */
const QUIET = 60_000;
const MAX_REMEMBERED = 1_000;
/** Lines in that time at most: a stranger may have as many addresses as he likes. */
const MAX_LINES = 100;

/** Reports connections that were not accepted: each to telemetry, to the log once a minute per kind and host, and not without end. */
export class FailureLog {
  readonly #settings: Settings;
  readonly #logged = new Map<string, number>();
  #lines = 0;
  #since = Number.NEGATIVE_INFINITY;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  report(host: string, error: FoundationError): void {
    const { clock, log, telemetry } = this.#settings;
    telemetry.emit('transport.handshake.failed', { count: 1 }, { code: error.code, host });
    const key = `${error.code} ${host}`;
    const now = clock.now();
    const last = this.#logged.get(key);
    if (last !== undefined && now - last < QUIET) return;
    if (now - this.#since >= QUIET) {
      this.#since = now;
      this.#lines = 0;
    }
    if (++this.#lines > MAX_LINES) {
      if (this.#lines === MAX_LINES + 1)
        log.warn({}, `more connections than ${MAX_LINES} were not accepted within a minute; others are only counted`);
      return;
    }
    this.#logged.delete(key);
    this.#logged.set(key, now);
    for (const oldest of this.#logged.keys()) {
      if (this.#logged.size <= MAX_REMEMBERED) break;
      this.#logged.delete(oldest);
    }
    log.warn({ code: error.code, host }, `connection from ${host} not accepted: ${error.message}`);
  }
}
