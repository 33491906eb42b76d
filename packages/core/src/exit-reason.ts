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

/** A one-line text of a reason, for logs and messages. */
export function formatReason(reason: ExitReason): string {
  if (typeof reason === 'string') return reason;
  if (reason instanceof Error) return `${reason.name}: ${reason.message}`;
  return `{ shutdown: ${typeof reason.shutdown === 'string' ? reason.shutdown : JSON.stringify(reason.shutdown)} }`;
}

/** Makes whatever a handler threw into a crash reason: an `Error` as it is, anything else as the `cause` of one. */
export function toExitReason(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`non-error thrown: ${String(thrown)}`, { cause: thrown });
}
