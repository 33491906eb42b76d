import { systemClock } from './clock.js';
import { formatError, formatValue, isError } from './exit-reason.js';

/** Severity of a log line. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where log lines go; pino's signature fits. */
export type Log = {
  readonly [level in LogLevel]: (fields: Readonly<Record<string, unknown>>, message: string) => void;
};

/** A log that drops everything. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/**
 * A log of one text line an entry on stderr: time, level, message, fields.
 * @param minimum - lines under this level are dropped; default `'warn'`
 */
export function stderrLog(minimum: LogLevel = 'warn'): Log {
  const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
  const line =
    (level: LogLevel) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      if (order.indexOf(level) < order.indexOf(minimum)) return;
      const rest = Object.entries(fields).map(([key, value]) => `${key}=${formatField(value)}`);
      const time = new Date(systemClock.wallTime()).toISOString();
      process.stderr.write(`${time} ${level} ${message}${rest.length > 0 ? ` ${rest.join(' ')}` : ''}\n`);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

/** The same log, but what it throws is an uncaught exception and not a failure of whoever logs: the runtime could not go on. */
export function guardedLog(log: Log): Log {
  const guarded =
    (level: LogLevel) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      try {
        log[level](fields, message);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    };
  return { debug: guarded('debug'), info: guarded('info'), warn: guarded('warn'), error: guarded('error') };
}

function formatField(value: unknown): string {
  if (isError(value)) return formatError(value, error => `${error.stack ?? error.message}`);
  return formatValue(value);
}
