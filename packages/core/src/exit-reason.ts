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

/** Makes whatever was thrown or given into a well-formed reason: a bare value becomes an `Error` that has it as `cause`. */
export function toExitReason(thrown: unknown): ExitReason {
  if (thrown instanceof Error) return thrown;
  if (typeof thrown === 'string' && reasonNames.has(thrown)) return thrown as ExitReason;
  if (typeof thrown === 'object' && thrown !== null && Object.keys(thrown).length === 1 && 'shutdown' in thrown) {
    return thrown as { shutdown: unknown };
  }
  return new Error(`non-error thrown: ${String(thrown)}`, { cause: thrown });
}

const reasonNames: ReadonlySet<string> = new Set(['normal', 'shutdown', 'kill', 'killed', 'noproc', 'noconnection']);
