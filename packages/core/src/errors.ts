/**
 * Every failure that Foundation reports has one of these codes; they are stable across releases.
 *
 * - `invalid-option`: an option has a wrong name, type or value (programmer mistake, thrown at once)
 * - `invalid-operation`: an operation that the target does not declare, or a call not allowed here
 * - `timeout`: the deadline passed; whether the operation took effect is unknown
 * - `aborted`: the caller's AbortSignal fired
 * - `noproc`: no such actor: dead, never started, or of an earlier incarnation
 * - `noconnection`: the member could not be reached; the message was not delivered
 * - `unknown-outcome`: the connection or member was lost after the message was sent; it may have taken effect
 * - `not-delivered`: the message was certainly not handled
 * - `calling-self`: an actor called itself
 * - `handler-failed`: the handler of a call threw, and the actor crashed; `cause` is what it threw
 * - `start-failed`: an actor's `init` threw; `cause` is what it threw
 * - `already-started`: a child with that id is running already
 * - `name-taken`: the local name belongs to another actor
 * - `not-found`: nothing with that id, name or definition
 * - `unknown-definition`: the node has no definition of that name
 * - `mailbox-full`: the target's mailbox is at its capacity
 * - `moved`: the actor was handed off to another node; look it up again
 * - `stopped`: the system, node or service was stopped
 * - `max-children`: the dynamic supervisor is at its `maxChildren`
 * - `not-sendable`: the value can't be sent to another node; the message names the path to it
 * - `too-large`: a message, frame or handed-off state over its limit
 * - `protocol`: the peer sent bytes that the protocol does not allow
 * - `auth-failed`: the handshake's proof was wrong (different secrets), or none was offered
 * - `incompatible`: protocol versions do not overlap
 * - `wrong-cluster`: the peer belongs to another cluster
 * - `address-in-use`: the port to listen on is taken
 * - `refused`: nothing listens at the address dialled
 * - `insecure`: a configuration that would let strangers in was refused
 * - `not-permitted`: none of the node's roles may do that on the other node (option `permissions`); nothing was done
 * - `conflict`: two facts contradict each other (a node name in use by another live node, …)
 */
export type ErrorCode =
  | 'invalid-option'
  | 'invalid-operation'
  | 'timeout'
  | 'aborted'
  | 'noproc'
  | 'noconnection'
  | 'unknown-outcome'
  | 'not-delivered'
  | 'calling-self'
  | 'handler-failed'
  | 'start-failed'
  | 'already-started'
  | 'name-taken'
  | 'not-found'
  | 'unknown-definition'
  | 'mailbox-full'
  | 'moved'
  | 'stopped'
  | 'max-children'
  | 'not-sendable'
  | 'too-large'
  | 'protocol'
  | 'auth-failed'
  | 'incompatible'
  | 'wrong-cluster'
  | 'address-in-use'
  | 'refused'
  | 'insecure'
  | 'not-permitted'
  | 'conflict';

const retryableCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'noproc',
  'noconnection',
  'not-delivered',
  'mailbox-full',
  'moved',
  'refused',
]);

/** What {@link FoundationError} takes beside its code and message. */
export interface FoundationErrorInit {
  readonly cause?: unknown;
  /** Whether trying the same again later is safe and may help; default: by code (the operation certainly took no effect). */
  readonly retryable?: boolean;
  /** Machine-readable facts about the failure (an option's name, a pid's text); must be sendable. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The base of every error that Foundation throws or rejects with. */
export class FoundationError extends Error {
  override readonly name: string = 'FoundationError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, init: FoundationErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    this.retryable = init.retryable ?? retryableCodes.has(code);
    this.details = init.details;
  }
}

/** Whether `error` is a {@link FoundationError}, and, when codes are given, one of those codes. */
export function isFoundationError(error: unknown, ...codes: readonly ErrorCode[]): error is FoundationError {
  return error instanceof FoundationError && (codes.length === 0 || codes.includes(error.code));
}

/**
 * The error for a wrong option: names it, shows what was given and says what is allowed.
 * @param option - the option's name, as the user wrote it (`'channels.control.connections'`)
 * @param given - what was given
 * @param allowed - what is allowed, as a phrase (`'a positive integer'`)
 */
export function invalidOption(option: string, given: unknown, allowed: string): FoundationError {
  return new FoundationError('invalid-option', `Option '${option}' is ${describe(given)}; allowed: ${allowed}.`, {
    details: { option },
  });
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

/** Throws {@link invalidOption} for the first key of `given` that is not in `allowed`, naming the nearest allowed key. */
export function checkKeys(what: string, given: object, allowed: readonly string[]): void {
  for (const key of Object.keys(given)) {
    if (allowed.includes(key)) continue;
    const near = nearest(key, allowed);
    throw new FoundationError(
      'invalid-option',
      `${what} has no option '${key}'${near === undefined ? '' : ` (did you mean '${near}'?)`}; allowed: ${allowed.join(', ')}.`,
      { details: { option: key } },
    );
  }
}

/** The one of `allowed` that was probably meant by `key`, if one is near enough. */
export function nearest(key: string, allowed: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(key.length / 3)) + 1;
  for (const candidate of allowed) {
    const distance = editDistance(key.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, substitution));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}
