import { FoundationError, isFoundationError } from '@foundation-ts/core';
import { formatPath } from '@foundation-ts/transport';

/** The error for a message whose content, at `place`, can't be sent, told of that content alone. */
export function rerooted(error: unknown, place: number, root: string): Error {
  if (!isFoundationError(error, 'not-sendable') || error.details === undefined) return toError(error);
  const { path, why } = error.details as { readonly path?: readonly (string | number)[]; readonly why?: unknown };
  if (!Array.isArray(path) || path[0] !== place) return error;
  const rest = path.slice(1);
  return new FoundationError(
    'not-sendable',
    `Can't send the ${formatPath(rest, root)}: it is ${String(why)}. Send plain data (objects, arrays, Map, Set, Date, bigint, binary, errors).`,
    { details: { path: rest, why } },
  );
}

export function signalNotSent(node: string): FoundationError {
  return new FoundationError(
    'not-delivered',
    `The queue to '${node}' is full: a signal between actors could not be sent.`,
  );
}

export function answerLost(): FoundationError {
  return new FoundationError(
    'unknown-outcome',
    "The call was handled, but its answer could not be sent: the channel's queue is full. Ask for less at a time, or raise 'queueBytes' of the channel.",
  );
}

export function notConnected(op: string, to: { toString(): string }): FoundationError {
  return new FoundationError('noconnection', `'${op}' to ${to} was not sent: its node is not connected.`);
}

export function ownActor(to: { toString(): string }): FoundationError {
  return new FoundationError('protocol', `A peer tried to command or to end an actor of the node's own: ${to}.`);
}

export function queueFull(op: string, to: { toString(): string }): FoundationError {
  return new FoundationError(
    'not-delivered',
    `'${op}' to ${to} was not sent: the channel's queue is full. Slow down, or raise 'queueBytes' of the channel.`,
    { retryable: true },
  );
}

export function notWritten(op: string, node: string): FoundationError {
  return new FoundationError(
    'not-delivered',
    `'${op}' was not sent: the connection to '${node}' was lost while the message still waited to be written.`,
    { retryable: true },
  );
}

export function dropped(op: string, to: { toString(): string }): FoundationError {
  return new FoundationError(
    'not-delivered',
    `'${op}' to ${to} was not sent: the channel's policy (whenFull, monotonic) gave it up for others.`,
    { retryable: true },
  );
}

export function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value), { cause: value });
}

/** An error whose cause or details can't be sent crosses as its text. */
export function withoutPayload(part: unknown, encoding: unknown): unknown {
  if (part instanceof FoundationError) {
    return new FoundationError(part.code, `${part.message} (details could not be sent: ${toError(encoding).message})`, {
      retryable: part.retryable,
    });
  }
  if (part instanceof Error) return new Error(part.message);
  return typeof part === 'object' && part !== null && !Array.isArray(part) ? { shutdown: String(encoding) } : part;
}
