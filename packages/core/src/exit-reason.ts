import { inspect } from 'node:util';

/**
 * Why an actor ended; OTP's reasons. `'normal'` takes no linked actor down; everything else does unless it traps exits.
 * A crash is an `Error` (whatever a handler threw is made into one).
 */
export type ExitReason =
  | 'normal'
  | 'shutdown'
  | 'kill'
  | 'killed'
  | 'noproc'
  | 'noconnection'
  | { readonly shutdown: unknown }
  | Error;

/** Whether `reason` is an orderly end (`normal`, `shutdown`, `{ shutdown }`): a `transient` child is not restarted after it. */
export function isOrderly(reason: ExitReason): boolean {
  return reason === 'normal' || reason === 'shutdown' || (typeof reason === 'object' && !(reason instanceof Error));
}

/** A one-line text of a reason, for logs and messages; never throws. */
export function formatReason(reason: ExitReason): string {
  if (typeof reason === 'string') return reason;
  if (reason instanceof Error) return formatError(reason, error => `${error.name}: ${error.message}`);
  return `{ shutdown: ${formatValue(reason.shutdown)} }`;
}

/** A text of an error, whose fields may be anything, and may throw. */
export function formatError(error: Error, format: (error: Error) => string): string {
  try {
    return format(error);
  } catch {
    return 'an Error without a text';
  }
}

/** A one-line text of any value; never throws, whatever the value. */
export function formatValue(value: unknown): string {
  try {
    return (typeof value === 'object' && value !== null ? JSON.stringify(value) : undefined) ?? String(value);
  } catch {
    return inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY, customInspect: false });
  }
}

/** Makes whatever a handler threw into a crash reason: an `Error` as it is, anything else as the `cause` of one. */
export function toExitReason(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(`non-error thrown: ${formatValue(thrown)}`, { cause: thrown });
}

/** Whether `value` is an error; never throws, as `instanceof` does with a proxy that was revoked. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error;
  } catch {
    return false;
  }
}
