import { type Address, type Clock, type ErrorCode, FoundationError, formatAddress } from '@foundation-ts/core';
import type { Connection, DialOptions } from '../transport.js';

/** How an attempt to connect ends; only the first call counts. */
export interface DialAttempt {
  fail(code: ErrorCode, why: string, cause?: unknown): void;
  done(connection: Connection): void;
}

/**
 * Runs an attempt to connect under the time-out and the signal of `options`.
 * @param begin - starts it; returns what gives it up and frees what it holds, called unless it was `done`
 */
export function attemptDial(
  to: Address,
  options: DialOptions,
  clock: Clock,
  begin: (attempt: DialAttempt) => () => void,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const { signal, timeout } = options;
    let over = false;
    let giveUp: (() => void) | undefined;
    const settle = (): void => {
      over = true;
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (code: ErrorCode, why: string, cause?: unknown): void => {
      if (over) return;
      settle();
      giveUp?.();
      const init = cause === undefined ? {} : { cause };
      reject(new FoundationError(code, `Can't connect to ${formatAddress(to)}: ${why}.`, init));
    };
    const done = (connection: Connection): void => {
      if (over) return;
      settle();
      resolve(connection);
    };
    const onAbort = (): void => fail('aborted', 'the caller aborted');
    const timer = clock.setTimeout(() => fail('timeout', `no answer within ${timeout} ms`), timeout);
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    giveUp = begin({ fail, done });
    if (over) giveUp();
  });
}
